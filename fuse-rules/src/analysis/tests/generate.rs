//! Rules that often contradict, imply and repeat each other, and events that often match them.

mod bodies;
mod lets;

use std::fmt::Write as _;

pub(crate) use self::bodies::{body, scalar};
pub(crate) use self::lets::{lookup, named, used};
use crate::eval::tests::many::Random;
use crate::eval::tests::registry;
use crate::ruleset::Ruleset;

const TEXTS: [&str; 7] = ["prod", "prod-eu", "prod-eu-1", "dev", "", "1", "é"];
const NUMBERS: [&str; 6] = ["0", "1", "2", "1.5", "-1", "9007199254740993"];
const KEYS: [&str; 3] = ["a", "b", "n"];
const PATTERNS: [&str; 8] =
    ["prod.*", ".*-1", "prod|dev", "[a-z]+", "[a-z-]*", "(?i)PROD", "[pd].*", ".?"];
const GLOBS: [&str; 6] = ["prod*", "*-1", "*eu*", "dev", "*", "p?od"];
const KINDS: [&str; 9] =
    ["present", "missing", "null", "string", "int", "float", "bool", "list", "map"];

/// Types of the event. Generated bodies often conform to them.
pub(crate) const TYPES: [&str; 6] = [
    "",
    "",
    " : { a: \"prod\" | \"dev\", b?: int, n: float | null, ... }",
    " : { a?: string, b: bool, n: int, o?: { a: string, b?: int }, items: list<{ a: string, b?: int, n: int | string }> }",
    " : { a: \"prod\", b: int, items?: list<string> } | { a: \"dev\", b: string, n?: bool }",
    " : { a?: string | int, b?: string | null, n?: \"x\" | 1 | 2, o: { a: \"prod\" | \"\" }, items: list<string | int>, ... }",
];

/// The vocabulary of the rules of one set. The smaller it is, the more the rules contradict and
/// imply each other.
pub(crate) struct Theme {
    paths: Vec<usize>,
    keys: Vec<&'static str>,
    texts: Vec<&'static str>,
    numbers: Vec<&'static str>,
    atoms: Vec<usize>,
}

impl Theme {
    pub(crate) fn new(random: &mut Random) -> Self {
        let few = |random: &mut Random, all: &[&'static str], most: usize| {
            (0..1 + random.below(most)).map(|_| all[random.below(all.len())]).collect()
        };
        Self {
            paths: (0..1 + random.below(4)).map(|_| random.below(14)).collect(),
            keys: few(random, &KEYS, 3),
            texts: few(random, &TEXTS, 4),
            numbers: few(random, &NUMBERS, 4),
            // At least one sensor has no `each`.
            atoms: [
                vec![random.below(20)],
                (0..random.below(8)).map(|_| random.below(39)).collect(),
            ]
            .concat(),
        }
    }
}

fn path(random: &mut Random, theme: &Theme, root: &str) -> String {
    match theme.paths[random.below(theme.paths.len())] {
        0 => format!("{root}.o.{}", random.pick(&theme.keys)),
        1 if root == "body" => {
            random.pick(&["headers.x-kind", "query.page", "event.id", "event.type"]).to_owned()
        }
        2 => {
            format!("{root}.items[{}].{}", random.pick(&["0", "1", "-1"]), random.pick(&theme.keys))
        }
        3 if root != "body" => root.to_owned(),
        4 => format!("{root}.items"),
        5 => format!("{root}.o"),
        _ => format!("{root}.{}", random.pick(&theme.keys)),
    }
}

/// A condition on values of these roots.
pub(crate) fn condition(
    random: &mut Random,
    theme: &Theme,
    roots: &[&str],
    depth: usize,
) -> String {
    if depth > 0 && random.one_in(3) {
        let parts: Vec<String> =
            (0..2 + random.below(2)).map(|_| condition(random, theme, roots, depth - 1)).collect();
        let word = random.pick(&[" and ", " or "]);
        let whole = format!("({})", parts.join(word));
        return if random.one_in(3) { format!("not {whole}") } else { whole };
    }
    if depth > 0 && random.one_in(8) {
        let parts: Vec<String> =
            (0..3).map(|_| condition(random, theme, roots, depth - 1)).collect();
        return format!("(if {} then {} else {})", parts[0], parts[1], parts[2]);
    }
    let root = roots[random.below(roots.len())];
    let path = path(random, theme, root);
    let (text, number) = (random.pick(&theme.texts), random.pick(&theme.numbers));
    let atom = match theme.atoms[random.below(theme.atoms.len())] {
        0..4 => format!("{path} == \"{text}\""),
        4 => format!("{path} != \"{text}\""),
        5 => format!("{path} == {number}"),
        6 => format!("{path} != {number}"),
        7..10 => format!("{path} {} {number}", random.pick(&["<", "<=", ">", ">="])),
        10 => format!("{path} in [\"{text}\", \"{}\", {number}]", random.pick(&theme.texts)),
        11 => format!("{path} not in [\"{text}\", \"{}\"]", random.pick(&theme.texts)),
        12 => format!("{path} starts-with \"{text}\""),
        13 => format!("{path} ends-with \"{text}\""),
        14 => format!("{path} contains \"{text}\""),
        15 => format!("{path} matches r\"{}\"", random.pick(&PATTERNS)),
        16 => format!("{path} like \"{}\"", random.pick(&GLOBS)),
        17 => format!("{path} is {}", random.pick(&KINDS)),
        18 => format!("{path} is not {}", random.pick(&KINDS)),
        19 => path,
        20 | 21 => {
            let list = if root == "body" { "body.items" } else { root };
            let quantifier = random.pick(&["any", "all", "none"]);
            let body = condition(random, theme, &["q"], 0).replace("(q in", "(p in");
            format!("{quantifier}(q in {list}: {body})")
        }
        22 if random.one_in(2) => match random.below(4) {
            0 => format!("capture({path}, r\"{}\") == \"{text}\"", random.pick(&PATTERNS)),
            1 => format!("capture({path}, r\"{}\") is missing", random.pick(&PATTERNS)),
            2 => format!("replace-match({path}, r\"[a-z]\", \"\") != \"{text}\""),
            _ => format!("lower(string({path})) == \"{text}\""),
        },
        22 if random.one_in(2) => {
            let other = self::path(random, theme, root);
            let test = random.pick(&["is present", "is string", "== 1"]);
            format!("(if {path} {test} then {path} else {other}) == \"{text}\"")
        }
        22 => format!("lower(string({path})) == \"{text}\""),
        23 => {
            format!(
                "{path} {} {}",
                random.pick(&["==", "<", ">=", "!="]),
                self::path(random, theme, root)
            )
        }
        24 => format!(
            "count(q in body.items: q.a == \"{text}\") {} 1",
            random.pick(&[">", "==", "<"])
        ),
        25 => {
            let first = format!("first(q in body.items: q.a == \"{text}\").n");
            match random.below(3) {
                0 => format!("{first} is missing"),
                1 => format!("{first} is present"),
                _ => format!("{first} == {number}"),
            }
        }
        26 => format!("{path} {} 5m", random.pick(&["==", "<", ">="])),
        27 => format!("({path} ?? {number}) == {number}"),
        28..36 => computed(random, theme, &path),
        36..39 => {
            let test = random.pick(&[
                "== \"dev\"",
                "!= 1",
                "is missing",
                "is present",
                "not contains \"d\"",
            ]);
            format!("{} {test}", lookup(random, root, &path))
        }
        _ => format!("({path} ?? {number}) == {number}"),
    };
    if random.one_in(8) { format!("not ({atom})") } else { atom }
}

/// A condition on a value that is computed from the value of a path.
fn computed(random: &mut Random, theme: &Theme, path: &str) -> String {
    let (text, number) = (random.pick(&theme.texts), random.pick(&theme.numbers));
    let order = random.pick(&["<", ">=", "==", "!="]);
    let cased = random.pick(&[text, text, "Prod", "PROD", "ß", " x", "a/b"]);
    let test = random.pick(&["==", "starts-with", "contains", "!="]);
    let string = random.pick(&["string(PATH)", "PATH"]).replace("PATH", path);
    match random.below(14) {
        0 | 1 => {
            let function = random.pick(&["lower", "upper", "trim", "sha256", "hex", "base64"]);
            format!("{function}({string}) {test} \"{cased}\"")
        }
        2 => format!("lower({string}) in [\"{cased}\", \"{text}\"]"),
        3 => {
            let clock = random.pick(&["0h", "2h", "5h30m", "23h", "25h"]);
            let zone = random.pick(&["UTC", "Asia/Tokyo"]);
            format!("time-of-day(event.time, \"{zone}\") {order} {clock}")
        }
        4 => format!("len({path}) {order} {number}"),
        5 => format!("abs({path}) {order} {number}"),
        6 => format!("{path} % 2 {order} {number}"),
        7 => {
            let test = random.pick(&[
                "host == \"prod\"",
                "host == \"Prod\"",
                "port == 80",
                "scheme == \"https\"",
                "path == \"/é\"",
            ]);
            let base = random.pick(&["\"https://${PATH}/x\"", "\"SSH://${PATH}:1/\"", "PATH"]);
            format!("url({}).{test}", base.replace("PATH", path))
        }
        8 => format!("split({string}, \"-\")[{}] {test} \"{text}\"", random.pick(&["0", "1"])),
        9 => format!("\"{text}\" in split({string}, \"-\")"),
        10 => {
            format!("replace({string}, \"{}\", \"_\") {test} \"{text}\"", random.pick(&["-", "od"]))
        }
        11 => format!("\"{}${{{path}}}\" {test} \"{cased}\"", random.pick(&["prod-", "x", ""])),
        12 if random.one_in(2) => {
            let computed = random.pick(&[
                "slice(PATH, 0, 4)",
                "slice(PATH, -2)",
                "strip-prefix(PATH, \"prod-\")",
                "capitalize(PATH)",
                "trim(lower(PATH))",
                "split(upper(PATH), \"-\")[0]",
                "(if PATH == \"prod\" then lower(PATH) else \"dev\")",
            ]);
            format!("{} {test} \"{cased}\"", computed.replace("PATH", &string))
        }
        12 => format!("({path} ?? \"{}\") {test} \"{text}\"", random.pick(&theme.texts)),
        _ => format!("weekday(event.time, \"UTC\") {} \"thu\"", random.pick(&["==", "!="])),
    }
}

/// Random rules in sensors of up to four, for events of the type. Rules that do not check are
/// omitted. One source in four has a condition for its event.
pub(super) fn rules(random: &mut Random, ty: &str, count: usize) -> String {
    let theme = &Theme::new(random);
    let mut head = format!("source q queue {{ event e{ty}\n event f{ty} }}\n");
    if random.one_in(4) {
        let with_condition = (0..10).map(|_| {
            let when = condition(random, theme, &["body"], 1);
            format!("source q queue {{ event e{ty} {{ when {when} }}\n event f{ty} }}\n")
        });
        let mut with_condition = with_condition.collect::<Vec<_>>().into_iter();
        head = with_condition
            .find(|head| Ruleset::parse("a.rules", head, &registry()).is_ok())
            .unwrap_or(head);
    }
    let checks = |sensor: &str, rule: &str| {
        Ruleset::parse("a.rules", &format!("{head}{sensor}{rule}}}\n"), &registry()).is_ok()
    };
    let mut text = head.clone();
    let (mut left, mut number) = (count, 0);
    while left > 0 {
        let mut roots = vec!["body"];
        let events = random.pick(&["q.e", "q.e", "q.e", "q.e or q.f", "q.f or q.e"]);
        let mut sensor = format!("sensor s{number} on {events} {{\n");
        match random.below(6) {
            0 | 1 => {
                writeln!(sensor, "each x in body.items{}", random.pick(&["", "", " max 2"]))
                    .unwrap();
                roots.extend(["x", "x"]);
            }
            2 => {
                let filter = condition(random, theme, &["f"], 0).replace("(q in", "(p in");
                writeln!(sensor, "each x in filter(f in body.items: {filter})").unwrap();
                roots.push("x");
            }
            3 if random.one_in(2) => {
                let list = random.pick(&[
                    "map(m in body.items: m.a)",
                    "map(m in filter(f in body.items: f.b is present): m.o)",
                    "map(m in body.items: { a = m.a ?? 5m, o = { b = m.n ?? 1 } })",
                    "[5m, \"prod\", 1]",
                    "unique(body.items)",
                ]);
                writeln!(sensor, "each x in {list}").unwrap();
                roots.extend(["x", "x"]);
            }
            _ => {}
        }
        if random.one_in(5) {
            sensor.push_str(&named(random, theme, &roots, "named"));
            roots.extend(["named", "named"]);
        }
        if random.one_in(4) {
            writeln!(sensor, "when {}", condition(random, theme, &roots, 1)).unwrap();
        }
        if !checks(&sensor, "rule r { trigger note {} }") {
            continue;
        }
        number += 1;
        text.push_str(&sensor);
        let here = (1 + random.below(4)).min(left);
        left -= here;
        for at in 0..here {
            let rule =
                (0..30).map(|_| rule(random, theme, at, &roots)).find(|rule| checks(&sensor, rule));
            text.push_str(&rule.unwrap_or_else(|| format!("rule r{at} {{ trigger note {{}} }}\n")));
        }
        text.push_str("}\n");
    }
    text
}

fn rule(random: &mut Random, theme: &Theme, number: usize, roots: &[&str]) -> String {
    let mut text = format!("rule r{number} {{\n");
    let mut roots = roots.to_vec();
    if random.one_in(6) {
        let root = roots[random.below(roots.len())];
        writeln!(text, "each y in {root}.items").unwrap();
        roots.push("y");
    }
    if random.one_in(5) {
        text.push_str(&named(random, theme, &roots, "own"));
        roots.extend(["own", "own"]);
    }
    if random.one_in(6) {
        text.push_str(&used(random, theme, &roots));
    }
    for _ in 0..1 + random.below(3) {
        writeln!(text, "when {}", condition(random, theme, &roots, 2)).unwrap();
    }
    text.push_str("trigger note {}\n}\n");
    text
}
