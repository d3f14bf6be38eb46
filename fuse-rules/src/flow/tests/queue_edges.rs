//! The reasons, the bounds and the stored form of `limit … else wait`, and how it acts together with other clauses.

use jiff::SignedDuration;

use super::super::admit::{Hold, Question};
use super::super::*;
use super::at;
use super::queue::{limit, owner};

/// The answer to one that asks a limit of 2.
fn answer(
    state: &mut Option<FlowState>,
    count: u32,
    waits: bool,
    number: usize,
    now: i64,
) -> String {
    let flow = Flow::Limit { count, per: SignedDuration::from_mins(1), waits };
    let question = Question { rule: "s/r", owner: &owner(number), received: at(now) };
    let (after, answer) = flow.step(state.as_ref(), question, at(now).into());
    *state = Some(after);
    match answer {
        Ok(()) => "passes".to_owned(),
        Err(Hold::Back(why) | Hold::Waits { why, .. }) => why,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_queue_reports_when_it_is_its_turn() {
    let mut state = None;
    let mut ask = |count, waits, number, now| answer(&mut state, count, waits, number, now);
    assert_eq!(ask(2, true, 0, 0), "passes");
    assert_eq!(ask(2, true, 1, 10), "passes");
    let first = "waits until 1970-01-01T00:01:00Z: 2 of 2 within 1m";
    assert_eq!(ask(2, true, 2, 20), first);
    let second = "waits until 1970-01-01T00:01:10Z: 2 of 2 within 1m, 1 waits before it";
    assert_eq!(ask(2, true, 3, 30), second);
    let third = "waits until 1970-01-01T00:02:00Z: 2 of 2 within 1m, 2 wait before it";
    assert_eq!(ask(2, true, 4, 30), third);
    // Where the clause has no `else wait`, those that wait count, too.
    let none = "is reached: 2 of 2 within 1m, 3 wait before it; free again at 1970-01-01T00:02:10Z";
    assert_eq!(ask(2, false, 5, 40), none);
    // A place is free, but it is the turn of another one.
    let late = "waits until 1970-01-01T00:02:12Z: 1 of 2 within 1m, 2 wait before it";
    assert_eq!(ask(2, true, 2, 65), "passes");
    assert_eq!(ask(2, true, 6, 72), late);
}

#[test]
fn not_more_than_the_most_wait() {
    let mut state = None;
    for number in 0..=MAX_QUEUED {
        answer(&mut state, 1, true, number, 0);
    }
    let why = answer(&mut state, 1, true, MAX_QUEUED + 1, 0);
    assert_eq!(why, "is reached: 1 of 1 within 1m, and 1000 wait already, which is the limit");
    // Those that wait may ask again.
    let why = answer(&mut state, 1, true, MAX_QUEUED, 0);
    assert!(
        why.starts_with("waits until 1970-01-01T16:40:00Z: 1 of 1 within 1m, 999 wait"),
        "{why}"
    );
    assert!(matches!(state.unwrap(), FlowState::Queue(_)));
}

/// An event that is lost does not hold up the others for ever.
#[test]
fn one_that_never_asks_again_loses_its_turn() {
    let mut state = None;
    let mut ask = |number, now| answer(&mut state, 1, true, number, now);
    assert_eq!(ask(0, 0), "passes");
    assert!(ask(1, 1).starts_with("waits until 1970-01-01T00:01:00Z"));
    assert!(ask(2, 2).starts_with("waits until 1970-01-01T00:02:00Z"));
    // Number 1 does not ask. It may be late, until number 2 asked twice.
    assert!(ask(2, 600).starts_with("waits until 1970-01-01T00:11:00Z"));
    assert_eq!(ask(2, 660), "passes");
}

#[test]
fn states_of_limits_can_be_read_by_and_from_older_versions() {
    let (mut state, mut with_queue) = (None, None);
    assert_eq!(answer(&mut state, 1, true, 0, 0), "passes");
    let text = serde_json::to_string(&state.unwrap()).unwrap();
    assert!(text.starts_with("{\"limit\":[["), "{text}");
    answer(&mut with_queue, 1, true, 0, 0);
    answer(&mut with_queue, 1, true, 1, 0);
    let text = serde_json::to_string(with_queue.as_ref().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<FlowState>(&text).unwrap(), with_queue.unwrap());
    let flow: Flow = serde_json::from_str(r#"{"limit":{"count":1,"per":"PT1M"}}"#).unwrap();
    assert_eq!(flow, Flow::Limit { count: 1, per: SignedDuration::from_mins(1), waits: false });
    assert_eq!(serde_json::to_string(&flow).unwrap(), r#"{"limit":{"count":1,"per":"PT1M"}}"#);
}

/// One that waits at a limit gives its position back if a clause before it holds it back in the end.
#[test]
fn a_clause_that_suppresses_gives_the_position_back() {
    let mut states = FlowStates::default();
    let request =
        |clause: &str, flow, value: &str| FlowRequest::new(clause, flow, vec![value.into()]);
    let occurrence = |event: &str, app: &str| Occurrence {
        rule: "s/r".into(),
        element: None,
        owner: Owner::new(event, event, None),
        received: at(0),
        is_shadow: false,
        requests: vec![
            request("once", Flow::Once { within: SignedDuration::from_secs(1000) }, app),
            request("limit", limit(1), "all"),
        ],
    };
    let mut ask = |event: &str, app: &str, now: i64, waited: bool| {
        let occurrence = occurrence(event, app);
        let time = at(now).into();
        let wait = Wait {
            clause: 1,
            since: at(0),
            until: at(now),
            occurrence: occurrence.clone(),
            approval: None,
        };
        let answer =
            if waited { states.resume(&wait, time) } else { states.admit(&occurrence, time) };
        match answer {
            Admission::Passed => "passed".to_owned(),
            Admission::Suppressed { by, .. } => format!("suppressed by {by}"),
            Admission::Waiting { by, until, .. } => {
                format!("waits at {by} until {}", until.as_second())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask("a", "web", 0, false), "passed");
    assert_eq!(ask("b", "api", 1, false), "waits at 1 until 10");
    assert_eq!(ask("c", "api", 2, false), "waits at 1 until 20");
    assert_eq!(ask("d", "db", 3, false), "waits at 1 until 30");
    assert_eq!(ask("b", "api", 10, true), "passed");
    assert_eq!(ask("c", "api", 20, true), "suppressed by 0");
    assert_eq!(ask("e", "ui", 21, false), "waits at 1 until 40");
    assert_eq!(ask("d", "db", 30, true), "passed");
}

/// An occurrence of a rule that has to pass these limits, each with its limiter.
fn limited(rule: &str, event: &str, limits: &[(&str, u32)], is_shadow: bool) -> Occurrence {
    let request = |(name, count): &(&str, u32)| FlowRequest {
        limiter: Some((*name).into()),
        ..FlowRequest::new(format!("limit {name}"), limit(*count), Vec::new())
    };
    Occurrence {
        rule: rule.into(),
        element: None,
        owner: Owner::new(event, event, None),
        received: at(0),
        is_shadow,
        requests: limits.iter().map(request).collect(),
    }
}

fn asks(states: &mut FlowStates, occurrence: &Occurrence, now: i64) -> Option<Wait> {
    match states.admit(occurrence, at(now).into()) {
        Admission::Passed => None,
        Admission::Waiting { by, until, .. } => Some(Wait {
            occurrence: occurrence.clone(),
            clause: by,
            since: at(now),
            until,
            approval: None,
        }),
        other => panic!("{other:?}"),
    }
}

fn again(states: &mut FlowStates, wait: &Wait, now: i64) -> Option<Wait> {
    match states.resume(wait, at(now).into()) {
        Admission::Passed => None,
        Admission::Waiting { by, until, .. } => {
            Some(Wait { clause: by, since: at(now), until, ..wait.clone() })
        }
        other => panic!("{other:?}"),
    }
}

/// One that waits for two limits in turn holds up nobody at the one that it does not wait for, and keeps its position.
#[test]
fn one_that_waits_for_another_limit_holds_up_nobody() {
    let mut states = FlowStates::default();
    let both = |event: &str| limited("s/both", event, &[("a", 1), ("b", 1)], false);
    let one = |event: &str, name| limited("s/one", event, &[(name, 1)], false);
    assert_eq!(asks(&mut states, &one("1", "b"), 0), None);
    // A place is free in `a`, and none in `b`.
    let first = asks(&mut states, &both("2"), 1).unwrap();
    assert_eq!((first.clause, first.until), (1, at(10)));
    // It takes no place in `a` meanwhile.
    assert_eq!(asks(&mut states, &one("3", "a"), 9), None);
    // Now a place is free in `b`, and none in `a`.
    let first = again(&mut states, &first, 10).unwrap();
    assert_eq!((first.clause, first.until), (0, at(19)));
    assert_eq!(asks(&mut states, &one("4", "b"), 11), None);
    let second = asks(&mut states, &one("5", "a"), 12).unwrap();
    assert_eq!(second.until, at(29));
    // It waits for `b` again, and the one behind it in `a` has its turn.
    let first = again(&mut states, &first, 19).unwrap();
    assert_eq!((first.clause, first.until), (1, at(21)));
    assert_eq!(asks(&mut states, &one("6", "b"), 20).unwrap().until, at(31));
    assert_eq!(again(&mut states, &first, 21), None);
    assert_eq!(again(&mut states, &second, 29).unwrap().until, at(31));
}

/// A rule in shadow takes no place in a limiter, has none in its queue, and waits once.
#[test]
fn a_rule_in_shadow_waits_once() {
    let mut states = FlowStates::default();
    let rule = |event: &str, is_shadow| limited("s/r", event, &[("a", 1)], is_shadow);
    assert_eq!(asks(&mut states, &rule("1", false), 0), None);
    let shadow = asks(&mut states, &rule("2", true), 1).unwrap();
    assert_eq!(shadow.until, at(10));
    assert_eq!(asks(&mut states, &rule("3", false), 2).unwrap().until, at(10));
    assert_eq!(again(&mut states, &shadow, 10), None);
    assert_eq!(asks(&mut states, &rule("4", false), 10).unwrap().until, at(20));
}

/// One that blows a fuse when it is its turn takes no place, and gives its position back.
#[test]
fn one_that_blows_a_fuse_gives_its_position_back() {
    let mut states = FlowStates::default();
    let rule = |event: &str| limited("s/r", event, &[("a", 1)], false);
    assert_eq!(asks(&mut states, &rule("1"), 0), None);
    let second = asks(&mut states, &rule("2"), 1).unwrap();
    let third = asks(&mut states, &rule("3"), 2).unwrap();
    let clause =
        BlowClause { counts: BlowCounts::Actions, count: 1, within: SignedDuration::from_mins(1) };
    let fuse =
        BlowingFuse { name: "f".into(), clauses: vec![clause], reset_after: None, drops: false };
    let time = at(10).into();
    let blown = states.admit_unless_blown(&second.occurrence, Some(&second), [&fuse], 2, time);
    assert!(matches!(blown, BlowAdmission::Blown(_)), "{blown:?}");
    assert_eq!(again(&mut states, &third, 10), None);
}

/// The numbers of the current rules apply to what waits; those of a limit that was removed stay.
#[test]
fn what_waits_obeys_the_current_numbers() {
    let mut states = FlowStates::default();
    let rule = |event: &str| limited("s/r", event, &[("a", 1)], false);
    assert_eq!(asks(&mut states, &rule("1"), 0), None);
    let mut wait = asks(&mut states, &rule("2"), 1).unwrap();
    let mut limits = RuleLimits::default();
    limits.add("s/r", "limit other", Some("other"), limit(9));
    limits.update(&mut wait);
    assert!(again(&mut states, &wait, 2).is_some());
    let changed = limits.clone();
    limits.add("s/r", "limit a", Some("a"), limit(2).with_waits(false));
    limits.update(&mut wait);
    assert_eq!(wait.occurrence.requests[0].flow, limit(2));
    assert_eq!(again(&mut states, &wait, 3), None);
    assert_eq!(limits.changed_since(Some(&changed)).into_iter().collect::<Vec<_>>(), ["s/r"]);
    assert!(limits.changed_since(Some(&limits.clone())).is_empty());
    assert_eq!(limits.changed_since(None).len(), 1);
}

/// One that a person approved while it waited asks no one again, however long it waits for its turn then.
#[test]
fn an_approval_is_asked_once() {
    let mut states = FlowStates::default();
    let rule = |event: &str| limited("s/r", event, &[("a", 1)], false);
    let mut approved = rule("1");
    let approval = Flow::Approval { within: SignedDuration::from_mins(1) };
    approved.requests.push(FlowRequest {
        flow: approval,
        limiter: None,
        ..approved.requests[0].clone()
    });
    let wait = asks(&mut states, &approved, 0).unwrap();
    assert_eq!(wait.clause, 1);
    assert_eq!(asks(&mut states, &rule("2"), 5), None);
    let by = Approval { by: "ana".into(), at: at(6), reason: None };
    let wait = again(&mut states, &Wait { approval: Some(by), ..wait }, 6).unwrap();
    assert_eq!((wait.clause, wait.until), (0, at(15)));
    assert_eq!(again(&mut states, &wait, 15), None);
}
