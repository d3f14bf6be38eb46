//! Mutants: rules with one small fault each. A test that passes with the fault does not test what
//! the fault is about; a mutant that passes all tests survives, and shows what is not tested.

mod differs;
mod make;
mod own;

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::Tests;
use super::play::{Played, hold_back};
use crate::decision::{Decision, Evaluation};
use crate::once::Claims;
use crate::reference::{self, World};
use crate::span::Span;
use crate::typed::Sensor;
use differs::Differs;
use make::Fault;

/// A fault in a rule, a sensor's clause or a named condition, which has it wherever it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mutant {
    /// Where the fault is.
    #[serde(skip)]
    pub span: Span,
    /// The same as `file:line:column`.
    pub place: String,
    /// What was changed, as in `` `==` becomes `!=` ``.
    pub what: String,
    /// The rules that have the fault, by their full names.
    pub rules: Vec<String>,
    /// The test that failed because of it; `None` where it survived.
    pub killed_by: Option<String>,
    /// The body of an event for which it makes a difference, as JSON, where it survived and one was found.
    pub event: Option<String>,
}

/// What the tests of one rule set do, without a fault.
struct Baseline<'t> {
    /// By number; tests that do not pass are left out.
    tests: Vec<(usize, Vec<Played<'t>>)>,
    /// The tests that send an event, by source and event, as indices into `tests`.
    sending: FxHashMap<(&'t str, &'t str), Vec<usize>>,
}

impl Tests<'_> {
    /// Plants one fault after the other into the rules, and says of each whether one of these
    /// tests, by their numbers, finds it. Tests that fail without a fault are left out.
    ///
    /// `next` is called before each fault with how many are done and how many there are.
    pub fn mutants(
        &self,
        tests: impl IntoIterator<Item = usize>,
        next: &mut dyn FnMut(usize, usize),
    ) -> Vec<Mutant> {
        let baseline = self.baseline(tests);
        let faults = make::faults(self.ruleset);
        let count = faults.len();
        let mut mutants = Vec::with_capacity(count);
        for (done, fault) in faults.into_iter().enumerate() {
            next(done, count);
            let killed_by = self.killer(&fault, &baseline).map(|test| self.name(test).to_owned());
            let event = match killed_by {
                Some(_) => None,
                None => match differs::differs(self.ruleset.typed(), &fault) {
                    // It is no fault: nobody could tell.
                    Differs::Never => continue,
                    Differs::For(body) => Some(body),
                    Differs::Unknown => None,
                },
            };
            mutants.push(Mutant {
                event,
                rules: fault.rules().map(|rule| rule.name.clone()).collect(),
                span: fault.span,
                place: self.ruleset.files().locate(fault.span),
                what: fault.what,
                killed_by,
            });
        }
        mutants
    }

    fn baseline(&self, tests: impl IntoIterator<Item = usize>) -> Baseline<'_> {
        let mut baseline = Baseline { tests: Vec::new(), sending: FxHashMap::default() };
        for number in tests {
            let Some(test) = self.all().get(number) else { continue };
            let Ok(mut played) = self.play(test) else { continue };
            if !self.passes(test, &played) {
                continue;
            }
            // Every decision, as `once` is counted anew with those of the fault among them.
            for sent in &mut played {
                sent.evaluation = self.plan.evaluate_all(&sent.event, &sent.fuses);
                let key = (sent.send.source.as_str(), sent.send.event.as_str());
                let sending = baseline.sending.entry(key).or_default();
                if sending.last() != Some(&baseline.tests.len()) {
                    sending.push(baseline.tests.len());
                }
            }
            baseline.tests.push((number, played));
        }
        baseline
    }

    /// The first test that fails with a fault.
    fn killer(&self, fault: &Fault, baseline: &Baseline<'_>) -> Option<usize> {
        let keys = fault.sensors.iter().map(|s| (s.source.as_str(), s.event.as_str()));
        let sending = keys.filter_map(|key| baseline.sending.get(&key)).flatten();
        let sending: BTreeSet<usize> = sending.copied().collect();
        let tests = sending.into_iter().filter_map(|at| baseline.tests.get(at));
        tests.into_iter().find_map(|(number, played)| {
            let test = self.all().get(*number)?;
            (!self.passes(test, &self.replay(&fault.sensors, played))).then_some(*number)
        })
    }

    /// The same events, with the decisions of the rules of some sensors made by these instead.
    fn replay<'t>(&self, sensors: &[Sensor], played: &[Played<'t>]) -> Vec<Played<'t>> {
        let mut claims = Claims::default();
        let replayed = played.iter().enumerate().map(|(number, sent)| {
            let mut evaluation = sent.evaluation.clone();
            for sensor in sensors.iter().filter(|sensor| listens(sensor, sent)) {
                evaluation = self.with_fault(sensor, sent, evaluation);
            }
            self.settle(&mut evaluation, &sent.event);
            hold_back(&mut claims, number, sent.event.received_at(), &mut evaluation);
            Played {
                send: sent.send,
                event: sent.event.clone(),
                fuses: sent.fuses.clone(),
                evaluation,
            }
        });
        replayed.collect()
    }

    fn with_fault(&self, sensor: &Sensor, sent: &Played<'_>, right: Evaluation) -> Evaluation {
        // What is refused is so whatever its rules say.
        if right.refused.is_some() {
            return right;
        }
        let world = World::new(&sent.event, None);
        let is_of = |decision: &Decision| sensor.rules.iter().any(|r| r.name == decision.rule);
        let mut decisions = right.decisions;
        decisions.retain(|decision| !is_of(decision));
        for rule in &sensor.rules {
            let typed = self.ruleset.typed();
            decisions.extend(reference::decide(typed, sensor, rule, &world, &sent.fuses));
        }
        Evaluation { decisions, ..right }
    }
}

fn listens(sensor: &Sensor, sent: &Played<'_>) -> bool {
    sensor.source == sent.send.source && sensor.event == sent.send.event
}
