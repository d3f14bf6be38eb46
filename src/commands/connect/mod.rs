//! `fuse connect`: generates the sender's side of an event from the rules.

mod alertmanager;
mod argocd;
mod backstage;
mod body;
mod preset;
mod url;
mod yaml;

use std::path::Path;

use fuse_rules::Ruleset;
use fuse_rules::inventory::{BodyField, EventInfo};
use serde_json::Value;

use super::explain::there_are;
use super::{Ended, load, problems};
use crate::cli::{Connect, Format};
use crate::{Exit, output};
use url::Base;

pub(crate) fn run(arguments: &Connect) -> Ended {
    let base = Base::parse(&arguments.url)?;
    let Some(sender) = Sender::from_name(&arguments.sender) else {
        return preset::run(arguments, &base);
    };
    if sender.is_kind() && has_no_rules(arguments) {
        return preset::run(arguments, &base);
    }
    let ruleset = match load(&arguments.rules)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, Format::Text)),
    };
    let event = match &arguments.event {
        Some(name) => named(&ruleset, name)?,
        None if sender.is_kind() && sources_of(&ruleset, sender).is_empty() => {
            return preset::run(arguments, &base);
        }
        None => fed_by(&ruleset, sender)?,
    };
    let door = Door::of(&ruleset, &event, &base, sender)?;
    output::print(&match sender {
        Sender::Alertmanager => alertmanager::text(&door),
        Sender::Backstage => backstage::text(&door),
        Sender::Argocd => argocd::text(&door),
    });
    Ok(Exit::Clean)
}

/// Whether there are no rules, because none were named and the folder `rules` does not exist.
fn has_no_rules(arguments: &Connect) -> bool {
    let folder = Path::new("rules");
    arguments.rules.paths == [folder] && !folder.exists()
}

/// The address of an event, and the values that its rules read.
struct Door {
    /// `source.event`.
    event: String,
    /// The URL without the event's path, and the path.
    base: String,
    path: String,
    method: String,
    fields: Vec<BodyField>,
    /// Whether it ends waits of rules.
    cancels: bool,
    /// Where the token for the header `Authorization` is kept, if fuse expects one.
    token: Option<String>,
}

impl Door {
    fn of(
        ruleset: &Ruleset,
        event: &EventInfo<'_>,
        base: &Base,
        sender: Sender,
    ) -> Result<Self, String> {
        let name = full_name(event);
        let text = |key: &str| event.fields.get(key).and_then(Value::as_str);
        let port = event.fields.get("port").and_then(Value::as_u64);
        let (Some(port), Some(path), Some(method)) = (port, text("path"), text("method")) else {
            return Err(format!("`{name}` does not arrive over HTTP, so no sender can send it"));
        };
        let who = sender.name();
        let methods = if sender == Sender::Alertmanager { &["POST"][..] } else { &["POST", "PUT"] };
        if !methods.contains(&method) {
            return Err(format!(
                "`{name}` accepts {method}, but {who} sends it by POST; write `method = \"POST\"` in its \
                 source"
            ));
        }
        if let Some(format @ ("form" | "form-lists" | "text")) = text("format") {
            return Err(format!(
                "`{name}` is read as `{format}`, but {who} sends JSON; remove `format` from its source"
            ));
        }
        Ok(Self {
            base: base.at(port),
            path: path.to_owned(),
            method: method.to_owned(),
            fields: ruleset.plan().body_fields(event.source, event.name),
            cancels: ruleset
                .rules()
                .flat_map(|rule| rule.cancelled_by)
                .any(|by| (by.source, by.name) == (event.source, event.name)),
            token: event
                .fields
                .get("auth")
                .and_then(|auth| auth.get("bearer")?.get("token"))
                .and_then(preset::first_reference)
                .map(preset::place_of),
            event: name,
        })
    }

    fn url(&self) -> String {
        format!("{}{}", self.base, self.path)
    }
}

fn full_name(event: &EventInfo<'_>) -> String {
    format!("{}.{}", event.source, event.name)
}

fn named<'a>(ruleset: &'a Ruleset, name: &str) -> Result<EventInfo<'a>, String> {
    ruleset.events().find(|event| full_name(event) == name).ok_or_else(|| {
        let known: Vec<_> = ruleset.events().map(|event| full_name(&event)).collect();
        format!("the rules declare no event `{name}`; {}", there_are(&known))
    })
}

/// The events of the sources of the sender's kind. If there are none, those of the source with the sender's name, or
/// else of the sources whose names start with it.
fn sources_of(ruleset: &Ruleset, sender: Sender) -> Vec<EventInfo<'_>> {
    let word = sender.word();
    let is_of: [&dyn Fn(&EventInfo<'_>) -> bool; 3] =
        [&|event| event.preset == Some(word), &|event| event.source == word, &|event| {
            event.source.starts_with(word)
        }];
    let mut found =
        is_of.iter().map(|is_of| ruleset.events().filter(|event| is_of(event)).collect());
    found.find(|found: &Vec<_>| !found.is_empty()).unwrap_or_default()
}

/// The only event that the sender may send.
fn fed_by(ruleset: &Ruleset, sender: Sender) -> Result<EventInfo<'_>, String> {
    let word = sender.word();
    let found = sources_of(ruleset, sender);
    if let [event] = found.as_slice() {
        return Ok(event.clone());
    }
    let several = !found.is_empty();
    let among: Vec<_> = if several { found } else { ruleset.events().collect() };
    let names: Vec<_> = among.iter().map(full_name).collect();
    let Some(first) = names.first() else {
        return Err("the rules declare no event that a sender could send".into());
    };
    let why = if several {
        format!("{} may send more than one event", sender.name())
    } else {
        format!("the rules have no source whose name begins with `{word}`")
    };
    let is = if let [_] = names.as_slice() { "there is" } else { "there are" };
    Err(format!("{why}; choose one, as in `--event {first}`: {is} {}", names.join(", ")))
}

/// A sender for which fuse prints a complete configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Alertmanager,
    Backstage,
    Argocd,
}

impl Sender {
    fn from_name(name: &str) -> Option<Self> {
        [Self::Alertmanager, Self::Backstage, Self::Argocd]
            .into_iter()
            .find(|sender| sender.word() == name)
    }

    /// Whether it is a kind of source as well.
    fn is_kind(self) -> bool {
        self == Self::Alertmanager
    }

    /// The name of its sources.
    fn word(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Backstage => "backstage",
            Self::Argocd => "argocd",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Alertmanager => "Alertmanager",
            Self::Backstage => "Backstage",
            Self::Argocd => "Argo CD",
        }
    }
}
