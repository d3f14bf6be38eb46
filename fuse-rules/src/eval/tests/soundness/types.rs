//! Generated types: their source text, values that they have, and some that they do not have.

use std::fmt;

use serde_json::{Value as Json, json};

use super::Dice;

pub(super) const KEYS: [&str; 5] = ["a", "b", "c", "kind", "list"];
const WORDS: [&str; 3] = ["x", "y", "z"];

#[derive(Clone, Debug)]
pub(super) enum Shape {
    Any,
    Null,
    Bool,
    Int,
    Float,
    String,
    Time,
    Word(&'static str),
    Number(i64),
    List(Box<Shape>),
    Map(Box<Shape>),
    Record { fields: Vec<(&'static str, bool, Shape)>, open: bool },
    Union(Vec<Shape>),
}

impl Shape {
    pub(super) fn record(dice: &mut Dice, depth: usize) -> Self {
        let mut fields = Vec::new();
        for key in KEYS {
            if dice.chance(75) {
                let shape = if key == "list" && dice.chance(80) {
                    Self::List(Box::new(Self::any(dice, depth.saturating_sub(1))))
                } else {
                    Self::any(dice, depth.saturating_sub(1))
                };
                fields.push((key, dice.chance(30), shape));
            }
        }
        Self::Record { fields, open: dice.chance(30) }
    }

    fn any(dice: &mut Dice, depth: usize) -> Self {
        let sides = if depth == 0 { 9 } else { 15 };
        match dice.roll(sides) {
            0 => Self::Bool,
            1 | 2 => Self::Int,
            3 => Self::Float,
            4 | 5 => Self::String,
            6 => Self::Time,
            7 => Self::Union(vec![Self::Word(WORDS[0]), Self::Word(WORDS[1 + dice.roll(2)])]),
            8 if dice.chance(30) => Self::Any,
            8 => Self::Number(i64::try_from(dice.roll(3)).unwrap()),
            9 => Self::List(Box::new(Self::any(dice, depth - 1))),
            10 => Self::Map(Box::new(Self::any(dice, depth - 1))),
            11 => Self::Union(vec![Self::any(dice, depth - 1), Self::any(dice, depth - 1)]),
            12 => Self::Union(vec![Self::any(dice, 0), Self::Null]),
            13 => Self::Union(vec![Self::tagged(dice, depth, "x"), Self::tagged(dice, depth, "y")]),
            _ => Self::record(dice, depth),
        }
    }

    /// A record that `kind` discriminates.
    fn tagged(dice: &mut Dice, depth: usize, kind: &'static str) -> Self {
        let Self::Record { mut fields, open } = Self::record(dice, depth - 1) else {
            return Self::Any;
        };
        fields.retain(|(key, ..)| *key != "kind");
        fields.push(("kind", false, Self::Word(kind)));
        Self::Record { fields, open }
    }

    /// A value of the type.
    pub(super) fn value(&self, dice: &mut Dice) -> Json {
        match self {
            Self::Any => match dice.roll(6) {
                0 => Json::Null,
                1 => json!(1),
                2 => json!("x"),
                3 => json!([1, "x"]),
                4 => json!({ "a": 1 }),
                _ => json!(true),
            },
            Self::Null => Json::Null,
            Self::Bool => json!(dice.chance(50)),
            Self::Int => json!(i64::try_from(dice.roll(5)).unwrap() - 1),
            Self::Float => dice.pick(&[json!(0.5), json!(1), json!(-2.25), json!(3.0)]).clone(),
            Self::String => dice.pick(&[json!("x"), json!(""), json!("1"), json!("a b")]).clone(),
            Self::Time => json!("2026-08-01T10:00:00Z"),
            Self::Word(word) => json!(word),
            Self::Number(number) => json!(number),
            Self::List(inner) => (0..dice.roll(4)).map(|_| inner.value(dice)).collect(),
            Self::Map(inner) => {
                let keys = ["a", "b", "k"].into_iter().filter(|_| dice.chance(50));
                let keys: Vec<_> = keys.collect();
                keys.into_iter().map(|key| (key.to_owned(), inner.value(dice))).collect()
            }
            Self::Record { fields, open } => {
                let mut map = serde_json::Map::new();
                for (key, optional, shape) in fields {
                    if !optional || dice.chance(50) {
                        map.insert((*key).to_owned(), shape.value(dice));
                    }
                }
                if *open && dice.chance(30) {
                    map.entry("z").or_insert_with(|| json!(["more"]));
                }
                Json::Object(map)
            }
            Self::Union(all) => dice.pick(all).value(dice),
        }
    }

    /// A value of the type with one change.
    pub(super) fn near(&self, dice: &mut Dice) -> Json {
        let mut value = self.value(dice);
        if let Json::Object(map) = &mut value {
            let key = *dice.pick(&KEYS);
            if dice.chance(50) {
                map.remove(key);
            } else {
                map.insert(key.to_owned(), Self::Any.value(dice));
            }
        }
        value
    }

    /// Whether the type has a value.
    pub(super) fn has(&self, value: &Json) -> bool {
        match (self, value) {
            (Self::Any, _) | (Self::Null, Json::Null) | (Self::Bool, Json::Bool(_)) => true,
            (Self::Int, Json::Number(n)) => n.as_f64().is_some_and(|n| n.fract() == 0.0),
            (Self::Float, Json::Number(_)) | (Self::String, Json::String(_)) => true,
            (Self::Time, Json::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
            (Self::Word(word), Json::String(text)) => text == word,
            (Self::Number(number), Json::Number(n)) => n.as_f64() == json!(number).as_f64(),
            (Self::List(inner), Json::Array(items)) => items.iter().all(|item| inner.has(item)),
            (Self::Map(inner), Json::Object(map)) => map.values().all(|value| inner.has(value)),
            (Self::Record { fields, open }, Json::Object(map)) => {
                let listed = |key: &str| fields.iter().any(|(own, ..)| *own == key);
                let fits = fields.iter().all(|(key, optional, shape)| match map.get(*key) {
                    Some(value) => shape.has(value),
                    None => *optional,
                });
                fits && (*open || map.keys().all(|key| listed(key)))
            }
            (Self::Union(all), value) => all.iter().any(|shape| shape.has(value)),
            _ => false,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::String => f.write_str("string"),
            Self::Time => f.write_str("timestamp"),
            Self::Word(word) => write!(f, "\"{word}\""),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(inner) => write!(f, "list<{inner}>"),
            Self::Map(inner) => write!(f, "map<{inner}>"),
            Self::Record { fields, open } => {
                f.write_str("{ ")?;
                for (key, optional, shape) in fields {
                    write!(f, "{key}{}: {shape}, ", if *optional { "?" } else { "" })?;
                }
                f.write_str(if *open { "... }" } else { "}" })
            }
            Self::Union(all) => {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                write!(f, "({})", all.join(" | "))
            }
        }
    }
}
