//! `fuse explain`

mod asked;
mod condition;
mod flow;
mod text;

use std::collections::BTreeMap;

use asked::Asked;
use flow::{MetStates, PreviewTarget};
use fuse_rules::explain::{Counterfactual, Explained, Explanation};
use fuse_rules::literals::parse_switch;
use fuse_rules::{ArrivedEvent, AttemptPolicy, Event, Fuses, Ruleset};
use fuse_runtime::engine::reject_unrenderable;
use fuse_runtime::event::EventKey;
use fuse_runtime::triggers::{ActionRequest, Triggers};
use serde_json::{Value, json};

use super::request::{self, Texts};
use super::{Ended, async_runtime, kinds, load, problems, read_event};
use crate::cli::{Explain, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Explain) -> Ended {
    let ruleset = match load(&arguments.rules)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let (source, name) = event_name(&ruleset, &arguments.source)?;
    let asked = Asked::of(&ruleset, (&source, &name), &arguments.why, &arguments.why_not)?;
    let given = fuses(&ruleset, &arguments.fuses)?;
    let runtime = async_runtime()?;
    let target = runtime.block_on(PreviewTarget::new(arguments, &ruleset))?;
    let target_fuses = target.as_ref().map(|target| target.fuses.clone()).unwrap_or_default();
    let fuses = given.iter().fold(target_fuses, |fuses, (name, on)| fuses.set(name, on));
    let headers = request::headers(&arguments.headers)?;
    let headers = request::visible(&ruleset, (&source, &name), headers);
    let query = request::query(&arguments.query)?;
    let query = request::visible_query(&ruleset, (&source, &name), query);
    let Sent { shown, body, query } = sent(&ruleset, (&source, &name), arguments, query)?;
    let event = Event::new(source.as_str(), name.as_str(), &body)
        .map_err(|invalid| format!("`{shown}` is not an event: {invalid}"))?
        .received(arguments.at.unwrap_or_else(jiff::Timestamp::now));
    let event = request::with_query(request::with_headers(event, &headers), &query);
    let event = request::with_path(&ruleset, event, arguments.path.as_deref())?;
    let plan = ruleset.plan();
    let admitted = request::admit(&ruleset, &plan, event, arguments.id.clone())
        .map_err(|why| format!("fuse would refuse this event: {why}"))?;
    let arrived = taken(admitted, (&source, &name)).map_err(|why| format!("`{shown}` {why}"))?;
    let arrived = match arrived.event().event_id() {
        "" => arrived.with_id("example"),
        _ => arrived,
    };
    let event = arrived.seen().map_err(|why| format!("fuse would refuse this event: {why}"))?;
    let id = event.event_id().to_owned();
    let mut explanation = match asked.rules() {
        // Rules before them may take the places that they would get.
        Some(_) if target.is_some() => plan.explain(&event, &fuses),
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
    let met = match target {
        None => {
            flow::apply_to_none(&mut explanation, event.received_at(), |_| true);
            None
        }
        Some(target) => {
            let by = (arguments.at, &given);
            Some(runtime.block_on(target.apply(&ruleset, &objects.event, by, &mut explanation))?)
        }
    };
    if let Some(rules) = asked.rules() {
        explanation.decisions.retain(|one| rules.contains(&one.decision.rule));
        explanation.cancels.retain(|one| rules.contains(&one.rule));
    }
    asked.sort(&mut explanation.decisions);
    let closest = ruleset.would_match(&event, &explanation.decisions).rules;
    let report = Report { explanation, objects, file: shown, closest, met };
    output::print(&match arguments.format {
        Format::Json => json_text(&report),
        Format::Text => text::text(&report, &asked),
    });
    Ok(Exit::Clean)
}

/// What is printed.
struct Report<'a> {
    explanation: Explanation,
    objects: Objects<'a>,
    /// Where the body comes from, for people.
    file: String,
    closest: BTreeMap<String, Counterfactual>,
    /// The state that the event meets, if it meets one.
    met: Option<MetStates>,
}

/// The event that is explained, or which event of its address matches the request instead.
fn taken<'e>(
    admitted: Option<ArrivedEvent<'e>>,
    (source, name): (&str, &str),
) -> Result<ArrivedEvent<'e>, String> {
    match admitted {
        Some(arrived) if arrived.event().name() == name => Ok(arrived),
        Some(arrived) => {
            let taken = arrived.event().name();
            Err(format!("is `{source}.{taken}`: the conditions of that event are true for it"))
        }
        None => Err(format!(
            "is no event of `{source}`: the conditions of no event are true for it; \
             give the headers that it is sent with by `--header`"
        )),
    }
}

/// The body and the query of the event.
struct Sent {
    /// Where the body comes from, for people.
    shown: String,
    body: Vec<u8>,
    query: Texts,
}

/// Reads the event. With `method = "GET"`, the query is the body, so each gives the other.
fn sent(
    ruleset: &Ruleset,
    (source, name): (&str, &str),
    arguments: &Explain,
    query: Texts,
) -> Result<Sent, String> {
    let declared = request::declared(ruleset, source, name);
    let method = declared.and_then(|event| event.fields.get("method")?.as_str());
    let is_get = method == Some("GET");
    let Some(path) = &arguments.event else {
        if !is_get {
            return Err(format!("`{source}.{name}` has a body; give it with `--event FILE`"));
        }
        let body = json!(query).to_string().into_bytes();
        return Ok(Sent { shown: "its query".into(), body, query });
    };
    let (shown, body) = (path.display().to_string(), read_event(path)?);
    if !is_get {
        return Ok(Sent { shown, body, query });
    }
    if !query.is_empty() {
        return Err(
            "with `method = \"GET\"`, the query is the body; give either `--query` or `--event`"
                .into(),
        );
    }
    let query = serde_json::from_slice(&body).map_err(|error| {
        format!("`{shown}` cannot be the query of a GET request, whose values are strings: {error}")
    })?;
    Ok(Sent { shown, body, query })
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
    match known.as_slice() {
        [] => "there are none".into(),
        [one] => format!("there is only {one}"),
        several => format!("there are {}", several.join(", ")),
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

/// What a trigger would do.
struct RenderedAction {
    kind: String,
    attempts: AttemptPolicy,
    /// The object, or why it is a dead letter.
    object: Result<Value, String>,
}

impl Objects<'_> {
    fn of(&self, explained: &Explained) -> Option<RenderedAction> {
        let action = explained.decision.action.clone()?;
        let trigger = self.triggers.get(&action.trigger)?;
        let (kind, attempts) = (action.trigger.clone(), action.attempts);
        let request = ActionRequest::new(action, self.event.clone());
        let object = trigger.render(&request).map_err(|error| error.to_string());
        Some(RenderedAction { kind, attempts, object })
    }
}

fn json_text(report: &Report<'_>) -> String {
    let Report { explanation, objects, closest, met, .. } = report;
    let decisions: Vec<Value> = explanation
        .decisions
        .iter()
        .map(|explained| {
            let decision = &explained.decision;
            let action = objects.of(explained).map(|RenderedAction { kind, attempts, object }| {
                let mut action = match object {
                    Ok(object) => json!({ "trigger": kind, "object": object }),
                    Err(why) => json!({ "trigger": kind, "object": null, "error": why }),
                };
                if let Some(action) = action.as_object_mut().filter(|_| !attempts.is_empty()) {
                    action.insert("policy".to_owned(), attempts.to_string().into());
                }
                action
            });
            let mut told = json!({
                "rule": decision.rule,
                "element": decision.element,
                "outcome": decision.outcome,
                "reason": decision.reason,
                "action": action,
                "conditions": explained.conditions,
            });
            if let (Some(met), Some(told)) = (met, told.as_object_mut()) {
                told.insert("states".to_owned(), json!(met.states_of(decision)));
            }
            told
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
    let cancels = explanation.cancels.iter();
    let cancels: Vec<Value> =
        cancels.map(|one| json!({ "rule": one.rule, "clause": one.request.to_string() })).collect();
    let mut all = json!({
        "event": event,
        "decisions": decisions,
        "cancels": cancels,
        "would_match": closest,
    });
    if let (Some(met), Some(all)) = (met, all.as_object_mut()) {
        let state =
            json!({ "of": met.name, "known_since": met.known_since, "not_asked": met.secret });
        all.insert("state".to_owned(), state);
    }
    format!("{all:#}\n")
}
