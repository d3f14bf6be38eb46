//! States in words.

use super::*;

fn concurrency(count: u32) -> Flow {
    Flow::Concurrency { count, otherwise: Overflow::Queue }
}

/// The state of a clause after these events asked for it, one per minute, in words after `minutes`.
fn described(flow: Flow, events: &[&str], minutes: i64) -> String {
    let mut states = FlowStates::default();
    let clause = flow.identity(&["body.app".to_owned()]);
    for (minute, event) in (0..).zip(events) {
        let requests = [FlowRequest::new(clause.clone(), flow, vec!["\"web\"".into()])];
        let occurrence = Occurrence {
            rule: "s/r".into(),
            element: None,
            owner: Owner::new(event, &format!("event `{event}`"), None),
            received: at(minute * 60),
            is_shadow: false,
            requests: requests.to_vec(),
        };
        states.admit(&occurrence, at(minute * 60).into());
    }
    all(&states, minutes).join("\n")
}

/// The states in words after `minutes`. It is then an hour later by the time of day.
fn all(states: &FlowStates, minutes: i64) -> Vec<String> {
    let time = FlowTime { steady: at(minutes * 60), wall: at(minutes * 60 + 3600) };
    let states = states.iter().map(|(key, state)| {
        let subject = states.subject(key).expect(key);
        let about = format!("{:?} {} {:?}", subject.holder, subject.clause(), subject.values());
        match state.describe(subject, time) {
            Some(StateText { holds, frees, until }) => {
                format!("{about}\n  {holds}\n  {frees}\n  {until:?}")
            }
            None => format!("{about}\n  ended"),
        }
    });
    states.collect()
}

#[test]
fn each_clause_describes_its_state() {
    let minutes = SignedDuration::from_mins;
    let limit = |waits| Flow::Limit { count: 2, per: minutes(60), waits };
    let quiet = |max: Option<i64>| Flow::Quiet { length: minutes(10), max: max.map(minutes) };
    let found = [
        described(after(3, 3600), &["a", "b"], 5),
        described(after(2, 3600), &["a", "b"], 5),
        described(once(3600), &["a", "b"], 5),
        described(once(3600), &["a", "b"], 60),
        described(quiet(None), &["a", "b"], 5),
        described(quiet(Some(20)), &["a", "b"], 5),
        described(quiet(Some(11)), &["a", "b"], 5),
        described(still(600), &["a", "b"], 5),
        described(limit(false), &["a"], 5),
        described(limit(false), &["a", "b", "c"], 5),
        described(limit(true), &["a", "b", "c", "d"], 5),
        described(limit(true), &["a", "b", "c", "d"], 60),
        described(limit(false), &["a", "b", "c"], 61),
        described(concurrency(1), &["a", "b", "c"], 5),
        described(concurrency(2), &["a", "b", "c"], 5),
        described(concurrency(2), &["a"], 5),
    ];
    insta::assert_snapshot!(found.join("\n"));
}

/// An occurrence of a rule for event `a`, without clauses.
fn occurrence(rule: &str, requests: &[FlowRequest]) -> Occurrence {
    Occurrence {
        rule: rule.into(),
        element: None,
        owner: Owner::new("a", "event `a`", None),
        received: at(0),
        is_shadow: false,
        requests: requests.to_vec(),
    }
}

#[test]
fn a_cancellation_and_a_count_are_described() {
    let mut states = FlowStates::default();
    let request = FlowRequest::new("still per body.app", still(600), vec!["1".into()]);
    states.admit(&occurrence("s/r", std::slice::from_ref(&request)), at(0).into());
    let cancellation = Cancellation { rule: "s/r".into(), request };
    let by = Owner::new("b", "event `b`", None);
    assert!(states.cancel(&cancellation, (&by, at(60)), at(60).into()).is_some());
    let clause = |counts, count| {
        let within = SignedDuration::from_mins(10);
        BlowClause { counts, count, within }
    };
    let fuse = BlowingFuse {
        name: "healing".into(),
        clauses: vec![clause(BlowCounts::Actions, 20), clause(BlowCounts::Failures, 1)],
        reset_after: None,
        drops: false,
    };
    states.admit_unless_blown(&occurrence("s/r", &[]), None, [&fuse], 3, at(60).into());
    assert!(fuse.fail(&mut states, &by, at(60).into()).is_some());
    states.admit_unless_blown(&occurrence("s/r", &[]), None, [&fuse], 2, at(120).into());
    insta::assert_snapshot!(all(&states, 5).join("\n"));
}

/// The state of a limiter has one name, whichever of its rules asks. What is sensitive is in no name.
#[test]
fn limiters_and_sensitive_values_are_named() {
    let mut states = FlowStates::default();
    let long = format!("\"{}\"", "x".repeat(1000));
    let shared = |rule: &str, flow: Flow| FlowRequest {
        limiter: Some("api".into()),
        ..FlowRequest::new(format!("limit api per body.{rule}"), flow, vec![long.clone()])
    };
    let hidden = FlowRequest {
        is_sensitive: true,
        ..FlowRequest::new("once per headers.token", once(600), vec!["\"s3cret\"".into()])
    };
    let waits = Flow::Limit { count: 2, per: SignedDuration::from_hours(1), waits: true };
    states.admit(&occurrence("s/one", &[hidden, shared("one", limit(2, 3600))]), at(0).into());
    let before = states.clone();
    states.admit(&occurrence("s/one", &[shared("two", waits)]), at(0).into());
    assert_eq!(states, before);
    insta::assert_snapshot!(all(&states, 5).join("\n"));
    let found = |text: &str| {
        let subjects = states.iter().filter_map(|(key, _)| states.subject(key));
        subjects.filter(|subject| subject.has_value(text)).count()
    };
    assert_eq!((found("s3cret"), found("\"s3cret\"")), (0, 0));
    assert_eq!((found(&long), found(&"x".repeat(1000)), found("x")), (1, 1, 0));
    for (key, _) in states.iter() {
        let subject = states.subject(key).unwrap();
        let stored = serde_json::to_string(subject).unwrap();
        assert!(!stored.contains("s3cret") && stored.len() < 400, "{stored}");
        assert_eq!(serde_json::from_str::<StateSubject>(&stored).unwrap(), *subject);
    }
}
