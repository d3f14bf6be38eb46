//! Generated programs: rules over an event of a generated type, most of which are plausible.

use super::Dice;
use super::types::{KEYS, Shape};

/// A scope in the rules: the bound names, with their types.
struct Place<'d> {
    dice: &'d mut Dice,
    bound: Vec<(String, Shape)>,
}

pub(super) fn program(dice: &mut Dice, shape: &Shape) -> String {
    let mut place = Place { dice, bound: vec![("body".to_owned(), shape.clone())] };
    let mut each = String::new();
    let lists = place.lists();
    if !lists.is_empty() && place.dice.chance(30) {
        let (path, element) = place.dice.pick(&lists).clone();
        each = format!("each el in {path}");
        place.bound.push(("el".to_owned(), element));
    }
    let whens: Vec<String> =
        (0..place.dice.roll(3)).map(|_| format!("when {}", place.condition(2))).collect();
    let fields: Vec<String> = (0..1 + place.dice.roll(2))
        .map(|i| {
            let mark = if place.dice.chance(40) { "?" } else { "" };
            format!("v{i}{mark} = {}", place.value(2))
        })
        .collect();
    format!(
        "source q queue {{ event e : {shape} }}\nsensor s on q.e {{ {each}\nrule r {{\n{}\ntrigger note {{ value {{ {} }} }} }} }}",
        whens.join("\n"),
        fields.join("\n")
    )
}

impl Place<'_> {
    /// A path, with the type of its value.
    fn path(&mut self) -> (String, Shape) {
        let (mut text, mut shape) = self.dice.pick(&self.bound).clone();
        loop {
            if let Shape::Union(all) = &shape {
                // Mostly the type after narrowing by an earlier condition.
                if self.dice.chance(50) {
                    return (text, shape);
                }
                shape = self.dice.pick(all).clone();
            }
            let stop = self.dice.chance(10);
            match &shape {
                Shape::Record { fields, .. } if !fields.is_empty() && !stop => {
                    if self.dice.chance(3) {
                        text = format!("{text}.{}", self.dice.pick(&KEYS));
                        return (text, Shape::Any);
                    }
                    let (key, _, inner) = self.dice.pick(fields).clone();
                    (text, shape) = (format!("{text}.{key}"), inner);
                }
                Shape::Map(inner) if !stop => {
                    let key = *self.dice.pick(&["a", "k"]);
                    (text, shape) = (format!("{text}.{key}"), (**inner).clone());
                }
                Shape::List(inner) if !stop && self.dice.chance(30) => {
                    (text, shape) = (format!("{text}[{}]", self.dice.roll(2)), (**inner).clone());
                }
                _ => return (text, shape),
            }
        }
    }

    /// Some paths to lists, with their element types.
    fn lists(&mut self) -> Vec<(String, Shape)> {
        let paths: Vec<_> = (0..8).map(|_| self.path()).collect();
        let lists = paths.into_iter().filter_map(|(text, shape)| match shape {
            Shape::List(inner) => Some((text, *inner)),
            _ => None,
        });
        lists.collect()
    }

    /// A path to a scalar.
    fn scalar(&mut self) -> (String, Shape) {
        let whole =
            |shape: &Shape| matches!(shape, Shape::List(_) | Shape::Map(_) | Shape::Record { .. });
        let paths: Vec<_> = (0..6).map(|_| self.path()).collect();
        let found = paths.iter().find(|(_, shape)| !whole(shape));
        found.or_else(|| paths.first()).cloned().unwrap_or_else(|| ("body".to_owned(), Shape::Any))
    }

    fn literal(&mut self, shape: &Shape) -> String {
        match shape {
            Shape::Bool => self.dice.pick(&["true", "false"]).to_string(),
            Shape::Int | Shape::Number(_) => self.dice.roll(3).to_string(),
            Shape::Float => self.dice.pick(&["0.5", "1", "-2.25"]).to_string(),
            Shape::Word(word) => format!("\"{word}\""),
            Shape::Union(all) => {
                let all = all.clone();
                let one = self.dice.pick(&all).clone();
                self.literal(&one)
            }
            Shape::Any => self.dice.pick(&["1", "\"x\"", "true"]).to_string(),
            _ => self.dice.pick(&["\"x\"", "\"\"", "\"1\"", "\"q\""]).to_string(),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        let (path, shape) = self.scalar();
        let sides = if depth == 0 { 9 } else { 14 };
        match self.dice.roll(sides) {
            0..=2 => {
                let literal = self.literal(&shape);
                let op = match shape {
                    Shape::Int | Shape::Float | Shape::Number(_) => {
                        *self.dice.pick(&["==", "!=", "<", ">="])
                    }
                    _ => *self.dice.pick(&["==", "!="]),
                };
                format!("{path} {op} {literal}")
            }
            3 => {
                let (one, two) = (self.literal(&shape), self.literal(&shape));
                let not = if self.dice.chance(30) { "not " } else { "" };
                format!("{path} {not}in [{one}, {two}]")
            }
            4 => {
                let test = match self.dice.chance(80) {
                    true => *self.dice.pick(&["present", "missing"]),
                    false => *self.dice.pick(&["null", "string", "int", "map"]),
                };
                let not = if self.dice.chance(30) { "not " } else { "" };
                format!("{path} is {not}{test}")
            }
            5 if matches!(shape, Shape::String | Shape::Time) => {
                format!("{path} {} \"x\"", self.dice.pick(&["starts-with", "like", "contains"]))
            }
            6 => format!("\"${{{path}}}\" != \"1\""),
            7 => format!("({path} ?? {}) == {}", self.literal(&shape), self.literal(&shape)),
            8 => {
                let others: Vec<_> = (0..8).map(|_| self.scalar()).collect();
                let alike =
                    |other: &Shape| std::mem::discriminant(other) == std::mem::discriminant(&shape);
                let other = others.iter().find(|(text, other)| *text != path && alike(other));
                format!("{path} == {}", other.map_or(&path, |(text, _)| text))
            }
            // A guard, and the condition that needs it.
            9 | 10 => {
                let (test, rest) = match &shape {
                    Shape::Int | Shape::Float => ("int", format!("{path} + 1 > 1")),
                    Shape::String => ("string", format!("lower({path}) != \"q\"")),
                    _ if self.dice.chance(60) => {
                        ("present", format!("{path} == {}", self.literal(&shape)))
                    }
                    _ => ("not null", format!("\"${{{path}}}\" != \"q\"")),
                };
                match self.dice.chance(70) {
                    true => format!("{path} is {test} and {rest}"),
                    false => format!("not ({path} is {test}) or {rest}"),
                }
            }
            11 => {
                let op = *self.dice.pick(&[" and ", " or "]);
                let (left, right) = (self.condition(depth - 1), self.condition(depth - 1));
                format!("(({left}){op}({right}))")
            }
            12 => format!("not ({})", self.condition(depth - 1)),
            _ => {
                let word = *self.dice.pick(&["any", "all", "none"]);
                self.over_list(word, depth)
            }
        }
    }

    /// A quantifier or comprehension whose body is a condition.
    fn over_list(&mut self, word: &str, depth: usize) -> String {
        let lists = self.lists();
        if lists.is_empty() {
            return self.condition(0);
        }
        let (path, element) = self.dice.pick(&lists).clone();
        let name = format!("n{}", self.bound.len());
        self.bound.push((name.clone(), element));
        let body = self.condition(depth.saturating_sub(1));
        self.bound.pop();
        format!("{word}({name} in {path}: {body})")
    }

    fn value(&mut self, depth: usize) -> String {
        let (path, shape) = self.path();
        let sides = if depth == 0 { 3 } else { 16 };
        match self.dice.roll(sides) {
            0 | 1 => path,
            2 => self.literal(&shape),
            3 | 4 => format!("({path} ?? {})", self.value(depth - 1)),
            5 => {
                let (path, _) = self.scalar();
                format!("\"<${{{path}}}>\"")
            }
            6 => format!("json({path})"),
            7 => match shape {
                Shape::String | Shape::List(_) | Shape::Map(_) => format!("len({path})"),
                _ => path,
            },
            8 => match shape {
                Shape::Int | Shape::Float | Shape::Number(_) => {
                    format!("({path} {} 2)", self.dice.pick(&["+", "*", "-", "/"]))
                }
                _ => format!("string({})", self.scalar().0),
            },
            9 => format!("{{ p = {}, q? = {} }}", self.value(depth - 1), self.value(depth - 1)),
            10 => format!("[{}, {}]", self.value(depth - 1), self.value(depth - 1)),
            11 => self.over_list("filter", depth),
            12 => format!("({} ?? \"none\")", self.over_list("first", depth)),
            13 => match self.lists().first() {
                Some((list, _)) => format!("count(x in ({list} ?? []): x is not string)"),
                None => path,
            },
            14 => {
                let lists = self.lists();
                if lists.is_empty() {
                    return path;
                }
                let (list, element) = self.dice.pick(&lists).clone();
                let name = format!("m{}", self.bound.len());
                self.bound.push((name.clone(), element));
                let body = self.value(depth - 1);
                self.bound.pop();
                match self.dice.chance(50) {
                    true => format!("map({name} in {list}: {body})"),
                    false => format!("map({name} in {list}: {body})[0]"),
                }
            }
            _ => {
                let condition = self.condition(depth - 1);
                format!("[({condition}) == true]")
            }
        }
    }
}
