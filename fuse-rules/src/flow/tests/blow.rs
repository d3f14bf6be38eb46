//! The laws of fuses that blow, by the list of everything that passed.

use proptest::prelude::*;

use super::super::*;
use super::{after, at, limit};

fn fuse(clauses: &[(BlowCounts, u32, i64)]) -> BlowingFuse {
    let clause = |(counts, count, seconds): &(BlowCounts, u32, i64)| BlowClause {
        counts: *counts,
        count: *count,
        within: SignedDuration::from_secs(*seconds),
    };
    let clauses = clauses.iter().map(clause).collect();
    BlowingFuse { name: "f".into(), clauses, reset_after: None, drops: false }
}

fn occurrence(event: &str, requests: &[(&str, Flow)]) -> Occurrence {
    let requests =
        requests.iter().map(|(clause, flow)| FlowRequest::new(*clause, *flow, vec!["1".into()]));
    Occurrence {
        rule: "s/r".into(),
        element: None,
        owner: Owner::new(event, event, None),
        received: at(0),
        is_shadow: false,
        requests: requests.collect(),
    }
}

/// Asks with a number of actions. `None` if they pass, and otherwise why the fuse blows.
fn ask(
    states: &mut FlowStates,
    fuse: &BlowingFuse,
    (event, requests): (&str, &[(&str, Flow)]),
    actions: usize,
    second: i64,
) -> Option<String> {
    let occurrence = occurrence(event, requests);
    match states.admit_unless_blown(&occurrence, None, [fuse], actions, at(second).into()) {
        BlowAdmission::Intact(Admission::Passed) => None,
        BlowAdmission::Intact(other) => panic!("{other:?}"),
        BlowAdmission::Blown(blown) => {
            Some(blown.iter().map(BlownFuse::to_string).collect::<Vec<_>>().join("; "))
        }
    }
}

#[test]
fn the_action_that_is_one_too_many_blows_the_fuse() {
    let (mut states, fuse) = (FlowStates::default(), fuse(&[(BlowCounts::Actions, 2, 60)]));
    let mut asked = |event: &str, second| ask(&mut states, &fuse, (event, &[]), 1, second);
    assert_eq!(asked("a", 0), None);
    assert_eq!(asked("b", 10), None);
    // The owners of the counted actions may ask again.
    assert_eq!((asked("a", 59), asked("b", 59)), (None, None));
    let why = "fuse `f` blows: `blow after 2 actions within 1m` is reached: 2 of 2 actions within 1m passed";
    assert_eq!(asked("c", 59).as_deref(), Some(why));
    // It forgot everything: the count starts from zero.
    assert_eq!((asked("c", 59), asked("d", 59)), (None, None));
    assert_eq!(asked("e", 118).as_deref(), Some(why));
}

#[test]
fn an_action_no_longer_counts_exactly_at_the_end_of_its_window() {
    let (mut states, fuse) = (FlowStates::default(), fuse(&[(BlowCounts::Actions, 1, 60)]));
    let mut asked = |event: &str, second| ask(&mut states, &fuse, (event, &[]), 1, second);
    assert_eq!((asked("a", 0), asked("b", 60)), (None, None));
    assert!(asked("c", 119).is_some());
}

#[test]
fn the_actions_of_an_occurrence_pass_together() {
    let (mut states, fuse) = (FlowStates::default(), fuse(&[(BlowCounts::Actions, 3, 60)]));
    assert_eq!(ask(&mut states, &fuse, ("a", &[]), 2, 0), None);
    assert!(ask(&mut states, &fuse, ("b", &[]), 2, 1).is_some());
}

#[test]
fn a_lower_number_holds_for_the_next_action_and_not_for_those_that_passed() {
    let mut states = FlowStates::default();
    let [many, few] = [5, 1].map(|count| fuse(&[(BlowCounts::Actions, count, 60)]));
    for event in ["a", "b", "c"] {
        assert_eq!(ask(&mut states, &many, (event, &[]), 1, 0), None);
    }
    assert_eq!(ask(&mut states, &few, ("b", &[]), 1, 1), None);
    assert!(ask(&mut states, &few, ("d", &[]), 1, 1).is_some());
}

/// The clauses of the rule come first. An action that blows the fuse takes no place in a limit, and `after` counts its
/// match.
#[test]
fn what_blows_a_fuse_takes_no_place_in_other_clauses() {
    let (mut states, fuse) = (FlowStates::default(), fuse(&[(BlowCounts::Actions, 1, 60)]));
    let clauses = [("after", after(2, 60)), ("limit", limit(2, 60))];
    let mut asked = |event: &str| {
        let occurrence = occurrence(event, &clauses);
        match states.admit_unless_blown(&occurrence, None, [&fuse], 1, at(0).into()) {
            BlowAdmission::Intact(Admission::Passed) => "passed",
            BlowAdmission::Intact(Admission::Counted { .. }) => "counted",
            BlowAdmission::Intact(Admission::Suppressed { .. }) => "suppressed",
            BlowAdmission::Intact(other) => panic!("{other:?}"),
            BlowAdmission::Blown(_) => "blown",
        }
    };
    // If `after` forgot the match that blew the fuse, the fifth event would act.
    let answers = ["a", "b", "c", "d", "e", "f", "g", "h"].map(&mut asked);
    let expected =
        ["counted", "passed", "counted", "blown", "counted", "passed", "counted", "suppressed"];
    assert_eq!(answers, expected);
}

#[test]
fn a_rule_in_shadow_blows_nothing() {
    let (mut states, fuse) = (FlowStates::default(), fuse(&[(BlowCounts::Actions, 1, 60)]));
    for event in ["a", "b", "c"] {
        let shadow = Occurrence { is_shadow: true, ..occurrence(event, &[]) };
        let answer = states.admit_unless_blown(&shadow, None, [&fuse], 1, at(0).into());
        assert_eq!(answer, BlowAdmission::Intact(Admission::Passed));
    }
    assert_eq!(states.iter().count(), 0);
}

#[test]
fn only_the_fuses_that_are_reached_blow_and_the_others_do_not_count() {
    let mut states = FlowStates::default();
    let other = BlowingFuse { name: "g".into(), ..fuse(&[(BlowCounts::Actions, 2, 60)]) };
    let first = fuse(&[(BlowCounts::Actions, 1, 60)]);
    let mut asked = |event: &str| {
        let occurrence = occurrence(event, &[]);
        match states.admit_unless_blown(&occurrence, None, [&first, &other], 1, at(0).into()) {
            BlowAdmission::Intact(_) => Vec::new(),
            BlowAdmission::Blown(blown) => blown.into_iter().map(|one| one.fuse).collect(),
        }
    };
    assert_eq!(asked("a"), [""; 0]);
    assert_eq!(asked("b"), ["f"]);
    // `g` counted `a` only, so it has a place for `c`.
    assert_eq!(asked("c"), [""; 0]);
    assert_eq!(asked("d"), ["f", "g"]);
}

/// A question: the seconds since the last one, the number of actions, whether the last owner asks again, and whether the
/// states that ended are pruned before.
fn log() -> impl Strategy<Value = Vec<(i64, usize, bool, bool)>> {
    prop::collection::vec((0_i64..8, 1_usize..3, any::<bool>(), any::<bool>()), 0..80)
}

proptest! {
    #[test]
    fn a_fuse_blows_at_the_first_action_that_is_too_many(log in log()) {
        let clauses = [(BlowCounts::Actions, 2, 5), (BlowCounts::Actions, 4, 20)];
        let (mut states, fuse) = (FlowStates::default(), fuse(&clauses));
        // When each action passed since the fuse blew.
        let (mut passed, mut now): (Vec<i64>, i64) = (Vec::new(), 0);
        for (number, (seconds, actions, again, prunes)) in log.into_iter().enumerate() {
            now += seconds;
            if prunes {
                states.prune(at(now));
            }
            let event = format!("e{number}");
            let blows = ask(&mut states, &fuse, (&event, &[]), actions, now).is_some();
            let is_too_many = clauses.iter().any(|(_, count, window)| {
                let counted = passed.iter().filter(|then| now - **then < *window).count();
                counted + actions > *count as usize
            });
            prop_assert_eq!(blows, is_too_many, "question {}", number);
            if blows {
                passed.clear();
            } else {
                passed.extend(std::iter::repeat_n(now, actions));
                if again {
                    prop_assert_eq!(ask(&mut states, &fuse, (&event, &[]), actions, now), None);
                }
            }
        }
    }

    #[test]
    fn a_fuse_blows_at_the_failure_that_is_too_many(log in log()) {
        let clauses =
            [(BlowCounts::Failures, 2, 5), (BlowCounts::Actions, 1, 9), (BlowCounts::Failures, 4, 20)];
        let (mut states, fuse) = (FlowStates::default(), fuse(&clauses));
        let (mut failed, mut now): (Vec<i64>, i64) = (Vec::new(), 0);
        for (number, (seconds, _, again, prunes)) in log.into_iter().enumerate() {
            now += seconds;
            if prunes {
                states.prune(at(now));
            }
            let action = Owner::new(&number.to_string(), "it", None);
            let blows = fuse.fail(&mut states, &action, at(now).into()).is_some();
            failed.push(now);
            let is_too_many = clauses.iter().any(|(counts, count, window)| {
                let counted = failed.iter().filter(|then| now - **then < *window).count();
                *counts == BlowCounts::Failures && counted >= *count as usize
            });
            prop_assert_eq!(blows, is_too_many, "failure {}", number);
            if blows {
                failed.clear();
            } else if again {
                prop_assert_eq!(fuse.fail(&mut states, &action, at(now).into()), None);
            }
        }
    }

    /// If the clock is set back, an action counts no longer than its window, and never less.
    #[test]
    fn a_clock_that_is_set_back_lets_no_more_through(log in log(), back in 1_i64..100) {
        let (mut states, fuse) = (FlowStates::default(), fuse(&[(BlowCounts::Actions, 3, 10)]));
        let (mut in_row, mut now): (usize, i64) = (0, 1_000);
        for (number, (seconds, _, is_back, _)) in log.into_iter().enumerate() {
            // Time never passes a window.
            now += if is_back { -back } else { seconds.min(0) };
            let event = format!("e{number}");
            match ask(&mut states, &fuse, (&event, &[]), 1, now) {
                None => in_row += 1,
                Some(_) => {
                    prop_assert_eq!(in_row, 3);
                    in_row = 0;
                }
            }
            prop_assert!(in_row <= 3);
        }
    }
}
