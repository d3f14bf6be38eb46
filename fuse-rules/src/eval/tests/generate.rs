//! Generated rules and events for the laws: rules that mostly check, and bodies that mostly have
//! the values that the rules read.

use proptest::prelude::*;

/// Keys that rules and bodies share, so that paths often find a value.
const KEYS: [&str; 5] = ["a", "b", "c", "list", "items"];
const TEXTS: [&str; 6] = ["x", "y", "prod", "", "12", "é\\n"];
/// Functions with one argument and one scalar result.
const FUNCTIONS: [&str; 9] =
    ["lower", "int", "len", "string", "json", "trim", "sha256", "text", "parse-json"];
/// Calls with an argument, some of which are absent for some texts.
const CALLS: [&str; 13] = [
    "capture({}, r\"[a-z]+\")",
    "capture({}, r\"(x)?y\")",
    "capture({}, r\"(?<n>[xp])|(?<m>1)\").n",
    "replace-match({}, r\"[a-z]\", \"<$0>\")",
    "slice({}, 1)",
    "strip-prefix({}, \"p\")",
    "from-epoch({}, \"ms\")",
    "parse-json(string({}))",
    "upper({})",
    "capitalize(string({}))",
    "split({}, \"x\")[0]",
    "replace({}, \"x\", \"prod\")",
    "join([{}, \"x\"], \"-\")",
];

/// A table with some of the texts as keys.
const TABLE: &str = "({ x = 1, prod = { a = \"x\" }, y = [1, 2], \"12\" = \"prod\", \"\" = null })";

/// A path from one of these names: mostly to values that bodies and elements have.
fn path(roots: Vec<String>) -> impl Strategy<Value = String> {
    let step = prop_oneof![
        6 => prop::sample::select(&KEYS[..]).prop_map(|key| format!(".{key}")),
        1 => (-2_i64..3).prop_map(|index| format!("[{index}]")),
    ];
    let steps = prop_oneof![
        8 => prop::sample::select(&[".a", ".b", ".c"][..]).prop_map(str::to_owned),
        2 => prop::collection::vec(step, 0..3).prop_map(|steps| steps.concat()),
    ];
    (prop::sample::select(roots), steps).prop_map(|(root, steps)| format!("{root}{steps}"))
}

/// A list to iterate over: mostly a path to a list, sometimes a computed list.
fn elements(roots: Vec<String>) -> BoxedStrategy<String> {
    let made = |roots: Vec<String>| {
        let body = prop_oneof![
            (prop::sample::select(&KEYS[..]), literal())
                .prop_map(|(key, value)| format!("filter(f in {{}}: f.{key} == {value})")),
            Just("filter(f in {}: f == 1)".to_owned()),
            Just("map(m in {}: m.a)".to_owned()),
            Just("map(m in {}: { a = m.b ?? 0, b? = m.a, c = m })".to_owned()),
            Just("filter(f in map(m in {}: m): f.b is present)".to_owned()),
            Just("sort(map(m in {}: m.a))".to_owned()),
            Just("unique({})".to_owned()),
            Just("values(first(m in {}: true))".to_owned()),
            Just("slice({}, -2)".to_owned()),
            Just("concat({}, range(2))".to_owned()),
            Just("entries(merge(first(m in {}: true), body))".to_owned()),
            Just("flatten(map(m in {}: [m, m.a]))".to_owned()),
            Just("values(from-entries(map(m in {}: { key = text(m.a), value = m })))".to_owned()),
        ];
        (body, list(roots)).prop_map(|(body, list)| body.replacen("{}", &list, 1))
    };
    prop_oneof![4 => list(roots.clone()), 1 => made(roots)].boxed()
}

/// A path that mostly leads to a list.
fn list(roots: Vec<String>) -> impl Strategy<Value = String> {
    let step = prop_oneof![
        6 => Just(".list".to_owned()),
        2 => Just(".items".to_owned()),
        1 => prop::sample::select(&KEYS[..]).prop_map(|key| format!(".{key}")),
    ];
    (prop::sample::select(roots), step).prop_map(|(root, step)| format!("{root}{step}"))
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&TEXTS[..]).prop_map(|text| format!("\"{text}\"")),
        3 => prop::sample::select(&["0", "1", "2", "1.0", "-3", "9007199254740993"][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(&["true", "false"][..]).prop_map(str::to_owned),
    ]
}

/// A value: an operand of a comparison.
fn value(roots: Vec<String>, depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![4 => path(roots.clone()), 2 => literal()];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = value(roots.clone(), depth - 1);
    let list = list(roots.clone());
    prop_oneof![
        12 => leaf,
        1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ?? {b})")),
        1 => (path(roots.clone()), path(roots.clone())).prop_map(|(a, b)| format!("({a} + {b})")),
        1 => path(roots.clone()).prop_map(|a| format!("\"t-${{{a}}}\"")),
        1 => (path(roots.clone()), prop::sample::select(&["", " == 1", " is present", " != \"x\""][..]), inner.clone(), inner.clone())
            .prop_map(|(c, test, a, b)| format!("(if {c}{test} then {a} else {b})")),
        3 => (prop::sample::select(&FUNCTIONS[..]), path(roots.clone()))
            .prop_map(|(f, p)| format!("{f}({p})")),
        5 => (prop::sample::select(&CALLS[..]), path(roots.clone()), prop::sample::select(&["", " ?? \"x\"", " ?? \"x\""][..]))
            .prop_map(|(call, path, rest)| format!("({}{rest})", call.replacen("{}", &path, 1))),
        1 => list.prop_map(move |l| format!("count(n{depth} in {l}: n{depth}.a == 1)")),
        1 => (elements(roots.clone()), prop::sample::select(&[".a == 1", ".b is present", " != \"x\"", ".c == body.c"][..]), prop::sample::select(&["", " ?? body.a", ".a"][..]))
            .prop_map(move |(l, test, rest)| {
                let first = format!("first(t{depth} in {l}: t{depth}{test})");
                if rest.starts_with('.') { format!("{first}{rest}") } else { format!("({first}{rest})") }
            }),
        1 => (path(roots.clone()), path(roots.clone()), prop::sample::select(&["", ".a", "[0]"][..]))
            .prop_map(|(base, key, rest)| format!("({base}[{key}]{rest} ?? 1)")),
        2 => (path(roots.clone()), prop::sample::select(&["TABLE[{}]", "TABLE[{}].a", "TABLE[string({})] ?? 2", "[\"x\", 1, \"prod\"][{}]", "({ a = 1, b? = {} }).b"][..]))
            .prop_map(|(path, lookup)| format!("({})", lookup.replace("{}", &path).replace("TABLE", TABLE))),
        1 => (path(roots.clone()), path(roots.clone())).prop_map(|(a, b)| format!("json({{ a = [{{ x? = {a} }}], b = {b} }})")),
        1 => elements(roots).prop_map(move |l| format!("len({l})")),
    ]
    .boxed()
}

/// Conditions that many sites of many rules share, so that a memo for one site could be confused
/// with another.
const SHARED: [&str; 13] = [
    "any(z in body.list: z.a == 1)",
    "none(z in body.list: z.b == \"x\")",
    "count(z in body.items: z == 1) > 0",
    "any(y in body.list: any(z in body.items: y == 1))",
    "any(z in body.list: any(y in body.items: y == 1))",
    "body.a == 1",
    "len(filter(z in body.list: z.a == 1)) > 0",
    "first(z in body.list: z.a == 1).b == 2",
    "1 in map(z in body.list: z.a)",
    "len(unique(body.items)) < 3",
    "len(keys(body)) > 1",
    "max(map(z in body.list: len(keys(z)))) > 0",
    "semver(\"1.${body.a}.0\") >= semver(\"v1.1.0\")",
];

/// A condition over paths that start with these names, with a maximum depth.
pub(crate) fn condition(roots: Vec<String>, depth: u32) -> BoxedStrategy<String> {
    let one = value(roots.clone(), 1);
    let leaf = prop_oneof![
        4 => (path(roots.clone()), prop::sample::select(&["==", "!="][..]), one.clone())
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        2 => (path(roots.clone()), prop::sample::select(&["<", "<=", ">", ">="][..]), path(roots.clone()))
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => (path(roots.clone()), literal(), literal())
            .prop_map(|(a, b, c)| format!("{a} in [{b}, {c}]")),
        1 => (path(roots.clone()), path(roots.clone())).prop_map(|(a, b)| format!("{a} not in {b}")),
        1 => (path(roots.clone()), prop::sample::select(&["contains", "starts-with", "ends-with", "not contains", "not starts-with", "not ends-with"][..]), prop::sample::select(&TEXTS[..]))
            .prop_map(|(a, op, b)| format!("{a} {op} \"{b}\"")),
        1 => (path(roots.clone()), prop::sample::select(&["matches r\"[a-z]+\"", "like \"p*\"", "not matches r\"[a-z]+\"", "not like \"p*\""][..]))
            .prop_map(|(a, test)| format!("{a} {test}")),
        2 => (path(roots.clone()), prop::sample::select(&["missing", "present", "null", "string", "int", "float", "bool", "list", "map", "not missing", "not string"][..]))
            .prop_map(|(a, kind)| format!("{a} is {kind}")),
        1 => path(roots.clone()),
        3 => prop::sample::select(&SHARED[..]).prop_map(str::to_owned),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = condition(roots.clone(), depth - 1);
    let name = format!("e{depth}");
    let mut bound = roots.clone();
    // Use elements more often than the names around them.
    bound.extend([name.clone(), name.clone(), name.clone()]);
    let body = condition(bound, depth - 1);
    prop_oneof![
        6 => leaf,
        2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
        2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
        1 => (inner.clone(), inner.clone(), inner.clone())
            .prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        2 => inner.prop_map(|a| format!("not ({a})")),
        2 => (prop::sample::select(&["any", "all", "none"][..]), elements(roots), body)
            .prop_map(move |(kind, list, body)| format!("{kind}({name} in {list}: {body})")),
    ]
    .boxed()
}

/// A condition over these names alone.
pub(crate) fn bound_condition(names: Vec<String>) -> BoxedStrategy<String> {
    condition(names, 2).prop_filter("reads the event itself", |text| !text.contains("body")).boxed()
}

/// A `let` of a value without a known type, so that paths can start with its name.
fn named(roots: Vec<String>, name: &'static str) -> impl Strategy<Value = String> {
    let one = path(roots.clone()).boxed();
    let value = prop_oneof![
        24 => prop::sample::select(roots.clone()),
        1 => one.clone(),
        1 => (one.clone(), prop::sample::select(roots.clone()))
            .prop_map(|(a, b)| format!("{a} ?? {b}")),
        2 => (one.clone(), prop::sample::select(roots.clone()), one)
            .prop_map(|(a, b, c)| format!("if {a} == 1 then {b} else {c}")),
        1 => elements(roots)
            .prop_map(|list| format!("first(t in {list}: t.a == 1 or t.b is present)")),
    ];
    value.prop_map(move |value| format!("let {name} = {value}\n"))
}

/// A `let` of a condition or value of any type, and clauses that use it.
fn used(roots: Vec<String>) -> impl Strategy<Value = String> {
    let when = prop::sample::select(&["", "when used or body.a == 1\n", "when not used\n"][..]);
    let condition = (condition(roots.clone(), 1), when)
        .prop_map(|(condition, when)| format!("let used = {condition}\n{when}"));
    let uses = [
        "",
        "",
        "when none(z in body.list: z.a == used)\n",
        "let other = [used, used]\nwhen len(other) == 2 or body.a == 1\n",
    ];
    let value = (value(roots, 1), prop::sample::select(uses.to_vec()))
        .prop_map(|(value, uses)| format!("let used = {value}\n{uses}"));
    prop_oneof![1 => condition, 1 => value, 10 => Just("let used = body.b\n".to_owned())]
}

/// A sensor with one to three rules. With `each`, most paths start at its element.
fn sensor(number: usize) -> impl Strategy<Value = String> {
    let sensor_each = prop::option::weighted(0.6, elements(vec!["body".into()]));
    sensor_each.prop_flat_map(move |list| {
        let mut roots = vec!["body".to_owned()];
        let each = list.map_or_else(String::new, |list| {
            roots.extend(["alert".to_owned(), "alert".to_owned()]);
            format!("each alert in {list} max 3\n")
        });
        let own = prop::option::weighted(0.4, named(roots.clone(), "named"));
        let mut inner = roots.clone();
        inner.push("named".into());
        let when = prop::option::of(condition(inner.clone(), 1));
        let rules = prop::collection::vec(rule(inner), 1..4);
        let events = prop::sample::select(&["q.e", "q.e", "q.e or q.f", "q.f or q.e"][..]);
        (own, when, rules, events).prop_map(move |(own, when, rules, events)| {
            let when = when.map_or_else(String::new, |when| format!("when {when}\n"));
            // Without a `let`, the name is another word for the body.
            let own = own.unwrap_or_else(|| "let named = body\n".into());
            let when = format!("{own}{when}");
            let rules: String = rules
                .iter()
                .enumerate()
                .map(|(i, rule)| format!("rule r{i} {{\n{rule}}}\n"))
                .collect();
            format!("sensor s{number} on {events} {{\n{each}{when}{rules}}}\n")
        })
    })
}

/// A `still` with this key. Its `unless` binds the name that the key starts with.
fn still(key: String) -> impl Strategy<Value = String> {
    let root = key.split(['.', '[']).next().unwrap_or_default().to_owned();
    let roots = vec!["body".to_owned(), root.clone(), root.clone()];
    let bound = match root.as_str() {
        "body" => Just(String::new()).boxed(),
        "alert" | "item" => {
            prop_oneof![6 => Just("body.list".to_owned()), 1 => elements(vec!["body".into()])]
                .prop_map(move |list| format!("each {root} in {list} max 3\n"))
                .boxed()
        }
        _ => prop::sample::select(&["body", "body", "first(t in body.list: true)"][..])
            .prop_map(move |value| format!("let {root} = {value}\n"))
            .boxed(),
    };
    let events = prop::sample::select(&["q.e", "q.e", "q.f"][..]);
    // Mostly, the key has a value.
    let keys = [" ?? \"x\"", " ?? \"x\"", ""];
    let keys = prop::sample::select(keys.to_vec()).prop_map(move |rest| format!("{key}{rest}"));
    let when = prop_oneof![2 => condition(roots, 0), 1 => Just("body.a is present".to_owned())];
    (keys, bound, events, when).prop_map(move |(key, bound, event, condition)| {
        format!("still 5m per {key} unless {event} {bound} when {condition}\n")
    })
}

fn rule(roots: Vec<String>) -> impl Strategy<Value = String> {
    let each = prop::option::weighted(0.25, elements(roots.clone()));
    each.prop_flat_map(move |list| {
        let mut roots = roots.clone();
        let each = list.map_or_else(String::new, |list| {
            roots.push("item".into());
            format!("each item in {list}\n")
        });
        let own = (named(roots.clone(), "own"), used(roots.clone()))
            .prop_map(|(own, used)| format!("{own}{used}"));
        roots.push("own".into());
        let requires = prop_oneof![
            7 => Just(""),
            2 => Just("requires gate\n"),
            1 => Just("requires gate else hold 1h\n"),
        ];
        let once = prop::option::weighted(0.2, path(roots.clone()));
        let waits = (prop::bool::weighted(0.15), path(roots.clone()).prop_flat_map(still));
        let waits = prop::option::weighted(0.2, waits);
        let whens = prop::collection::vec(condition(roots.clone(), 2), 0..3);
        let mapping = prop_oneof![
            4 => value(roots.clone(), 1),
            1 => elements(roots),
            1 => Just("used".to_owned()),
            1 => Just("[used, \"${used}\", if body.a == 1 then used else 1]".to_owned()),
        ];
        (requires, own, once, waits, whens, mapping, prop::bool::weighted(0.85)).prop_map(
            move |(requires, own, once, waits, whens, mapping, optional)| {
                let waits = waits.map_or_else(String::new, |(quiet, still)| {
                    let quiet = if quiet { "quiet 1m per body.b max 1h\n" } else { "" };
                    format!("{still}{quiet}")
                });
                let once = once.map_or_else(String::new, |key| {
                    format!(
                        "after 2 within 1m per {key}\nonce per {key} within 1h\n\
                         limit 2 per 1d per {key}\nlimit 9 per 1d\n\
                         concurrency 1 per {key} else skip\n"
                    )
                });
                let whens: String = whens.iter().map(|when| format!("when {when}\n")).collect();
                let mark = if optional { "?" } else { "" };
                format!(
                    "{requires}{each}{own}{whens}{once}{waits}trigger note {{ value{mark} = {mapping}\n }}\n"
                )
            },
        )
    })
}

/// A file of rules over the event `q.e`.
pub(crate) fn rules() -> impl Strategy<Value = String> {
    (sensor(0), prop::option::of(sensor(1))).prop_map(|(first, second)| {
        format!(
            "source q queue {{ event e, event f }}\nfuse gate default off\n{first}{}",
            second.unwrap_or_default()
        )
    })
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&TEXTS[..]).prop_map(|text| format!("\"{text}\"")),
        8 => prop::sample::select(&["0", "1", "1.0", "10e-1", "2", "-3", "9007199254740993", "9007199254740992"][..])
            .prop_map(str::to_owned),
        3 => prop::sample::select(&["true", "false", "null"][..]).prop_map(str::to_owned),
        1 => prop::sample::select(&["1e999", "\"\\ud800\"", "\"\\u0078\""][..]).prop_map(str::to_owned),
    ]
}

/// An object with some of the keys. Most values have the shape that their key suggests; one object
/// in fifty has a duplicate key.
fn object(depth: u32) -> BoxedStrategy<String> {
    let anything = |shape: BoxedStrategy<String>| prop_oneof![9 => shape, 1 => leaf()];
    let mut fields: Vec<BoxedStrategy<Option<String>>> = ["a", "b", "c"]
        .into_iter()
        .map(|key| {
            let entry = leaf().prop_map(move |value| format!("\"{key}\": {value}"));
            prop::option::weighted(0.85, entry).boxed()
        })
        .collect();
    if depth > 0 {
        let objects = prop::collection::vec(object(depth - 1), 0..4);
        let objects = objects.prop_map(|items| format!("[{}]", items.join(", "))).boxed();
        let items = prop::collection::vec(leaf(), 0..4);
        let items = items.prop_map(|items| format!("[{}]", items.join(", "))).boxed();
        for (key, shape) in [("list", objects), ("items", items)] {
            let entry = anything(shape).prop_map(move |value| format!("\"{key}\": {value}"));
            fields.push(prop::option::weighted(0.85, entry).boxed());
        }
    }
    (fields, prop::bool::weighted(0.02))
        .prop_map(|(fields, twice)| {
            let mut entries: Vec<String> = fields.into_iter().flatten().collect();
            entries.extend(entries.first().filter(|_| twice).cloned());
            format!("{{{}}}", entries.join(", "))
        })
        .boxed()
}

/// A body: JSON text, sometimes with duplicate keys and numbers that are out of range.
pub(crate) fn body() -> impl Strategy<Value = String> {
    prop_oneof![40 => object(2), 1 => leaf()]
}
