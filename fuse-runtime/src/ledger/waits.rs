//! Decisions that wait: how they are recorded, resumed and ended. Like `transition.rs`, this module does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use fuse_rules::flow::{
    Admission, Approval, EndedWait, Flow, FlowStates, FlowTime, Occurrence, Wait, WaitName,
};
use fuse_rules::{Action, Outcome, ReactionKind};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::blow::{self, Blowing, Resumption};
use super::places::PlacesInUse;
use super::transition::off_bus;
use super::{ActionRecord, CurrentRules, DecisionRecord, FuseHistories};

/// An occurrence that waits, with the actions that it becomes. They are recorded only here until it is released, so that
/// nothing performs them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitRecord {
    /// Who waits, at which clause, and until when.
    #[serde(flatten)]
    pub wait: Wait,
    /// The actions, each with its id, in the order of their decisions. Empty for a rule in shadow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<(String, Action)>,
    /// The fuses that the rule required when it was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
}

impl WaitRecord {
    /// The id under which people know it: that of its first action. `None` for a rule in shadow.
    pub fn id(&self) -> Option<&str> {
        self.actions.first().map(|(id, _)| id.as_str())
    }

    /// Whether this decision waits with it.
    pub(crate) fn governs(&self, decision: &DecisionRecord) -> bool {
        is_waiting(decision, &self.wait.occurrence)
    }
}

fn is_waiting(decision: &DecisionRecord, occurrence: &Occurrence) -> bool {
    decision.outcome == Outcome::Waiting
        && decision.rule == occurrence.rule
        && decision.element == occurrence.element
}

/// Why an action that waited is performed now.
const RELEASED: &str = "every condition holds, and the wait is over";
/// The same for a rule in shadow.
const RELEASED_IN_SHADOW: &str = "every condition holds and the wait is over, but the rule is in shadow: its action is not performed";

/// The reason of an action whose wait is over.
fn released(wait: &Wait) -> String {
    wait.approval.as_ref().map_or_else(|| RELEASED.to_owned(), Approval::granted)
}

/// What changed because waits are over.
#[derive(Debug, Default)]
pub(crate) struct Resumed {
    /// The decisions that changed, as they are now.
    pub(crate) decisions: Vec<DecisionRecord>,
    /// The actions that were released, off the bus.
    pub(crate) actions: Vec<ActionRecord>,
    /// The occurrences that are in progress now.
    pub(crate) places: Vec<PlacesInUse>,
    /// The waits of other events that end.
    pub(crate) ended: Vec<EndedWait>,
}

/// Whether rules may react to decisions that changed, of an event with these waits.
pub(crate) fn may_react(decisions: &[DecisionRecord], waits: &[WaitRecord]) -> bool {
    decisions.iter().any(|one| match one.outcome {
        Outcome::Waiting => {
            waits.iter().any(|wait| wait.governs(one) && wait.wait.open_approval().is_some())
        }
        outcome => ReactionKind::of(outcome).is_some(),
    })
}

/// How many of these wait, by the first word of the clause.
pub(crate) fn by_clause<'w>(
    waits: impl IntoIterator<Item = &'w WaitRecord>,
) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for one in waits {
        let count: &mut u64 = counts.entry(one.wait.clause_word()).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

/// Whether a wait of the event is due.
pub(crate) fn is_due(waits: &[WaitRecord], time: FlowTime) -> bool {
    waits.iter().any(|one| one.wait.is_due(time))
}

/// How soon, at least and at most, a wait that a fuse holds is asked again.
const ASK_AGAIN: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(10), SignedDuration::from_secs(120));

/// A wait that is over, and goes on because a fuse is off, possibly until a time.
fn held(record: WaitRecord, until: Option<Timestamp>, time: FlowTime) -> WaitRecord {
    let waited = time.steady.duration_since(record.wait.since);
    let again = waited.clamp(ASK_AGAIN.0, ASK_AGAIN.1);
    let until = until.map(|until| until.duration_since(time.steady));
    let again = until.map_or(again, |until| until.min(again));
    let now = if record.wait.is_for_hours() { time.wall } else { time.steady };
    let until = now.checked_add(again).unwrap_or(Timestamp::MAX);
    WaitRecord { wait: Wait { until, ..record.wait }, ..record }
}

/// Makes the waits of these rules due now that may not have to go on. Returns whether there are any.
pub(crate) fn recheck(waits: &mut [WaitRecord], rules: &BTreeSet<String>, time: FlowTime) -> bool {
    let mut is_changed = false;
    for WaitRecord { wait, .. } in waits {
        let waits_at = wait.occurrence.requests.get(wait.clause).map(|request| request.flow);
        let may_pass = matches!(
            waits_at,
            Some(Flow::Requires { .. } | Flow::Limit { .. } | Flow::Concurrency { .. })
        );
        if may_pass && wait.until > time.steady && rules.contains(&wait.occurrence.rule) {
            wait.until = time.steady;
            is_changed = true;
        }
    }
    is_changed
}

/// When a wait is due, in steady time.
pub(crate) fn due_at(wait: &Wait, time: FlowTime) -> Timestamp {
    if wait.is_for_hours() { time.to_steady(wait.until) } else { wait.until }
}

/// Resumes the waits of an event that are due, the earliest first. `states` are those of flow control for their clauses,
/// and `histories` the last changes of the fuses that can blow.
pub(crate) fn resume(
    (decisions, waits): (&mut [DecisionRecord], &mut Vec<WaitRecord>),
    states: &mut FlowStates,
    histories: &mut FuseHistories,
    (rules, time): (&CurrentRules, FlowTime),
) -> Resumed {
    let blowing = Blowing { fuses: &rules.blow, time };
    let mut due: Vec<WaitRecord> = waits.extract_if(.., |one| one.wait.is_due(time)).collect();
    due.sort_by_key(|one| due_at(&one.wait, time));
    let mut resumed = Resumed::default();
    for mut record in due {
        rules.limits.update(&mut record.wait);
        record.wait.occurrence.set_fuses(|fuse| {
            !rules.off.contains(fuse) && !blow::is_off(histories, fuse, time.steady)
        });
        let occurrence = &record.wait.occurrence;
        let wait = (&record.wait, record.requires.as_slice());
        let count = record.actions.len();
        let admission = match blow::resume(blowing, wait, count, states, histories) {
            Resumption::Decided(admission) => Ok(admission),
            Resumption::Gated(why) => Err(why),
            Resumption::Held(fuse, until) => {
                let why = format!(
                    "the wait is over, and the fuse `{fuse}` is off; it goes on when the fuse is on"
                );
                for decision in decisions.iter_mut().filter(|decision| record.governs(decision)) {
                    decision.reason.clone_from(&why);
                }
                waits.push(held(record, until, time));
                continue;
            }
        };
        // It asked before it was its turn.
        let waits_on = matches!(&admission, Ok(Admission::Waiting { by, .. })
            if *by == record.wait.clause);
        let clause = admission.as_ref().ok().and_then(Admission::clause);
        let clause = clause.map(|clause| occurrence.clause_word(clause).to_owned());
        let mut actions = record.actions.iter();
        for decision in decisions.iter_mut().filter(|decision| record.governs(decision)) {
            (decision.outcome, decision.reason) = match &admission {
                Ok(Admission::Passed) if occurrence.is_shadow => {
                    (Outcome::Shadow, RELEASED_IN_SHADOW.to_owned())
                }
                Ok(Admission::Passed) => (Outcome::Fired, released(&record.wait)),
                Ok(Admission::Counted { why, .. }) => (Outcome::Counted, why.clone()),
                Ok(Admission::Suppressed { why, .. }) => (Outcome::Suppressed, why.clone()),
                Ok(Admission::Cancelled { why, .. }) => (Outcome::Cancelled, why.clone()),
                Ok(Admission::Expired { why, .. }) => (Outcome::Expired, why.clone()),
                Ok(Admission::Waiting { why, .. }) => (Outcome::Waiting, why.clone()),
                Err(why) => (Outcome::Gated, why.clone()),
            };
            decision.clause.clone_from(&clause);
            match decision.outcome {
                Outcome::Fired => decision.action = actions.next().map(|(id, _)| id.clone()),
                Outcome::Shadow | Outcome::Waiting => {}
                _ => decision.shadow = None,
            }
            if !waits_on {
                resumed.decisions.push(decision.clone());
            }
        }
        match admission {
            Ok(Admission::Passed) => {
                let held = PlacesInUse::new(occurrence, count, states);
                let in_progress = held.is_some();
                resumed.places.extend(held);
                let released = record.actions.into_iter().map(|(id, action)| {
                    let action = ActionRecord::new(id, action, record.requires.clone());
                    let action = ActionRecord { in_progress, ..action };
                    // So that those that were due first are performed first.
                    off_bus(action, due_at(&record.wait, time))
                });
                resumed.actions.extend(released);
            }
            Ok(Admission::Waiting { by, until, ended, .. }) => {
                let since = if waits_on { record.wait.since } else { time.steady };
                let wait = Wait { clause: by, since, until, ..record.wait };
                waits.push(WaitRecord { wait, ..record });
                if let Some(ended) = ended
                    && !end(decisions, waits, &ended)
                {
                    resumed.ended.push(ended);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
    resumed
}

/// Makes a wait due for which there is a place: it waited long enough already. Returns whether it is one of these.
pub(crate) fn make_due(waits: &mut [WaitRecord], name: &WaitName) -> bool {
    let mut waits = waits.iter_mut().map(|one| &mut one.wait);
    let wait = waits.find(|wait| wait.is_for_place() && wait.name() == *name);
    wait.map(|wait| wait.until = wait.until.min(wait.since)).is_some()
}

/// Ends a wait before it is due. Returns whether it was one of these.
pub(crate) fn end(
    decisions: &mut [DecisionRecord],
    waits: &mut Vec<WaitRecord>,
    ended: &EndedWait,
) -> bool {
    let Some(index) = waits.iter().position(|one| one.wait.name() == ended.wait) else {
        return false;
    };
    let record = waits.remove(index);
    for decision in decisions.iter_mut().filter(|decision| record.governs(decision)) {
        decision.outcome = ended.end.into();
        decision.clause = Some(record.wait.clause_word().to_owned());
        decision.reason.clone_from(&ended.why);
        decision.shadow = None;
    }
    true
}
