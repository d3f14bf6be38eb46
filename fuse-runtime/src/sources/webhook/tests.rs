//! The presets, as rules: what each of them becomes.

use std::collections::BTreeMap;

use fuse_rules::inventory::{EventInfo, PresetInfo, PresetSecret, PresetSetting};
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
        .map(|PresetSecret { name, .. }| format!("{name} = secret(\"own\", \"{name}\")\n"))
        .collect();
    let settings: Vec<String> = preset
        .settings
        .iter()
        .map(|PresetSetting { name, example, .. }| format!("{name} = {example}\n"))
        .collect();
    let fields = [secrets, settings].concat().concat();
    format!("source own {} {{\nport = 12000\n{fields}{items} }}", preset.kind)
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
    // With values for its settings, the text is itself rules, with sources of the kind `webhook`.
    let mut text = PRESETS.to_owned();
    for PresetSetting { name, example, .. } in webhooks().presets().iter().flat_map(|p| &p.settings)
    {
        text = text.replace(&format!("setting(\"{name}\", {example})"), example);
    }
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
                .filter(|event| !is_any(event.doc.as_deref()))
                .map(|event| format!("event {}\n", event.name))
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

/// Whether an event overlaps the others, by its comment.
fn is_any(doc: Option<&str>) -> bool {
    doc.is_some_and(|doc| doc.starts_with("Any "))
}

/// The source of a preset, without the event at its end that is any of the others.
fn part_of(text: &str, kind: &str) -> String {
    let from = text.find(&format!("source {kind} webhook {{")).unwrap();
    let part = &text[from..];
    let part = &part[..part.find("\n}\n").unwrap() + 3];
    let part = match part.find("  # Any ") {
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
        for PresetSecret { name, .. } in &preset.secrets {
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
        source e alertmanager { port = 12007, secret = env("S") }"#
    ));
}

/// The fields of the first event.
fn fields(text: &str) -> Value {
    let rules = load(text);
    json!(rules.events().next().unwrap().fields)
}

#[test]
fn checks_are_added_to_those_of_a_preset_however_they_are_written() {
    let with = |auth: &str| {
        fields(&format!(
            r#"source hub github {{ port = 12003, secret = env("S"), event push, {auth} }}"#
        ))
    };
    let block = with(r#"auth { allow-from = ["10.0.0.0/8"] }"#);
    assert_eq!(block["auth"]["hmac"]["header"], "X-Hub-Signature-256");
    assert_eq!(block["auth"]["hmac"]["secret"], json!([{ "env": { "name": "S" } }]));
    assert_eq!(with(r#"auth = { allow-from = ["10.0.0.0/8"] }"#), block);
}

#[test]
fn the_defaults_of_a_file_do_not_change_how_a_preset_authenticates_its_sender() {
    const HUB: &str = r#"source hub github { port = 12003, secret = env("S"), event push }"#;
    let plain = fields(HUB);
    let schemes = r#"
        defaults webhook {
          body-limit = 2MiB
          auth {
            bearer { token = env("T") }
            hmac { secret = env("T"), header = "X-Sig", algorithm = "sha512", encoding = "base64" }
            any { header { name = "x-token", value = env("T") } }
            allow-from = ["10.0.0.0/8"]
          }
        }"#;
    let mut expected = plain.clone();
    expected["body-limit"] = json!(2 << 20);
    expected["auth"]["allow-from"] = json!(["10.0.0.0/8"]);
    assert_eq!(fields(&format!("{schemes}\n{HUB}")), expected);
    // The header of the time would be one too many.
    let other = r#"
        defaults webhook {
          auth {
            hmac { secret = env("T"), header = "s", timestamp-header = "t", signed = "{timestamp}{body}" }
          }
        }
        source pay stripe { port = 12003, secret = env("S"), event payout-paid }"#;
    assert_eq!(fields(other)["auth"]["hmac"]["timestamp-prefix"], "t=");
}

#[test]
fn an_event_that_is_answered_with_its_decisions_has_no_reply_of_its_preset() {
    for (source, event) in [(r#"respond = "decided""#, ""), ("", r#"{ respond = "decided" }"#)] {
        let fields = fields(&format!(
            r#"source chat slack {{ port = 12003, secret = env("S"), {source}
               event command {event} }}"#
        ));
        assert_eq!((fields.get("reply"), &fields["respond"]), (None, &json!("decided")));
    }
}

#[test]
fn mistakes_about_what_a_preset_adds_are_shown_in_the_source() {
    insta::assert_snapshot!(problems(
        r#"source a github { port = 1, secret? = env("S"), secret = env("T"), event push }
        source b gitlab { port = 2, secret = "s3cr3t", event push }
        source c github { port = 3, secret = env("S"), auth = env("T"), event push }
        source d pagerduty {
          port = 4
          secret = env("S")
          event incident-triggered : { event: { id: string } }
        }
        source e stripe {
          port = 5
          secret = env("S")
          event invoice-paid : { type: string }
        }"#
    ));
    insta::assert_snapshot!(problems(
        r#"source a slack {
          port = 12006
          secret = env("S")
          event app-mention
          event event-callback
        }"#
    ));
    insta::assert_snapshot!(problems(
        r#"source a microsoft-graph {
          port = 12006
          secret = env("S")
          auth { hmac { secret = env("S"), header = "X-Signature" } }
          event notifications
        }"#
    ));
}
