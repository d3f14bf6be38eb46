//! `fuse connect` for a sender that is a kind of source: its rules, its settings, and the places of its secrets.

use std::fmt::Write as _;
use std::path::PathBuf;

use fuse_rules::Ruleset;
use fuse_rules::inventory::{PresetInfo, SourceInfo};
use fuse_rules::schema::Registry;
use serde_json::{Map, Value};

use super::super::{Ended, known_kinds, load, problems};
use super::url::Base;
use crate::cli::{Connect, Format};
use crate::{Exit, output};

/// The port of the printed rules.
const PORT: u64 = 12_000;

/// The event of the printed rules, if the preset has none.
const ANY_EVENT: &str = "received";

pub(super) fn run(arguments: &Connect, base: &Base) -> Ended {
    let kinds = known_kinds();
    let Some(preset) = find(&kinds, &arguments.sender) else {
        return Err(format!("fuse does not know how to connect `{}`", arguments.sender));
    };
    let is_default = arguments.rules.paths == [PathBuf::from("rules")];
    let ruleset = match is_default && !PathBuf::from("rules").exists() {
        true => None,
        false => match load(&arguments.rules)? {
            Ok(ruleset) => Some(ruleset),
            Err(diagnostics) => return Ok(problems(&diagnostics, Format::Text)),
        },
    };
    let sources = ruleset.iter().flat_map(Ruleset::sources);
    let sources: Vec<SourceInfo<'_>> =
        sources.filter(|source| source.preset == Some(preset.kind.as_str())).collect();
    let chosen = |source: &&SourceInfo<'_>| match &arguments.event {
        None => true,
        Some(name) => {
            source.events.iter().any(|event| format!("{}.{}", event.source, event.name) == *name)
        }
    };
    let texts: Vec<String> =
        sources.iter().filter(chosen).map(|source| of_source(&preset, source, base)).collect();
    if let (Some(event), true) = (&arguments.event, texts.is_empty()) {
        return Err(format!("no source of the kind `{}` has an event `{event}`", preset.kind));
    }
    output::print(&match texts.is_empty() {
        true => new(&preset, base),
        false => texts.join("\n"),
    });
    Ok(Exit::Clean)
}

fn find(kinds: &Registry, kind: &str) -> Option<PresetInfo> {
    kinds.presets().into_iter().find(|preset| preset.kind == kind)
}

/// The settings of the sender for a source of the rules.
fn of_source(preset: &PresetInfo, source: &SourceInfo<'_>, base: &Base) -> String {
    let no_fields = Map::new();
    let fields = source.events.first().map_or(&no_fields, |event| event.fields);
    let port = fields.get("port").and_then(Value::as_u64).unwrap_or(PORT);
    let path = fields.get("path").and_then(Value::as_str).unwrap_or("/");
    let events: Vec<&str> = source.events.iter().map(|event| event.name).collect();
    let mut text = format!("# {} sends events to the source `{}`.\n", title(preset), source.name);
    text += &settings(preset, &base.at(port), path, &events.join(", "));
    for name in &preset.secrets {
        let place = fields.get("auth").and_then(|auth| secret(auth, name));
        let place = place.map_or_else(|| "a secret of the source".to_owned(), place_of);
        line(&mut text, &format!("{} is {place}.", name.to_uppercase()));
    }
    text
}

/// Rules with a source of the preset, and the settings of the sender for it.
fn new(preset: &PresetInfo, base: &Base) -> String {
    let kind = &preset.kind;
    let mut text = format!("# {} sends events to this source.\n", title(preset));
    let path = preset.path.as_deref().unwrap_or("/");
    text += &settings(preset, &base.at(PORT), path, "those that you need");
    for name in &preset.secrets {
        let place = format!("the key `{name}` of the secret `{kind}`");
        line(&mut text, &format!("{} is {place}.", name.to_uppercase()));
    }
    let longest = preset.secrets.iter().map(String::len).max().unwrap_or(0).max("port".len());
    // Writing to a string cannot fail.
    let _ok = write!(
        text,
        "\n# {}.\nsource {kind} {kind} {{\n  {:longest$} = {PORT}\n",
        title(preset),
        "port"
    );
    for name in &preset.secrets {
        let _ok = writeln!(text, "  {name:longest$} = secret(\"{kind}\", \"{name}\")");
    }
    for (name, doc) in &preset.events {
        // It would overlap the others.
        if doc.as_ref().is_some_and(|doc| doc.starts_with("Any ")) {
            continue;
        }
        for doc in doc.iter().flat_map(|doc| doc.lines()) {
            let _ok = writeln!(text, "  # {doc}");
        }
        let _ok = writeln!(text, "  event {name}");
    }
    if preset.events.is_empty() {
        let _ok = writeln!(text, "  event {ANY_EVENT}");
    }
    text + "}\n"
}

fn title(preset: &PresetInfo) -> &str {
    preset.doc.lines().next().unwrap_or(&preset.kind)
}

/// The comment of the preset without its title, with the values of its placeholders.
fn settings(preset: &PresetInfo, base: &str, path: &str, events: &str) -> String {
    let mut text = String::new();
    for setting in preset.doc.lines().skip(1) {
        let mut setting = setting.replace("{url}", &format!("{base}{path}"));
        setting = setting.replace("{base}", base).replace("{events}", events);
        for name in &preset.secrets {
            setting = setting.replace(&format!("{{{name}}}"), &name.to_uppercase());
        }
        line(&mut text, &setting);
    }
    line(&mut text, "");
    text
}

/// Adds a line of a comment.
fn line(text: &mut String, comment: &str) {
    text.push_str(format!("# {comment}").trim_end());
    text.push('\n');
}

/// The first reference to a secret of `auth`: that of its field, or of a scheme.
fn secret<'v>(auth: &'v Value, name: &str) -> Option<&'v Value> {
    const VERIFY_TOKEN: &str = "verify-token";
    let first = |value: &'v Value| value.as_array()?.iter().find(|item| item.is_object());
    if name == VERIFY_TOKEN {
        return first(auth.get(VERIFY_TOKEN)?);
    }
    let schemes = auth.as_object()?.iter().filter(|(field, _)| *field != VERIFY_TOKEN);
    let mut fields = schemes.filter_map(|(_, scheme)| scheme.as_object()).flat_map(Map::values);
    fields.find_map(first)
}

/// Where a secret is kept.
fn place_of(reference: &Value) -> String {
    let text = |kind: &str, field: &str| reference.get(kind)?.get(field)?.as_str();
    match (text("secret", "name"), text("env", "name"), text("file", "path")) {
        (Some(name), _, _) => {
            let key = text("secret", "key").unwrap_or_default();
            format!("the key `{key}` of the secret `{name}`")
        }
        (_, Some(name), _) => format!("the environment variable `{name}`"),
        (_, _, Some(path)) => format!("the content of the file `{path}`"),
        _ => "a secret".to_owned(),
    }
}
