//! The laws of every clause that bounds how often a rule acts, and faults that break them.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::*;
use super::simulation::{Bound, Question, Step, log, run, step};
use super::{after, ask, at, limit, once};

/// How many questions each fault is tried with, at most.
const LOGS_PER_FAULT: usize = 2_000;

/// Every clause that bounds how often a rule acts, with its bound.
fn bounded() -> Vec<(Flow, Bound)> {
    vec![
        (once(10), Bound { count: 1, seconds: 10 }),
        (limit(1, 10), Bound { count: 1, seconds: 10 }),
        (limit(2, 10), Bound { count: 2, seconds: 10 }),
        (limit(5, 40), Bound { count: 5, seconds: 40 }),
    ]
}

proptest! {
    /// Never more than the bound in any window, whatever is asked again, pruned, or set back; exactly the bound if the
    /// clock only goes forward; and the same log gives the same answers.
    #[test]
    fn a_clause_obeys_its_bound(log in prop_oneof![log(false), log(true)]) {
        for (flow, bound) in bounded() {
            let answers = run(flow, bound, &log, step);
            prop_assert!(answers.is_ok(), "{flow:?}: {}", answers.unwrap_err());
            prop_assert_eq!(run(flow, bound, &log, step), answers);
        }
    }
}

proptest! {
    /// A rule with several clauses acts if all of them have a place, by the list of everything that acted.
    #[test]
    fn an_occurrence_passes_all_clauses_or_takes_no_place(log in log(false)) {
        let clauses =
            [("once", once(4), 1, 4), ("limit", limit(2, 10), 2, 10), ("limit #2", limit(3, 40), 3, 40)];
        let requests = clauses.map(|(clause, flow, ..)| (clause, flow));
        let mut states = FlowStates::default();
        let mut acted: Vec<i64> = Vec::new();
        let mut now = 0;
        for (number, question) in log.into_iter().enumerate() {
            now += question.after;
            if question.prunes {
                states.prune(at(now));
            }
            let answer = ask(&mut states, &requests, &format!("e{number}"), at(now));
            let has_place = clauses.iter().all(|(_, _, count, seconds)| {
                acted.iter().filter(|then| now - **then < *seconds).count() < *count
            });
            prop_assert_eq!(answer == Admission::Passed, has_place, "question {}", number);
            if has_place {
                acted.push(now);
            }
            // No more places than the clauses count, and none once they ended.
            prop_assert!(states.iter().count() <= clauses.len());
        }
        states.prune(at(now + 40));
        prop_assert_eq!(states.iter().count(), 0);
    }
}

proptest! {
    /// `after` counts every match that reaches it, whatever the clauses behind it decide. Those count what acted, and
    /// keep their places from what did not.
    #[test]
    fn matches_count_whatever_later_clauses_decide(log in log(false)) {
        let clauses = [("after", after(2, 10)), ("after #2", after(2, 40)), ("limit", limit(1, 40))];
        let mut states = FlowStates::default();
        // The times that count for the first and the second clause, and of the actions.
        let (mut first, mut second, mut acted) = (Vec::new(), Vec::new(), Vec::new());
        let mut now = 0;
        for (number, question) in log.into_iter().enumerate() {
            now += question.after;
            let is_nth = |times: &mut Vec<i64>, seconds| {
                times.retain(|then| now - *then < seconds);
                times.push(now);
                let is_nth = times.len() == 2;
                if is_nth {
                    times.clear();
                }
                is_nth
            };
            acted.retain(|then| now - *then < 40);
            let expected = if !is_nth(&mut first, 10) {
                "counted by 0"
            } else if !is_nth(&mut second, 40) {
                "counted by 1"
            } else if !acted.is_empty() {
                "suppressed by 2"
            } else {
                acted.push(now);
                "passed"
            };
            // The owner asks twice.
            for _ in 0..2 {
                let answer = match ask(&mut states, &clauses, &format!("e{number}"), at(now)) {
                    Admission::Passed => "passed".to_owned(),
                    Admission::Counted { by, .. } => format!("counted by {by}"),
                    Admission::Suppressed { by, .. } => format!("suppressed by {by}"),
                    other => format!("{other:?}"),
                };
                prop_assert_eq!(&answer, expected, "question {}", number);
            }
        }
    }
}

/// Whether the laws find the fault.
fn finds(fault: Step) -> bool {
    let mut runner = TestRunner::deterministic();
    let logs = prop_oneof![log(false), log(true)];
    (0..LOGS_PER_FAULT).any(|_| {
        let log: Vec<Question> = logs.new_tree(&mut runner).unwrap().current();
        bounded().into_iter().any(|(flow, bound)| run(flow, bound, &log, fault).is_err())
    })
}

/// The clause with a window that is one second shorter.
fn shorter(flow: Flow) -> Flow {
    let second = SignedDuration::from_secs(1);
    match flow {
        Flow::After { count, within } => Flow::After { count, within: within - second },
        Flow::Once { within } => Flow::Once { within: within - second },
        Flow::Limit { count, per, waits } => Flow::Limit { count, per: per - second, waits },
        Flow::Requires { .. }
        | Flow::During { .. }
        | Flow::Quiet { .. }
        | Flow::Still { .. }
        | Flow::Approval { .. }
        | Flow::Concurrency { .. } => panic!("it has no bound"),
    }
}

#[test]
fn the_laws_find_faults() {
    let faults: [(&str, Step); 6] = [
        ("a window that is too short", |flow, state, owner, time| {
            step(shorter(flow), state, owner, time)
        }),
        ("one place too many", |flow, state, owner, time| {
            let more = match flow {
                Flow::Limit { count, per, waits } => Flow::Limit { count: count + 1, per, waits },
                flow => flow,
            };
            step(more, state, owner, time)
        }),
        ("a window of the calendar", |flow, state, owner, time| {
            let start = time.steady.as_second().div_euclid(10) * 10;
            step(flow, state, owner, at(start).into())
        }),
        ("a place that its owner does not keep", |flow, state, _, time| {
            let id = if state.is_some() { "second" } else { "first" };
            step(flow, state, &Owner { id: id.into(), name: String::new() }, time)
        }),
        ("a place that is taken over", |flow, state, owner, time| {
            (step(flow, state, owner, time).0, Ok(()))
        }),
        ("a state that is forgotten", |flow, _, owner, time| step(flow, None, owner, time)),
    ];
    for (what, fault) in faults {
        assert!(finds(fault), "the laws do not find {what}");
    }
}
