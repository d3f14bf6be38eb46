//! Occurrences that take places of `concurrency`, together with other clauses.

use super::super::*;
use super::{at, occurrence};

fn request(clause: &str, flow: Flow) -> FlowRequest {
    FlowRequest::new(clause, flow, vec!["\"web\"".into()])
}

fn concurrency(count: u32, otherwise: Overflow) -> Flow {
    Flow::Concurrency { count, otherwise }
}

#[test]
fn reasons_name_the_oldest_in_progress() {
    let mut states = FlowStates::default();
    let queue =
        |event: &str| occurrence(event, vec![request("c", concurrency(1, Overflow::Queue))]);
    assert_eq!(states.admit(&queue("a"), at(0).into()), Admission::Passed);
    let why = |admission| match admission {
        Admission::Waiting { why, ended: None, .. } | Admission::Suppressed { why, .. } => why,
        other => panic!("{other:?}"),
    };
    let full = "1 of 1 in progress, the oldest for event `a` since 1970-01-01T00:00:00Z";
    let waits = format!("`concurrency 1 per \"web\"` waits for a place: {full}");
    assert_eq!(why(states.admit(&queue("b"), at(5).into())), waits);
    let second = format!("{waits}; 1 waits before it");
    assert_eq!(why(states.admit(&queue("c"), at(6).into())), second);
    let skips = occurrence("d", vec![request("c", concurrency(1, Overflow::Skip))]);
    let skipped =
        format!("`concurrency 1 per \"web\" else skip` is reached: {full}; 2 wait before it");
    assert_eq!(why(states.admit(&skips, at(7).into())), skipped);
}

/// A queue is bounded.
#[test]
fn one_that_finds_a_full_queue_is_suppressed() {
    let mut states = FlowStates::default();
    let queue = |event: usize| {
        occurrence(&event.to_string(), vec![request("c", concurrency(1, Overflow::Queue))])
    };
    assert_eq!(states.admit(&queue(0), at(0).into()), Admission::Passed);
    for event in 1..=1_000 {
        let admission = states.admit(&queue(event), at(0).into());
        assert!(matches!(admission, Admission::Waiting { .. }), "{event}: {admission:?}");
    }
    let Admission::Suppressed { by: 0, why } = states.admit(&queue(1_001), at(0).into()) else {
        panic!("the queue is full");
    };
    assert!(why.ends_with("; 1000 wait already, which is the limit"), "{why}");
    // One that waits may ask again.
    assert!(matches!(states.admit(&queue(1_000), at(0).into()), Admission::Waiting { .. }));
}

/// With several clauses, an occurrence takes all of its places or none, and waits in one queue at a time.
#[test]
fn an_occurrence_takes_all_places_or_none() {
    let clauses = || {
        vec![
            request("still", super::still(5)),
            request("own", concurrency(2, Overflow::Queue)),
            FlowRequest {
                limiter: Some("healing".into()),
                ..request("shared", concurrency(1, Overflow::Queue))
            },
        ]
    };
    let keys = occurrence("a", clauses()).place_keys();
    assert_eq!(
        keys.iter().map(String::as_str).collect::<Vec<_>>(),
        ["limiter healing [\"\\\"web\\\"\"]", "s/r own [\"\\\"web\\\"\"]"]
    );
    let mut states = FlowStates::default();
    let wait = |states: &mut FlowStates, event: &str, now: i64, after: Option<Wait>| {
        let occurrence = occurrence(event, clauses());
        let admission = match &after {
            Some(wait) => states.resume(wait, at(now).into()),
            None => states.admit(&occurrence, at(now).into()),
        };
        match admission {
            Admission::Passed => Ok(()),
            Admission::Waiting { by, until, .. } => {
                Err(Box::new(Wait::new(occurrence, by, at(now).into(), until)))
            }
            other => panic!("{other:?}"),
        }
    };
    let mut resumed = Vec::new();
    for (event, now) in [("a", 0), ("b", 5), ("c", 10)] {
        let first = wait(&mut states, event, now, None).unwrap_err();
        assert_eq!(first.clause, 0, "it waits for `still`");
        resumed.push(wait(&mut states, event, now + 5, Some(*first)));
    }
    assert_eq!(resumed.remove(0), Ok(()));
    let (b, c) = (resumed.remove(0).unwrap_err(), resumed.remove(0).unwrap_err());
    assert_eq!((b.clause, c.clause), (2, 2));
    assert_eq!(states.in_progress("s/r own [\"\\\"web\\\"\"]").len(), 1);
    assert!(states.take_ready().is_empty());
    for key in &keys {
        states.vacate(key, &WaitName { rule: "s/r".into(), owner: "a null".into() });
    }
    let ready: Vec<WaitName> = states.take_ready().into_iter().map(|one| one.wait).collect();
    assert_eq!(ready, [b.name()]);
    // The second one keeps its place in the queue although it asks first.
    let c = wait(&mut states, "c", 20, Some(*c)).unwrap_err();
    assert_eq!(wait(&mut states, "b", 20, Some(*b)), Ok(()));
    // It is dropped, and leaves the queue.
    states.release(&c);
    for key in &keys {
        states.vacate(key, &WaitName { rule: "s/r".into(), owner: "b null".into() });
    }
    states.prune(at(20));
    assert_eq!(states.iter().count(), 0);
}

/// A rule in shadow performs nothing, so nothing of it is in progress.
#[test]
fn a_rule_in_shadow_takes_no_place() {
    let mut states = FlowStates::default();
    let shared = |event: &str, otherwise, is_shadow| Occurrence {
        is_shadow,
        ..occurrence(
            event,
            vec![FlowRequest {
                limiter: Some("healing".into()),
                ..request("c", concurrency(1, otherwise))
            }],
        )
    };
    let mut ask = |event, otherwise, is_shadow| {
        states.admit(&shared(event, otherwise, is_shadow), at(0).into())
    };
    assert_eq!(ask("a", Overflow::Queue, true), Admission::Passed);
    assert_eq!(ask("b", Overflow::Queue, false), Admission::Passed);
    assert_eq!(ask("c", Overflow::Queue, true), Admission::Passed);
    assert!(matches!(ask("d", Overflow::Skip, true), Admission::Suppressed { .. }));
    assert!(matches!(ask("e", Overflow::Queue, false), Admission::Waiting { .. }));
    assert!(shared("a", Overflow::Queue, true).place_keys().is_empty());
}
