//! Mutation testing. A mutant is a copy of the rules with one small change. If all tests pass with the
//! change, the mutant survives: no test checks the part that was changed.

mod blow;
mod equivalence;
mod flow;
mod mutations;
mod operators;
mod written;

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::Tests;
use super::execute::{SentEvent, keep_reason, name_of, place, quoted_rules};
use crate::decision::{Decision, Evaluation};
use crate::flow::FlowStates;
use crate::reference::{self, World};
use crate::span::Span;
use crate::typed::{EventName, Sensor, TestStep};
use equivalence::Equivalence;
use mutations::Mutation;
use written::SentBody;

/// A change to a rule, to a clause of a sensor, or to a named condition and thereby all its calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mutant {
    /// The span of the change.
    #[serde(skip)]
    pub span: Span,
    /// The same location as `file:line:column`.
    pub place: String,
    /// The change, as in `` `==` becomes `!=` ``.
    pub what: String,
    /// The full names of the changed rules.
    pub rules: Vec<String>,
    /// The test that fails because of the change; `None` if the mutant survived.
    pub killed_by: Option<String>,
    /// For a surviving mutant, the JSON body of an event for which the change makes a difference, if fuse
    /// found one.
    pub event: Option<String>,
    /// Whether `event` is the body after `decode`, because fuse does not know how to encode it.
    pub is_decoded: bool,
    /// For a surviving mutant, a test in the syntax of the rules that sends such an event and detects the mutant, if
    /// one event is enough.
    pub test: Option<String>,
}

/// The results of the tests with the original rules.
struct Baseline<'t> {
    /// The passing tests, by index.
    tests: Vec<(usize, Vec<SentEvent<'t>>)>,
    /// The tests that send an event, by source and event, as indexes into `tests`.
    sending: FxHashMap<(&'t str, &'t str), Vec<usize>>,
}

impl Tests<'_> {
    /// Creates all mutants of the rules and runs these tests, given by index, with each of them. Ignores
    /// tests that fail with the original rules.
    ///
    /// Calls `progress` before each mutant with the number of finished mutants and the number of all mutants.
    pub fn mutants(
        &self,
        tests: impl IntoIterator<Item = usize>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Vec<Mutant> {
        let baseline = self.baseline(tests);
        let mutations = mutations::mutations(self.ruleset);
        let count = mutations.len();
        let mut mutants = Vec::with_capacity(count);
        for (done, mutation) in mutations.into_iter().enumerate() {
            progress(done, count);
            let killed_by =
                self.killer(&mutation, &baseline).map(|test| self.name(test).to_owned());
            let place = self.ruleset.files().locate(mutation.span);
            let (shown, test) = match killed_by {
                Some(_) => (None, None),
                None => match equivalence::equivalence(self.ruleset.typed(), &mutation) {
                    // An equivalent mutant: no test can detect it.
                    Equivalence::Equivalent => continue,
                    Equivalence::DistinguishedBy(sensor, witness) => (
                        self.sent_body(&witness),
                        self.written_test(&mutation, sensor, &witness, &place),
                    ),
                    Equivalence::Unknown => (None, None),
                },
            };
            let (event, is_decoded) = match shown {
                Some(SentBody { text, is_decoded }) => (Some(text), is_decoded),
                None => (None, false),
            };
            mutants.push(Mutant {
                event,
                is_decoded,
                test,
                rules: mutation.rules().map(|rule| rule.name.clone()).collect(),
                span: mutation.span,
                place,
                what: mutation.what,
                killed_by,
            });
        }
        mutants
    }

    fn baseline(&self, tests: impl IntoIterator<Item = usize>) -> Baseline<'_> {
        let mut baseline = Baseline { tests: Vec::new(), sending: FxHashMap::default() };
        for number in tests {
            let Some(test) = self.all().get(number) else { continue };
            let Ok(mut events) = self.execute(test) else { continue };
            if !self.passes(test, &events) {
                continue;
            }
            // All decisions are needed, because the mutant changes which of them flow control suppresses.
            for sent in &mut events {
                sent.evaluation = self.plan.evaluate_all(&sent.event, &sent.fuses);
                self.explain(&quoted_rules(test), sent);
            }
            for step in &test.steps {
                let TestStep::Send(send) = step else { continue };
                let key = (send.source.as_str(), send.event.as_str());
                let sending = baseline.sending.entry(key).or_default();
                if sending.last() != Some(&baseline.tests.len()) {
                    sending.push(baseline.tests.len());
                }
            }
            baseline.tests.push((number, events));
        }
        baseline
    }

    /// The first test that fails with a mutant.
    fn killer(&self, mutation: &Mutation, baseline: &Baseline<'_>) -> Option<usize> {
        let events = mutation.sensors.iter().flat_map(|sensor| &sensor.events);
        let keys = events.map(EventName::as_pair);
        let sending = keys.filter_map(|key| baseline.sending.get(&key)).flatten();
        let sending: BTreeSet<usize> = sending.copied().collect();
        let tests = sending.into_iter().filter_map(|at| baseline.tests.get(at));
        tests.into_iter().find_map(|(number, events)| {
            let test = self.all().get(*number)?;
            let replayed = self.replay(mutation, &quoted_rules(test), events);
            (!self.passes(test, &replayed)).then_some(*number)
        })
    }

    /// Evaluates the events again with the mutated sensors and fuses instead of the original ones. The test quotes
    /// reasons of the rules `quoted`.
    fn replay<'t>(
        &self,
        mutation: &Mutation,
        quoted: &[&str],
        events: &[SentEvent<'t>],
    ) -> Vec<SentEvent<'t>> {
        let sensors = &mutation.sensors;
        let mut states = FlowStates::default();
        let mut fuses = self.test_fuses(sensors, mutation.fuse.as_slice());
        let replayed = events.iter().enumerate().map(|(number, before)| {
            let (given, received) = (&before.given, before.event.received_at());
            let mut sent = SentEvent::new(before.event.clone(), given.clone());
            sent.fuses = fuses.at(received, &given.0, &given.1);
            if sent.fuses == before.fuses {
                sent.evaluation = before.evaluation.clone();
            } else {
                // Other fuses are blown than with the original rules.
                sent.evaluation = self.plan.evaluate_all(&sent.event, &sent.fuses);
                self.explain(quoted, &mut sent);
            }
            for sensor in sensors {
                if !listens(sensor, &sent) {
                    continue;
                }
                sent.evaluation = self.with_mutant(sensor, &sent, sent.evaluation.clone());
            }
            let decisions = &mut sent.evaluation.decisions;
            self.apply_backends(decisions, &sent.event);
            let name = name_of(number);
            sent.blows = fuses.pass(&mut states, &name, received, decisions);
            sent.blown = fuses.blown();
            self.react(&mut states, &name, &mut sent);
            sent
        });
        replayed.collect()
    }

    fn with_mutant(
        &self,
        sensor: &Sensor,
        sent: &SentEvent<'_>,
        original: Evaluation,
    ) -> Evaluation {
        // fuse refuses an event regardless of the rules.
        if original.refused.is_some() {
            return original;
        }
        let world = World::new(&sent.event, None);
        let is_of = |decision: &Decision| sensor.rules.iter().any(|r| r.name == decision.rule);
        let (replaced, mut decisions): (Vec<_>, Vec<_>) =
            original.decisions.into_iter().partition(is_of);
        let reasons: FxHashMap<_, _> =
            replaced.iter().map(|decision| (place(decision), &decision.reason)).collect();
        for rule in &sensor.rules {
            let typed = self.ruleset.typed();
            for mut decision in reference::decide(typed, sensor, rule, &world, &sent.fuses) {
                // The reference gives no reason why a rule does not match. Another wording of the same outcome
                // must not look like a difference.
                if let Some(reason) = reasons.get(&place(&decision)).copied() {
                    keep_reason(&mut decision, reason);
                }
                decisions.push(decision);
            }
        }
        Evaluation { decisions, ..original }
    }
}

fn listens(sensor: &Sensor, sent: &SentEvent<'_>) -> bool {
    sensor.listens_to(sent.event.source(), sent.event.name())
}
