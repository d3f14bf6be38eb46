//! Passes the occurrences of a verdict through flow control. This module does no I/O: the caller reads the states of the
//! keys that the verdict asks for, and writes those that changed together with the decision.

use fuse_rules::flow::{Admission, EndedWait, FlowStates, FlowTime, Occurrence, Owner, Wait};
use fuse_rules::{Action, Outcome};

use super::waits::{self, WaitRecord};
use super::{DecisionRecord, Verdict};

/// The decisions and actions of a verdict after flow control.
pub(super) struct Applied {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) actions: Vec<(String, Action)>,
    /// The occurrences that wait.
    pub(super) waits: Vec<WaitRecord>,
    /// The waits of other events that end.
    pub(super) ended: Vec<EndedWait>,
}

/// The keys of the states that decide about a verdict.
pub(super) fn keys(verdict: &Verdict) -> impl Iterator<Item = String> {
    let asked = verdict.flow.iter().flat_map(Occurrence::keys);
    asked.chain(verdict.cancels.iter().map(|one| one.request.state_key(&one.rule)))
}

/// Passes the occurrences of a verdict through flow control, in their order. The decisions about one that does not pass
/// are counted or suppressed, and its actions dropped. Before that, the event ends the waits that it cancels.
pub(super) fn apply(verdict: &Verdict, states: &mut FlowStates) -> Applied {
    let mut decisions = verdict.decisions.clone();
    let mut actions = verdict.actions.clone();
    let time = FlowTime { steady: verdict.steady, wall: verdict.decided };
    let by = Owner::new(&verdict.event.encode(), &format!("event `{}`", verdict.event.id), None);
    let cancelled = verdict.cancels.iter();
    let mut ended: Vec<EndedWait> =
        cancelled.filter_map(|one| states.cancel(one, (&by, verdict.received), time)).collect();
    let mut waits: Vec<WaitRecord> = Vec::new();
    for occurrence in &verdict.flow {
        let governs = |decision: &DecisionRecord| {
            decision.outcome.is_rendered()
                && decision.rule == occurrence.rule
                && decision.element == occurrence.element
        };
        if !decisions.iter().any(governs) {
            continue;
        }
        let (outcome, reason) = match states.admit(occurrence, time) {
            Admission::Passed => continue,
            Admission::Counted { why, .. } => (Outcome::Counted, why),
            Admission::Suppressed { why, .. } => (Outcome::Suppressed, why),
            Admission::Cancelled { why, .. } => (Outcome::Cancelled, why),
            Admission::Waiting { by, until, why, ended: replaced } => {
                // The one whose place it takes may be another element of this event.
                ended.extend(replaced.filter(|one| !waits::end(&mut decisions, &mut waits, one)));
                let occurrence = occurrence.clone();
                let rule = &occurrence.rule;
                waits.push(WaitRecord {
                    requires: verdict.requires.get(rule).cloned().unwrap_or_default(),
                    actions: actions
                        .iter()
                        .filter(|(_, action)| {
                            action.rule == *rule && action.element == occurrence.element
                        })
                        .cloned()
                        .collect(),
                    wait: Wait { occurrence, clause: by, since: time.steady, until },
                });
                (Outcome::Waiting, why)
            }
        };
        for decision in decisions.iter_mut().filter(|decision| governs(decision)) {
            decision.outcome = outcome;
            decision.reason.clone_from(&reason);
            decision.action = None;
            if outcome != Outcome::Waiting {
                decision.shadow = None;
            }
        }
        // A rule with several triggers has several actions.
        actions.retain(|(_, action)| {
            action.rule != occurrence.rule || action.element != occurrence.element
        });
    }
    Applied { decisions, actions, waits, ended }
}
