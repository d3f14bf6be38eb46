//! Secrets, which are only allowed in fields for secrets.

use super::codes;
use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema};
use crate::{Outcome, Ruleset};

fn registry() -> Registry {
    let trigger = Schema::new("page", "Calls.")
        .field(Field::optional("token", FieldType::Secret, "The token."))
        .field(Field::optional("text", FieldType::String, "What to say."));
    Registry::new()
        .source(SourceSchema::new(Schema::new("queue", ""), Schema::new("event", "")))
        .trigger(trigger)
}

fn load(fields: &str) -> Result<Ruleset, Vec<String>> {
    let rules = format!(
        "source q queue {{ event e }}\nsensor s on q.e {{ rule r {{ trigger page {{ {fields} }} }} }}"
    );
    Ruleset::parse("x.rules", &rules, &registry()).map_err(|problems| {
        let one = |problem: &crate::Diagnostic| {
            let place = problem.label.as_ref().map_or("", |l| problems.files().text(l.span));
            format!("{} `{place}`", problem.topic)
        };
        problems.iter().map(one).collect()
    })
}

#[test]
fn a_field_gets_the_reference_to_a_secret() {
    for (value, expected) in [
        ("secret(\"pager\", \"token\")", r#"{"secret":{"name":"pager","key":"token"}}"#),
        ("env(\"PAGER\")", r#"{"env":{"name":"PAGER"}}"#),
        ("file(\"/run/pager\")", r#"{"file":{"path":"/run/pager"}}"#),
    ] {
        let plan = load(&format!("token = {value}")).unwrap().plan();
        let event = crate::Event::new("q", "e", b"{}").unwrap();
        let decided = plan.evaluate(&event, &crate::Fuses::default());
        assert_eq!(decided.decisions[0].outcome, Outcome::Fired);
        let token = &decided.decisions[0].action.as_ref().unwrap().fields["token"];
        assert_eq!(token.to_string(), expected);
    }
}

#[test]
fn other_values_are_not_secrets() {
    for (fields, expected) in [
        ("token = \"s3cr3t\"", "E0403 `\"s3cr3t\"`"),
        ("token = body.token", "E0403 `body.token`"),
        ("token = lower(\"x\")", "E0403 `lower(\"x\")`"),
        ("token = env(body.name)", "E0303 `env(body.name)`"),
        ("token = secret(\"pager\")", "E0303 `secret(\"pager\")`"),
        ("text = env(\"PAGER\")", "E0314 `env(\"PAGER\")`"),
        ("text = \"${env(\"PAGER\")}\"", "E0314 `env(\"PAGER\")`"),
    ] {
        assert_eq!(load(fields).unwrap_err(), [expected], "{fields}");
    }
}

#[test]
fn conditions_and_constants_cannot_contain_secrets() {
    let rule = super::rule("when body.x == secret(\"a\", \"b\")");
    assert_eq!(codes(&rule), ["E0314 `secret(\"a\", \"b\")`"]);
    assert_eq!(codes("const c = file(\"/x\")"), ["E0314 `file(\"/x\")`"]);
}
