//! The presets, as rules: what each of them becomes.

use std::collections::BTreeMap;

use fuse_rules::inventory::{EventInfo, PresetInfo};
use fuse_rules::{Registry, Ruleset};
use serde_json::{Value, json};

use super::Webhook;
use crate::registry;
use crate::sources::Sources;
use crate::triggers::Triggers;

const PRESETS: &str = include_str!("presets.rules");

fn webhooks() -> Registry {
    let webhook = Webhook::new(std::net::Ipv4Addr::LOCALHOST.into());
    registry(&Sources::new().with("webhook", webhook), &Triggers::new())
}

fn load(text: &str) -> Ruleset {
    Ruleset::parse("test.rules", text, &webhooks()).unwrap_or_else(|why| panic!("{why}"))
}

fn problems(text: &str) -> String {
    Ruleset::parse("test.rules", text, &webhooks()).unwrap_err().to_string()
}

/// A source of a preset with these items.
fn source(preset: &PresetInfo, items: &str) -> String {
    let secrets: Vec<String> = preset
        .secrets
        .iter()
        .map(|name| format!("{name} = secret(\"own\", \"{name}\")\n"))
        .collect();
    format!("source own {} {{\nport = 12000\n{}{items} }}", preset.kind, secrets.concat())
}

/// What is known about an event, without the name of its source, its place in the file, and the name of its secrets.
fn known(event: &EventInfo<'_>) -> Value {
    let expressions: BTreeMap<_, _> =
        event.expressions.iter().map(|field| (&field.name, &field.value)).collect();
    let fields = json!(event.fields).to_string().replace("\"name\":\"own\"", "\"name\":\"preset\"");
    let fields: Value = serde_json::from_str(&fields).unwrap();
    json!([event.ty, event.when, event.decode, fields, expressions])
}

#[test]
fn a_source_of_a_preset_is_the_source_that_its_text_shows() {
    // The text is itself rules, with sources of the kind `webhook`, and has the events of Slack twice at one address.
    let text = PRESETS.replace("event event-callback ", "event event-callback-2 ");
    let one_by_one = webhooks().presets();
    assert!(one_by_one.len() >= 15, "{one_by_one:?}");
    for preset in &one_by_one {
        let whole = part_of(&text, &preset.kind);
        let plain = load(&format!("{}\n{whole}", uses(&text)));
        let names: Vec<String> = match preset.events.is_empty() {
            true => vec!["event any".into()],
            false => preset
                .events
                .iter()
                .filter(|(name, _)| name != "event-callback")
                .map(|(name, _)| format!("event {name}\n"))
                .collect(),
        };
        let own = load(&source(preset, &names.concat()));
        assert_eq!(own.sources().next().unwrap().preset, Some(preset.kind.as_str()));
        let plain: BTreeMap<_, _> =
            plain.events().map(|e| (e.name.to_owned(), known(&e))).collect();
        assert_eq!(own.events().count(), names.len());
        for event in own.events().filter(|_| !preset.events.is_empty()) {
            let secrets = webhooks().sources().next().unwrap().source().secrets(event.fields).len();
            assert_eq!(secrets, preset.secrets.len(), "{}", preset.kind);
            assert_eq!(known(&event), plain[event.name], "{}.{}", preset.kind, event.name);
        }
    }
}

/// The `use` lines of the presets.
fn uses(text: &str) -> String {
    text.lines().filter(|line| line.starts_with("use ")).collect::<Vec<_>>().join("\n")
}

/// The source of a preset, without the event that is any of the others.
fn part_of(text: &str, kind: &str) -> String {
    let from = text.find(&format!("source {kind} webhook {{")).unwrap();
    let part = &text[from..];
    let part = &part[..part.find("\n}\n").unwrap() + 3];
    let part = match part.find("  # Any event of the Events API") {
        Some(at) => format!("{}}}", &part[..at]),
        None => part.to_owned(),
    };
    match part.contains("  event ") {
        true => part,
        false => part.replace("\n}\n", "\n  event any\n}\n"),
    }
}

#[test]
fn the_text_of_the_presets_is_formatted_and_has_titles_and_pages() {
    assert_eq!(fuse_rules::format("presets.rules", PRESETS).unwrap(), PRESETS);
    for preset in webhooks().presets() {
        let mut lines = preset.doc.lines();
        assert!(
            lines.next().is_some_and(|title| title.starts_with(char::is_uppercase)),
            "{}",
            preset.kind
        );
        assert!(lines.next().is_some_and(|page| page.starts_with("https://")), "{}", preset.kind);
        for name in &preset.secrets {
            assert!(preset.doc.contains(&format!("{{{name}}}")), "{} has no {name}", preset.kind);
        }
    }
}

#[test]
fn a_source_overrides_its_preset_and_adds_conditions_and_events() {
    let rules = load(
        r#"
        type mine = { ref: string, ... }
        source hub github {
          port = 12003
          path = "/hub"
          body-limit = 5MiB
          secret = [secret("hub", "new"), secret("hub", "old")]
          auth { allow-from = ["192.30.252.0/22"] }
          # Pushes to our repository.
          event push : mine { when body.ref == "refs/heads/main" }
          event forced { when headers.x-github-event == "push" and body.ref == "refs/heads/x" }
        }
        source chat slack {
          port = 12003
          secret = env("SLACK")
          event command
          event block-actions { path = "/clicks" }
        }"#,
    );
    insta::assert_debug_snapshot!(rules.events().collect::<Vec<_>>());
}

#[test]
fn mistakes_in_a_source_of_a_preset_are_shown_where_they_are() {
    insta::assert_snapshot!(problems(
        r#"source hub gihtub { port = 12003, secret = env("S"), event push }
        source a github { port = 12003, event pusj, event pull-request, event mine { when body.x == 1 } }
        source b github { port = 12004, path = "/b", secrt = env("S"), event whatever }
        source c github {
          port = 12005
          secret = "s3cr3t"
          auth { hmac { secret = env("S"), header = "X" } }
          event push
        }
        source d slack {
          port = 12006
          secret = env("S")
          event app-mention
          event event-callback
        }
        source e alertmanager { port = 12007, secret = env("S") }"#
    ));
}
