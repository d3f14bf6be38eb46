//! `approval`: who waits, what an answer changes, and what happens without one.

use super::{at, limit};
use crate::flow::{Admission, Approval, Flow, FlowRequest, FlowStates, Occurrence, Owner, Wait};
use jiff::SignedDuration;

fn request(clause: &str, flow: Flow) -> FlowRequest {
    FlowRequest {
        approvers: if flow.is_approval() { vec!["sre".into()] } else { Vec::new() },
        ..FlowRequest::new(clause, flow, Vec::new())
    }
}

/// An occurrence of a rule with `limit 1 per 100s` and `approval within 60s by "sre"`.
fn occurrence(event: &str, is_shadow: bool) -> Occurrence {
    let approval = Flow::Approval { within: SignedDuration::from_secs(60) };
    Occurrence {
        rule: "s/r".into(),
        element: None,
        owner: Owner::new(event, event, None),
        received: at(0),
        is_shadow,
        requests: vec![request("limit", limit(1, 100)), request("approval", approval)],
    }
}

fn wait(states: &mut FlowStates, event: &str, now: i64) -> Wait {
    let occurrence = occurrence(event, false);
    match states.admit(&occurrence, at(now).into()) {
        Admission::Waiting { by, until, .. } => Wait::new(occurrence, by, at(now).into(), until),
        other => panic!("{other:?}"),
    }
}

fn approved(wait: Wait, now: i64) -> Wait {
    let approval = Approval { by: "alice".into(), at: at(now), reason: None };
    Wait { until: at(now), approval: Some(approval), ..wait }
}

#[test]
fn an_answer_lets_it_through_and_none_lets_it_expire() {
    let mut states = FlowStates::default();
    let first = wait(&mut states, "a", 0);
    let second = wait(&mut states, "b", 1);
    assert_eq!(first.until, at(60));
    assert_eq!(
        first.open_approval().map(ToString::to_string).as_deref(),
        Some("approval within 1m by \"sre\"")
    );
    assert!(states.iter().next().is_none(), "a wait takes no place");

    let first = approved(first, 10);
    assert_eq!(first.open_approval(), None);
    assert_eq!(states.resume(&first, at(10).into()), Admission::Passed);
    // An answer may come twice, if a crash repeats the question.
    assert_eq!(states.resume(&first, at(11).into()), Admission::Passed);

    // The limit is asked when the wait ends.
    let Admission::Suppressed { by: 0, .. } =
        states.resume(&approved(second.clone(), 12), at(12).into())
    else {
        panic!("the limit lets it through");
    };
    // Nor does an answer that comes too late change what expired.
    let why = "`approval within 1m by \"sre\"` was answered by nobody".to_owned();
    let mut empty = FlowStates::default();
    assert_eq!(empty.resume(&second, at(61).into()), Admission::Expired { by: 1, why });
    assert!(empty.iter().next().is_none(), "what expires takes no place");
}

#[test]
fn a_rule_in_shadow_asks_nobody() {
    let mut states = FlowStates::default();
    let admission = states.admit(&occurrence("a", true), at(0).into());
    assert_eq!(admission, Admission::Passed);
}

/// While it waits for something else, nobody but its approvers may say anything about it, either: it may ask them a moment
/// later.
#[test]
fn its_approvers_are_known_at_every_clause() {
    let mut occurrence = occurrence("a", false);
    let still = Flow::Still { length: SignedDuration::from_secs(5) };
    occurrence.requests.insert(0, request("still", still));
    let wait = Wait::new(occurrence, 0, at(0).into(), at(5));
    assert_eq!((wait.open_approval(), wait.approvers()), (None, &["sre".to_owned()][..]));
}
