//! Events that often match the rules, and often have their type.

use super::{KEYS, NUMBERS, TEXTS, TYPES};
use crate::eval::tests::many::Random;

pub(crate) fn scalar(random: &mut Random) -> String {
    match random.below(24) {
        0 => "null".into(),
        1 => "true".into(),
        2 => "false".into(),
        3 => "[]".into(),
        4 => "\"\\ud800\"".into(),
        5 => random.pick(&["1e999", "1e-999"]).into(),
        6 => "{}".into(),
        7 => "\"x\"".into(),
        8..14 => random.pick(&NUMBERS).to_owned(),
        _ => format!("\"{}\"", random.pick(&TEXTS)),
    }
}

/// A value that roughly conforms to this type, with occasional mistakes.
fn of_type(random: &mut Random, ty: &str) -> Option<String> {
    let text = |random: &mut Random| format!("\"{}\"", random.pick(&TEXTS));
    let whole = |random: &mut Random| random.pick(&["0", "1", "2", "-1"]).to_owned();
    let mut fields: Vec<(&str, String)> = Vec::new();
    let mut maybe = |random: &mut Random, key, value: String| {
        if !random.one_in(3) {
            fields.push((key, value));
        }
    };
    let at = TYPES.iter().position(|own| *own == ty)?;
    match at {
        2 => {
            let a = random.pick(&["\"prod\"", "\"dev\""]).to_owned();
            let (b, o) = (whole(random), object(random, 0));
            maybe(random, "b", b);
            maybe(random, "o", o);
            fields.push(("a", a));
            fields.push(("n", random.pick(&["null", "1", "1.5", "0"]).to_owned()));
        }
        3 => {
            let a = text(random);
            maybe(random, "a", a);
            let o = format!("{{\"a\":{}}}", text(random));
            maybe(random, "o", o);
            fields.push(("b", random.pick(&["true", "false"]).to_owned()));
            fields.push(("n", whole(random)));
            let items = (0..random.below(3)).map(|_| {
                let n = if random.one_in(2) { text(random) } else { whole(random) };
                format!("{{\"a\":{},\"b\":{},\"n\":{n}}}", text(random), whole(random))
            });
            fields.push(("items", format!("[{}]", items.collect::<Vec<_>>().join(","))));
        }
        4 if random.one_in(2) => {
            let items: Vec<String> = (0..random.below(3)).map(|_| text(random)).collect();
            maybe(random, "items", format!("[{}]", items.join(",")));
            fields.push(("a", "\"prod\"".to_owned()));
            fields.push(("b", whole(random)));
        }
        4 => {
            maybe(random, "n", "true".to_owned());
            fields.push(("a", "\"dev\"".to_owned()));
            fields.push(("b", text(random)));
        }
        5 => {
            let (a, b) =
                (if random.one_in(2) { text(random) } else { whole(random) }, text(random));
            maybe(random, "a", a);
            maybe(random, "b", b);
            maybe(random, "n", "1".to_owned());
            fields.push(("o", format!("{{\"a\":{}}}", random.pick(&["\"prod\"", "\"\""]))));
            let items: Vec<String> = (0..random.below(3)).map(|_| text(random)).collect();
            fields.push(("items", format!("[{}]", items.join(","))));
        }
        _ => return None,
    }
    let fields: Vec<String> =
        fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    Some(format!("{{{}}}", fields.join(",")))
}

fn object(random: &mut Random, depth: usize) -> String {
    let mut entries = Vec::new();
    for key in KEYS {
        if !random.one_in(4) {
            entries.push(format!("\"{key}\":{}", scalar(random)));
        }
    }
    if depth > 0 {
        if !random.one_in(5) {
            let items: Vec<String> = (0..random.below(4))
                .map(|_| if random.one_in(4) { scalar(random) } else { object(random, depth - 1) })
                .collect();
            entries.push(format!("\"items\":[{}]", items.join(",")));
        } else if random.one_in(2) {
            entries.push(format!("\"items\":{}", scalar(random)));
        }
        if !random.one_in(4) {
            entries.push(format!("\"o\":{}", object(random, 0)));
        }
    }
    format!("{{{}}}", entries.join(","))
}

/// A body, which usually conforms to the type.
pub(crate) fn body(random: &mut Random, ty: &str) -> String {
    let typed = if random.one_in(4) { None } else { of_type(random, ty) };
    match typed {
        Some(body) => body,
        None if random.one_in(30) => scalar(random),
        None => object(random, 2),
    }
}
