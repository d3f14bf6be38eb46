//! A log of questions to one clause, the clock that goes with it, and the model that knows every admission.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::admit::ClauseAnswer;
use super::super::*;

/// The start of every log, far from the ends of time.
const START: Timestamp = Timestamp::UNIX_EPOCH;

/// One question. All times are in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// How much later than the last question it is asked.
    pub(super) after: i64,
    /// How far the clock was set back before.
    pub(super) back: i64,
    /// Who asks. The same owner asks again after a redelivery or a crash.
    pub(super) owner: u8,
    /// Whether the states that ended are forgotten before.
    pub(super) prunes: bool,
}

pub(super) fn log(sets_clock: bool) -> impl Strategy<Value = Vec<Question>> {
    let back = if sets_clock {
        prop_oneof![8 => Just(0), 1 => 0..400_i64].boxed()
    } else {
        Just(0).boxed()
    };
    // Short steps and whole windows, so that questions meet the edges of windows.
    let after = prop_oneof![3 => 0..4_i64, 2 => 0..40_i64, 1 => Just(10_i64), 1 => Just(20_i64)];
    let question = (after, back, 0..12_u8, prop::bool::weighted(0.2))
        .prop_map(|(after, back, owner, prunes)| Question { after, back, owner, prunes });
    prop::collection::vec(question, 1..80)
}

/// What a clause has to obey: at most `count` admissions in any window of `seconds`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) count: usize,
    pub(super) seconds: i64,
}

/// The step of a clause, or a copy with a fault.
pub(super) type Step = fn(Flow, Option<&FlowState>, &Owner, FlowTime) -> (FlowState, ClauseAnswer);

pub(super) fn step(
    flow: Flow,
    state: Option<&FlowState>,
    owner: &Owner,
    time: FlowTime,
) -> (FlowState, ClauseAnswer) {
    let question = super::super::admit::Question { rule: "s/r", owner, received: time.wall };
    flow.step(state, question, time)
}

/// Answers a log by the clause, and checks every answer against the list of all admissions. `Err` names the law that is
/// broken.
pub(super) fn run(
    flow: Flow,
    bound: Bound,
    log: &[Question],
    step: Step,
) -> Result<Vec<bool>, String> {
    let mut state: Option<FlowState> = None;
    let mut answers = Vec::new();
    // Every admission, in real time, which no clock shows.
    let mut admitted: Vec<(i64, String)> = Vec::new();
    let (mut real, mut set_back) = (0_i64, 0_i64);
    // By the clock, the first refusal since the last admission or change of the clock.
    let mut refused_since: Option<i64> = None;
    for (number, question) in log.iter().enumerate() {
        real += question.after;
        set_back += question.back;
        let clock = real - set_back;
        let now = START + SignedDuration::from_secs(clock);
        if question.prunes && state.as_ref().is_some_and(|state| state.end() <= now) {
            state = None;
        }
        let recent = |(at, _): &&(i64, String)| real - at < bound.seconds;
        // Long after its admission, a number is another owner.
        let prefix = format!("{}-", question.owner);
        let owned = admitted.iter().rfind(|(_, id)| id.starts_with(&prefix));
        let (owns, id) = match owned.filter(recent) {
            Some((_, id)) => (true, id.clone()),
            None => {
                let before = owned.map_or("first".to_owned(), |(at, _)| format!("after-{at}"));
                (false, format!("{prefix}{before}"))
            }
        };
        let owner = Owner { id: id.clone(), name: String::new() };
        let (after, answer) = step(flow, state.as_ref(), &owner, now.into());
        if step(flow, Some(&after), &owner, now.into()) != (after.clone(), answer.clone()) {
            return Err(format!("question {number} has another answer if it is asked again"));
        }
        let is_passed = answer.is_ok();
        let count = admitted.iter().filter(recent).count();
        if owns && !is_passed {
            return Err(format!("question {number} takes a place from its owner"));
        }
        if is_passed && !owns && count >= bound.count {
            return Err(format!("question {number} is one too many in its window"));
        }
        // If the clock only goes forward, the list decides.
        if set_back == 0 && is_passed != (owns || count < bound.count) {
            return Err(format!("question {number} is refused, although a place is free"));
        }
        // However far the clock was set back, all places are free one window later.
        if is_passed || question.back > 0 {
            refused_since = None;
        }
        if !is_passed && clock - *refused_since.get_or_insert(clock) >= bound.seconds {
            return Err(format!("question {number} is refused for longer than a window"));
        }
        if is_passed && !owns {
            admitted.push((real, id));
        }
        answers.push(is_passed);
        state = Some(after);
    }
    Ok(answers)
}
