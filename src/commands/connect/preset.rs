//! `fuse connect` for a sender that is a kind of source: its rules, its settings, and the places of its secrets.

use std::fmt::Write as _;

use fuse_rules::Ruleset;
use fuse_rules::inventory::{PresetEvent, PresetInfo, PresetSecret, SourceInfo};
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
    let ruleset = match super::has_no_rules(arguments) {
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
    let url = |wanted: Option<&str>| {
        let is_wanted = |name: &str| wanted.is_none_or(|path| usual_path(preset, name) == path);
        let event = source.events.iter().find(|event| is_wanted(event.name))?;
        let path = event.fields.get("path").and_then(Value::as_str).unwrap_or("/");
        Some(format!("{}{path}", base.at(port)))
    };
    let events: Vec<&str> = source.events.iter().map(|event| event.name).collect();
    let mut text = format!("# {} sends events to the source `{}`.\n", title(preset), source.name);
    text += &settings(preset, &events.join(", "), url);
    for secret in &preset.secrets {
        let place = reference(fields, secret);
        let place = place.map_or_else(|| "a secret of the source".to_owned(), place_of);
        line(&mut text, &format!("{} is {place}.", secret.name.to_uppercase()));
    }
    text
}

/// The path that an event has unless its source sets one.
fn usual_path<'p>(preset: &'p PresetInfo, event: &str) -> &'p str {
    let known = preset.events.iter().find(|known| known.name == event);
    let own = known.and_then(|known| known.path.as_deref());
    own.or(preset.path.as_deref()).unwrap_or("/")
}

/// Rules with a source of the preset, and the settings of the sender for it.
fn new(preset: &PresetInfo, base: &Base) -> String {
    let kind = &preset.kind;
    let mut text = format!("# {} sends events to this source.\n", title(preset));
    let path = preset.path.as_deref().unwrap_or("/");
    let url = |wanted: Option<&str>| Some(format!("{}{}", base.at(PORT), wanted.unwrap_or(path)));
    text += &settings(preset, "those that you need", url);
    for PresetSecret { name, .. } in &preset.secrets {
        let place = format!("the key `{name}` of the secret `{kind}`");
        line(&mut text, &format!("{} is {place}.", name.to_uppercase()));
    }
    let secrets = preset
        .secrets
        .iter()
        .map(|secret| (secret.name.as_str(), format!("secret(\"{kind}\", \"{}\")", secret.name)));
    let settings = preset.settings.iter().map(|one| (one.name.as_str(), one.example.clone()));
    let fields: Vec<(&str, String)> = secrets.chain(settings).collect();
    let longest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("port".len());
    // Writing to a string cannot fail.
    let _ok = write!(
        text,
        "\n# {}.\nsource {kind} {kind} {{\n  {:longest$} = {PORT}\n",
        title(preset),
        "port"
    );
    for (name, value) in fields {
        let _ok = writeln!(text, "  {name:longest$} = {value}");
    }
    for PresetEvent { name, doc, .. } in &preset.events {
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

/// The comment of the preset without its title, with the values of its placeholders. `url` returns the URL of the
/// source, or of its event that has a path by default; `None` if it has no such event.
fn settings(
    preset: &PresetInfo,
    events: &str,
    url: impl Fn(Option<&str>) -> Option<String>,
) -> String {
    let mut text = String::new();
    for setting in preset.doc.lines().skip(1) {
        let Some(setting) = with_urls(setting, &url) else { continue };
        let mut setting = setting.replace("{events}", events);
        for PresetSecret { name, .. } in &preset.secrets {
            setting = setting.replace(&format!("{{{name}}}"), &name.to_uppercase());
        }
        line(&mut text, &setting);
    }
    if !preset.secrets.is_empty() {
        line(&mut text, "");
    }
    text
}

/// A line with the URLs that it names. `None` if the source has none of their events.
fn with_urls(line: &str, url: impl Fn(Option<&str>) -> Option<String>) -> Option<String> {
    let Some((before, rest)) = line.split_once("{url") else { return Some(line.to_owned()) };
    let (path, after) = rest.split_once('}')?;
    Some(format!("{before}{}{after}", url(path.strip_prefix(':'))?))
}

/// Adds a line of a comment.
fn line(text: &mut String, comment: &str) {
    text.push_str(format!("# {comment}").trim_end());
    text.push('\n');
}

/// The first reference that a source sets for a secret of its preset.
fn reference<'f>(fields: &'f Map<String, Value>, secret: &PresetSecret) -> Option<&'f Value> {
    let (first, rest) = secret.field.split_first()?;
    let value = rest.iter().try_fold(fields.get(first)?, |value, key| value.get(key))?;
    first_reference(value)
}

/// The first of the references in a field that takes secrets.
pub(super) fn first_reference(value: &Value) -> Option<&Value> {
    value.as_array()?.iter().find(|item| item.is_object())
}

/// Where a secret is kept.
pub(super) fn place_of(reference: &Value) -> String {
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
