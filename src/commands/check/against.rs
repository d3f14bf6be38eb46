//! `fuse check --against`: what a reload would change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fuse_rules::comparison::{ChangedRule, ReconfiguredEvent, RuleComparison};
use fuse_rules::inventory::FuseInfo;
use fuse_rules::{LoadError, Ruleset};
use fuse_runtime::Config;
use serde_json::{Value, json};

use super::super::target::{field, server_at};
use super::super::{LoadDetail, Loaded, accept, async_runtime, known_kinds, load_with};
use crate::cli::{Credentials, ProblemFormat, RulePaths};

/// Loads the rules to compare with, like those that are checked.
pub(super) fn load(path: &Path, credentials: &Credentials, config: &Config) -> Loaded {
    let url = path.to_str().filter(|url| url.starts_with("http://") || url.starts_with("https://"));
    if let Some(url) = url {
        return in_use(url, credentials, config);
    }
    let paths: Vec<PathBuf> = vec![path.to_owned()];
    load_with(config, &RulePaths { paths, config: None }, LoadDetail::Run)
}

/// The rules that a running fuse uses.
fn in_use(url: &str, credentials: &Credentials, config: &Config) -> Loaded {
    let server = server_at(url, credentials)?;
    let answer: Value = async_runtime()?.block_on(server.get("/rules/files"))?;
    let files = answer.get("files").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |file: &'_ Value, name: &str| field(file, name).to_owned();
    let texts: BTreeMap<String, String> =
        files.iter().map(|file| (text(file, "name"), text(file, "text"))).collect();
    let is_named = |file: &&Value| file.get("named") == Some(&Value::Bool(true));
    let named: Vec<&str> = files.iter().filter(is_named).map(|file| field(file, "name")).collect();
    let loader = |name: &str| {
        let text = texts.get(name).cloned();
        text.ok_or_else(|| LoadError::new("the server does not have it"))
    };
    let loaded = Ruleset::load(&named, &loader, &known_kinds());
    Ok(loaded.and_then(|ruleset| accept(ruleset, config)))
}

/// The differences in this format. The formats that are only for problems have none.
pub(super) fn report(
    new: &Ruleset,
    old: &Ruleset,
    format: ProblemFormat,
) -> Result<String, String> {
    let rules = new.compared_with(old);
    let (was, is) = (addresses(old), addresses(new));
    let opened: Vec<&String> = is.difference(&was).collect();
    let closed: Vec<&String> = was.difference(&is).collect();
    let fuses = fuses(old, new);
    let events = new.changed_events(old);
    match format {
        ProblemFormat::Json => {
            let all = json!({
                "against": rules, "events": events, "fuses": fuses, "opened": opened,
                "closed": closed,
            });
            Ok(format!("{all}\n"))
        }
        ProblemFormat::Sarif | ProblemFormat::Github => Ok(String::new()),
        ProblemFormat::Text => Ok(text(&rules, &events, &fuses, &opened, &closed)),
    }
}

/// What the sources listen to, as far as the rules know.
fn addresses(ruleset: &Ruleset) -> BTreeSet<String> {
    let address = |event: fuse_rules::inventory::EventInfo<'_>| {
        let field = |name: &str| event.fields.get(name);
        let text = |name: &str| field(name).and_then(|value| value.as_str()).unwrap_or_default();
        let name = format!("{}.{}", event.source, event.name);
        match field("port") {
            Some(port) => format!("{name} at {} port {port}, {}", text("method"), text("path")),
            None => format!("{name} ({})", event.kind),
        }
    };
    ruleset.events().map(address).collect()
}

/// Fuses that are new or gone, or whose default, `pending`, `blow` or `reset` differs.
fn fuses(old: &Ruleset, new: &Ruleset) -> Vec<String> {
    let (was, is) = (by_name(old), by_name(new));
    let names: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
    let state = |on: bool| if on { "on" } else { "off" };
    let changes = |name: &&str| match (was.get(name), is.get(name)) {
        (_, None) => vec![format!("{name} is gone")],
        (None, Some(fuse)) => vec![format!("{name} is new, {} by default", state(fuse.default_on))],
        (Some(before), Some(fuse)) => {
            let default = (before.default_on != fuse.default_on)
                .then(|| format!("{name} is {} by default", state(fuse.default_on)));
            let pending = (before.pending != fuse.pending)
                .then(|| format!("{name} has `pending = {}`", fuse.pending.as_str()));
            let (blow_before, blow) = (before.blow_texts(), fuse.blow_texts());
            let removed = blow_before.iter().filter(|clause| !blow.contains(clause));
            let removed = removed.map(|clause| format!("{name} no longer has `{clause}`"));
            let added = blow.iter().filter(|clause| !blow_before.contains(clause));
            let added = added.map(|clause| format!("{name} has `{clause}`"));
            default.into_iter().chain(pending).chain(removed).chain(added).collect()
        }
    };
    names.iter().flat_map(changes).collect()
}

fn by_name(ruleset: &Ruleset) -> BTreeMap<&str, FuseInfo<'_>> {
    ruleset.fuses().map(|fuse| (fuse.name, fuse)).collect()
}

fn text(
    rules: &RuleComparison,
    events: &[ReconfiguredEvent],
    fuses: &[String],
    opened: &[&String],
    closed: &[&String],
) -> String {
    let mut out = String::new();
    let mut line = |what: &str, name: &str| {
        // Writing to a string cannot fail.
        let _infallible = writeln!(out, "{what:<14} {name}");
    };
    rules.added.iter().for_each(|rule| line("added", rule));
    rules.removed.iter().for_each(|rule| line("removed", rule));
    for changed in &rules.changed {
        let ChangedRule { rule, matches_now, no_longer_matches, .. } = changed;
        line("changed", rule);
        matches_now.iter().for_each(|event| line("  now matches", event));
        no_longer_matches.iter().for_each(|event| line("  no longer", event));
        if changed.acts_differently {
            line("", "its fuses, flow control or triggers differ");
        }
        if changed.is_unknown {
            line("", "other events may decide differently: the analysis cannot tell");
        }
    }
    rules
        .rewritten
        .iter()
        .for_each(|rule| line("rewritten", &format!("{rule} (decides and acts alike)")));
    events.iter().for_each(|event| line("event", &event.to_string()));
    fuses.iter().for_each(|fuse| line("fuse", fuse));
    opened.iter().for_each(|address| line("opens", address));
    closed.iter().for_each(|address| line("closes", address));
    match out.is_empty() {
        true => "a reload would change nothing\n".to_owned(),
        false => format!("{out}\n"),
    }
}
