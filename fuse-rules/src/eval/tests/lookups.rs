//! Computed keys, and records as operands.

use super::tables::{F, T, U, check};
use super::{condition, decide, event, load, value};
use crate::decision::Outcome;
use crate::fuses::Fuses;

const BODY: &str = r##"{
  "team": "pay", "other": "x", "null": null, "n": 1, "last": -1, "half": 0.5, "whole": 1.0, "flag": true,
  "channels": { "pay": "#pay", "infra": { "id": "#infra" }, "none": null, "1": "one" },
  "list": ["a", "b", { "k": 1 }], "teams": ["pay", "x", "infra"]
}"##;

#[test]
fn a_computed_key_is_a_step_of_a_path() {
    check(
        BODY,
        &[
            ("body.channels[body.team] == \"#pay\"", T),
            ("body.channels[body.team] == \"#x\"", F),
            ("body.channels[lower(\"INFRA\")].id == \"#infra\"", T),
            ("body.channels[\"in${\"fra\"}\"].id == \"#infra\"", T),
            ("body.channels[\"${body.team}\"] == \"#pay\"", T),
            ("body[\"chan${\"nels\"}\"][body.team] == \"#pay\"", T),
            // There is no such key.
            ("body.channels[body.other] == \"#pay\"", U),
            ("body.channels[body.other] is missing", T),
            ("(body.channels[body.other] ?? \"#all\") == \"#all\"", T),
            ("body.channels[body.other].id is missing", T),
            ("body.channels[\"none\"] is null", T),
            // There is no key.
            ("(body.channels[body.nothing] ?? \"#all\") == \"#all\"", T),
            ("(body.channels[body.null] ?? \"#all\") == \"#all\"", T),
            // Numbers are positions in a list.
            ("body.list[body.n] == \"b\"", T),
            ("body.list[body.whole] == \"b\"", T),
            ("body.list[body.last].k == 1", T),
            ("body.list[body.n + 1].k == 1", T),
            ("body.list[body.n + 2] is missing", T),
            ("body.list[body.n + 9007199254740993 * 9007199254740993] is missing", T),
            // As in a path, a number is no key of a map, and a string no position.
            ("body.channels[body.n] is missing", T),
            ("body.list[body.team] is missing", T),
            ("body.team[body.n] is missing", T),
            ("body.nothing[body.team] is missing", T),
            ("body.null[body.team] is missing", T),
            // Nothing else can be a key.
            ("body.channels[body.flag] is missing", U),
            ("(body.channels[body.list] ?? \"x\") == \"x\"", U),
            ("(body.list[body.half] ?? \"x\") == \"x\"", U),
            // Keys of elements.
            ("all(t in filter(t in body.teams: t != \"x\"): body.channels[t] is present)", T),
            ("any(t in body.teams: body.channels[t] is missing)", T),
            // The names of headers are in lower case.
            ("headers[\"X-${\"Kind\"}\"] == \"push\"", T),
            ("query[\"pa${\"ge\"}\"] == \"2\"", T),
        ],
    );
}

/// Also those that a condition gets as an argument.
#[test]
fn names_of_headers_are_in_lower_case() {
    let ruleset = load(
        "condition has(table, name) = table[name] == \"push\"
         source q queue { event e }
         sensor s on q.e {
           rule computed { when has(headers, body.name)  trigger note {} }
           rule constant { when has(headers, \"X-Kind\")  trigger note {} }
           rule other { when has(body.table, body.name)  trigger note {} }
         }",
    );
    let body = r#"{"name": "X-Kind", "table": {"x-kind": "push"}}"#;
    let evaluation = decide(&ruleset, &event(body), &Fuses::default());
    let outcomes: Vec<_> = evaluation.decisions.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Outcome::Fired, Outcome::Fired, Outcome::Unknown]);
}

#[test]
fn what_a_lookup_lacks_is_named() {
    for (text, expected) in [
        ("body.channels[body.other] == \"x\"", "`body.channels[body.other]` is missing"),
        ("body.channels[body.gone] == \"x\"", "`body.gone` is missing"),
        ("body.channels[body.null] == \"x\"", "`body.null` is null"),
        ("body.gone[body.team] == \"x\"", "`body.gone` is missing"),
        (
            "body.channels[body.flag] == \"x\"",
            "a key in brackets is a string or a whole number, but `body.flag` is a boolean",
        ),
        (
            "body.list[body.half] == \"x\"",
            "a key in brackets is a string or a whole number, but `body.half` is 0.5",
        ),
    ] {
        assert_eq!(condition(text, BODY).1, expected, "{text}");
    }
}

#[test]
fn records_are_operands_in_brackets() {
    for (text, expected) in [
        (
            "json({ text = \"hi\", id = body.n, no? = body.gone })",
            r#""{\"text\":\"hi\",\"id\":1}""#,
        ),
        ("[{ a = body.n }, { a? = body.gone }]", r#"[{"a":1},{}]"#),
        ("({ a = body.n, b = 2 }).b", "2"),
        ("({ pay = body.n })[body.team] ?? 2", "1"),
        ("len(keys({ a = 1, b? = body.gone }))", "1"),
        ("map(t in body.teams: ({ t = t }).t)", r#"["pay","x","infra"]"#),
    ] {
        assert_eq!(value(text, BODY).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(
        value("json({ a = body.gone })", BODY).unwrap_err(),
        "`value` needs `body.gone`, which is missing"
    );
}

#[test]
fn negated_tests_of_text_are_negations() {
    check(
        r#"{"a":"prod-eu","n":1}"#,
        &[
            ("body.a not contains \"us\"", T),
            ("body.a not contains \"eu\"", F),
            ("body.a not matches r\"dev.*\"", T),
            ("body.a not like \"prod-*\"", F),
            ("body.a not starts-with \"dev\" and body.a not ends-with \"us\"", T),
            ("not body.a not contains \"eu\"", T),
            ("body.gone not contains \"eu\"", U),
            ("body.n not contains \"eu\"", U),
        ],
    );
}

/// Tables in constants, looked up by a value of the event.
const TABLES: &str = r##"
const tenants = { acme = { namespace = "t-acme", channel = "c1" }, globex = { namespace = "t-globex" } }
const channels = { pay = "#pay", infra = "#infra" }
const tiers = ["gold", "silver"]
condition is-routed(table, team, channel) = table[team] == channel
source q queue { event e : { team: string, tenant: "acme" | "globex", tier: int, env: "pay" | "x" } }
sensor s on q.e {
  rule exact   { trigger note { value = tenants[body.tenant].namespace } }
  rule open    { trigger note { value? = channels[body.team] } }
  rule default { trigger note { value = channels[body.team] ?? "#all" } }
  rule listed {
    when body.team in keys(channels)
    trigger note { value = channels[body.team] }
  }
  rule tested {
    when channels[body.team] is present
    trigger note { value = channels[body.team] }
  }
  rule called { when is-routed(channels, body.team, "#pay") or is-routed(channels, "infra", "x")
                trigger note {} }
  rule tier { trigger note { value = tiers[body.tier] ?? "none" } }
  rule text { trigger note { value = "to ${channels[body.team] ?? channels["infra"]}" } }
}
"##;

#[test]
fn constants_are_tables() {
    let ruleset = load(TABLES);
    let shown = |body: &str| {
        let evaluation = decide(&ruleset, &event(body), &Fuses::default());
        let decisions = evaluation.decisions.iter().map(|decision| {
            let value = decision.action.as_ref().map(|action| format!("{:?}", action.fields));
            let rule = decision.rule.strip_prefix("s/").unwrap();
            format!(
                "{rule}: {}",
                value.unwrap_or_else(|| format!("{:?} {}", decision.outcome, decision.reason))
            )
        });
        decisions.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(shown(r#"{"team":"pay","tenant":"globex","tier":1,"env":"x"}"#));
    insta::assert_snapshot!(shown(r#"{"team":"x","tenant":"acme","tier":7,"env":"x"}"#));
}
