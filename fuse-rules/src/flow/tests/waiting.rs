//! The laws of `quiet` and `still`: the answers to a log are those of a model that recomputes them from everything that
//! happened, and every wait ends exactly once.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::admit::{ClauseAnswer, Hold, Question};
use super::super::*;
use super::at;

/// How many logs each fault is tried with, at most.
const LOGS_PER_FAULT: usize = 3_000;
/// The start of every log, far from the ends of time.
const START: i64 = 1_000_000;

/// Something that happens. All times are in seconds.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// How much later than the last one.
    after: i64,
    /// How far the clock was set back before.
    back: i64,
    /// How long ago its event was received: events are decided in another order.
    lag: i64,
    /// Whether it is a cancellation, and not an occurrence.
    cancels: bool,
    /// Whether the timers are late: what is due by now is not released before.
    is_late: bool,
    /// Whether the states that ended are forgotten before.
    prunes: bool,
}

fn log(sets_clock: bool) -> impl Strategy<Value = Vec<Step>> {
    let back = if sets_clock {
        prop_oneof![6 => Just(0), 1 => 1..60_i64].boxed()
    } else {
        Just(0).boxed()
    };
    // Short steps and whole windows, so that questions meet the edges of windows.
    let after = prop_oneof![4 => 0..4_i64, 2 => 0..15_i64, 1 => Just(10_i64), 1 => Just(20_i64)];
    // Less than the length of a wait.
    let lag = prop_oneof![3 => Just(0), 1 => 0..9_i64];
    let step = (after, back, lag, prop::bool::weighted(0.25), any::<bool>(), any::<bool>());
    let step = step.prop_map(|(after, back, lag, cancels, is_late, prunes)| Step {
        after,
        back,
        lag,
        cancels,
        is_late,
        prunes,
    });
    prop::collection::vec(step, 1..50)
}

/// The cancellation of a clause, or a copy with a fault.
type Cancel =
    fn(Flow, Option<&FlowState>, Question<'_>, FlowTime) -> Option<(FlowState, Option<Owner>)>;

/// The parts of a clause, or copies with a fault.
#[derive(Clone, Copy)]
struct Machine {
    step: fn(Flow, Option<&FlowState>, Question<'_>, FlowTime) -> (FlowState, ClauseAnswer),
    cancel: Cancel,
    release: fn(FlowState, &str) -> Option<FlowState>,
}

const CLAUSE: Machine = Machine {
    step: |flow, state, question, time| flow.step(state, question, time),
    cancel: |flow, state, question, time| flow.cancel(state, question, time),
    release: |state, owner| {
        Some(state.release("s/r", &Owner { id: owner.to_owned(), name: String::new() }))
    },
};

pub(super) fn quiet(length: i64, max: Option<i64>) -> Flow {
    let seconds = SignedDuration::from_secs;
    Flow::Quiet { length: seconds(length), max: max.map(seconds) }
}

pub(super) fn still(length: i64) -> Flow {
    Flow::Still { length: SignedDuration::from_secs(length) }
}

fn clauses() -> [Flow; 3] {
    [quiet(10, None), quiet(10, Some(25)), still(10)]
}

/// What happened so far: for each step the time, when its event was received, whether it cancels, and whether what is due
/// was released before.
type History = Vec<(i64, i64, bool, bool)>;

/// The answer to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// It waits until then, in place of another one, given by number.
    Waits(i64, Option<usize>),
    Suppressed,
    Cancelled,
    /// It ends the wait of this one.
    Ends(Option<usize>),
}

/// One that waits: its number, when it was received, since when, and until when.
type ModelWait = (usize, i64, i64, i64);

/// The answer to the last step of `quiet`: the newest one of a burst waits.
fn model_of_quiet(history: &History, length: i64, max: Option<i64>) -> Answer {
    let mut waits: Option<ModelWait> = None;
    let mut answer = Answer::Ends(None);
    for (number, (now, received, cancels, _)) in history.iter().copied().enumerate() {
        answer = Answer::Ends(None);
        if cancels {
            continue;
        }
        let before = waits.filter(|(.., until)| now < *until);
        if before.is_some_and(|(_, other, ..)| received < other) {
            answer = Answer::Suppressed;
            continue;
        }
        let first = before.map_or(now, |(_, _, first, _)| first);
        let until = (now + length).min(max.map_or(i64::MAX, |max| first + max));
        answer = Answer::Waits(until, before.map(|(replaced, ..)| replaced));
        waits = Some((number, received, first, until));
    }
    answer
}

/// The answer to the last step of `still`: one waits at a time, until an event cancels it that was not received before it.
fn model_of_still(history: &History, length: i64) -> Answer {
    let mut waits: Vec<ModelWait> = Vec::new();
    let mut answer = Answer::Ends(None);
    for (number, (now, received, cancels, releases)) in history.iter().copied().enumerate() {
        waits.retain(|(.., until)| !releases || now < *until);
        let current = waits.first().copied().filter(|(.., until)| cancels || now < *until);
        answer = match current {
            Some((other, since, ..)) if cancels && since <= received => {
                waits.clear();
                Answer::Ends(Some(other))
            }
            _ if cancels => Answer::Ends(None),
            Some(_) => Answer::Suppressed,
            None => {
                let before = history.iter().take(number);
                let mut cancelled = before.filter(|(_, _, cancels, _)| *cancels);
                match cancelled.any(|(then, other, ..)| now < then + length && received < *other) {
                    true => Answer::Cancelled,
                    false => {
                        waits.clear();
                        waits.push((number, received, now, now + length));
                        Answer::Waits(now + length, None)
                    }
                }
            }
        };
    }
    answer
}

fn model(flow: Flow, history: &History) -> Answer {
    match flow {
        Flow::Quiet { length, max } => {
            model_of_quiet(history, length.as_secs(), max.map(|max| max.as_secs()))
        }
        Flow::Still { length } => model_of_still(history, length.as_secs()),
        other => panic!("{other:?} does not wait"),
    }
}

fn number_of(owner: &Owner) -> usize {
    owner.id.parse().unwrap()
}

/// Answers a log by the clause, and checks every answer. `Err` names the law that is broken.
fn run(flow: Flow, log: &[Step], machine: Machine) -> Result<(), String> {
    let mut state: Option<FlowState> = None;
    let mut history = History::new();
    // Those that wait, with the time at which they are due and when they were received, and how many waits ended.
    let mut pending: Vec<(usize, Timestamp, i64)> = Vec::new();
    let (mut began, mut ended) = (0, 0);
    let (mut now, mut is_set_back) = (START, false);
    let mut suppressed_since: Option<i64> = None;
    let length = match flow {
        Flow::Quiet { length, .. } | Flow::Still { length } => length.as_secs(),
        other => panic!("{other:?} does not wait"),
    };
    for (number, step) in log.iter().enumerate() {
        now += step.after - step.back;
        is_set_back |= step.back > 0;
        if step.back > 0 {
            suppressed_since = None;
        }
        if !step.is_late {
            pending.sort_by_key(|(_, until, _)| *until);
            while pending.first().is_some_and(|(_, until, _)| *until <= at(now)) {
                let (owner, ..) = pending.remove(0);
                state = state.and_then(|state| (machine.release)(state, &owner.to_string()));
                ended += 1;
            }
        }
        if step.prunes && state.as_ref().is_some_and(|state| state.end() <= at(now)) {
            state = None;
        }
        let received = now - step.lag;
        history.push((now, received, step.cancels, !step.is_late));
        let owner = Owner { id: number.to_string(), name: format!("event {number}") };
        let question = Question { rule: "s/r", owner: &owner, received: at(received) };
        let time = FlowTime::from(at(now));
        let mut end = |wait: usize| {
            let found = pending.iter().position(|(waiting, ..)| *waiting == wait);
            let found = found.ok_or(format!("step {number} ends {wait}, which does not wait"))?;
            ended += 1;
            Ok::<i64, String>(pending.remove(found).2)
        };
        let answer = if step.cancels {
            let Some((after, who)) = (machine.cancel)(flow, state.as_ref(), question, time) else {
                continue;
            };
            let again = (machine.cancel)(flow, Some(&after), question, time);
            if again != Some((after.clone(), None)) {
                return Err(format!("step {number} cancels twice"));
            }
            state = Some(after);
            let who = who.as_ref().map(number_of);
            if let Some(who) = who
                && end(who)? > received
            {
                return Err(format!("step {number} cancels {who}, which was received later"));
            }
            Answer::Ends(who)
        } else {
            let (after, hold) = (machine.step)(flow, state.as_ref(), question, time);
            let (next, again) = (machine.step)(flow, Some(&after), question, time);
            let is_same = match (&hold, &again) {
                (
                    Err(Hold::Waits { until, why, .. }),
                    Err(Hold::Waits { until: then, why: because, replaces: None }),
                ) => (until, why) == (then, because),
                _ => hold == again,
            };
            if !is_same || next != after {
                return Err(format!("step {number} has another answer if it is asked again"));
            }
            state = Some(after);
            match hold {
                Ok(()) | Err(Hold::Expired(_)) => {
                    return Err(format!("step {number} does not wait"));
                }
                Err(Hold::Back(_)) => Answer::Suppressed,
                Err(Hold::Cancelled(_)) => Answer::Cancelled,
                Err(Hold::Waits { until, replaces, .. }) => {
                    let replaced = replaces.as_ref().map(number_of);
                    if let Some(replaced) = replaced
                        && end(replaced)? > received
                    {
                        return Err(format!("step {number} takes the place of a newer one"));
                    }
                    if until > at(now + length) {
                        return Err(format!("step {number} waits too long"));
                    }
                    pending.push((number, until, received));
                    began += 1;
                    Answer::Waits(until.as_second(), replaced)
                }
            }
        };
        // If the clock only goes forward, the history decides.
        let expected = model(flow, &history);
        if !is_set_back && answer != expected {
            return Err(format!("step {number}: {answer:?} instead of {expected:?}"));
        }
        // However far the clock was set back, one can wait after the length of a wait.
        match (flow, &answer) {
            (Flow::Still { .. }, Answer::Suppressed) => {
                if now - *suppressed_since.get_or_insert(now) >= length {
                    return Err(format!("step {number} is suppressed for longer than a wait"));
                }
            }
            (_, Answer::Ends(None)) => {}
            _ => suppressed_since = None,
        }
    }
    match began == ended + pending.len() {
        true => Ok(()),
        false => Err(format!("{began} began to wait, and {ended} ended")),
    }
}

proptest! {
    #[test]
    fn the_answers_are_those_of_the_model(log in prop_oneof![log(false), log(true)]) {
        for flow in clauses() {
            let found = run(flow, &log, CLAUSE);
            prop_assert!(found.is_ok(), "{flow:?}: {}", found.unwrap_err());
        }
    }
}

/// Whether the laws find the fault.
fn finds(fault: Machine) -> bool {
    let mut runner = TestRunner::deterministic();
    let logs = prop_oneof![log(false), log(true)];
    (0..LOGS_PER_FAULT).any(|_| {
        let log = logs.new_tree(&mut runner).unwrap().current();
        clauses().into_iter().any(|flow| run(flow, &log, fault).is_err())
    })
}

/// The clause with waits that are this much longer.
fn longer(flow: Flow, seconds: i64) -> Flow {
    let more = SignedDuration::from_secs(seconds);
    match flow {
        Flow::Quiet { length, max } => Flow::Quiet { length: length + more, max },
        Flow::Still { length } => Flow::Still { length: length + more },
        other => other,
    }
}

#[test]
fn the_laws_of_waiting_find_faults() {
    let faults: [(&str, Machine); 11] = [
        (
            "a newer one that does not take the place",
            Machine {
                step: |flow, state, question, time| match (flow, flow.step(state, question, time)) {
                    (Flow::Quiet { .. }, (_, Err(Hold::Waits { replaces: Some(_), .. }))) => {
                        (state.unwrap().clone(), Err(Hold::Back(String::new())))
                    }
                    (_, step) => step,
                },
                ..CLAUSE
            },
        ),
        (
            "an older one that takes the place of a newer one",
            Machine {
                step: |flow, state, question, time| {
                    flow.step(state, Question { received: time.wall, ..question }, time)
                },
                ..CLAUSE
            },
        ),
        (
            "a wait that a repetition restarts",
            Machine {
                step: |flow, state, question, time| match (flow, flow.step(state, question, time)) {
                    (Flow::Still { .. }, (_, Err(Hold::Back(_)))) => {
                        flow.step(None, question, time)
                    }
                    (_, step) => step,
                },
                ..CLAUSE
            },
        ),
        (
            "a cancellation of a later occurrence",
            Machine {
                cancel: |flow, state, question, time| {
                    flow.cancel(state, Question { received: time.wall, ..question }, time)
                },
                ..CLAUSE
            },
        ),
        (
            "a cancellation that is forgotten",
            Machine {
                cancel: |flow, state, question, time| {
                    let (_, ended) = flow.cancel(state, question, time)?;
                    Some((FlowState::Still(Delay::default()), ended))
                },
                ..CLAUSE
            },
        ),
        (
            "a cancellation that ends nothing",
            Machine {
                cancel: |flow, state, question, time| {
                    Some((flow.cancel(state, question, time)?.0, None))
                },
                ..CLAUSE
            },
        ),
        (
            "a burst without a maximum",
            Machine {
                step: |flow, state, question, time| match flow {
                    Flow::Quiet { length, .. } => {
                        Flow::Quiet { length, max: None }.step(state, question, time)
                    }
                    flow => flow.step(state, question, time),
                },
                ..CLAUSE
            },
        ),
        ("a state that is lost when a wait ends", Machine { release: |_, _| None, ..CLAUSE }),
        (
            "a state that is forgotten",
            Machine { step: |flow, _, question, time| flow.step(None, question, time), ..CLAUSE },
        ),
        (
            "a wait that is too short",
            Machine {
                step: |flow, state, question, time| longer(flow, -1).step(state, question, time),
                ..CLAUSE
            },
        ),
        (
            "a wait that is too long",
            Machine {
                step: |flow, state, question, time| longer(flow, 1).step(state, question, time),
                ..CLAUSE
            },
        ),
    ];
    for (what, fault) in faults {
        assert!(finds(fault), "the laws do not find {what}");
    }
}
