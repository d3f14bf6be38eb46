//! Every suggestion can be followed, and the names are found however they are spelled.

use regex::Regex;
use rustc_hash::FxHashSet;

use super::*;
use crate::diagnostic::Diagnostics;
use crate::functions;
use crate::ruleset::Ruleset;
use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema, Templates};

fn problems(value: &str) -> Option<Diagnostics> {
    let event = SourceSchema::new(Schema::new("queue", ""), Schema::new("event", ""));
    let note = Schema::new("note", "").field(Field::optional(
        "value",
        FieldType::Any(Templates::Refused),
        "",
    ));
    let registry = Registry::new().source(event).trigger(note);
    let text = format!(
        "source q queue {{ event e }}\nsensor s on q.e {{ rule r {{ trigger note {{ value? = {value} }} }} }}"
    );
    Ruleset::parse("a.rules", &text, &registry).err()
}

#[test]
fn names_are_found_in_any_case() {
    for name in ["startsWith", "starts-with", "STARTS_WITH", "startswith"] {
        assert_eq!(suggestion_for(name), Some("write `text starts-with \"x\"`"), "{name}");
    }
    assert_eq!(suggestion_for("frobnicate"), None);
}

#[test]
fn names_are_unique_and_not_functions() {
    let known: FxHashSet<_> = functions::all().map(|function| plain(function.name)).collect();
    let mut seen = FxHashSet::default();
    for name in SUGGESTIONS.iter().flat_map(|(names, _)| *names) {
        assert!(seen.insert(name), "`{name}` occurs twice");
        assert!(!known.contains(*name), "`{name}` is a function");
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "`{name}` is never found"
        );
    }
}

/// Everything in back quotes is an expression that checks, once its names are those of values.
#[test]
fn suggestions_can_be_followed() {
    let code = Regex::new("`([^`]+)`").unwrap();
    let name =
        Regex::new(r"(^|[^\w.-])(text|list|map|number|time|from|to|key|x|y|a|b)\b([^(\w-]|$)")
            .unwrap();
    for (_, help) in SUGGESTIONS {
        let mut parts = 0;
        for found in code.captures_iter(help) {
            let (whole, bound) = (&found[1], found[1].contains("(x in "));
            let mut text = whole.replace("r\"…\"", "r\"x\"").replace(": …", ": x == 1");
            text = text.replace("is list", "is LIST").replace("is map", "is MAP");
            // Neighbouring names overlap in the pattern, so that one pass is not enough.
            for _ in 0..3 {
                text = name
                    .replace_all(&text, |part: &regex::Captures<'_>| match &part[2] {
                        bound_name if bound_name == "x" && bound => part[0].to_owned(),
                        "key" => part[0].to_owned(),
                        path => format!("{}body.{path}{}", &part[1], &part[3]),
                    })
                    .into_owned();
            }
            text = text.replace("LIST", "list").replace("MAP", "map");
            assert!(problems(&text).is_none(), "{whole} as {text}");
            parts += 1;
        }
        assert!(parts > 0 || help.contains("environment"), "{help}");
    }
}

/// What people try, and what they are told: never another thing that only looks similar.
#[test]
fn what_people_try() {
    let mut shown = String::new();
    for call in [
        "parseJSON(body.a)",
        "from-json(body.a)",
        "json-decode(body.a)",
        "substring(body.a, 0, 7)",
        "trim-prefix(body.a, \"x\")",
        "regex-replace(body.a, \"x\", \"y\")",
        "hmac-sha256(body.a, \"x\")",
        "length(body.a)",
        "to_string(body.a)",
        "startswith(body.a, \"x\")",
        "format(\"%s\", body.a)",
        "now()",
        "fromEntries(body.a)",
        "parsetime(body.a, \"%s\")",
        "lowwer(body.a)",
        "strip-prefx(body.a, \"x\")",
        "sub(body.a)",
        "mix(body.a)",
        "frobnicate(body.a)",
        "concat(\"a\", body.b)",
        "concat(\"a\", \"-\", \"b\")",
        "string([1])",
    ] {
        let problems = problems(call).unwrap();
        let problem = problems.iter().next().unwrap();
        let fix = problem.fix.as_ref().map(|fix| fix.title.clone());
        let help = problem.help.clone().or(fix).unwrap_or_default();
        shown.push_str(&format!("{call}\n  {}\n  {help}\n", problem.message));
    }
    insta::assert_snapshot!(shown);
}
