//! The laws of flow control, and the edges of its windows.

mod approval;
mod blow;
mod concurrency;
mod counting;
mod describe;
mod hours;
mod keys;
mod laws;
mod places;
mod queue;
mod queue_edges;
mod requires;
mod simulation;
mod waiting;

use jiff::{SignedDuration, Timestamp};

use super::*;
use waiting::{quiet, still};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// An occurrence of the rule `s/r`.
fn occurrence(event: &str, requests: Vec<FlowRequest>) -> Occurrence {
    Occurrence {
        rule: "s/r".into(),
        element: None,
        owner: Owner::new(event, &format!("event `{event}`"), None),
        received: at(0),
        is_shadow: false,
        requests,
    }
}

fn once(seconds: i64) -> Flow {
    Flow::Once { within: SignedDuration::from_secs(seconds) }
}

fn after(count: u32, seconds: i64) -> Flow {
    Flow::After { count, within: SignedDuration::from_secs(seconds) }
}

fn limit(count: u32, seconds: i64) -> Flow {
    Flow::Limit { count, per: SignedDuration::from_secs(seconds), waits: false }
}

/// Asks for one key as this owner.
fn ask(
    states: &mut FlowStates,
    requests: &[(&str, Flow)],
    owner: &str,
    now: Timestamp,
) -> Admission {
    let requests =
        requests.iter().map(|(clause, flow)| FlowRequest::new(*clause, *flow, vec!["1".into()]));
    let occurrence = Occurrence {
        rule: "s/r".into(),
        element: None,
        owner: Owner::new(owner, &format!("event `{owner}`"), None),
        received: at(0),
        is_shadow: false,
        requests: requests.collect(),
    };
    states.admit(&occurrence, now.into())
}

#[test]
fn a_window_is_over_exactly_at_its_end() {
    let mut states = FlowStates::default();
    let clause = [("once", once(10))];
    assert_eq!(ask(&mut states, &clause, "a", at(100)), Admission::Passed);
    let just_before = at(110) - SignedDuration::from_nanos(1);
    assert_ne!(ask(&mut states, &clause, "b", just_before), Admission::Passed);
    assert_eq!(ask(&mut states, &clause, "b", at(110)), Admission::Passed);
    assert_eq!(states.iter().map(|(_, state)| state.end()).collect::<Vec<_>>(), [at(120)]);
}

#[test]
fn a_window_that_never_ends_does_not_panic() {
    let mut states = FlowStates::default();
    let clause = [("once", Flow::Once { within: SignedDuration::MAX })];
    assert_eq!(ask(&mut states, &clause, "a", at(0)), Admission::Passed);
    assert_ne!(ask(&mut states, &clause, "b", at(1)), Admission::Passed);
    assert_eq!(states.iter().map(|(_, state)| state.end()).collect::<Vec<_>>(), [Timestamp::MAX]);
}

/// Windows use the steady time, and reasons show the time of day.
#[test]
fn reasons_show_the_time_of_day() {
    let mut states = FlowStates::default();
    let request =
        FlowRequest { is_sensitive: true, ..FlowRequest::new("once", once(10), vec!["1".into()]) };
    let occurrence = |event: &str| Occurrence {
        rule: "s/r".into(),
        element: Some(vec![3]),
        owner: Owner::new(event, &format!("event `{event}`"), Some(&[3])),
        received: at(0),
        is_shadow: false,
        requests: vec![request.clone()],
    };
    let time = FlowTime { steady: at(0), wall: at(3600) };
    assert_eq!(states.admit(&occurrence("a"), time), Admission::Passed);
    let why = "`once per [hidden] within 10s` already fired at 1970-01-01T01:00:00Z for element 3 of event `a`; \
               free again at 1970-01-01T01:00:10Z";
    assert_eq!(
        states.admit(&occurrence("b"), time),
        Admission::Suppressed { by: 0, why: why.into() }
    );
}

#[test]
fn a_limit_reports_when_a_place_is_free() {
    let mut states = FlowStates::default();
    let mut at_most = |count, owner: &str, second| match ask(
        &mut states,
        &[("limit", limit(count, 60))],
        owner,
        at(second),
    ) {
        Admission::Passed => String::new(),
        Admission::Counted { why, .. } | Admission::Suppressed { why, .. } => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(at_most(3, "a", 0), "");
    assert_eq!(at_most(3, "b", 10), "");
    assert_eq!(at_most(3, "c", 20), "");
    let why =
        "`limit 3 per 1m per 1` is reached: 3 of 3 within 1m; free again at 1970-01-01T00:01:00Z";
    assert_eq!(at_most(3, "d", 59), why);
    // If the number was lowered, two places have to become free.
    let why =
        "`limit 2 per 1m per 1` is reached: 3 of 2 within 1m; free again at 1970-01-01T00:01:10Z";
    assert_eq!(at_most(2, "d", 59), why);
    // The owner of a place still keeps it.
    assert_eq!(at_most(2, "a", 59), "");
    assert_eq!(at_most(3, "d", 60), "");
}

#[test]
fn a_count_starts_again_after_the_match_that_acts() {
    let mut states = FlowStates::default();
    let mut third =
        |owner: &str, second| match ask(&mut states, &[("after", after(3, 60))], owner, at(second))
        {
            Admission::Passed => "passed".to_owned(),
            Admission::Counted { by: 0, why } => {
                let why = why.strip_prefix("`after 3 within 1m per 1` is not reached: ");
                why.unwrap().strip_suffix(" within 1m").unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        };
    assert_eq!(third("a", 0), "1 of 3");
    assert_eq!(third("b", 10), "2 of 3");
    // The first no longer counts, exactly a minute later.
    assert_eq!(third("c", 60), "2 of 3");
    assert_eq!(third("d", 69), "passed");
    assert_eq!(third("e", 69), "1 of 3");
    assert_eq!(third("f", 70), "2 of 3");
    // All owners of this round and of the last one get the same answer again.
    for (owner, answer) in [("c", "2 of 3"), ("d", "passed"), ("e", "1 of 3"), ("f", "2 of 3")] {
        assert_eq!(third(owner, 71), answer, "{owner}");
    }
    assert_eq!(third("g", 128), "passed");
}

/// An action that a later clause suppresses takes no place in the earlier ones.
#[test]
fn an_action_that_is_suppressed_uses_up_nothing() {
    let mut states = FlowStates::default();
    let clauses = [("once", once(1000)), ("limit", limit(1, 10))];
    let other = [("limit", limit(1, 10))];
    assert_eq!(ask(&mut states, &other, "a", at(0)), Admission::Passed);
    let Admission::Suppressed { by, why } = ask(&mut states, &clauses, "b", at(1)) else {
        panic!()
    };
    assert_eq!(by, 1);
    assert!(why.starts_with("`limit 1 per 10s per 1` is reached"), "{why}");
    assert_eq!(ask(&mut states, &clauses, "c", at(10)), Admission::Passed);
    let Admission::Suppressed { by: 0, why } = ask(&mut states, &clauses, "d", at(20)) else {
        panic!()
    };
    assert!(why.starts_with("`once per 1 within 16m40s` already fired"), "{why}");
}

/// The rules that use a limiter share its places, also for the same event. A rule in shadow takes none.
#[test]
fn rules_share_the_places_of_a_limiter() {
    let mut states = FlowStates::default();
    let mut ask = |rule: &str, event: &str, second, is_shadow| {
        let request = FlowRequest {
            limiter: Some("api".into()),
            ..FlowRequest::new(format!("limit per of {rule}"), limit(2, 60), vec!["1".into()])
        };
        let occurrence = Occurrence {
            rule: rule.into(),
            element: None,
            owner: Owner::new(event, "it", None),
            received: at(0),
            is_shadow,
            requests: vec![request],
        };
        states.admit(&occurrence, at(second).into())
    };
    assert_eq!(ask("s/shadow", "a", 0, true), Admission::Passed);
    assert_eq!(ask("s/one", "a", 0, false), Admission::Passed);
    assert_eq!(ask("t/two", "a", 10, false), Admission::Passed);
    let why = "`limit api per 1` is reached: 2 of 2 within 1m; free again at 1970-01-01T00:01:00Z";
    for (rule, is_shadow) in [("t/three", false), ("s/shadow", true)] {
        let suppressed = Admission::Suppressed { by: 0, why: why.into() };
        assert_eq!(ask(rule, "a", 20, is_shadow), suppressed, "{rule}");
    }
    // The owners keep their places.
    assert_eq!(ask("s/one", "a", 30, false), Admission::Passed);
    assert_eq!(ask("t/two", "a", 30, false), Admission::Passed);
    assert_eq!(ask("t/three", "a", 60, false), Admission::Passed);
}

#[test]
fn states_can_be_stored() {
    let mut states = FlowStates::default();
    let clauses =
        [("once", once(i64::from(u32::MAX))), ("limit", limit(2, i64::MAX / 1_000_000_000))];
    for owner in ["a", "b"] {
        ask(&mut states, &clauses[1..], owner, at(1_790_000_000));
    }
    ask(&mut states, &clauses, "a", Timestamp::MAX);
    ask(&mut states, &[("after", after(3, i64::MAX / 1_000_000_000))], "a", at(1_790_000_000));
    for owner in ["a", "b", "c"] {
        ask(&mut states, &[("after #2", after(2, 60))], owner, at(1_790_000_000));
    }
    for (key, state) in states.iter() {
        let text = serde_json::to_string(state).unwrap();
        assert_eq!(serde_json::from_str::<FlowState>(&text).unwrap(), *state, "{key}: {text}");
    }
}

/// The clauses of a rule in their order: an occurrence that waited passes those behind the one at which it waited, and takes
/// places only then.
#[test]
fn an_occurrence_takes_its_places_when_it_resumes() {
    let request = |clause: &str, flow| FlowRequest::new(clause, flow, Vec::new());
    let occurrence = |event: &str| Occurrence {
        rule: "s/r".into(),
        element: None,
        owner: Owner::new(event, event, None),
        received: at(0),
        is_shadow: false,
        requests: vec![
            request("once", once(100)),
            request("quiet", quiet(10, None)),
            request("still", still(5)),
            request("limit", limit(1, 100)),
        ],
    };
    let mut states = FlowStates::default();
    let waits = |states: &mut FlowStates, event: &str, now: i64| {
        let occurrence = occurrence(event);
        match states.admit(&occurrence, at(now).into()) {
            Admission::Waiting { by, until, ended, .. } => {
                (Wait::new(occurrence, by, at(now).into(), until), ended)
            }
            other => panic!("{other:?}"),
        }
    };
    let (first, _) = waits(&mut states, "a", 0);
    let (second, ended) = waits(&mut states, "b", 5);
    let ended = ended.unwrap();
    assert_eq!((ended.wait, ended.end), (first.name(), WaitEnd::Superseded));
    assert_eq!(second.until, at(15));
    let Admission::Waiting { by: 2, until, .. } = states.resume(&second, at(15).into()) else {
        panic!("it waits for `still`, too");
    };
    assert_eq!(until, at(20));
    let second = Wait { clause: 2, since: at(15), until, ..second };
    assert_eq!(states.resume(&second, at(20).into()), Admission::Passed);
    // The place of `once` was taken when it acted.
    let Admission::Suppressed { by: 0, why } = states.admit(&occurrence("c"), at(119).into())
    else {
        panic!("it acted less than 100 seconds ago");
    };
    assert!(why.contains("already fired at 1970-01-01T00:00:20Z for b"), "{why}");
    assert!(matches!(
        states.admit(&occurrence("c"), at(120).into()),
        Admission::Waiting { by: 1, .. }
    ));
}
