//! The laws of flow control, and the edges of its windows.

mod laws;
mod simulation;

use jiff::{SignedDuration, Timestamp};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn once(seconds: i64) -> Flow {
    Flow::Once { within: SignedDuration::from_secs(seconds) }
}

/// Asks for one key as this owner.
fn ask(
    states: &mut FlowStates,
    requests: &[(&str, Flow)],
    owner: &str,
    now: Timestamp,
) -> Admission {
    let requests = requests.iter().map(|(clause, flow)| FlowRequest {
        clause: (*clause).into(),
        flow: *flow,
        values: vec!["1".into()],
        is_sensitive: false,
    });
    let occurrence = Occurrence {
        rule: "s/r".into(),
        element: None,
        owner: Owner::new(owner, &format!("event `{owner}`"), None),
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
    let request = FlowRequest {
        clause: "once".into(),
        flow: once(10),
        values: vec!["1".into()],
        is_sensitive: true,
    };
    let occurrence = |event: &str| Occurrence {
        rule: "s/r".into(),
        element: Some(vec![3]),
        owner: Owner::new(event, &format!("event `{event}`"), Some(&[3])),
        requests: vec![request.clone()],
    };
    let time = FlowTime { steady: at(0), wall: at(3600) };
    assert_eq!(states.admit(&occurrence("a"), time), Admission::Passed);
    let why = "`once per [hidden] within 10s` already fired at 1970-01-01T01:00:00Z for element 3 of event `a`; \
               free again at 1970-01-01T01:00:10Z";
    assert_eq!(states.admit(&occurrence("b"), time), Admission::Suppressed(why.into()));
}
