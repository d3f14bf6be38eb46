//! `fuse explain`

use std::fmt::Write as _;

use fuse_rules::{
    Element, Event, Explained, Explanation, Found, Fuses, OnceKey, Outcome, Ruleset, parse_switch,
};
use fuse_runtime::engine::reject_unrenderable;
use fuse_runtime::event::EventKey;
use fuse_runtime::sources::sender_id;
use fuse_runtime::triggers::{ActionRequest, Triggers};
use serde_json::{Value, json};

use super::{Ended, kinds, load, problems, read_event};
use crate::cli::{Explain, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Explain) -> Ended {
    let ruleset = match load(&arguments.paths)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let (source, name) = event_name(&ruleset, &arguments.source)?;
    let fuses = fuses(&ruleset, &arguments.fuses)?;
    let body = read_event(&arguments.event)?;
    let shown = arguments.event.display();
    let mut event = Event::new(source.as_str(), name.as_str(), &body)
        .map_err(|invalid| format!("`{shown}` is no event: {invalid}"))?
        .received(arguments.at.unwrap_or_else(jiff::Timestamp::now));
    for header in &arguments.headers {
        let (name, value) = self::header(header)?;
        event = event.header(name, value);
    }
    let plan = ruleset.plan();
    let id = match arguments.id.clone() {
        Some(id) => id,
        None => sender_id(&plan, &event)
            .map_err(|why| format!("`{shown}` has no id: {why}"))?
            .unwrap_or_else(|| "example".to_owned()),
    };
    let mut explanation = plan.explain(&event.id(id.as_str()), &fuses);
    let (_, triggers) = kinds();
    let objects = Objects {
        triggers: &triggers,
        event: EventKey { source: source.clone(), name: name.clone(), id },
    };
    for explained in &mut explanation.decisions {
        reject_unrenderable(&mut explained.decision, &triggers, &objects.event);
    }
    hold_back(&mut explanation);
    output::print(&match arguments.format {
        Format::Json => json_text(&explanation, &objects),
        Format::Text => text(&explanation, &objects, &shown.to_string()),
    });
    Ok(Exit::Clean)
}

/// Applies `once` within the event, as the ledger would: of decisions with one key the first fires.
fn hold_back(explanation: &mut Explanation) {
    let mut seen: Vec<(String, OnceKey, Element)> = Vec::new();
    for explained in &mut explanation.decisions {
        let decision = &mut explained.decision;
        let Some(key) = decision.once.clone() else { continue };
        let (rule, element) = (decision.rule.clone(), decision.element.clone());
        match seen.iter().find(|(r, k, _)| *r == rule && *k == key) {
            // Several triggers of one rule and element share their key.
            Some((.., first)) if *first == element => {}
            Some((.., first)) => {
                let first = first.as_ref().map(|path| format!("{path:?}")).unwrap_or_default();
                decision.outcome = Outcome::Suppressed;
                decision.reason = format!("`once per` fired already for element {first}");
                decision.action = None;
            }
            None => seen.push((rule, key, element)),
        }
    }
}

/// The name and value of a header, as in `ce-id: 1`.
pub(super) fn header(text: &str) -> Result<(&str, &str), String> {
    let found = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    found.ok_or_else(|| format!("`{text}` is no header; write it as in `--header 'ce-id: 1'`"))
}

/// `SOURCE.EVENT`, if the rules declare it.
pub(super) fn event_name(ruleset: &Ruleset, given: &str) -> Result<(String, String), String> {
    let found = ruleset.events().find(|event| format!("{}.{}", event.source, event.name) == given);
    match found {
        Some(event) => Ok((event.source.to_owned(), event.name.to_owned())),
        None => {
            let known: Vec<_> =
                ruleset.events().map(|event| format!("{}.{}", event.source, event.name)).collect();
            Err(format!("the rules declare no event `{given}`; {}", there_are(&known)))
        }
    }
}

pub(super) fn there_are<S: AsRef<str>>(known: &[S]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    if known.is_empty() {
        "there are none".into()
    } else {
        format!("there are {}", known.join(", "))
    }
}

fn fuses(ruleset: &Ruleset, given: &[String]) -> Result<Fuses, String> {
    let mut fuses = Fuses::default();
    for text in given {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let Some(on) = parse_switch(value) else {
            return Err(format!("`--fuse {text}` is no value of a fuse; write `--fuse {name}=on`"));
        };
        if !ruleset.fuses().any(|fuse| fuse.name == name) {
            let known: Vec<_> = ruleset.fuses().map(|fuse| fuse.name).collect();
            return Err(format!("the rules declare no fuse `{name}`; {}", there_are(&known)));
        }
        fuses = fuses.set(name, on);
    }
    Ok(fuses)
}

/// Renders actions as their backends would.
struct Objects<'a> {
    triggers: &'a Triggers,
    event: EventKey,
}

impl Objects<'_> {
    fn of(&self, explained: &Explained) -> Option<(String, Result<Value, String>)> {
        let action = explained.decision.action.clone()?;
        let trigger = self.triggers.get(&action.trigger)?;
        let kind = action.trigger.clone();
        let request = ActionRequest::new(action, self.event.clone());
        Some((kind, trigger.render(&request)))
    }
}

fn json_text(explanation: &Explanation, objects: &Objects<'_>) -> String {
    let decisions: Vec<Value> = explanation
        .decisions
        .iter()
        .map(|explained| {
            let decision = &explained.decision;
            let action = objects.of(explained).map(|(kind, object)| match object {
                Ok(object) => json!({ "trigger": kind, "object": object }),
                Err(why) => json!({ "trigger": kind, "object": null, "error": why }),
            });
            json!({
                "rule": decision.rule,
                "element": decision.element,
                "outcome": decision.outcome,
                "reason": decision.reason,
                "action": action,
                "conditions": explained.clauses,
            })
        })
        .collect();
    let event = json!({
        "id": objects.event.id,
        "source": objects.event.source,
        "name": objects.event.name,
        "rejected": explanation.refused,
        "mismatch": explanation.mismatch,
    });
    let all = json!({ "event": event, "decisions": decisions });
    format!("{all:#}\n")
}

fn text(explanation: &Explanation, objects: &Objects<'_>, file: &str) -> String {
    let EventKey { id, .. } = &objects.event;
    let mut out = format!("{}, from {file}, id `{id}`\n", objects.event.full_name());
    if let Some(why) = &explanation.refused {
        return format!("{out}\nrejected as a whole: {why}\n");
    }
    if let Some(why) = &explanation.mismatch {
        // Writing to a string cannot fail.
        let _ok = writeln!(out, "\nnot of its type: {why}");
    }
    if explanation.decisions.is_empty() {
        return format!("{out}\nno rule listens to this event\n");
    }
    // Writing to a string cannot fail.
    for explained in &explanation.decisions {
        let decision = &explained.decision;
        let element = explained.element.as_ref().map(|e| format!(", {e}")).unwrap_or_default();
        let outcome = decision.outcome.as_str().replace('-', " ");
        let _ok = writeln!(out, "\n{}{element}: {outcome}", decision.rule);
        let lead = match decision.outcome {
            Outcome::NotMatched | Outcome::Unknown | Outcome::Rejected => "because ",
            _ => "",
        };
        let _ok = writeln!(out, "  {lead}{}", decision.reason);
        let matched =
            matches!(decision.outcome, Outcome::Fired | Outcome::Gated | Outcome::Suppressed);
        if decision.outcome == Outcome::Rejected && !explained.clauses.is_empty() {
            let _ok = writeln!(out, "  though every condition holds");
        }
        // What holds is shown where all of it matters; else only where it was decided.
        for clause in explained.clauses.iter().filter(|_| matched) {
            let found: Vec<_> = clause.found.iter().map(Found::to_string).collect();
            let comment = if found.is_empty() { "" } else { "    # " };
            let _ok = writeln!(out, "    {}{comment}{}", clause.text, found.join(", "));
        }
        if let Some(clause) = explained.deciding.and_then(|index| explained.clauses.get(index)) {
            let _ok = writeln!(out, "    at {}", clause.place);
        }
        if let (Some(once), Outcome::Fired) = (&decision.once, decision.outcome) {
            let within = fuse_rules::show_duration(once.within_ms);
            let _ok = writeln!(out, "  once per {} within {within}", once.values.join(", "));
        }
        match objects.of(explained) {
            None => {}
            Some((kind, Ok(object))) => {
                let does = if kind == "log" { "log" } else { "submit" };
                let _ok = writeln!(out, "  trigger {kind} would {does}:");
                for line in format!("{object:#}").lines() {
                    let _ok = writeln!(out, "    {line}");
                }
            }
            Some((kind, Err(why))) => {
                let _ok = writeln!(out, "  trigger {kind} would give a dead letter: {why}");
            }
        }
    }
    out
}
