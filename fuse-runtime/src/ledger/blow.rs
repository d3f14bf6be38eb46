//! Fuses that blow. This module does no I/O: the caller reads the counts and the last changes of the fuses that a verdict
//! names, and writes those that changed in the same commit as what was counted.

use fuse_rules::ReactionKind;
use fuse_rules::flow::{
    Admission, BlowAdmission, BlowCounts, BlowingFuse, BlownFuse, FlowStates, FlowTime, Occurrence,
    Owner, Wait,
};
use jiff::Timestamp;

use super::{
    ActionRecord, ActionState, BlowRecord, BlownBy, DeadLetterKind, FuseHistories, FuseSwitch,
    Observed, ObservedResult, SwitchPosition, Verdict,
};

/// The name of the author of a change that no person made.
const AUTHOR: &str = "fuse";

/// Passes an occurrence with this number of actions through its clauses, and through the fuses that its rule requires
/// and that can blow.
///
/// # Errors
///
/// Why it is gated: a fuse is off, or blows now.
pub(super) fn admit(
    verdict: &Verdict,
    occurrence: &Occurrence,
    actions: usize,
    states: &mut FlowStates,
    histories: &mut FuseHistories,
) -> Result<Admission, String> {
    let time = verdict.time();
    let blowing = Blowing { fuses: &verdict.blow, time };
    let required = verdict.requires.get(&occurrence.rule).map_or(&[][..], Vec::as_slice);
    let fuses: Vec<&BlowingFuse> =
        verdict.blow.iter().filter(|fuse| required.contains(&fuse.name)).collect();
    // Only here: the record keeps the values by which the event was evaluated.
    let mut occurrence = occurrence.clone();
    // One may have blown, or been switched off, since then.
    hold(&fuses, &mut occurrence, histories, time)?;
    let all = fuses.iter().copied();
    let answer = states.admit_unless_blown(&occurrence, None, all, actions, time);
    // It waits for the fuse that it blew, if it waits for that fuse.
    let answer = blowing.answer(answer, &occurrence, histories);
    answer.or_else(|why| match hold(&fuses, &mut occurrence, histories, time) {
        Ok(()) => Ok(states.admit(&occurrence, time)),
        Err(_) => Err(why),
    })
}

/// Lets an occurrence wait for those of these fuses that are off.
///
/// # Errors
///
/// Why it is gated: it does not wait for one of them.
fn hold(
    fuses: &[&BlowingFuse],
    occurrence: &mut Occurrence,
    histories: &FuseHistories,
    time: FlowTime,
) -> Result<(), String> {
    let off = fuses.iter().filter(|fuse| is_off(histories, &fuse.name, time.steady));
    let held = occurrence.wait_for(off.map(|fuse| fuse.name.as_str()));
    held.map_err(|fuse| format!("fuse `{fuse}` is off"))
}

/// What becomes of an occurrence that is due.
pub(super) enum Resumption {
    /// The answer of its clauses.
    Decided(Admission),
    /// It is gated, for this reason.
    Gated(String),
    /// This fuse is off, possibly until a time: the occurrence goes on waiting. If it was released, all that waits would
    /// act at once and uncounted when the fuse is on again.
    Held(String, Option<Timestamp>),
}

/// Continues with an occurrence that is due, which has this number of actions and requires these fuses.
pub(super) fn resume(
    blowing: Blowing<'_>,
    (wait, requires): (&Wait, &[String]),
    actions: usize,
    states: &mut FlowStates,
    histories: &mut FuseHistories,
) -> Resumption {
    let Blowing { fuses, time } = blowing;
    // Without an answer, it expires whatever its fuses are.
    if wait.open_approval().is_some() {
        return Resumption::Decided(states.resume(wait, time));
    }
    let fuses = || fuses.iter().filter(|fuse| requires.contains(&fuse.name));
    // One that waits for the fuse expects it to be off.
    let holds = |fuse: &&BlowingFuse| {
        is_off(histories, &fuse.name, time.steady) && !wait.is_for_fuse(&fuse.name)
    };
    let off: Vec<&BlowingFuse> = fuses().filter(holds).collect();
    if let Some(fuse) = off.iter().find(|fuse| fuse.drops) {
        states.release(wait);
        return Resumption::Gated(format!(
            "fuse `{}` is off, and drops pending actions",
            fuse.name
        ));
    }
    if !off.is_empty() {
        states.set_aside(wait);
        return held(&off, histories, time);
    }
    let answer = states.admit_unless_blown(&wait.occurrence, Some(wait), fuses(), actions, time);
    match blowing.answer(answer, &wait.occurrence, histories) {
        Ok(admission) => Resumption::Decided(admission),
        Err(why) => {
            let fuses: Vec<&BlowingFuse> = fuses().collect();
            match hold(&fuses, &mut wait.occurrence.clone(), histories, time) {
                Ok(()) => held(&fuses, histories, time),
                Err(_) => Resumption::Gated(why),
            }
        }
    }
}

/// It waits for the first of these fuses that is off.
fn held(fuses: &[&BlowingFuse], histories: &FuseHistories, time: FlowTime) -> Resumption {
    let off = fuses.iter().find(|fuse| is_off(histories, &fuse.name, time.steady));
    let name = off.map(|fuse| fuse.name.clone()).unwrap_or_default();
    let until = histories.get(&name).and_then(|history| history.next_end(time.steady));
    Resumption::Held(name, until)
}

/// The fuses that can blow, and the time.
#[derive(Clone, Copy)]
pub(crate) struct Blowing<'f> {
    pub(crate) fuses: &'f [BlowingFuse],
    pub(crate) time: FlowTime,
}

impl Blowing<'_> {
    /// Records the fuses that blow. `Err` is why the occurrence is gated.
    fn answer(
        self,
        answer: BlowAdmission,
        occurrence: &Occurrence,
        histories: &mut FuseHistories,
    ) -> Result<Admission, String> {
        let blown = match answer {
            BlowAdmission::Intact(admission) => return Ok(admission),
            BlowAdmission::Blown(blown) => blown,
        };
        let rule = &occurrence.rule;
        let asked = format!("`{rule}` had one more for {}", occurrence.owner.name);
        for one in &blown {
            self.record(one, (rule, &asked), histories);
        }
        Err(blown.iter().map(BlownFuse::to_string).collect::<Vec<_>>().join("; "))
    }

    /// Records that a fuse blew.
    fn record(self, blown: &BlownFuse, (rule, on): (&str, &str), histories: &mut FuseHistories) {
        let mut fuses = self.fuses.iter();
        let after = fuses.find(|fuse| fuse.name == blown.fuse).and_then(|fuse| fuse.reset_after);
        let FlowTime { steady, wall } = self.time;
        let until = after.map(|after| steady.checked_add(after).unwrap_or(Timestamp::MAX));
        let switch = FuseSwitch {
            to: SwitchPosition::Blown,
            at: wall,
            since: steady,
            until,
            by: AUTHOR.to_owned(),
            reason: format!("{}; {on}", blown.why),
            blown_by: Some(BlownBy { rule: rule.to_owned(), why: blown.why.clone() }),
        };
        histories.entry(blown.fuse.clone()).or_default().record(switch);
    }
}

/// Counts that an action ended in this state, if that is a failure. Returns the fuses that blow.
pub(crate) fn settled(
    verdict: &Verdict,
    action: &ActionRecord,
    state: &ActionState,
    states: &mut FlowStates,
    histories: &mut FuseHistories,
) -> Vec<String> {
    match state {
        // A person or a fuse wanted that.
        ActionState::DeadLettered {
            kind: DeadLetterKind::Discarded | DeadLetterKind::Dropped | DeadLetterKind::Replaced,
            ..
        } => Vec::new(),
        ActionState::DeadLettered { .. } => failed(verdict, action, states, histories),
        _ => Vec::new(),
    }
}

/// Counts that the object of an action was observed in this state, if that is a failure. Returns the fuses that blow.
pub(crate) fn observed(
    verdict: &Verdict,
    action: &ActionRecord,
    observed: &Observed,
    states: &mut FlowStates,
    histories: &mut FuseHistories,
) -> Vec<String> {
    match observed.result {
        // One that was told to stop did not fail.
        ObservedResult::Failed if action.replaced.is_none() => {
            failed(verdict, action, states, histories)
        }
        _ => Vec::new(),
    }
}

fn failed(
    verdict: &Verdict,
    action: &ActionRecord,
    states: &mut FlowStates,
    histories: &mut FuseHistories,
) -> Vec<String> {
    // What counts is what rules do, not how they react.
    if ReactionKind::rule_of(&action.action.rule).is_some() {
        return Vec::new();
    }
    let (time, mut all) = (verdict.time(), Vec::new());
    let owner = Owner { id: action.id.clone(), name: String::new() };
    for fuse in verdict.blow.iter().filter(|fuse| fuse.counts(BlowCounts::Failures)) {
        // A fuse that is off counts nothing.
        if is_off(histories, &fuse.name, time.steady) {
            continue;
        }
        if let Some(blown) = fuse.fail(states, &owner, time) {
            let rule = &action.action.rule;
            let last = format!("the last one is that of `{rule}` for event `{}`", verdict.event.id);
            Blowing { fuses: &verdict.blow, time }.record(&blown, (rule, &last), histories);
            all.push(blown.fuse);
        }
    }
    all
}

/// The fuses with another last change.
pub(crate) fn changed(before: &FuseHistories, after: &FuseHistories) -> Vec<String> {
    let changed = after.iter().filter(|(fuse, history)| before.get(*fuse) != Some(*history));
    changed.map(|(fuse, _)| fuse.clone()).collect()
}

/// The fuses that blew, for the record of the event that blew them.
pub(crate) fn records(before: &FuseHistories, after: &FuseHistories) -> Vec<BlowRecord> {
    let blown = changed(before, after).into_iter().filter_map(|fuse| {
        let last = after.get(&fuse)?.newest_first().next()?;
        let BlownBy { rule, why } = last.blown_by.clone()?;
        Some(BlowRecord { fuse, rule, reason: why, since: last.since })
    });
    blown.collect()
}

pub(super) fn is_off(histories: &FuseHistories, fuse: &str, now: Timestamp) -> bool {
    let history = histories.get(fuse);
    history.and_then(|history| history.in_effect(now)).is_some_and(|(on, _)| !on)
}
