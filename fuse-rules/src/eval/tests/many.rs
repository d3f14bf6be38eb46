//! Many rules at once: the index finds the same decisions as the reference, for rule sets of up to
//! a thousand rules of all kinds, and events that conform, almost conform, or are hostile.
//!
//! `FUSE_TEST_PAIRS` sets how many pairs of a rule and an event are compared; a million takes some
//! minutes.

use std::fmt::Write as _;

use super::{event, load, registry};
use crate::decision::Decision;
use crate::decision::Outcome;
use crate::fuses::Fuses;
use crate::reference;
use crate::ruleset::Ruleset;

/// A pseudorandom sequence (xorshift), the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const TEXTS: [&str; 12] = [
    "prod",
    "prod-eu",
    "prod-eu-1",
    "dev",
    "dev-1",
    "",
    "team-a",
    "team-b",
    "é",
    "app",
    "x.prod",
    "a\\\"b",
];
const NUMBERS: [&str; 9] = ["0", "1", "2", "3", "-1", "1.5", "1e1", "9007199254740993", "10"];
const KEYS: [&str; 6] = ["a", "b", "c", "d", "n", "m"];
const PATTERNS: [&str; 9] =
    ["prod.*", ".*-1", "prod|dev", "[a-z]+", ".*eu.*", "(?i)PROD", "team-[ab]", "", "p.*-e.*"];
const GLOBS: [&str; 7] = ["prod*", "*-1", "*eu*", "dev", "*", "p?od", "\\\\*x"];

/// A condition on values of a root such as `body` or `x`.
fn condition(random: &mut Random, roots: &[&str], depth: usize) -> String {
    if depth > 0 && random.one_in(3) {
        let parts: Vec<String> =
            (0..2 + random.below(2)).map(|_| condition(random, roots, depth - 1)).collect();
        let word = random.pick(&[" and ", " or "]);
        let whole = format!("({})", parts.join(word));
        return if random.one_in(3) { format!("not {whole}") } else { whole };
    }
    let root = random.pick(roots);
    let path = match random.below(12) {
        0 => format!("{root}.o.{}", random.pick(&KEYS)),
        1 if root == "body" => "headers.x-kind".to_owned(),
        2 => format!("{root}.items[0].{}", random.pick(&KEYS)),
        _ => format!("{root}.{}", random.pick(&KEYS)),
    };
    let text = random.pick(&TEXTS);
    let number = random.pick(&NUMBERS);
    match random.below(22) {
        0..5 => format!("{path} == \"{text}\""),
        5 => format!("{path} != \"{text}\""),
        6 => format!("{path} == {number}"),
        7 => format!("{path} != {number}"),
        8 => format!("{path} {} {number}", random.pick(&["<", "<=", ">", ">="])),
        9 => format!("({path} > {number} and {path} <= {})", random.pick(&NUMBERS)),
        10 => format!("{path} in [\"{text}\", \"{}\", {number}]", random.pick(&TEXTS)),
        11 => format!("{path} not in [\"{text}\", \"{}\"]", random.pick(&TEXTS)),
        12 => format!("{path} starts-with \"{text}\""),
        13 => format!("{path} ends-with \"{text}\""),
        14 => format!("{path} contains \"{text}\""),
        15 => format!("{path} matches r\"{}\"", random.pick(&PATTERNS)),
        16 => format!("{path} like \"{}\"", random.pick(&GLOBS)),
        17 => format!(
            "{path} is {}",
            random.pick(&[
                "present", "missing", "null", "string", "int", "float", "bool", "list", "map"
            ])
        ),
        18 => format!("{path} is not {}", random.pick(&["present", "null", "string", "int"])),
        19 => path,
        20 => format!(
            "{}(q in {root}.items: {})",
            random.pick(&["any", "all", "none"]),
            condition(random, &["q"], 0)
        ),
        _ => format!("lower(string({path})) == \"{text}\""),
    }
}

const HEAD: &str = "source q queue { event e, event f }\nfuse gate default off\n";

/// This many rules, in sensors with and without `each`. Rules that contradict themselves do not
/// check and are left out.
fn rules(random: &mut Random, count: usize) -> String {
    let checks = |sensor: &str, rule: &str| {
        Ruleset::parse("a.rules", &format!("{HEAD}{sensor}{rule}}}\n"), &registry()).is_ok()
    };
    let mut text = HEAD.to_owned();
    let (mut left, mut sensors) = (count, 0);
    while left > 0 {
        let mut roots = vec!["body"];
        let events = random.pick(&["q.e", "q.e", "q.e", "q.e or q.f"]);
        let mut sensor = format!("sensor s{sensors} on {events} {{\n");
        match random.below(5) {
            0 | 1 => {
                let max = random.pick(&["", "", " max 2"]);
                writeln!(sensor, "each x in body.items{max}").unwrap();
                roots.push("x");
            }
            2 => {
                writeln!(sensor, "each x in filter(f in body.items: f.a is present)").unwrap();
                roots.push("x");
            }
            _ => {}
        }
        if random.one_in(4) {
            writeln!(sensor, "when {}", condition(random, &roots, 1)).unwrap();
        }
        if !checks(&sensor, "rule r { trigger note {} }") {
            continue;
        }
        sensors += 1;
        text.push_str(&sensor);
        let here = 1 + random.below(left);
        left -= here;
        for number in 0..here {
            loop {
                let rule = rule(random, number, &roots);
                if checks(&sensor, &rule) {
                    text.push_str(&rule);
                    break;
                }
            }
        }
        text.push_str("}\n");
    }
    text
}

fn rule(random: &mut Random, number: usize, roots: &[&str]) -> String {
    let mut text = format!("rule r{number} {{\n");
    if random.one_in(10) {
        text.push_str("requires gate\n");
    }
    let mut roots = roots.to_vec();
    if random.one_in(6) {
        let root = random.pick(&roots);
        writeln!(text, "each y in {root}.items{}", random.pick(&["", " max 1"])).unwrap();
        roots.push("y");
    }
    for _ in 0..random.below(3) {
        writeln!(text, "when {}", condition(random, &roots, 2)).unwrap();
    }
    if random.one_in(4) {
        let (key, at) = (random.pick(&KEYS), random.pick(&["body", "x"]));
        let each = match (at, random.below(3)) {
            ("body", _) => "",
            (_, 0) => "each x in filter(f in body.items: f.b is present)",
            (_, 1) => "each x in body.items max 2",
            _ => "each x in body.items",
        };
        let at = if roots.contains(&at) { at } else { "body" };
        let each = if at == "x" { each } else { "" };
        let when = condition(random, &[at], 1);
        writeln!(text, "still 5m per {at}.{key} unless q.e {each} when {when}").unwrap();
    }
    let value = random.pick(&roots);
    writeln!(text, "trigger note {{ value? = {value}.a ?? {value}.o }}\n}}").unwrap();
    text
}

fn scalar(random: &mut Random) -> String {
    match random.below(20) {
        0 => "null".into(),
        1 => "true".into(),
        2 => "false".into(),
        3 => "[]".into(),
        4 => "\"\\ud800\"".into(),
        5 => "1e999".into(),
        6..10 => random.pick(&NUMBERS).to_owned(),
        _ => format!("\"{}\"", random.pick(&TEXTS)),
    }
}

/// An object with most of the keys that the rules read.
fn object(random: &mut Random, depth: usize) -> String {
    let mut entries = Vec::new();
    for key in KEYS {
        if !random.one_in(4) {
            entries.push(format!("\"{key}\":{}", scalar(random)));
        }
    }
    if depth > 0 {
        if !random.one_in(6) {
            let items: Vec<String> = (0..random.below(4))
                .map(|_| if random.one_in(8) { scalar(random) } else { object(random, depth - 1) })
                .collect();
            entries.push(format!("\"items\":[{}]", items.join(",")));
        }
        if !random.one_in(6) {
            entries.push(format!("\"o\":{}", object(random, 0)));
        }
    }
    if random.one_in(60) {
        entries.extend(entries.first().cloned());
    }
    // Shuffle.
    for at in (1..entries.len()).rev() {
        entries.swap(at, random.below(at + 1));
    }
    format!("{{{}}}", entries.join(","))
}

#[test]
fn the_index_finds_what_the_reference_says() {
    let pairs: usize =
        std::env::var("FUSE_TEST_PAIRS").map_or(40_000, |pairs| pairs.parse().unwrap());
    let mut random = Random::new(7);
    let (mut compared, mut fired, mut unknown, mut sets, mut cancels) = (0, 0, 0, 0, 0);
    while compared < pairs {
        let count = [1, 3, 10, 40, 150, 1_000][sets % 6];
        sets += 1;
        let text = rules(&mut random, count);
        let ruleset = load(&text);
        let plan = ruleset.plan();
        for _ in 0..12 {
            let body = object(&mut random, 2);
            let (event, fuses) = (event(&body), Fuses::default().set("gate", random.one_in(2)));
            let found = plan.evaluate(&event, &fuses);
            let obvious = reference::evaluate(ruleset.typed(), &event, &fuses, None);
            compared += count;
            // If several keys are duplicated, the reason may name any of them.
            assert_eq!(found.refused.is_some(), obvious.refused.is_some(), "{body}");
            if found.refused.is_some() {
                continue;
            }
            assert_eq!(found.cancels, obvious.cancels, "{body}\n{text}");
            cancels += found.cancels.len();
            let acts = |decision: &&Decision| {
                !matches!(decision.outcome, Outcome::NotMatched | Outcome::Unknown)
            };
            let wanted: Vec<&Decision> = obvious.decisions.iter().filter(acts).collect();
            let found: Vec<&Decision> = found.decisions.iter().collect();
            if found != wanted {
                let lost: Vec<_> = wanted.iter().filter(|one| !found.contains(one)).collect();
                let more: Vec<_> = found.iter().filter(|one| !wanted.contains(one)).collect();
                panic!("lost {lost:#?}\nwrongly found {more:#?}\n{body}\n{text}");
            }
            fired += wanted.len();
            unknown += obvious.decisions.iter().filter(|d| d.outcome == Outcome::Unknown).count();
        }
    }
    println!(
        "{compared} pairs of {sets} rule sets: {fired} fired, {unknown} unknown, {cancels} cancel"
    );
    assert!(cancels * 100 > compared, "too few cancel: {cancels} of {compared}");
    assert!(fired * 10 > compared, "too few fire: {fired} of {compared}");
    assert!(unknown * 10 > compared, "too few are unknown: {unknown} of {compared}");
}

/// The same event in another spelling: white space, the order of keys, escapes, spellings of
/// numbers.
fn written_otherwise(random: &mut Random, value: &serde_json::Value, out: &mut String) {
    use serde_json::Value as Json;
    fn space(random: &mut Random, out: &mut String) {
        out.push_str(random.pick(&["", " ", "\n\t", ""]));
    }
    let text = |random: &mut Random, text: &str, out: &mut String| {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(out, "\\{c}").unwrap(),
                c if random.one_in(3) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}").unwrap();
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    };
    space(random, out);
    match value {
        Json::String(string) => text(random, string, out),
        Json::Number(number) => match (number.to_string(), random.below(3)) {
            (whole, 0) if number.is_i64() => write!(out, "{whole}.0").unwrap(),
            (whole, 1) if number.is_i64() && whole != "0" => write!(out, "{whole}0e-1").unwrap(),
            (whole, _) => out.push_str(&whole),
        },
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                written_otherwise(random, item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            for at in (1..entries.len()).rev() {
                entries.swap(at, random.below(at + 1));
            }
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                space(random, out);
                text(random, key, out);
                space(random, out);
                out.push(':');
                written_otherwise(random, item, out);
            }
            out.push('}');
        }
        other => write!(out, "{other}").unwrap(),
    }
    space(random, out);
}

#[test]
fn how_an_event_is_written_and_where_a_rule_stands_does_not_matter() {
    let mut random = Random::new(11);
    let mut fired = 0;
    for _ in 0..60 {
        let text = rules(&mut random, 30);
        let plan = load(&text).plan();
        // The sensors in another order.
        let mut sensors: Vec<&str> = text.split("sensor ").skip(1).collect();
        let head = text.split("sensor ").next().unwrap();
        sensors.reverse();
        let turned: String = sensors.iter().map(|sensor| format!("sensor {sensor}")).collect();
        let turned = load(&format!("{head}{turned}")).plan();
        for _ in 0..10 {
            let body = object(&mut random, 2).replace("1e999", "1").replace("\\ud800", "");
            let Ok(value) = serde_json::from_str::<serde_json::Value>(&body) else { continue };
            let fuses = Fuses::default().set("gate", true);
            let first = plan.evaluate(&event(&body), &fuses);
            if first.refused.is_some() {
                continue;
            }
            let mut other = String::new();
            written_otherwise(&mut random, &value, &mut other);
            let again = plan.evaluate(&event(&other), &fuses);
            // Objects in actions have the order of the event.
            let told = |decisions: &[Decision]| {
                let line = |d: &Decision| {
                    let fields =
                        d.action.as_ref().map(|action| serde_json::to_value(&action.fields));
                    format!(
                        "{} {:?} {} {:?}",
                        d.rule,
                        d.element,
                        d.outcome,
                        fields.map(Result::unwrap).map(sorted)
                    )
                };
                let mut lines: Vec<String> = decisions.iter().map(line).collect();
                lines.sort();
                lines
            };
            assert_eq!(told(&first.decisions), told(&again.decisions), "{body}\n{other}");
            let turned = turned.evaluate(&event(&body), &fuses);
            assert_eq!(told(&first.decisions), told(&turned.decisions), "{body}");
            fired += first.decisions.len();
        }
    }
    assert!(fired > 1_000, "hardly anything fires: {fired}");
}

/// The same value with the keys of all objects sorted.
fn sorted(value: serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Object(map) => {
            let mut entries: Vec<String> =
                map.into_iter().map(|(key, value)| format!("{key:?}: {}", sorted(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        Json::Array(items) => {
            format!("[{}]", items.into_iter().map(sorted).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
