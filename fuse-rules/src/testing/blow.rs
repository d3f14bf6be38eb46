//! Fuses that blow while a test runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::Tests;
use crate::decision::{Decision, Outcome};
use crate::flow::{
    Admission, BlowAdmission, BlowingFuse, BlownFuse, EndedWait, FlowStates, Occurrence, Wait,
};
use crate::fuses::Fuses;
use crate::typed::Sensor;

/// The fuses that can blow, and those that are blown.
#[derive(Debug, Default)]
pub(super) struct TestFuses {
    fuses: Vec<BlowingFuse>,
    /// The fuses that each rule requires, as indexes into `fuses`.
    requires: FxHashMap<String, Vec<usize>>,
    /// The blown fuses, and when they close by themselves.
    blown: BTreeMap<String, Option<Timestamp>>,
}

/// What flow control decided about an event, apart from the outcomes.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// The fuses that blow, with the rules that blow them.
    pub(super) blown: Vec<(String, BlownFuse)>,
    /// The decisions that wait, by index, and the waits that end for them.
    pub(super) waits: Vec<(usize, Wait, Option<EndedWait>)>,
}

impl Tests<'_> {
    /// The fuses of the rules at the start of a test, with these sensors and fuses in place of the original ones.
    pub(super) fn test_fuses(&self, sensors: &[Sensor], fuses: &[BlowingFuse]) -> TestFuses {
        let typed = self.ruleset.typed();
        let original = typed.fuses.iter().filter_map(crate::typed::Fuse::blowing);
        let mut all: Vec<BlowingFuse> = original.collect();
        for fuse in fuses {
            if let Some(original) = all.iter_mut().find(|one| one.name == fuse.name) {
                fuse.clone_into(original);
            }
        }
        if all.is_empty() {
            return TestFuses::default();
        }
        let mut requires = FxHashMap::default();
        let rules = typed.sensors.iter().flat_map(|sensor| &sensor.rules);
        for rule in rules.chain(sensors.iter().flat_map(|sensor| &sensor.rules)) {
            let names = rule.requires.iter().filter_map(|index| typed.fuses.get(*index));
            let indexes = names.filter_map(|fuse| all.iter().position(|one| one.name == fuse.name));
            requires.insert(rule.name.clone(), indexes.collect());
        }
        TestFuses { fuses: all, requires, blown: BTreeMap::new() }
    }
}

impl TestFuses {
    /// Closes the fuses that were switched, and those whose time is over. Returns the values of all fuses.
    pub(super) fn at(&mut self, now: Timestamp, given: &Fuses, switched: &[String]) -> Fuses {
        let closes = |until: &Option<Timestamp>| until.is_some_and(|until| until <= now);
        self.blown.retain(|fuse, until| !switched.contains(fuse) && !closes(until));
        self.blown.keys().fold(given.clone(), |fuses, fuse| fuses.set(fuse, false))
    }

    /// The fuses that are blown.
    pub(super) fn blown(&self) -> Vec<String> {
        self.blown.keys().cloned().collect()
    }

    /// Passes the decisions about an event, which is given by its name for people, through flow control.
    pub(super) fn pass(
        &mut self,
        states: &mut FlowStates,
        name: &str,
        now: Timestamp,
        decisions: &mut [Decision],
    ) -> Passed {
        let mut passed = Passed::default();
        for at in 0..decisions.len() {
            let Some((decision, before)) = decisions.get(at).zip(decisions.get(..at)) else {
                break;
            };
            let Some(required) = self.requires.get(&decision.rule).filter(|all| !all.is_empty())
            else {
                if let Some(decision) = decisions.get_mut(at) {
                    let waits = decision.pass(states, name, name, now.into());
                    passed.waits.extend(waits.map(|(wait, ended)| (at, wait, ended)));
                }
                continue;
            };
            // A rule with several triggers has several decisions, which pass together.
            let is_same = is_same_as(decision);
            let Some(mut occurrence) = decision.any_occurrence(name, name, now) else { continue };
            if before.iter().any(|one| is_same(one) && one.outcome.is_rendered()) {
                continue;
            }
            let rule: Vec<BlowingFuse> =
                required.iter().filter_map(|index| self.fuses.get(*index)).cloned().collect();
            // What is in shadow performs nothing.
            let held = match occurrence.is_shadow {
                true => Ok(()),
                false => self.hold(&mut occurrence),
            };
            let answer = match held {
                Err(why) => Err(why),
                Ok(()) => {
                    let fired = |one: &&Decision| is_same(one) && one.outcome == Outcome::Fired;
                    let actions = decisions.iter().filter(fired).count();
                    let answer =
                        states.admit_unless_blown(&occurrence, None, &rule, actions, now.into());
                    let answer = self.answer(answer, (&decision.rule, now), &mut passed.blown);
                    // It waits for the fuse that it blew, if it waits for that fuse.
                    answer.or_else(|why| match self.hold(&mut occurrence) {
                        Ok(()) => Ok(states.admit(&occurrence, now.into())),
                        Err(_) => Err(why),
                    })
                }
            };
            let (rule, element) = (decision.rule.clone(), decision.element.clone());
            let same = decisions.iter_mut().enumerate().filter(|(_, one)| {
                one.rule == rule && one.element == element && one.outcome.is_rendered()
            });
            for (at, decision) in same {
                match &answer {
                    Ok(admission) => {
                        let (occurrence, admission) = (occurrence.clone(), admission.clone());
                        let waits = decision.follow(occurrence, admission, now.into());
                        passed.waits.extend(waits.map(|(wait, ended)| (at, wait, ended)));
                    }
                    Err(why) => decision.gate(why.clone()),
                }
            }
        }
        passed
    }

    /// Lets an occurrence wait for the fuses of its rule that are blown.
    ///
    /// # Errors
    ///
    /// Why it is gated: it does not wait for one of them.
    pub(super) fn hold(&self, occurrence: &mut Occurrence) -> Result<(), String> {
        let required = self.requires.get(&occurrence.rule).into_iter().flatten();
        let fuses = required.filter_map(|index| self.fuses.get(*index));
        let off = fuses.filter(|fuse| self.blown.contains_key(&fuse.name));
        occurrence.wait_for(off.map(|fuse| fuse.name.as_str())).map_err(fuse_is_off)
    }

    /// When the first blown fuse closes by itself.
    pub(super) fn first_reset(&self) -> Option<Timestamp> {
        self.blown.values().flatten().min().copied()
    }

    /// Continues with an occurrence that is due, which has this number of actions. Its fuses are on.
    ///
    /// # Errors
    ///
    /// Why it is gated: a fuse blows. It is added to `blown`.
    pub(super) fn resume(
        &mut self,
        states: &mut FlowStates,
        wait: &Wait,
        actions: usize,
        now: Timestamp,
        blown: &mut Vec<(String, BlownFuse)>,
    ) -> Result<Admission, String> {
        let occurrence = &wait.occurrence;
        let required = self.requires.get(&occurrence.rule).into_iter().flatten();
        let fuses: Vec<&BlowingFuse> =
            required.filter_map(|index| self.fuses.get(*index)).collect();
        let answer = states.admit_unless_blown(occurrence, Some(wait), fuses, actions, now.into());
        self.answer(answer, (&occurrence.rule, now), blown)
    }

    /// Records the fuses that blow. `Err` is why the occurrence is gated.
    fn answer(
        &mut self,
        answer: BlowAdmission,
        (rule, now): (&str, Timestamp),
        all: &mut Vec<(String, BlownFuse)>,
    ) -> Result<Admission, String> {
        let blown = match answer {
            BlowAdmission::Intact(admission) => return Ok(admission),
            BlowAdmission::Blown(blown) => blown,
        };
        let why = blown.iter().map(BlownFuse::to_string).collect::<Vec<_>>();
        for BlownFuse { fuse, .. } in &blown {
            let after = self.fuses.iter().find(|one| one.name == *fuse);
            let after = after.and_then(|one| one.reset_after);
            let until = after.map(|after| now.checked_add(after).unwrap_or(Timestamp::MAX));
            self.blown.insert(fuse.clone(), until);
        }
        all.extend(blown.into_iter().map(|one| (rule.to_owned(), one)));
        Err(why.join("; "))
    }
}

/// Why a rule is gated by a fuse that blew for an earlier decision about the same event.
fn fuse_is_off(fuse: &str) -> String {
    format!("fuse `{fuse}` is off")
}

fn is_same_as(decision: &Decision) -> impl Fn(&Decision) -> bool + use<> {
    let (rule, element) = (decision.rule.clone(), decision.element.clone());
    move |other| other.rule == rule && other.element == element
}
