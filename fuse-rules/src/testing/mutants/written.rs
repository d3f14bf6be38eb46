//! Writes a test that detects a mutant, ready to be pasted into the rules.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::super::execute::{SentEvent, name_of};
use super::super::fields::key;
use super::super::{BodyEncoder, Tests};
use super::Mutation;
use crate::analysis::{Analysis, Witness};
use crate::decision::{Decision, Evaluation, Outcome};
use crate::event::{DEFAULT_RECEIVED, Event};
use crate::flow::FlowStates;
use crate::format;
use crate::fuses::Fuses;
use crate::literals::quoted;
use crate::typed::Sensor;
use crate::value::Value;

/// The body of an event that a test sends.
pub(super) struct SentBody {
    pub(super) text: String,
    /// Whether it is the body after `decode`, because fuse does not know how to encode it.
    pub(super) is_decoded: bool,
}

impl Tests<'_> {
    /// The body that a test sends so that rules see this event.
    pub(super) fn sent_body(&self, witness: &Witness) -> Option<SentBody> {
        let text = witness.text()?;
        let rules = self.ruleset.typed();
        let source = rules.sources.iter().find(|source| source.name == witness.name.source);
        let (source, event) = source.and_then(|source| {
            let event = source.events.iter().find(|event| event.name == witness.name.event)?;
            Some((source.name.as_str(), event))
        })?;
        if event.decode.is_none() {
            return Some(SentBody { text, is_decoded: false });
        }
        let encoder = BodyEncoder::new(&mut Analysis::new(rules), source, event);
        let sent = encoder.and_then(|encoder| {
            let seen = event_with(witness, &text)?;
            let headers = witness.headers.iter();
            let seen = headers.fold(seen, |seen, (name, value)| seen.header(name, value));
            encoder.sent_body(&self.plan, &seen)
        });
        Some(match sent {
            Some(text) => SentBody { text, is_decoded: false },
            None => SentBody { text, is_decoded: true },
        })
    }

    /// A test that sends this event to the mutated sensor, passes, and fails with the mutant. `None` if no single
    /// event of a test shows the difference.
    pub(super) fn written_test(
        &self,
        mutation: &Mutation,
        sensor: &Sensor,
        witness: &Witness,
        place: &str,
    ) -> Option<String> {
        let sent_body = self.sent_body(witness).filter(|sent| !sent.is_decoded)?.text;
        // A mutant can differ only while a fuse is off.
        [true, false].into_iter().find_map(|on| {
            let fuses = self.required(sensor);
            let state = fuses.iter().fold(Fuses::default(), |state, fuse| state.set(fuse, on));
            let sent = self.witnessed(witness, &sent_body, state)?;
            let mutated = self.with_mutant(sensor, &sent, sent.evaluation.clone());
            let expectation = self.expectation(sensor, &sent, mutated)?;
            let mut text =
                format!("test {} {{\n", quoted(&format!("fails if {} at {place}", mutation.what)));
            for fuse in fuses {
                // Writing to a string cannot fail.
                let _ok = writeln!(text, "with fuse {fuse} {}", if on { "on" } else { "off" });
            }
            if witness.received != DEFAULT_RECEIVED {
                let _ok = writeln!(text, "at {}", quoted(&witness.received.to_string()));
            }
            let _ok = write!(text, "send {} body ", witness.name);
            literal(&Value::read_lenient(&sent_body), &mut text)?;
            for (what, fields) in
                [("headers", &witness.headers), ("query", &witness.query), ("path", &witness.path)]
            {
                if !fields.is_empty() {
                    let fields = fields.iter();
                    let fields: Vec<_> = fields
                        .map(|(name, value)| format!("{} = {}", key(name), quoted(value)))
                        .collect();
                    let _ok = write!(text, " {what} {{ {} }}", fields.join(", "));
                }
            }
            let _ok = write!(text, "\n{expectation}}}\n");
            // A text that does not parse is of no use.
            format::format("test", &text).ok()
        })
    }

    /// The fuses that the rules of a sensor require, without duplicates.
    fn required(&self, sensor: &Sensor) -> Vec<&str> {
        let all = &self.ruleset.typed().fuses;
        let original = self.ruleset.typed().sensors.iter().filter(|one| one.name == sensor.name);
        let rules = original.flat_map(|original| &original.rules);
        let rules = rules.filter(|rule| sensor.rules.iter().any(|own| own.name == rule.name));
        let mut fuses: Vec<&str> = rules
            .flat_map(|rule| &rule.requires)
            .filter_map(|fuse| Some(all.get(*fuse)?.name.as_str()))
            .collect();
        fuses.sort_unstable();
        fuses.dedup();
        fuses
    }

    /// The event as a test would send it, with the body that is sent, decided by the original rules.
    fn witnessed<'t>(
        &'t self,
        witness: &'t Witness,
        body: &'t str,
        fuses: Fuses,
    ) -> Option<SentEvent<'t>> {
        let event = event_with(witness, body)?;
        let headers: Vec<(String, String)> =
            witness.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        // A request that is another event cannot be sent.
        let arrived = self.admitted(event, &headers, 0).ok()??;
        let event = arrived.seen().ok().filter(|event| event.name() == witness.name.event)?;
        let mut evaluation = self.plan.evaluate_all(&event, &fuses);
        self.apply_backends(&mut evaluation.decisions, &event);
        self.pass_one(&[], event.received_at(), &mut evaluation);
        Some(SentEvent::new(0, event, fuses, evaluation))
    }

    /// Passes the decisions about a single event, by these sensors in place of the original ones, through flow control.
    fn pass_one(&self, sensors: &[Sensor], received: Timestamp, evaluation: &mut Evaluation) {
        let (mut fuses, mut states) = (self.test_fuses(sensors, &[]), FlowStates::default());
        let _ = fuses.pass(&mut states, &name_of(0), received, &mut evaluation.decisions);
    }

    /// An expectation that the original decisions meet, and the decisions of the mutant do not.
    fn expectation(
        &self,
        sensor: &Sensor,
        sent: &SentEvent<'_>,
        mut mutated: Evaluation,
    ) -> Option<String> {
        self.apply_backends(&mut mutated.decisions, &sent.event);
        let received = sent.event.received_at();
        self.pass_one(std::slice::from_ref(sensor), received, &mut mutated);
        let is_of = |decision: &&Decision| sensor.rules.iter().any(|r| r.name == decision.rule);
        let fired = |decision: &&Decision| decision.outcome == Outcome::Fired;
        let original: Vec<&Decision> = sent.evaluation.decisions.iter().filter(is_of).collect();
        let mutated: Vec<&Decision> = mutated.decisions.iter().filter(is_of).collect();
        let alike = |decision: &Decision, decisions: &[&Decision]| {
            decisions.iter().any(|other| {
                (&other.rule, &other.element, other.outcome)
                    == (&decision.rule, &decision.element, decision.outcome)
            })
        };
        // Another outcome is a clearer difference than other fields.
        let outcome = original.iter().find(|decision| !alike(decision, &mutated));
        let mut text = String::new();
        if let Some(decision) = outcome {
            let of_rule = |other: &&&Decision| other.rule == decision.rule;
            let quiet = !original.iter().filter(of_rule).any(&fired);
            if quiet && mutated.iter().filter(of_rule).any(&fired) {
                return Some(format!("expect no {}\n", self.short_name(&decision.rule)));
            }
            self.write_decision(decision, decision.element.as_deref(), None, &mut text);
            return Some(text);
        }
        let differs = |decision: &&&Decision| {
            fired(decision) && !mutated.iter().any(|other| other.action == decision.action)
        };
        let decision = original.iter().find(differs)?;
        let fields = decision.action.as_ref().map(|action| (&action.fields, [].as_slice()));
        self.write_decision(decision, decision.element.as_deref(), fields, &mut text);
        Some(text)
    }
}

/// The event of a witness with this body, and without headers.
fn event_with<'t>(witness: &'t Witness, body: &'t str) -> Option<Event<'t>> {
    let (source, name) = witness.name.as_pair();
    let event = Event::new(source, name, body.as_bytes());
    let event = event.ok()?.received(witness.received);
    let query = witness.query.iter();
    let event = query.fold(event, |event, (name, value)| event.query(name, value));
    let path = witness.path.iter();
    Some(path.fold(event, |event, (name, value)| event.path_parameter(name, value)))
}

/// Writes the value of a body as a literal; `None` if rules cannot write it.
fn literal(value: &Value<'_>, text: &mut String) -> Option<()> {
    match value {
        Value::String(string) => text.push_str(&quoted(string)),
        Value::List(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                literal(item, text)?;
            }
            text.push(']');
        }
        Value::Map(map) => {
            text.push('{');
            for (i, (name, value)) in map.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { " " });
                text.push_str(&key(name));
                text.push_str(" = ");
                literal(value, text)?;
            }
            text.push_str(if map.is_empty() { "}" } else { " }" });
        }
        scalar => text.push_str(&scalar.to_json_text().ok()?),
    }
    Some(())
}
