//! Problems that declared types reveal: unknown fields, impossible values, missing values, and
//! values that must be tested first.

use super::{check, codes};

/// An event with many types, and a rule for it.
fn typed(when: &str) -> String {
    rule(&format!("when {when}"), "trigger note {}")
}

pub(super) fn rule(clauses: &str, trigger: &str) -> String {
    format!(
        r#"
type user = {{ name: string, mail?: string | null }}
type shape = {{ kind: "circle", radius: float }} | {{ kind: "square", side: int }}
source t hook {{ port = 9, path = "/t"
  event e : {{
    status: "firing" | "resolved"
    count: int
    replicas: int | string
    flag: bool
    at: timestamp
    owner?: user
    users: list<user>
    labels: map<string>
    shape: shape
    was?: shape
    note: string | null, mails: list<string | null>
    size: {{ kind: "a", of?: int }} | {{ kind: "b", of?: string }}
    free: any
    only: {{ a: int, ... }}
    ...
  }}
}}
sensor y on t.e {{ rule r {{
{clauses}
{trigger} }} }}"#
    )
}

const CASES: &[(&str, &str)] = &[
    // Fields.
    ("body.status == \"firing\"", ""),
    ("body.stats == \"firing\"", "E0203 `stats`"),
    ("body[\"stats\"] == \"firing\"", ""),
    ("body.owner.nam == \"x\"", "E0203 `nam`"),
    ("body.owner[\"nam\"] == \"x\"", "E0203 `[\"nam\"]`"),
    ("body.status.x == 1", "E0203 `x`"),
    ("body.users.name == \"x\"", "E0203 `name`"),
    ("body.users[0].nme == \"x\"", "E0203 `nme`"),
    ("body.count[0] == 1", "E0203 `[0]`"),
    ("body.labels.anything == \"x\"", ""),
    ("body.labels[\"a/b\"] == \"x\"", ""),
    ("body.free.x[1].y == 1", ""),
    ("body.only.b == 1", "E0203 `b`"),
    ("body.shape.radius > 1", ""),
    ("body.shape.radus > 1", "E0203 `radus`"),
    ("any(u in body.users: u.nam == \"x\")", "E0203 `nam`"),
    ("any(u in body.users: u.name == \"x\")", ""),
    ("filter(u in body.users: u.name == \"x\")[0].nam == \"y\"", "E0203 `nam`"),
    ("first(u in body.users: u.name == \"x\").mail == \"y\"", ""),
    ("map(u in body.users: u.name)[0].x == \"y\"", "E0203 `x`"),
    // Impossible values.
    ("body.status == \"fireing\"", "E0311 `\"fireing\"`"),
    ("\"fireing\" == body.status", "E0311 `\"fireing\"`"),
    ("body.status != \"fireing\"", "E0311 `\"fireing\"`"),
    ("body.status in [\"firing\", \"x\"]", "E0311 `[\"firing\", \"x\"]`"),
    ("body.status in [\"firing\"]", ""),
    ("body.shape.kind == \"cirle\"", "E0311 `\"cirle\"`"),
    ("body.count == 1.5", "E0311 `1.5`"),
    ("body.count == 1.0", ""),
    ("body.count is string", "E0311 `body.count is string`"),
    ("body.count is null", "E0311 `body.count is null`"),
    ("body.count is missing", ""),
    ("body.note is null", ""),
    ("body.note is string", ""),
    ("body.status == \"firing\" and body.status == \"resolved\"", "E0311 `\"resolved\"`"),
    ("body.free == 1 and body.free == 2", "E0311 `2`"),
    ("body.free is missing and body.free == 2", "E0311 `body.free`"),
    // Kinds.
    ("body.count == \"2\"", "E0301 `body.count == \"2\"`"),
    ("body.at > \"2026-01-01T00:00:00Z\"", "E0309 `body.at`"),
    ("time(body.at) > time(event.time)", ""),
    ("body.status", "E0302 `body.status`"),
    ("body.flag", ""),
    ("not body.flag", ""),
    ("body.count + body.status == 1", "E0301 `body.count + body.status`"),
    ("lower(body.count) == \"x\"", "E0303 `body.count`"),
    ("body.note starts-with \"x\"", ""),
    // Several kinds.
    ("body.replicas > 2", "E0313 `body.replicas`"),
    ("body.replicas == \"2\"", "E0313 `body.replicas`"),
    ("body.replicas in [1, 2]", "E0313 `body.replicas`"),
    ("body.replicas == body.replicas", "E0313 `body.replicas`"),
    ("body.replicas is int and body.replicas > 2", ""),
    ("body.replicas is not string and body.replicas > 2", ""),
    ("body.replicas is string or body.replicas > 2", ""),
    ("body.replicas is string and body.replicas > 2", "E0309 `body.replicas`"),
    ("not (body.replicas is string) and body.replicas + 1 > 2", ""),
    ("body.replicas + 1 > 2", "E0313 `body.replicas`"),
    ("-body.replicas > 2", "E0313 `body.replicas`"),
    ("int(body.replicas) > 2", ""),
    ("lower(body.replicas) == \"x\"", "E0313 `body.replicas`"),
    ("body.replicas like \"2*\"", "E0313 `body.replicas`"),
    ("body.replicas", "E0302 `body.replicas`"),
    ("(body.replicas ?? 1) > 2", "E0313 `(body.replicas ?? 1)`"),
    ("body.replicas == body.free", ""),
    ("body.free > 2", ""),
    // Elements of lists.
    ("join(map(u in body.users: u.name), \",\") == \"x\"", ""),
    ("join(body.users, \",\") == \"x\"", "E0303 `body.users`"),
    ("sum(map(u in body.users: u.name)) > 1", "E0303 `map(u in body.users: u.name)`"),
    ("sort([body.count, body.status])[0] == \"x\"", "E0303 `[body.count, body.status]`"),
    ("\"a\" in body.users", "E0307 `body.users`"),
    ("\"a\" in map(u in body.users: u.name)", ""),
    ("body.owner == null", "E0308 `null`"),
    ("age(body.replicas) > 1m", "E0313 `body.replicas`"),
    ("weekday(body.at, \"UTC\") in [\"sat\", \"sunday\"]", "E0311 `[\"sat\", \"sunday\"]`"),
    ("weekday(body.at, \"UTC\") in [\"sat\", \"sun\"]", ""),
    // Computed keys.
    ("body.labels[body.status] == \"x\"", ""),
    ("body.labels[body.count] == \"x\"", "E0301 `body.count`"),
    ("body.labels[string(body.count)] == \"x\"", ""),
    ("body.labels[body.flag] == \"x\"", "E0301 `body.flag`"),
    ("body.labels[body.replicas] == \"x\"", "E0313 `body.replicas`"),
    ("body.labels[body.status] == 5", "E0301 `body.labels[body.status] == 5`"),
    ("body.users[body.status].name == \"x\"", "E0301 `body.status`"),
    ("body.users[body.count].name == \"x\"", ""),
    ("body.users[body.count].nam == \"x\"", "E0203 `nam`"),
    ("body.count[body.status] == \"x\"", "E0203 `body.count`"),
    ("body.free[body.free] == \"x\"", ""),
    ("({ firing = 1, resolved = 2 })[body.status] == 1", ""),
    ("({ firing = 1, resolved = 2 })[body.status] == 3", "E0311 `3`"),
    ("({ firing = 1, resolved = 2 })[body.note] == 1", ""),
    ("({ firing = { a = 1 } })[body.status].b == 1", "E0203 `b`"),
    ("body[\"stats\"] == \"x\"", ""),
    ("body.owner[\"na${\"m\"}\"] == \"x\"", "E0203 `\"na${\"m\"}\"`"),
    ("headers[body.status] == \"x\"", ""),
    ("headers[body.status].x == \"x\"", "E0203 `x`"),
    ("event[body.status] == \"x\"", "E0211 `event`"),
    ("body.status not contains \"x\" and body.count not like \"x\"", "E0301 `body.count`"),
    // Narrowing by conditions.
    ("body.shape.kind == \"circle\" and body.shape.radius > 1", ""),
    ("body.shape.kind == \"circle\" and body.shape.side > 1", "E0203 `side`"),
    ("body.size.of is present and body.size.kind == \"a\" and body.size.of > 1", ""),
    ("body.shape.kind != \"circle\" and body.shape.side > 1", ""),
    ("not (body.shape.kind == \"circle\") and body.shape.radius > 1", "E0203 `radius`"),
    ("body.shape.kind in [\"circle\"] and body.shape.side > 1", "E0203 `side`"),
    (
        "(body.shape.kind == \"circle\" or body.shape.kind == \"square\") and body.shape.side > 1",
        "",
    ),
    ("body.shape.kind == \"circle\" or body.shape.side > 1", ""),
    // An unknown condition is not true either.
    ("body.note == \"x\" or body.note is null", ""),
    ("body.note matches \"x\" or body.note is null or body.note is missing", ""),
    ("body.was.kind == \"circle\" or body.was.radius is missing", ""),
    ("body.free == \"x\" or body.free is missing or body.free is null", ""),
    ("body.free matches \"x\" or body.free is list", ""),
    ("body.free is present and (body.free matches \"x\" or body.free is list)", ""),
    ("not (body.free != \"x\" and body.free is present) or body.free == 1", ""),
    ("body.status == \"firing\" or body.status == \"firing\"", "E0311 `\"firing\"`"),
    ("body.size.kind == \"b\" or body.size.of > 1", ""),
    ("body.free in [\"b\"] or body.free is null", ""),
    ("body.flag or body.status == \"firing\"", ""),
    ("body.shape.kind == \"circle\" or body.shape.radius > 1", "E0203 `radius`"),
    ("any(u in body.users: u.mail is string and u.mail == \"x\")", ""),
];

#[test]
fn types_reveal_impossible_values() {
    check(CASES.iter().map(|(when, expected)| (typed(when), *expected)));
}

/// Fields of a trigger after some clauses.
const FIELDS: &[(&str, &str, &str)] = &[
    ("", "after = body.owner.name", "E0403 `body.owner.name`"),
    ("", "parameters { a = body.owner.name }", "E0312 `body.owner.name`"),
    ("", "parameters { a? = body.owner.name }", ""),
    ("", "parameters { a = body.owner.name ?? \"x\" }", ""),
    ("when body.owner is present", "parameters { a = body.owner.name }", ""),
    ("when body.owner.name == \"x\"", "parameters { a = body.owner.name }", ""),
    ("when body.owner.name != \"x\"", "parameters { a = body.owner.name }", ""),
    (
        "when body.owner.mail is not null",
        "parameters { a = body.owner.mail }",
        "E0312 `body.owner.mail`",
    ),
    ("when body.owner.mail is string", "parameters { a = body.owner.mail }", ""),
    (
        "when body.owner is present or body.flag",
        "parameters { a = body.owner.name }",
        "E0312 `body.owner.name`",
    ),
    (
        "when body.owner.name == \"x\" or body.owner.name == \"y\"",
        "parameters { a = body.owner.name }",
        "",
    ),
    ("", "parameters { a = \"${body.owner.name}\" }", "E0312 `\"${body.owner.name}\"`"),
    ("", "parameters { a = body.note }", "E0312 `body.note`"),
    ("", "parameters { a = body.note ?? \"\" }", ""),
    ("when body.note not in [\"x\"]", "parameters { a = body.note }", "E0312 `body.note`"),
    ("when body.note in [\"x\"]", "parameters { a = body.note }", ""),
    ("", "parameters { a = body.labels.x }", ""),
    ("", "parameters { a = body.users[0].name }", ""),
    ("", "parameters { a = body.users[0].mail }", "E0312 `body.users[0].mail`"),
    ("", "parameters { a = body.owner.name == \"x\" }", "E0312 `body.owner.name == \"x\"`"),
    ("", "parameters { a = body.replicas }", ""),
    ("", "parameters { a = body.free.x }", ""),
    ("", "parameters { a = body.users }", "E0403 `body.users`"),
    ("", "parameters { from body { status, count } }", ""),
    ("", "parameters { from body { owner } }", "E0403 `owner`"),
    ("", "parameters { from body.owner { name, mail? } }", "E0312 `name`"),
    ("", "retries = body.replicas", "E0313 `body.replicas`"),
    ("when body.replicas is int", "retries = body.replicas", ""),
    ("each u in body.users", "parameters { a = u.name, b? = u.mail }", ""),
    ("each u in body.users", "parameters { a = u.mail }", "E0312 `u.mail`"),
    ("each u in body.status", "parameters { a = u.mail }", "E0310 `body.status`"),
    ("once per body.owner.name within 1h", "", "E0312 `body.owner.name`"),
    ("once per body.labels.x within 1h", "", ""),
    // Computed keys.
    ("", "parameters { a = body.labels[body.status] }", ""),
    ("", "parameters { a = body.labels[body.note] }", "E0312 `body.labels[body.note]`"),
    ("", "parameters { a = ({ firing = \"x\", resolved = \"y\" })[body.status] }", ""),
    (
        "",
        "parameters { a = ({ firing = \"x\" })[body.status] }",
        "E0312 `({ firing = \"x\" })[body.status]`",
    ),
    ("when body.status == \"firing\"", "parameters { a = ({ firing = \"x\" })[body.status] }", ""),
    (
        "when ({ x = \"x\" })[body.labels.a] is present",
        "parameters { a = ({ x = \"x\" })[body.labels.a] }",
        "",
    ),
    (
        "when body.labels.a in keys({ x = 1, y = 2 })",
        "parameters { a = string(({ x = 1, y = 2 })[body.labels.a]) }",
        "",
    ),
    // Conditions about computed values.
    (
        "when first(u in body.users: u.name == \"x\") is present",
        "parameters { a = first(u in body.users: u.name == \"x\").name }",
        "",
    ),
    (
        "when first(u in body.users: u.name == \"x\") is not missing",
        "parameters { a = first(v in body.users: v.name == \"x\").name }",
        "",
    ),
    (
        "when first(u in body.users: u.name == \"x\") is present",
        "parameters { a = first(u in body.users: u.name == \"y\").name }",
        "E0312 `first(u in body.users: u.name == \"y\").name`",
    ),
    (
        "when first(u in body.users: u.name == \"x\").name == \"x\" or body.flag",
        "parameters { a = first(u in body.users: u.name == \"x\").name }",
        "E0312 `first(u in body.users: u.name == \"x\").name`",
    ),
    (
        "when first(u in body.users: u.name == \"x\").name == \"x\" or first(u in body.users: u.name == \"x\").name like \"y*\"",
        "parameters { a = first(u in body.users: u.name == \"x\").name }",
        "",
    ),
    (
        "when not (first(u in body.users: u.name == \"x\") is missing)",
        "parameters { a = first(u in body.users: u.name == \"x\").name }",
        "",
    ),
    ("when url(body.status).host is present", "parameters { a = url(body.status).host }", ""),
    ("when url(body.status).host == \"x\"", "parameters { a = url(body.status).host }", ""),
    ("", "parameters { a = url(body.status).host }", "E0312 `url(body.status).host`"),
    (
        "when url(body.status).path is present",
        "parameters { a = url(body.status).host }",
        "E0312 `url(body.status).host`",
    ),
    (
        "when count(u in body.users: u.mail == \"x\") > 0",
        "retries = count(u in body.users: u.mail == \"x\")",
        "",
    ),
    (
        "when any(u in body.users: u.mail == \"x\")",
        "parameters { a = any(u in body.users: u.mail == \"x\") }",
        "",
    ),
    ("when [body.replicas][0] is int", "retries = [body.replicas][0]", ""),
    ("when [body.replicas][0] is not string", "retries = [body.replicas][0]", ""),
    (
        "when [body.replicas][0] is string",
        "retries = [body.replicas][0]",
        "E0403 `[body.replicas][0]`",
    ),
    // An element of another list with the same name is another value.
    (
        "when first(u in body.users: u.name == \"x\") is present",
        "parameters { a = join(map(v in body.users: first(u in body.users: v.name == \"x\").name), \",\") }",
        "E0312 `join(map(v in body.users: first(u in body.users: v.name == \"x\").name), \",\")`",
    ),
    (
        "when first(u in body.users: u.name == \"x\") is present",
        "parameters { a = join(map(v in body.users: first(u in body.users: u.name == \"x\").name), \",\") }",
        "",
    ),
    (
        "",
        "parameters { a = first(u in body.users: u.name == \"x\").name }",
        "E0312 `first(u in body.users: u.name == \"x\").name`",
    ),
];

#[test]
fn missing_values_need_a_default_where_required() {
    let trigger =
        |fields: &str| format!("trigger flow {{ template = \"t\", namespace = \"n\", {fields} }}");
    check(FIELDS.iter().map(|(clauses, fields, expected)| {
        (rule(clauses, &trigger(fields.trim_end_matches(','))).replace(",  }", " }"), *expected)
    }));
}

const TYPES: &[(&str, &str)] = &[
    ("type a = strin", "E0217 `strin`"),
    ("type a = number", "E0217 `number`"),
    ("type a = alertmanager.v4", "E0217 `alertmanager.v4`"),
    ("use std \"alertmanager\"\ntype a = alertmanager.v4", ""),
    ("use std \"alertmanager\"\ntype a = alertmanager.v3", "E0217 `alertmanager.v3`"),
    ("use std \"alertmanager\"\ntype a = alert", "E0217 `alert`"),
    ("type a = list<b>\ntype b = { c?: a }", "E0218 `a`"),
    ("type a = a", "E0218 `a`"),
    ("type a = list<b>\ntype b = string", ""),
    ("type string = int", "E0207 `string`"),
    ("type a = int\ntype a = int", "E0204 `a`"),
    ("type a = { b: int, b: int }", "E0404 `b`"),
    ("type a = \"x\" | 1 | -2.5 | true | null | { \"a b\"?: bytes }", ""),
];

#[test]
fn type_declarations_are_checked() {
    check(TYPES.iter().map(|(text, expected)| ((*text).to_owned(), *expected)));
}

#[test]
fn types_that_grow_without_bound_are_refused() {
    let chain = |step: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (1..400).map(|i| format!("type t{i} = {}", step(i - 1))).collect();
        format!("type t0 = int\n{}", all.join("\n"))
    };
    assert_eq!(codes(&chain(&|i| format!("t{i}"))), Vec::<String>::new());
    let deep = codes(&chain(&|i| format!("list<t{i}>")));
    assert_eq!(deep.len(), 3, "{deep:?}");
    assert!(deep.iter().all(|code| code.starts_with("E0219")));
    let doubling = codes(&chain(&|i| format!("{{ a: t{i}, b: t{i} }}")));
    assert!(doubling.iter().all(|code| code.starts_with("E0219")), "{doubling:?}");
}

#[test]
fn clauses_narrow_types_for_later_ones() {
    let text = rule(
        "when body.replicas is int\n when body.replicas > 2",
        "trigger note {} }\n rule q { when body.replicas > 2 trigger note {}",
    );
    assert_eq!(codes(&text), ["E0313 `body.replicas`"], "only in the rule that did not ask");
}

#[test]
fn messages() {
    let text = [
        "body.stats == 1",
        "body.only.b == 1",
        "body.owner.nam == \"x\"",
        "body.users.name == \"x\"",
        "body.status == \"fireing\"",
        "body.replicas > 2",
        "body.count is string",
        "body.at < body.at",
        "status == \"firing\"",
        "body.status != null",
        "\"a\" + \"/\" + body.status == \"\"",
        "$.body.status == \"firing\"",
        "body.status in (\"firing\", \"resolved\")",
    ]
    .map(|when| format!("  when {when}"))
    .join("\n");
    let whole = format!(
        "{}{}",
        super::PRELUDE,
        rule(
            &text,
            "trigger flow { template = \"t\", namespace = \"n\", parameters { a = body.owner.name } }"
        )
    );
    insta::assert_snapshot!(super::report(&[("test.rules", &whole)]));
}
