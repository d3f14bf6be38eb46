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
use super::execute::{SentEvent, keep_reason, place, quoted_rules};
use crate::decision::{Decision, Evaluation};
use crate::reference::{self, World};
use crate::semantics::distinct;
use crate::span::Span;
use crate::typed::{EventName, Rule, Sensor, Test, TestStep};
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
                sent.ended.clear();
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
        let unless = mutation.rules().flat_map(Rule::cancellable).map(|(_, unless)| &unless.event);
        let keys = events.chain(unless).map(EventName::as_pair);
        let sending = keys.filter_map(|key| baseline.sending.get(&key)).flatten();
        let sending: BTreeSet<usize> = sending.copied().collect();
        let tests = sending.into_iter().filter_map(|at| baseline.tests.get(at));
        tests.into_iter().find_map(|(number, events)| {
            let test = self.all().get(*number)?;
            let replayed = self.replay(mutation, test, events);
            (!self.passes(test, &replayed)).then_some(*number)
        })
    }

    /// Evaluates the events of a test again with the mutated sensors and fuses instead of the original ones.
    fn replay<'t>(
        &self,
        mutation: &Mutation,
        test: &Test,
        events: &[SentEvent<'t>],
    ) -> Vec<SentEvent<'t>> {
        let sensors = &mutation.sensors;
        let again = |sent: &SentEvent<'t>| {
            let SentEvent { number, event, fuses, evaluation, .. } = sent;
            SentEvent::new(*number, event.clone(), fuses.clone(), evaluation.clone())
        };
        let mut replayed: Vec<_> = events.iter().map(again).collect();
        let quoted = quoted_rules(test);
        let mutated = (sensors.as_slice(), mutation.fuse.as_slice());
        self.play(test, &mut replayed, mutated, &mut |sent| {
            let before = events.get(sent.number).filter(|before| before.fuses == sent.fuses);
            let mut evaluation = match before {
                Some(_) => sent.evaluation.clone(),
                None => {
                    // Other fuses are blown than with the original rules.
                    let evaluation = self.plan.evaluate_all(&sent.event, &sent.fuses);
                    let (event, fuses) = (sent.event.clone(), sent.fuses.clone());
                    let mut again = SentEvent::new(sent.number, event, fuses, evaluation);
                    self.explain(&quoted, &mut again);
                    again.evaluation
                }
            };
            for sensor in sensors {
                evaluation = self.with_mutant(sensor, sent, evaluation);
            }
            self.apply_backends(&mut evaluation.decisions, &sent.event);
            evaluation
        });
        replayed
    }

    fn with_mutant(
        &self,
        sensor: &Sensor,
        sent: &SentEvent<'_>,
        original: Evaluation,
    ) -> Evaluation {
        let of_event = (sent.event.source(), sent.event.name());
        let listens = sensor.listens_to(of_event.0, of_event.1);
        let cancellers: Vec<Sensor> = sensor
            .rules
            .iter()
            .flat_map(|rule| rule.cancellable().map(move |(clause, own)| (rule, clause, own)))
            .filter(|(.., unless)| unless.event.as_pair() == of_event)
            .map(|(rule, clause, unless)| rule.canceller(clause, unless))
            .collect();
        let is_of = |name: &str| sensor.rules.iter().any(|rule| rule.name == name);
        let may_change = listens
            || !cancellers.is_empty()
            || original.cancels.iter().any(|one| is_of(&one.rule));
        // fuse refuses an event regardless of the rules.
        if original.refused.is_some() || !may_change {
            return original;
        }
        let world = World::new(&sent.event, None);
        let mut cancels = original.cancels;
        cancels.retain(|cancellation| !is_of(&cancellation.rule));
        for canceller in &cancellers {
            let rules = canceller.rules.iter();
            cancels.extend(rules.flat_map(|rule| reference::cancels(canceller, rule, &world)));
        }
        let cancels = distinct(cancels);
        if !listens {
            return Evaluation { cancels, ..original };
        }
        let (replaced, mut decisions): (Vec<_>, Vec<_>) =
            original.decisions.into_iter().partition(|decision: &Decision| is_of(&decision.rule));
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
        Evaluation { decisions, cancels, ..original }
    }
}
