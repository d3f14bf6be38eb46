//! `fuse explain`

mod asked;
mod condition;
mod text;

use std::collections::BTreeMap;

use asked::Asked;
use fuse_rules::explain::{Counterfactual, Explained, Explanation};
use fuse_rules::inventory::EventInfo;
use fuse_rules::literals::parse_switch;
use fuse_rules::once::{Admission, Claims};
use fuse_rules::schema::PathPattern;
use fuse_rules::{Event, Fuses, Outcome, Plan, Ruleset};
use fuse_runtime::engine::reject_unrenderable;
use fuse_runtime::event::EventKey;
use fuse_runtime::sources::{decode_header, path_parameters, query_parameters, sender_id};
use fuse_runtime::triggers::{ActionRequest, Triggers};
use serde_json::{Value, json};

use super::{Ended, kinds, load, problems, read_event};
use crate::cli::{Explain, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Explain) -> Ended {
    let ruleset = match load(&arguments.rules.paths)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let (source, name) = event_name(&ruleset, &arguments.source)?;
    let asked = Asked::of(&ruleset, (&source, &name), &arguments.why, &arguments.why_not)?;
    let fuses = fuses(&ruleset, &arguments.fuses)?;
    let body = read_event(&arguments.event)?;
    let shown = arguments.event.display();
    let mut event = Event::new(source.as_str(), name.as_str(), &body)
        .map_err(|invalid| format!("`{shown}` is not an event: {invalid}"))?
        .received(arguments.at.unwrap_or_else(jiff::Timestamp::now));
    for header in &arguments.headers {
        let (name, value) = self::header(header)?;
        let value = decode_header(name, value).map_err(|error| error.to_string())?;
        event = event.header(name, &value);
    }
    if let Some(path) = &arguments.path {
        event = sent_to(&ruleset, event, path)?;
    }
    let plan = ruleset.plan();
    check_route(&plan, &event).map_err(|why| format!("`{shown}` {why}"))?;
    let id = match arguments.id.clone() {
        Some(id) => id,
        None => plan
            .arrived(&event, |event| sender_id(&plan, event?))
            .map_err(|why| format!("`{shown}` has no id: {why}"))?
            .unwrap_or_else(|| "example".to_owned()),
    };
    let event = event.id(id.as_str());
    let mut explanation = match asked.rules() {
        Some(rules) => plan.explain_rules(&event, &fuses, rules),
        None => plan.explain(&event, &fuses),
    };
    let (_, triggers) = kinds();
    let objects = Objects {
        triggers: &triggers,
        event: EventKey { source: source.clone(), name: name.clone(), id: id.clone() },
    };
    for explained in &mut explanation.decisions {
        reject_unrenderable(&mut explained.decision, &triggers, &objects.event);
    }
    hold_back(&mut explanation);
    asked.sort(&mut explanation.decisions);
    let closest = plan.seen(&event, |event| match event {
        Ok(event) => ruleset.would_match(event, &explanation.decisions).rules,
        Err(_refused) => BTreeMap::new(),
    });
    output::print(&match arguments.format {
        Format::Json => json_text(&explanation, &objects, &closest),
        Format::Text => text::text(&explanation, &asked, &objects, &shown.to_string(), &closest),
    });
    Ok(Exit::Clean)
}

/// The event with the parameters of the path and the query that it is sent to.
fn sent_to<'a>(ruleset: &Ruleset, mut event: Event<'a>, target: &str) -> Result<Event<'a>, String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_meant = |one: &EventInfo<'_>| one.source == event.source() && one.name == event.name();
    let declared = ruleset.events().find(is_meant);
    let declared = declared.and_then(|one| one.fields.get("path")?.as_str().map(str::to_owned));
    if let Some(declared) = declared {
        let pattern = PathPattern::parse(&declared).map_err(|why| format!("`{declared}` {why}"))?;
        let Some(parameters) = path_parameters(&pattern, path).map_err(|why| why.to_string())?
        else {
            return Err(format!(
                "the path of the event is `{declared}`, which `{path}` does not match"
            ));
        };
        for (name, value) in parameters {
            event = event.path_parameter(&name, &value);
        }
    }
    for (name, value) in query_parameters(query).map_err(|why| why.to_string())? {
        event = event.query(&name, &value);
    }
    Ok(event)
}

/// Why a request is not the event that it is explained as, if another event of its address takes it.
fn check_route(plan: &Plan, event: &Event<'_>) -> Result<(), String> {
    let source = event.source();
    match plan.route(event).map_err(|why| format!("is not an event: {why}"))? {
        Some(taken) if taken == event.name() => Ok(()),
        Some(taken) => {
            Err(format!("is `{source}.{taken}`: the conditions of that event are true for it"))
        }
        None => Err(format!(
            "is no event of `{source}`: the conditions of no event are true for it; \
             give the headers that it is sent with by `--header`"
        )),
    }
}

/// Applies `once` within the event like the ledger: of several decisions with one key, the first
/// fires.
fn hold_back(explanation: &mut Explanation) {
    let mut claims = Claims::default();
    for explained in &mut explanation.decisions {
        let decision = &mut explained.decision;
        let Some(key) = decision.once.clone() else { continue };
        // Several triggers of one rule and element share their key.
        let owner = explained.element.clone().unwrap_or_default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        if let Admission::Held { by, .. } = claims.admit(&decision.rule, &key, &owner, now) {
            decision.outcome = Outcome::Suppressed;
            decision.reason = format!(
                "it matches, but `once per` suppresses it: it fired for {by} with the same key"
            );
            decision.action = None;
        }
    }
}

/// The name and value of a header, such as `ce-id: 1`.
pub(super) fn header(text: &str) -> Result<(&str, &str), String> {
    let found = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    found.ok_or_else(|| format!("`{text}` is not a header; write it as in `--header 'ce-id: 1'`"))
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
            return Err(format!(
                "`--fuse {text}` is not a value of a fuse; write `--fuse {name}=on`"
            ));
        };
        if !ruleset.fuses().any(|fuse| fuse.name == name) {
            let known: Vec<_> = ruleset.fuses().map(|fuse| fuse.name).collect();
            return Err(format!("the rules declare no fuse `{name}`; {}", there_are(&known)));
        }
        fuses = fuses.set(name, on);
    }
    Ok(fuses)
}

/// Renders actions like their backends.
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
        Some((kind, trigger.render(&request).map_err(|error| error.to_string())))
    }
}

fn json_text(
    explanation: &Explanation,
    objects: &Objects<'_>,
    closest: &BTreeMap<String, Counterfactual>,
) -> String {
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
                "conditions": explained.conditions,
            })
        })
        .collect();
    let event = json!({
        "id": objects.event.id,
        "source": objects.event.source,
        "name": objects.event.name,
        "rejected": explanation.refused,
        "mismatch": explanation.mismatch,
        "cut": explanation.cut,
    });
    let all = json!({ "event": event, "decisions": decisions, "would_match": closest });
    format!("{all:#}\n")
}
