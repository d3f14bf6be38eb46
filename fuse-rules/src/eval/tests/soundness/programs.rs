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
    let lets: String = (0..place.dice.roll(2)).map(|_| place.named()).collect();
    let whens: Vec<String> =
        (0..place.dice.roll(3)).map(|_| format!("when {}", place.condition(2))).collect();
    let fields: Vec<String> = (0..1 + place.dice.roll(2))
        .map(|i| {
            let mark = if place.dice.chance(40) { "?" } else { "" };
            format!("v{i}{mark} = {}", place.value(2))
        })
        .collect();
    format!(
        "source q queue {{ event e : {shape} }}\nsensor s on q.e {{ {each}\nrule r {{\n{lets}{}\ntrigger note {{ value {{ {} }} }} }} }}",
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

    /// A `let`, whose name is bound from here on.
    fn named(&mut self) -> String {
        let ((one, shape), (other, instead)) = (self.path(), self.path());
        let name = format!("l{}", self.bound.len());
        let (value, shape) = match self.dice.roll(5) {
            0 | 1 => (one, shape),
            2 => {
                let condition = self.condition(1);
                let either = Shape::Union(vec![shape, instead]);
                (format!("if {condition} then {one} else {other}"), either)
            }
            3 => (format!("{one} ?? {other}"), Shape::Union(vec![shape, instead])),
            _ => {
                let fields = vec![("p", false, shape), ("q", true, instead)];
                (format!("{{ p = {one}, q? = {other} }}"), Shape::Record { fields, open: false })
            }
        };
        self.bound.push((name.clone(), shape));
        format!("let {name} = {value}\n")
    }

    /// A value that is looked up by another one.
    fn lookup(&mut self) -> String {
        let paths: Vec<_> = (0..6).map(|_| self.path()).collect();
        let into = paths.iter().find(|(_, shape)| matches!(shape, Shape::Map(_) | Shape::List(_)));
        let wanted = |shape: &Shape| match into {
            Some((_, Shape::List(_))) => matches!(shape, Shape::Int | Shape::Number(_)),
            _ => matches!(shape, Shape::String | Shape::Word(_)),
        };
        let by = paths.iter().find(|(_, shape)| wanted(shape)).or(paths.first());
        let by = by.map_or("\"a\"", |(path, _)| path);
        match into {
            Some((path, _)) if self.dice.chance(60) => format!("{path}[{by}]"),
            _ => format!("({{ a = 1, x = \"y\", \"1\" = {by} }})[{by}]"),
        }
    }

    /// A text that is computed from a text.
    fn computed(&mut self) -> String {
        let paths: Vec<_> = (0..6).map(|_| self.scalar()).collect();
        let text = paths.iter().find(|(_, shape)| matches!(shape, Shape::String | Shape::Word(_)));
        let path = text.map_or_else(|| format!("string({})", paths[0].0), |(path, _)| path.clone());
        let call = *self.dice.pick(&[
            "capture({}, r\"([a-z])\")",
            "capture({}, r\"(x)?y\")",
            "capture({}, r\"(?<p>x)|(?<q>1)\").p",
            "replace-match({}, r\"[a-z]\", \"<$0>\")",
            "replace({}, \"x\", \"\")",
            "slice({}, 1)",
            "split({}, \" \")[0]",
            "strip-prefix({}, \"x\")",
            "upper({})",
            "trim({})",
            "capitalize({})",
        ]);
        call.replace("{}", &path)
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
        let sides = if depth == 0 { 9 } else { 18 };
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
                let tests = ["starts-with", "like", "contains", "not contains", "not like"];
                format!("{path} {} \"x\"", self.dice.pick(&tests))
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
            13 => {
                let [test, chosen, otherwise] = [(); 3].map(|()| self.condition(depth - 1));
                format!("(if {test} then {chosen} else {otherwise})")
            }
            14 => {
                let test = *self.dice.pick(&["is present", "is missing", "?? 1 == 1", "== \"y\""]);
                format!("{} {test}", self.lookup())
            }
            15 => {
                let tests = [
                    "?? \"x\" == \"X\"",
                    "is present",
                    "?? \"x\" not contains \"x\"",
                    "not starts-with \"<\"",
                ];
                format!("{} {}", self.computed(), self.dice.pick(&tests))
            }
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
        let sides = if depth == 0 { 3 } else { 20 };
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
            15 => {
                let condition = self.condition(depth - 1);
                format!("(if {condition} then {path} else {})", self.value(depth - 1))
            }
            16 | 17 => {
                let value = if self.dice.chance(50) { self.lookup() } else { self.computed() };
                match self.dice.chance(70) {
                    true => format!("({value} ?? \"none\")"),
                    false => value,
                }
            }
            18 => {
                let field = *self.dice.pick(&["p", "q"]);
                format!("({{ p = {path}, q? = {} }}).{field}", self.value(depth - 1))
            }
            _ => {
                let condition = self.condition(depth - 1);
                format!("[({condition}) == true]")
            }
        }
    }
}
