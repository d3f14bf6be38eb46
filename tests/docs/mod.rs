//! The reference of the language: each of its examples is right, and each row of its tables is so.

mod examples;
mod lists;
pub(crate) mod page;
mod tables;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use fuse_rules::{Decision, Diagnostics, Event, Fuses, Registry, Ruleset};
use fuse_runtime::registry;
use fuse_runtime::sources::Sources;
use fuse_runtime::triggers::{ActionFiles, Triggers};
use page::Example;
use serde_json::Value;

/// What examples that are a part of a rule stand in, where they name no file.
const PRELUDE: &str = "fuse remediation default on
source example webhook { port = 1, path = \"/\"
  event e }
";

fn page() -> String {
    read("docs/language.md")
}

/// The product's own kinds.
pub(crate) fn kinds() -> Registry {
    let sources = Sources::built_in(Ipv4Addr::LOCALHOST.into());
    registry(&sources, &Triggers::local(ActionFiles::new("manifests")))
}

/// The text of a file of the repository.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The files that the page shows, by name.
fn files(examples: &[Example]) -> BTreeMap<&str, &str> {
    let whole = examples.iter().filter(|example| example.is_whole());
    whole.filter_map(|example| Some((example.file()?, example.text.as_str()))).collect()
}

fn load(files: &BTreeMap<&str, &str>, text: &str) -> Result<Ruleset, Diagnostics> {
    let mut files = files.clone();
    files.insert("example.rules", text);
    Ruleset::load_in_detail(&["example.rules"], &files, &kinds())
}

/// Clauses of a rule as a file: over the event of the file that they build on, or over one without a type.
fn with_rule(files: &BTreeMap<&str, &str>, on: Option<&str>, clauses: &str) -> String {
    let trigger = match clauses.contains("trigger ") {
        true => "",
        false => "trigger log { message = \"fired\" }",
    };
    let rule = |event: &str| format!("sensor s on {event} {{ rule r {{\n{clauses}{trigger} }} }}");
    let Some(file) = on else { return format!("{PRELUDE}{}", rule("example.e")) };
    let given = Ruleset::load(&[file], files, &kinds()).unwrap_or_else(|why| panic!("{why}"));
    match given.events().next() {
        Some(event) => {
            format!("use \"{file}\"\n{}", rule(&format!("{}.{}", event.source, event.name)))
        }
        None => format!("use \"{file}\"\n{PRELUDE}{}", rule("example.e")),
    }
}

/// What an expression comes to: a JSON text, `absent` or `unknown`.
fn value(
    files: &BTreeMap<&str, &str>,
    on: Option<&str>,
    text: &str,
    body: &str,
) -> Result<String, String> {
    // In a list, since a field takes no null.
    let trigger = format!("trigger log {{ message = \"\", fields {{ value? = [{text}] }} }}");
    let decision = decided(&with_rule(files, on, &trigger), files, body)?;
    Ok(match decision.action {
        Some(action) => match &action.fields["fields"]["value"] {
            Value::Null => "absent".to_owned(),
            list => list[0].to_string(),
        },
        None => "unknown".to_owned(),
    })
}

/// What the one rule of these rules decides.
fn decided(rules: &str, files: &BTreeMap<&str, &str>, body: &str) -> Result<Decision, String> {
    let ruleset = load(files, rules).map_err(|problems| problems.to_string())?;
    let rule = ruleset.rules().next().ok_or("there is no rule")?;
    let listened = rule.events.first().ok_or("there is no event")?;
    let event = Event::new(listened.source, listened.name, body.as_bytes())
        .map_err(|invalid| invalid.to_string())?
        .id("42")
        .received("2026-08-01T10:10:00Z".parse().unwrap())
        .header("X-GitHub-Event", "push")
        .query("page", "2");
    Ok(ruleset.plan().evaluate_all(&event, &Fuses::default()).decisions.remove(0))
}
