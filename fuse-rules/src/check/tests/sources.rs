//! The blocks of sources: nested ones, and values that events override.

use serde_json::json;

use super::codes;
use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema, Templates};
use crate::{Event, Ruleset};

fn registry() -> Registry {
    let texts = || FieldType::Map(Box::new(FieldType::Text(Templates::Allowed)));
    let source = Schema::new("queue", "A queue.")
        .field(Field::required("url", FieldType::String, "Where the queue is."))
        .field(Field::optional("headers", texts(), "Headers of each request."))
        .field(Field::optional("token", FieldType::Secret, "The token."))
        .field(Field::optional("tls", FieldType::Any(Templates::Allowed), "TLS."))
        .field(Field::optional(
            "limits",
            FieldType::Map(Box::new(FieldType::Map(Box::new(FieldType::Duration)))),
            "Limits by name.",
        ))
        .field(Field::optional(
            "attributes",
            FieldType::Map(Box::new(FieldType::Expression)),
            "Attributes that are computed for each event.",
        ));
    let event = Schema::new("event", "").field(Field::optional("headers", texts(), ""));
    Registry::new().source(SourceSchema::new(source, event))
}

fn load(text: &str) -> Result<Ruleset, String> {
    let problems =
        |problems: crate::Diagnostics| problems.iter().map(|p| p.message.clone()).collect();
    Ruleset::parse("x.rules", text, &registry()).map_err(problems)
}

fn fields(ruleset: &Ruleset, name: &str) -> serde_json::Value {
    let event = ruleset.events().find(|event| event.name == name).unwrap();
    serde_json::Value::Object(event.fields.clone())
}

#[test]
fn nested_blocks_of_a_source_reach_it() {
    let ruleset = load(
        r#"
        defaults queue { headers { via = "defaults", team = "sre" } }
        source q queue {
          url = "http://localhost"
          token = env("QUEUE_TOKEN")
          headers { accept = "json", team = "dev" }
          limits { poll { every = 10s } }
          tls { ca = "x", verify = true, hosts = ["a"] }
          event plain
          event own { headers { accept = "text", retries = 3 } }
        }
        "#,
    )
    .unwrap();
    let plain = json!({
        "url": "http://localhost",
        "token": { "env": { "name": "QUEUE_TOKEN" } },
        "headers": { "accept": "json", "team": "dev", "via": "defaults" },
        "limits": { "poll": { "every": 10_000 } },
        "tls": { "ca": "x", "verify": true, "hosts": ["a"] },
        "mismatch": "accept",
    });
    assert_eq!(fields(&ruleset, "plain"), plain);
    let headers = &fields(&ruleset, "own")["headers"];
    let merged = json!({ "accept": "text", "team": "dev", "via": "defaults", "retries": "3" });
    assert_eq!(*headers, merged);
}

#[test]
fn nested_values_are_fixed_unless_they_are_expressions() {
    let text = r#"source q queue { url = "x", headers { team = body.team }, event e }"#;
    assert_eq!(load(text).unwrap_err(), "`headers.team` cannot depend on the event");
    let text = r#"source q queue { url = "x", tls { ca = body.ca }, event e }"#;
    assert_eq!(load(text).unwrap_err(), "`tls` cannot depend on the event");

    let text = r#"source q queue { url = "x", attributes { team = body.team }, event e }"#;
    let ruleset = load(text).unwrap();
    let event = Event::new("q", "e", br#"{"team":"sre"}"#).unwrap();
    let team = ruleset.plan().source_field(&event, "attributes.team").unwrap();
    assert_eq!(team.as_deref(), Some("sre"));
}

#[test]
fn a_nested_value_of_the_wrong_kind_is_reported_once() {
    let text = r#"source q queue { url = "x", limits { poll { every = "soon" } }, event e }"#;
    assert_eq!(load(text).unwrap_err(), "`every` takes a duration such as `10m`");
    assert!(codes("source t hook { port = 1, path { a = 1 }, event e }").len() == 1);
}
