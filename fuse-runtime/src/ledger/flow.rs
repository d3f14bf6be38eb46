//! Passes the occurrences of a verdict through flow control. This module does no I/O: the caller reads the states of the
//! keys that the verdict asks for, and writes those that changed together with the decision.

use fuse_rules::flow::{Admission, BlowingFuse, EndedWait, FlowStates, Occurrence, Owner, Wait};
use fuse_rules::{Action, Outcome};

use super::places::PlacesInUse;
use super::waits::{self, WaitRecord};
use super::{DecisionRecord, FuseHistories, Verdict, blow};

/// The decisions and actions of a verdict after flow control.
pub(super) struct Applied {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) actions: Vec<(String, Action)>,
    /// The occurrences that wait.
    pub(super) waits: Vec<WaitRecord>,
    /// The occurrences that are in progress.
    pub(super) places: Vec<PlacesInUse>,
    /// The waits of other events that end.
    pub(super) ended: Vec<EndedWait>,
}

/// The keys of the states that decide about a verdict.
pub(super) fn keys(verdict: &Verdict) -> impl Iterator<Item = String> {
    let asked = verdict.flow.iter().flat_map(Occurrence::keys);
    let cancelled = verdict.cancels.iter().map(|one| one.request.state_key(&one.rule));
    asked.chain(cancelled).chain(verdict.blow.iter().flat_map(BlowingFuse::keys))
}

/// Passes the occurrences of a verdict through flow control, in their order. The decisions about one that does not pass
/// are gated, counted or suppressed, and its actions dropped; or they wait. Before that, the event ends the waits that it
/// cancels. `fuses` are the last changes of the fuses that may blow.
pub(super) fn apply(
    verdict: &Verdict,
    states: &mut FlowStates,
    fuses: &mut FuseHistories,
) -> Applied {
    let mut decisions = verdict.decisions.clone();
    let mut actions = verdict.actions.clone();
    let time = verdict.time();
    let by = Owner::new(&verdict.event.encode(), &format!("event `{}`", verdict.event.id), None);
    let cancelled = verdict.cancels.iter();
    let mut ended: Vec<EndedWait> =
        cancelled.filter_map(|one| states.cancel(one, (&by, verdict.received), time)).collect();
    let (mut waits, mut places) = (Vec::<WaitRecord>::new(), Vec::new());
    for occurrence in &verdict.flow {
        let governs = |decision: &DecisionRecord| {
            decision.outcome.is_rendered()
                && decision.rule == occurrence.rule
                && decision.element == occurrence.element
        };
        if !decisions.iter().any(governs) {
            continue;
        }
        let is_its = |action: &Action| {
            action.rule == occurrence.rule && action.element == occurrence.element
        };
        let count = actions.iter().filter(|(_, action)| is_its(action)).count();
        let admission = blow::admit(verdict, occurrence, count, states, fuses);
        let clause = admission.as_ref().ok().and_then(Admission::clause);
        let clause = clause.map(|clause| occurrence.clause_word(clause).to_owned());
        let (outcome, reason) = match admission {
            Ok(Admission::Passed) => {
                places.extend(PlacesInUse::new(occurrence, count, states));
                continue;
            }
            Ok(Admission::Counted { why, .. }) => (Outcome::Counted, why),
            Ok(Admission::Suppressed { why, .. }) => (Outcome::Suppressed, why),
            Ok(Admission::Cancelled { why, .. }) => (Outcome::Cancelled, why),
            Ok(Admission::Expired { why, .. }) => (Outcome::Expired, why),
            Ok(Admission::Waiting { by, until, why, ended: replaced }) => {
                // The one whose place it takes may be another element of this event.
                ended.extend(replaced.filter(|one| !waits::end(&mut decisions, &mut waits, one)));
                let occurrence = occurrence.clone();
                let requires = verdict.requires.get(&occurrence.rule);
                waits.push(WaitRecord {
                    requires: requires.cloned().unwrap_or_default(),
                    actions: actions.iter().filter(|(_, action)| is_its(action)).cloned().collect(),
                    wait: Wait::new(occurrence, by, time, until),
                });
                (Outcome::Waiting, why)
            }
            Err(why) => (Outcome::Gated, why),
        };
        for decision in decisions.iter_mut().filter(|decision| governs(decision)) {
            decision.outcome = outcome;
            decision.reason.clone_from(&reason);
            decision.clause.clone_from(&clause);
            decision.action = None;
            if outcome != Outcome::Waiting {
                decision.shadow = None;
            }
        }
        // A rule with several triggers has several actions.
        actions.retain(|(_, action)| !is_its(action));
    }
    Applied { decisions, actions, waits, places, ended }
}
