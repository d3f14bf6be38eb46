//! The laws of `after`, against a list of all matches, and faults that break them.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::after::Matches;
use super::super::*;
use super::after;
use super::simulation::{Question, Step, log, step};

/// How many questions each fault is tried with, at most.
const LOGS_PER_FAULT: usize = 2_000;

/// A match, as the model knows it.
#[derive(Clone, Debug)]
struct Seen {
    /// When it happened, in real time, which no clock shows.
    real: i64,
    /// The same by the clock. If the clock is set back to an earlier time, that time.
    clock: i64,
    id: String,
    has_passed: bool,
}

/// Answers a log by `after N within D`, and checks every answer against the list of all matches. `Err` names the law that is
/// broken.
fn run((count, seconds): (u32, i64), log: &[Question], step: Step) -> Result<Vec<bool>, String> {
    let flow = after(count, seconds);
    let mut state: Option<FlowState> = None;
    let mut answers = Vec::new();
    // The matches since the last one that passed, and those of the round that it ended.
    let (mut counted, mut completed): (Vec<Seen>, Vec<Seen>) = (Vec::new(), Vec::new());
    let (mut real, mut set_back) = (0_i64, 0_i64);
    for (number, question) in log.iter().enumerate() {
        real += question.after;
        set_back += question.back;
        let clock = real - set_back;
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(clock);
        counted.iter_mut().for_each(|one| one.clock = one.clock.min(clock));
        if question.prunes && state.as_ref().is_some_and(|state| state.end() <= now) {
            state = None;
        }
        // An owner that is still remembered may ask again. After that, a number is another owner.
        let prefix = format!("{}-", question.owner);
        let is_recent = |one: &&Seen| real - one.real < seconds;
        let mut known = completed.iter().chain(&counted).filter(is_recent);
        let known = known.rfind(|one| one.id.starts_with(&prefix)).cloned();
        let id = known.as_ref().map_or_else(|| format!("{prefix}{number}"), |one| one.id.clone());
        let owner = Owner { id: id.clone(), name: String::new() };
        let (next, answer) = step(flow, state.as_ref(), &owner, now.into());
        if step(flow, Some(&next), &owner, now.into()) != (next.clone(), answer.clone()) {
            return Err(format!("question {number} has another answer if it is asked again"));
        }
        let has_passed = answer.is_ok();
        answers.push(has_passed);
        let FlowState::After(Matches { counted: stored, completed: stored_last }) = &next else {
            return Err("the state is of another clause".into());
        };
        if stored.len() >= count as usize || stored_last.len() > count as usize {
            return Err(format!("question {number} stores {} matches", stored.len()));
        }
        state = Some(next);
        if let Some(known) = known {
            if known.has_passed != has_passed {
                return Err(format!("question {number} has another answer for its owner"));
            }
            continue;
        }
        let needed = count as usize - 1;
        // What happened less than `seconds` ago counts, however the clock is set. What is that old by the clock does not.
        let at_least = counted.iter().filter(is_recent).count();
        let at_most = counted.iter().filter(|one| clock - one.clock < seconds).count();
        if has_passed && at_most < needed {
            return Err(format!("question {number} passes with {at_most} matches before it"));
        }
        if !has_passed && at_least >= needed {
            return Err(format!(
                "question {number} does not pass with {at_least} matches before it"
            ));
        }
        counted.push(Seen { real, clock, id, has_passed });
        if has_passed {
            completed = std::mem::take(&mut counted);
        }
    }
    Ok(answers)
}

const CLAUSES: [(u32, i64); 4] = [(2, 10), (3, 10), (3, 40), (6, 40)];

proptest! {
    /// Each match that acts uses up `N - 1` others within `D`, and no others count; a match counts for `D`, whatever is asked
    /// again, pruned, or set back; an owner keeps its answer; and the same log gives the same answers.
    #[test]
    fn every_nth_match_acts(log in prop_oneof![log(false), log(true)]) {
        for clause in CLAUSES {
            let answers = run(clause, &log, step);
            prop_assert!(answers.is_ok(), "{clause:?}: {}", answers.unwrap_err());
            prop_assert_eq!(run(clause, &log, step), answers);
        }
    }
}

/// Whether the laws find the fault.
fn finds(fault: Step) -> bool {
    let mut runner = TestRunner::deterministic();
    let logs = prop_oneof![log(false), log(true)];
    (0..LOGS_PER_FAULT).any(|_| {
        let log: Vec<Question> = logs.new_tree(&mut runner).unwrap().current();
        CLAUSES.into_iter().any(|clause| run(clause, &log, fault).is_err())
    })
}

/// The clause with its number and its seconds changed.
fn changed(flow: Flow, number: i64, seconds: i64) -> Flow {
    let Flow::After { count, within } = flow else { return flow };
    let count = u32::try_from(i64::from(count) + number).unwrap();
    Flow::After { count, within: within + SignedDuration::from_secs(seconds) }
}

#[test]
fn the_laws_of_counting_find_faults() {
    let faults: [(&str, Step); 9] = [
        ("a match too early", |flow, state, owner, time| {
            step(changed(flow, -1, 0), state, owner, time)
        }),
        ("a match too late", |flow, state, owner, time| {
            step(changed(flow, 1, 0), state, owner, time)
        }),
        ("a window that is too short", |flow, state, owner, time| {
            step(changed(flow, 0, -1), state, owner, time)
        }),
        ("a window that is too long", |flow, state, owner, time| {
            step(changed(flow, 0, 1), state, owner, time)
        }),
        ("a count that does not start again", |flow, state, owner, time| {
            let (next, answer) = step(flow, state, owner, time);
            match state {
                Some(state) if answer.is_ok() => (state.clone(), answer),
                _ => (next, answer),
            }
        }),
        ("a match that is forgotten when it passes", |flow, state, owner, time| {
            let (next, answer) = step(flow, state, owner, time);
            match answer {
                Ok(()) => (FlowState::After(Matches::default()), answer),
                Err(_) => (next, answer),
            }
        }),
        ("an owner that counts twice", |flow, state, owner, time| {
            let id = format!("{} {}", owner.id, time.steady);
            step(flow, state, &Owner { id, name: String::new() }, time)
        }),
        ("a count that is lost when the clock is set back", |flow, state, owner, time| {
            let state = state.filter(|state| match state {
                FlowState::After(matches) => matches.counted.iter().all(|one| one.1 <= time.steady),
                _ => true,
            });
            step(flow, state, owner, time)
        }),
        ("a state that is forgotten", |flow, _, owner, time| step(flow, None, owner, time)),
    ];
    for (what, fault) in faults {
        assert!(finds(fault), "the laws do not find {what}");
    }
}
