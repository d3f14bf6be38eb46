//! The problems that the checker reports: for each code a case, and a similar one without a
//! problem.

mod attempts;
mod bodies;
mod definitions;
mod events;
mod files;
mod functions;
mod fuse_reactions;
mod helps;
mod lets;
mod reactions;
mod secrets;
mod several_events;
mod sources;
mod spellings;
mod types;
mod waits;

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostics;
use crate::ruleset::Ruleset;
use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema, Templates};

fn registry() -> Registry {
    let source = Schema::new("hook", "A hook.")
        .field(Field::required("port", FieldType::Int(1, 65_535), "The port."))
        .field(Field::optional("path", FieldType::UrlPath, "The path."))
        .field(
            Field::optional("method", FieldType::OneOf(vec!["GET".into(), "POST".into()]), "")
                .default("POST"),
        )
        .field(Field::optional("id", FieldType::Expression, "The id."))
        .field(Field::optional("limit", FieldType::Size, "The limit."));
    let event = Schema::new("event", "An event.")
        .field(Field::required("path", FieldType::UrlPath, "The path."))
        .field(Field::optional("method", FieldType::OneOf(vec!["GET".into(), "POST".into()]), ""));
    let text = FieldType::Text(Templates::Refused);
    Registry::new()
        .source(SourceSchema::new(source, event).address(&["port", "path", "method"]))
        .trigger(
            Schema::new("flow", "Runs something.")
                .stoppable()
                .field(Field::optional("template", FieldType::DnsSubdomain, "What."))
                .field(Field::optional(
                    "spec",
                    FieldType::Any(Templates::Allowed),
                    "What, in full.",
                ))
                .field(Field::required("namespace", FieldType::DnsLabel, "Where."))
                .field(Field::optional("retries", FieldType::Int(0, 9), "How often."))
                .field(Field::optional("after", FieldType::Duration, "When."))
                .field(Field::optional("parameters", FieldType::Map(Box::new(text)), "With what."))
                .field(Field::optional(
                    "tags",
                    FieldType::List(Box::new(FieldType::String)),
                    "Tags.",
                ))
                .field(
                    Field::optional(
                        "mode",
                        FieldType::OneOf(vec!["fast".into(), "safe".into()]),
                        "How.",
                    )
                    .fixed(),
                )
                .one_of(&["template", "spec"])
                .verify(|block| match (block.get("tags"), block.text("mode")) {
                    (Some(_), Some("safe")) => Err("has `tags`, which safe ones have not".into()),
                    _ => Ok(()),
                }),
        )
        .trigger(Schema::new("note", "Notes."))
        .trigger(
            Schema::new("call", "Calls a server.")
                .field(Field::optional("keep", FieldType::Map(Box::new(FieldType::String)), ""))
                .keeps_response("keep"),
        )
}

const PRELUDE: &str = "\
source s hook { port = 1, path = \"/a\"
  event e
}
fuse f default on
";

fn problems_of(files: &[(&str, &str)]) -> Option<Diagnostics> {
    let loader: BTreeMap<&str, &str> = files.iter().copied().collect();
    Ruleset::load(&[files[0].0], &loader, &registry()).err()
}

/// The codes and spans of all problems in rules after the prelude.
fn codes(text: &str) -> Vec<String> {
    let whole = format!("{PRELUDE}{text}");
    let Some(problems) = problems_of(&[("test.rules", &whole)]) else {
        return Vec::new();
    };
    problems
        .iter()
        .map(|problem| {
            let Some(label) = &problem.label else {
                return problem.topic.to_string();
            };
            format!("{} `{}`", problem.topic, problems.files().text(label.span))
        })
        .collect()
}

fn rule(body: &str) -> String {
    format!("sensor x on s.e {{ rule r {{\n{body}\n trigger note {{}} }} }}")
}

fn flow(fields: &str) -> String {
    format!("sensor x on s.e {{ rule r {{ trigger flow {{ {fields} }} }} }}")
}

/// Rules, and the problem that is reported; empty for a similar case without a problem.
const CASES: &[(&str, &str)] = &[
    // Names.
    ("when bod.x == 1", "E0201 `bod`"),
    ("when body.x == y", "E0201 `y`"),
    ("when body.x == body.y", ""),
    ("when any(l in body.x: k == 1)", "E0201 `k`"),
    ("when any(l in body.x: l == 1) and l == 1", "E0201 `l`"),
    ("when lowr(body.x) == \"a\"", "E0202 `lowr`"),
    ("when lower(body.x) == \"a\"", ""),
    ("requires g", "E0206 `g`"),
    ("requires f", ""),
    ("requires f else hold 0s", "E0506 `0s`"),
    ("requires f else hold 31d", "E0506 `31d`"),
    ("requires f else hold 30d", ""),
    ("requires f\nrequires f else hold 1h", ""),
    ("each body in body.xs", "E0207 `body`"),
    ("each a in body.xs\n when any(a in body.ys: a == 1)", "E0207 `a`"),
    ("each a in body.xs\n when any(b in a.ys: b == 1)", ""),
    ("when headers.a.b == \"x\"", "E0301 `headers.a.b`"),
    ("when query[0] == \"x\"", "E0301 `query[0]`"),
    ("when event.foo == 1", "E0211 `event.foo`"),
    ("when event.kind == \"a\"", "E0211 `event.kind`"),
    ("when event == \"a\"", "E0211 `event`"),
    ("when event.type == \"a\"", ""),
    // Values and types.
    ("when \"8080\" == 8080", "E0301 `\"8080\" == 8080`"),
    ("when body.x == 8080", ""),
    ("when headers.a == 1", "E0301 `headers.a == 1`"),
    ("when len(body.x) > \"2\"", "E0309 `\"2\"`"),
    ("when len(body.x) > 2", ""),
    ("when age(body.x) > 10", "E0301 `age(body.x) > 10`"),
    ("when age(body.x) > 10m", ""),
    ("when body.x < true", "E0301 `body.x < true`"),
    ("when headers.a < body.b", "E0309 `headers.a`"),
    ("when 1 + \"a\" == 2", "E0301 `1 + \"a\"`"),
    ("when -\"a\" == 1", "E0301 `-\"a\"`"),
    ("when body.x + 1 == 2", ""),
    ("when headers.a in [1, \"b\"]", "E0301 `[1, \"b\"]`"),
    ("when headers.a in [\"a\", \"b\"]", ""),
    ("when [1] contains \"a\"", "E0301 `[1]`"),
    ("when body.x contains 5", "E0301 `5`"),
    ("when \"${[1]}\" == body.x", "E0301 `[1]`"),
    ("when \"abc\"", "E0302 `\"abc\"`"),
    ("when len(body.x) and true", "E0302 `len(body.x)`"),
    ("when body.flag and true", ""),
    ("when lower(body.x, 1) == \"a\"", "E0303 `lower(body.x, 1)`"),
    ("when lower(1) == \"a\"", "E0303 `1`"),
    ("when time(\"tomorrow\") < time(body.x)", "E0303 `time(\"tomorrow\")`"),
    ("when time(\"2026-08-01T00:00:00Z\") < time(body.x)", ""),
    ("when time-of-day(event.time, \"Europe/Madird\") > 9h", "E0303 `\"Europe/Madird\"`"),
    ("when time-of-day(event.time, \"Europe/Madrid\") > 9h", ""),
    ("when split(body.x, \"\") == body.y", "E0303 `\"\"`"),
    ("when join(body.x, \"\") == body.y", ""),
    ("when cidr-contains(\"10.0.0.0\", body.x)", "E0303 `\"10.0.0.0\"`"),
    ("when cidr-contains(\"10.0.0.0/8\", body.x)", ""),
    ("when sum([1, bod.x]) > 1", "E0201 `bod`"),
    ("when sum([1, 'a']) > 1", "E0102 `'a'`"),
    ("when int(lower(\"A\")) == 1", "E0303 `int(lower(\"A\"))`"),
    ("when semver(body.x) > body.y", "E0301 `semver(body.x) > body.y`"),
    ("when semver(body.x) > \"1.4.0\"", "E0309 `\"1.4.0\"`"),
    ("when semver(body.x) > semver(\"v1.4.0\")", ""),
    (
        "when semver(body.x) in [semver(\"1.4.0\"), \"1.5.0\"]",
        "E0301 `[semver(\"1.4.0\"), \"1.5.0\"]`",
    ),
    ("once per semver(body.x) within 1h", ""),
    ("when \"${semver(body.x)}\" == \"1.0.0\"", ""),
    ("when max([1, 2]) == 2", ""),
    ("when startsWith(body.x, \"a\")", "E0202 `startsWith`"),
    ("when contains(body.x, \"a\")", "E0202 `contains`"),
    ("when body.x contains (\"a\")", ""),
    ("when body.x contains(\"a\")", ""),
    ("when (body.x == 1) ?? true", "E0304 `(body.x == 1)`"),
    ("when (body.x ?? true) == true", ""),
    ("when (count(x in body.l: x == 1) ?? 0) == 0", "E0304 `count(x in body.l: x == 1)`"),
    ("when (body.x == 1) is missing", "E0304 `(body.x == 1)`"),
    ("when body.x matches \"(\"", "E0305 `\"(\"`"),
    ("when body.x matches \"a)|(b\"", "E0305 `\"a)|(b\"`"),
    ("when body.x matches r\"(?x) a # b\"", ""),
    ("when body.x matches \"(?=a)\"", "E0305 `\"(?=a)\"`"),
    ("when body.x matches r\"\\w{1000}{1000}\"", "E0305 `r\"\\w{1000}{1000}\"`"),
    ("when body.x matches body.y", "E0306 `body.y`"),
    ("when body.x like \"a${body.y}\"", "E0306 `\"a${body.y}\"`"),
    ("when body.x == [1]", "E0307 `[1]`"),
    ("when body.x == null", "E0308 `null`"),
    ("when null != body.x", "E0308 `null`"),
    ("when body.x is null", ""),
    ("when body.x > \"a\"", "E0309 `\"a\"`"),
    ("when time(body.x) > time(\"2026-08-01T00:00:00Z\")", ""),
    ("when any(x in 5: x)", "E0310 `5`"),
    ("each a in headers.x", "E0310 `headers.x`"),
    ("each a in split(headers.x, \",\")", ""),
    ("when 1 in headers.x", "E0310 `headers.x`"),
    // Clauses.
    ("each a in body.xs\n each b in a.ys", "E0501 `each b in a.ys`"),
    ("once per body.a within 1h\n once per body.b within 1h", "E0501 `once per body.b within 1h`"),
    ("once per body.a, body.b within 1h", ""),
    ("once per [1] within 1h", "E0301 `[1]`"),
    ("once per body.a == 1 within 1h", "E0301 `body.a == 1`"),
    ("once per body.a within 0s", "E0506 `0s`"),
    ("limit api", "E0221 `api`"),
    ("limit api per body.a", "E0221 `api`"),
    ("shadow", ""),
    ("shadow\n shadow", "E0501 `shadow`"),
    ("after 3 within 1m", ""),
    ("after 2 within 1m per body.a, body.b\n after 10000 within 1d", ""),
    ("after 1 within 1m", "E0506 `1`"),
    ("after 0 within 1m", "E0506 `0`"),
    ("after 10001 within 1m", "E0506 `10001`"),
    ("after 3 within 0s", "E0506 `0s`"),
    ("after 3 within 1m per [1]", "E0301 `[1]`"),
    ("after 3 within 1m per body.a == 1", "E0301 `body.a == 1`"),
    ("quiet 2m per body.a max 10m", ""),
    ("quiet 0s", "E0506 `0s`"),
    ("quiet 31d", "E0506 `31d`"),
    ("quiet 2m max 2m", "E0506 `2m`"),
    ("quiet 2m max 31d", "E0506 `31d`"),
    ("quiet 2m per [1]", "E0301 `[1]`"),
    ("quiet 2m\n quiet 3m per body.a", "E0501 `quiet 3m per body.a`"),
    ("quiet 2m\n still 3m unless s.e when body.a == 1", ""),
    ("limit 3 per 1h", ""),
    ("limit 3 per 1h per body.a, body.b\n limit 10 per 1d\n once per body.a within 1m", ""),
    ("limit 0 per 1h", "E0506 `0`"),
    ("limit 10000 per 1h", ""),
    ("limit 10001 per 1h", "E0506 `10001`"),
    ("limit 99999999999 per 1h", "E0506 `99999999999`"),
    ("limit 3 per 0s", "E0506 `0s`"),
    ("limit 3 per 1h per [1]", "E0301 `[1]`"),
    ("limit 3 per 1h per body.a == 1", "E0301 `body.a == 1`"),
    ("each a in body.xs max 0", "E0506 `0`"),
    ("each a in body.xs max 99999999999", "E0506 `99999999999`"),
    ("each a in body.xs max 100000", ""),
];

/// Fields of a trigger `flow`, and the problem that is reported.
const FIELDS: &[(&str, &str)] = &[
    ("namespace = \"n\", template = \"t\"", ""),
    ("namespace = \"n\", templte = \"t\", template = \"t\"", "E0401 `templte`"),
    ("namspace = \"n\", template = \"t\"", "E0401 `namspace`"),
    ("template = \"t\"", "E0402 `flow`"),
    ("namespace = \"n\"", "E0402 `flow`"),
    ("namespace = \"n\", template = 5", "E0403 `5`"),
    ("namespace = \"n\", template = \"t\", retries = \"3\"", "E0403 `\"3\"`"),
    ("namespace = \"n\", template = \"t\", parameters { a = [1] }", "E0403 `[1]`"),
    ("namespace = \"n\", template = \"t\", parameters { a = json([1]), b = 5, c = body.x }", ""),
    ("namespace = \"n\", template = \"t\", parameters = 5", "E0403 `5`"),
    ("namespace = \"n\", template = \"t\", tags = [1]", "E0406 `[1]`"),
    ("namespace = \"n\", template = \"t\", tags = [\"a\"]", ""),
    ("namespace = \"n\", namespace = \"m\", template = \"t\"", "E0404 `namespace`"),
    ("namespace = \"n\", template = \"t\", parameters { a = 1, \"a\" = 2 }", "E0404 `\"a\"`"),
    ("namespace = \"n\", template = \"t\", mode = body.mode", "E0405 `body.mode`"),
    ("namespace = \"n\", template = \"t\", mode = \"fast\"", ""),
    ("namespace = \"n\", template = \"t\", mode = \"loud\"", "E0406 `\"loud\"`"),
    ("namespace = \"Upper\", template = \"t\"", "E0406 `\"Upper\"`"),
    ("namespace = \"n\", template = \"t\", retries = 10", "E0406 `10`"),
    ("namespace = \"n\", template = \"t\", after = -5m", "E0406 `-5m`"),
    ("namespace = \"n\", template = \"t\", spec = { a = 1 }", "E0408 `spec`"),
    ("namespace = \"n\", spec { a { b = body.x } }", ""),
    ("namespace? = body.ns, template = \"t\"", "E0409 `namespace`"),
    ("namespace = \"n\", template? = body.t", "E0409 `template`"),
    ("namespace = \"n\", template = \"t\", tags = [\"a\"], mode = \"safe\"", "E0410 `tags`"),
    ("namespace = \"n\", template = \"t\", tags = [\"a\"], mode = \"fast\"", ""),
    ("namespace = body.ns ?? \"n\", template = \"t\", retries? = body.r", ""),
];

/// Whole declarations, and the problem that is reported.
const DECLARATIONS: &[(&str, &str)] = &[
    ("fuse f default off", "E0204 `f`"),
    ("fuse g default off", ""),
    ("fuse g default off { pending = drop }", ""),
    ("fuse g default off { pending = hold, pending = drop }", "E0404 `pending`"),
    ("fuse g default off { pending = drp }", "E0406 `drp`"),
    ("fuse g default off { pending = \"drop\" }", "E0406 `\"drop\"`"),
    ("fuse g default off { pending? = drop }", "E0406 `drop`"),
    ("fuse g default off { pending { a = 1 } }", "E0406 `{ a = 1 }`"),
    ("fuse g default off { waiting = drop }", "E0401 `waiting`"),
    ("fuse g default off { blow after 3 actions within 1m }", ""),
    (
        "fuse g default on { blow after 1 failure within 1m, blow after 10000 actions within 7d, reset after 1h }",
        "",
    ),
    (
        "fuse g default on { blow after 3 actions within 1m, blow after 9 actions within 1h, reset manually }",
        "",
    ),
    ("fuse g default on { blow after 0 actions within 1m }", "E0506 `0`"),
    ("fuse g default on { blow after 10001 failures within 1m }", "E0506 `10001`"),
    ("fuse g default on { blow after 99999999999 failures within 1m }", "E0506 `99999999999`"),
    ("fuse g default on { blow after 3 actions within 0s }", "E0506 `0s`"),
    (
        "fuse g default on { blow after 3 actions within 60s, blow after 4 actions within 1m }",
        "E0501 `blow after 4 actions within 1m`",
    ),
    ("fuse g default on { blow after 3 actions within 1m, blow after 3 failures within 1m }", ""),
    ("fuse g default on { reset after 1h }", "E0511 `reset after 1h`"),
    ("fuse g default on { reset manually, pending = drop }", "E0511 `reset manually`"),
    (
        "fuse g default on { blow after 3 actions within 1m, reset after 1h, reset manually }",
        "E0501 `reset manually`",
    ),
    (
        "fuse g default on { blow after 3 actions within 1m, reset after 0s }",
        "E0506 `reset after 0s`",
    ),
    ("fuse g default on { blow = 3 }", "E0401 `blow`"),
    ("fuse g default on { reset = manually }", "E0401 `reset`"),
    (
        "fuse g default on { blow after 1 action within 1m }\n\
         sensor x on s.e { requires g rule r { trigger note {} trigger note {} } }",
        "E0511 `r`",
    ),
    (
        "fuse g default on { blow after 2 actions within 1m }\n\
         sensor x on s.e { requires g rule r { trigger note {} trigger note {} } }",
        "",
    ),
    (
        "fuse g default on { blow after 1 action within 1m }\n\
         sensor x on s.e { requires g rule r { shadow trigger note {} trigger note {} } }",
        "",
    ),
    ("sensor x on s.nope { rule r { trigger note {} } }", "E0205 `nope`"),
    ("sensor x on nope.e { rule r { trigger note {} } }", "E0205 `nope`"),
    ("sensor x on s.e { rule r { trigger note {} } rule r { trigger note {} } }", "E0204 `r`"),
    ("sensor when on s.e { rule r { trigger note {} } }", "E0109 `when`"),
    ("sensor x on s.e { rule r { trigger nope {} } }", "E0209 `nope`"),
    ("source t nope { event e }", "E0209 `nope`"),
    ("defaults nope { a = 1 }", "E0209 `nope`"),
    ("defaults flow { nope = 1 }", "E0401 `nope`"),
    (
        "defaults flow { namespace = \"n\" }\nsensor x on s.e { rule r { trigger flow { template = \"t\" } } }",
        "",
    ),
    (
        "defaults flow { parameters { a = body.x } }\nsensor x on s.e { rule r { trigger flow { namespace = \"n\", template = \"t\", parameters { b = 1 } } } }",
        "",
    ),
    ("source t hook { path = \"/x\"\n event e }", "E0402 `t`"),
    ("source t hook { port = 2\n event e }", "E0402 `t`"),
    ("source t hook { port = 2\n event e { path = \"/x\" } }", ""),
    ("source t hook { port = 2, path = \"/x\" }", "E0402 `t`"),
    ("source t hook { port = 2, path = \"/x\", limit = 1MiB\n event e\n event e }", "E0204 `e`"),
    ("source t hook { port = body.x, path = \"/x\"\n event e }", "E0405 `body.x`"),
    ("source t hook { port = 0, path = \"/x\"\n event e }", "E0406 `0`"),
    ("source t hook { port = 2, path = \"x\"\n event e }", "E0406 `\"x\"`"),
    ("source t hook { port = 2, path = \"/x\", id = body.id\n event e }", ""),
    ("source t hook { port = 1, path = \"/a\"\n event e }", "E0407 `e`"),
    ("source t hook { port = 1, path = \"/a\"\n event e { method = \"GET\" } }", ""),
    ("sensor x on s.e { rule r { when true } }", "E0502 `r`"),
    ("sensor x on s.e { when true }", "E0503 `x`"),
    (
        "const c = { a = 1 }\nsensor x on s.e { rule r { when body.x == c.b  trigger note {} } }",
        "E0212 `b`",
    ),
    ("const c = body.x", "E0213 `body`"),
    ("condition c(x) = x == body.y", "E0213 `body`"),
    ("const c = [c]", "E0214 `c`"),
    ("const c = int(\"a\")", "E0303 `int(\"a\")`"),
    ("const c = split(\"a\", \",\")[1]", "E0215 `split(\"a\", \",\")[1]`"),
    ("use std \"githb\"", "E0507 `\"githb\"`"),
    ("use std \"alertmanager\"", ""),
    ("use std \"grafana\"\ncondition c(x: grafana.alert) = grafana.firing(x)", ""),
    ("use std \"grafana\"\ncondition firing(x) = x == 1", ""),
    ("use std \"grafana\"\ncondition c(x) = firing(x)", "E0202 `firing`"),
    ("use std \"grafana\"\ncondition c(x) = grafana.fires(x)", "E0202 `grafana.fires`"),
    ("use std \"grafana\"\ncondition c(x) = grafana.firing(5)", "E0303 `5`"),
    ("condition c(x) = grafana.firing(x)", "E0202 `grafana.firing`"),
    ("condition c(x) = x.contains(\"a\")", "E0202 `x.contains`"),
];

fn check(cases: impl IntoIterator<Item = (String, &'static str)>) {
    for (text, expected) in cases {
        let expected: Vec<&str> = if expected.is_empty() { Vec::new() } else { vec![expected] };
        assert_eq!(codes(&text), expected, "{text}");
    }
}

#[test]
fn cases_are_reported_and_near_misses_are_not() {
    check(CASES.iter().map(|(text, expected)| (rule(text), *expected)));
    check(FIELDS.iter().map(|(text, expected)| (flow(text), *expected)));
    check(DECLARATIONS.iter().map(|(text, expected)| ((*text).to_owned(), *expected)));
}

fn report(files: &[(&str, &str)]) -> String {
    problems_of(files).map_or_else(String::new, |problems| problems.to_string())
}

#[test]
fn problems_as_text_and_as_json() {
    let text = format!(
        "{PRELUDE}sensor x on s.e {{\n  requires ff\n  rule r {{\n    when body.état == null\n    trigger flow {{ templat = \"t\", namespace = \"n\" }}\n  }}\n}}\n"
    );
    let problems = problems_of(&[("test.rules", &text)]).unwrap();
    insta::assert_snapshot!(problems.to_string());
    insta::assert_snapshot!(problems.to_json_lines());
}

#[test]
fn calls_without_a_result_are_reported_with_the_reason() {
    let text = format!(
        "{PRELUDE}{}",
        rule(
            "when age(body.a) > duration(\"soon\")\n when now() > time(body.b)\n when contains(body.c, \"x\")"
        )
    );
    insta::assert_snapshot!(report(&[("a.rules", &text)]), @r#"
    error[E0303]: `duration("soon")` has no result: `soon` is not a duration such as `1h30m`
     --> a.rules:6:20
      |
    6 | when age(body.a) > duration("soon")
      |                    ^^^^^^^^^^^^^^^^ fails for every event

    error[E0202]: there is no function `now`
     --> a.rules:7:7
      |
    7 |  when now() > time(body.b)
      |       ^^^ not known
      |
      = help: there is no clock but the event's: write `age(x)` for how long ago `x` was, `event.time` for when the event was received, or `time(text)` for the instant that a text names

    error[E0202]: there is no function `contains`
     --> a.rules:8:7
      |
    8 |  when contains(body.c, "x")
      |       ^^^^^^^^ not known
      |
      = help: write `text contains "x"`, or `x in list` for an element
    "#);
}
