//! Generates files from pieces of the language; the bytes choose the pieces.
//!
//! A piece is text with holes: `@` and a letter is a hole for another piece of that letter's list.
//! When the bytes run out, the first piece of each list is used, which ends the expansion; at great
//! depth, one of the first two is used.

use arbitrary::Unstructured;

/// All files share a few names, so that references often resolve.
const DECLARATIONS: &[&str] = &[
    "",
    "const k = @L\n",
    "const n = [@L, @L]\n",
    "type w = @T\n",
    "type v = json-schema \"s.json\"\n",
    "condition b(p) = p @Y and p.x @Y\n",
    "# About it.\nfuse g default off\n",
    "use std \"argocd\"\n",
    "defaults flow { @B }\n",
    "source r hook { port = 1, path = \"/b\"\n@S event e@Z }\n",
    "sensor y on s.g { @A rule r { @C @G } rule q { @C @G } }\n",
    "sensor z on s.e { each j in body.l when j.x @Y rule r { @C @C @G } }\n",
    "@R",
    "@R @R @R @R @R\n",
    "test \"t\" { with fuse f on send s.e body { x = @L, l = [@L] } expect r once { @B } expect nothing else }\n",
    "test \"u\" { at \"2026-08-01T10:00:00Z\" send s.g body @V expect y/q gated for element 1 because \"f\" expect no r }\n",
];

const SOURCE_FIELDS: &[&str] = &[
    "",
    "id = @P\n",
    "limit = 1MiB\n",
    "method = \"GET\"\n",
    "mismatch = \"reject\"\n",
    "id = @E\n",
    "@B",
];

/// The first clauses of a sensor or rule.
const BEGINNINGS: &[&str] =
    &["", "requires f\n", "each j in body.l\n", "each j in @P\n when j.x @Y\n", "@C"];
const ONCE: &[&str] = &[
    "",
    "after 2 within 4h per @P\n",
    "shadow\n",
    "once per @P within 4h\n",
    "limit 2 per 4h per @P\n",
    "requires f\n",
    "each o in @P max 3\n",
    "@C",
];

const CLAUSES: &[&str] = &[
    "\n",
    "when @H\n",
    "when @H # why\n",
    "each j in @P\n",
    "each o in @E max 3\n",
    "once per @P within 4h\n",
    "once per @E, @E within 10m\n",
    "after 2 within 10m\n",
    "after 3 within 1d per @E, @E\n",
    "limit 3 per 10m\n",
    "limit 1 per 1d per @E, @E\n",
    "concurrency 1\n",
    "concurrency 2 per @E, @E else skip\n",
    "requires f\n",
    "@G",
];

const TRIGGERS: &[&str] = &[
    "trigger note {}\n",
    "trigger flow { namespace = \"n\", template = \"t\"\n @B }\n",
    "trigger flow { namespace = \"n\", template = \"t\"\n @B @B }\n",
    "trigger flow { @B @B @B }\n",
];

const FIELDS: &[&str] = &[
    "",
    "parameters { a = @P, b? = @V }\n",
    "parameters { from @P { x, y?, l = y.x }\n a = raw(@P) }\n",
    "tags = [@P, \"a\"]\n",
    "after = @P\n",
    "retries = @P\n",
    "prefix = @P\n",
    "fast = true\n",
    "parameters { a = @E }\n",
    "spec = @V\n",
    "spec { a = @V\n b { c? = @V } }\n",
    "namespace = @E\n",
    "template = @E\n",
    "fast = @E\n",
    "file = \"s.json\"\n",
    "\"x y\" = @V\n",
];

const VALUES: &[&str] = &["@P", "@L", "@E", "{ x = @V, y? = @V }", "[@V, @V]"];

const EXPRESSIONS: &[&str] = &[
    "@P",
    "@L",
    "@H",
    "@H",
    "@E @O @E",
    "@P ?? @E",
    "-@P",
    "count(i in @P: i @Y)",
    "filter(h in @P: h.x @Y)",
    "map(h in @E: h.x)",
    "map(h in @P: { x = h, y = @E })",
    "first(h in @P: h.x @O @E).x",
    "[@E, @E]",
    "\"a ${@E} b\"",
    "@F(@P)",
    "@F(@P)",
    "@F(@E)",
    "@F(@P, @L)",
    "@F(@P, @L, @L)",
    "@F(@E, @E, @E)",
    "@N",
];

/// Conditions.
const CONDITIONS: &[&str] = &[
    "@P @Y",
    "@P is @K",
    "@P @Y",
    "@P == @L",
    "@E @O @E",
    "@E",
    "@H and @H",
    "@H or @H",
    "not @H",
    "(@H)",
    "@E is @K",
    "@P is not @K",
    "any(i in @P: i @Y and @H)",
    "all(i in @P: i.x @Y)",
    "none(i in @E: i @O @E)",
    "c(@P)",
    "d(@P, @E)",
];

const PATHS: &[&str] = &[
    "body.x",
    "body.y",
    "body",
    "body.l",
    "body.y.x",
    "body.l[0]",
    "body.l[-1].x",
    "body[\"x y\"]",
    "headers.a",
    "query.x",
    "event.time",
    "event.type",
];

/// Names that may be declared.
const NAMES: &[&str] = &["k", "n", "n[0]", "i", "h.x", "j", "j.x", "o.l", "p", "q", "k.x"];

const LITERALS: &[&str] = &[
    "1",
    "\"a\"",
    "true",
    "null",
    "0.5",
    "10m",
    "1MiB",
    "1h30m",
    "\"\"",
    "\"*-a?\"",
    "r\"(a|b)+.*\"",
    "[1, 2]",
    "[]",
    "-1",
    "1e400",
    "9007199254740993",
    "99999999999999999999999999999999999999",
    "1e-30",
    "\"2026-08-01T10:00:00Z\"",
    "\"Europe/Madrid\"",
    "\"%Y-%m-%d %H:%M\"",
    "\"v1.2.3\"",
    "\"10.0.0.0/8\"",
    "\"YWJj\"",
    "\"{{x}}\"",
    "\"\\u{202e}\\u{0}\\n\"",
    "9999999999999d",
];

const OPERATORS: &[&str] = &[
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "matches",
    "like",
    "contains",
    "starts-with",
    "ends-with",
    "+",
    "-",
    "*",
    "/",
    "%",
    "??",
];

/// Operators with operands that may have the right type.
const TESTS: &[&str] = &[
    "== \"a\"",
    "!= 1",
    "> 1.5",
    "is present",
    "like \"a*?\"",
    "matches r\"(a|b)+.*\"",
    "in [\"a\", 1, true]",
    "not in [\"a\", \"b\"]",
    "contains \"a\"",
    "starts-with \"2026\"",
    "is not string",
    "== 7",
    "@O @P",
    "@O @L",
];

const KINDS: &[&str] =
    &["missing", "present", "null", "string", "int", "float", "bool", "list", "map"];

const TYPES: &[&str] = &[
    "any",
    "string",
    "int",
    "float",
    "bool",
    "null",
    "timestamp",
    "duration",
    "bytes",
    "t",
    "u",
    "v",
    "argocd.notification",
    "list<@T>",
    "map<@T>",
    "{ x: @T, y?: @T }",
    "{ x?: @T, l: list<@T>, ... }",
    "{ x: @T, \"x y\": @T }",
    "@T | @T",
    "(@T | null)",
    "\"a\"",
    "\"a\" | \"b\" | 1 | -2 | true",
];

const SCHEMAS: &[&str] = &[
    "true",
    "false",
    "{\"type\":\"object\",\"properties\":{\"x\":@J,\"y\":@J},\"required\":[\"x\"]}",
    "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}",
    "{\"type\":\"array\",\"items\":@J}",
    "{\"properties\":{\"x\":@J},\"additionalProperties\":@J}",
    "{\"$ref\":\"#/$defs/a\"}",
    "{\"$ref\":\"#/$defs/b\"}",
    "{\"$ref\":\"#\"}",
    "{\"anyOf\":[@J,@J]}",
    "{\"oneOf\":[@J,@J]}",
    "{\"allOf\":[@J,@J]}",
    "{\"enum\":[@M,@M]}",
    "{\"const\":@M,\"title\":\"a\\nb\"}",
    "{\"not\":@J}",
    "{\"type\":\"integer\",\"minimum\":1}",
];

const BODIES: &[&str] = &[
    "1",
    "\"a\"",
    "null",
    "true",
    "{}",
    "[]",
    "{\"x\":@M,\"y\":@M,\"l\":@M}",
    "{\"x\":@M,\"l\":[@M,@M,@M]}",
    "{\"x y\":@M,\"x\":{\"x\":@M,\"y\":@M}}",
    "[@M,@M]",
    "{\"x\":1,\"x\":2}",
    "1e999999999",
    "-0.0",
    "0.1",
    "9007199254740993",
    "\"2026-08-01T10:00:00Z\"",
    "\"1h\"",
    "\"v1.2.3-a+b\"",
    "\"{{x}} $(y)\"",
    "\"\\u0000\\ud83d\\ude00\"",
    "\"\\ud800\"",
];

/// Text in the wrong place.
const RAW: &[&str] = &[
    "",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "${",
    "\n",
    ",",
    "=",
    "?",
    "#",
    "|",
    "...",
    "r#\"",
    "'",
    "\u{feff}",
    "\0",
    "\r",
    "\u{202e}",
    "é",
    "rule r {",
    "sensor s on",
    "when",
    "trigger",
];

/// The text of the file with this name.
pub(super) fn file(name: &str, choices: &mut Unstructured<'_>) -> String {
    let text = match name {
        "a.rules" => {
            "@Utype t = { x?: string, y?: int | bool, ... }\ntype u = { x: any, y?: t, l: list<any>, ... }\ncondition c(p) = p.x @Y\ncondition d(p, q) = q @Y or p == q\n@D@Dfuse f default on\n\
             source s hook { port = 1, path = \"/a\"\n@S event e@Z\n event g { path = \"/g\" } }\n\
             sensor x on s.e { @A when @H\n rule r { @W when @H\n @G } @R }\n@D@D"
        }
        "b.rules" => "@D@D",
        _ => "{\"$defs\":{\"a\":@J,\"b\":@J},\"allOf\":[@J]}",
    };
    filled(text, choices)
}

/// The body of an event.
pub(super) fn body(choices: &mut Unstructured<'_>) -> String {
    filled("{\"x\":@M,\"y\":@M,\"l\":[@M,@M]}", choices)
}

/// The maximum nesting of pieces: a bit deeper than the language allows for brackets.
const DEEP: usize = 40;

fn filled(text: &'static str, choices: &mut Unstructured<'_>) -> String {
    let mut out = String::new();
    // The text that still has holes, and its depth.
    let mut waiting = vec![(text, 0)];
    while let Some((text, depth)) = waiting.pop() {
        let (before, rest) = text.split_once('@').unwrap_or((text, ""));
        out.push_str(before);
        let mut hole = rest.chars();
        let Some(letter) = hole.next() else { continue };
        waiting.push((hole.as_str(), depth));
        if letter == 'F' {
            let known =
                fuse_rules::functions::functions().nth(choices.choose_index(80).unwrap_or(0));
            out.push_str(known.map_or("len", |function| function.name()));
        } else {
            let pieces = pieces(letter);
            // Shallow pieces are more likely to pass the checks.
            let rare = letter == 'R' && !choices.ratio(1, 12).unwrap_or(false);
            let ends = rare || depth > DEEP || depth > 0 && choices.ratio(2, 3).unwrap_or(true);
            let most = if rare {
                1
            } else if ends {
                pieces.len().min(2)
            } else {
                pieces.len()
            };
            waiting.push((pieces[choices.choose_index(most).unwrap_or(0)], depth + 1));
        }
    }
    out
}

fn pieces(letter: char) -> &'static [&'static str] {
    match letter {
        'A' => BEGINNINGS,
        'B' => FIELDS,
        'C' => CLAUSES,
        'D' => DECLARATIONS,
        'E' => EXPRESSIONS,
        'G' => TRIGGERS,
        'H' => CONDITIONS,
        'J' => SCHEMAS,
        'K' => KINDS,
        'L' => LITERALS,
        'M' => BODIES,
        'N' => NAMES,
        'O' => OPERATORS,
        'P' => PATHS,
        'R' => RAW,
        'S' => SOURCE_FIELDS,
        'T' => TYPES,
        'U' => &["", "use \"b.rules\"\n", "use std \"argocd\"\n"],
        'V' => VALUES,
        'W' => ONCE,
        'Y' => TESTS,
        'Z' => &["", " : u", " : { x: t, ... }", " : @T"],
        _ => &[""],
    }
}
