//! A clock that tests set, and a store that remembers what it has accepted.

use jiff::ToSpan as _;

use super::*;

/// An event whose time of day a test sets.
fn clocked(fields: Value, now: &str) -> Clocked {
    let Value::Object(mut fields) = fields else { panic!("an object") };
    for (name, value) in [("catch-up", json!(60_000)), ("missed", json!("last"))] {
        fields.entry(name).or_insert(value);
    }
    let binding = EventBinding { source: "times".into(), name: "tick".into(), fields };
    Clocked::new(binding, now.parse().unwrap()).unwrap()
}

fn due(event: &mut Clocked, now: &str) -> Vec<String> {
    let due = event.due(now.parse().unwrap());
    if let Some(last) = due.last() {
        event.done_until = *last;
    }
    due.iter().map(ToString::to_string).collect()
}

#[test]
fn each_time_is_due_once_whatever_the_clock_does() {
    let mut event = clocked(json!({ "cron": "0 2 * * *" }), "2026-11-29T01:00:00Z");
    assert_eq!(due(&mut event, "2026-11-29T01:59:59Z"), [""; 0]);
    assert_eq!(due(&mut event, "2026-11-29T02:00:00Z"), ["2026-11-29T02:00:00Z"]);
    assert_eq!(due(&mut event, "2026-11-29T02:00:00Z"), [""; 0]);
    // Somebody sets the clock back, and it comes to 02:00 again: the store knows this id.
    assert_eq!(due(&mut event, "2026-11-29T01:00:00Z"), [""; 0]);
    assert_eq!(due(&mut event, "2026-11-29T02:00:30Z"), ["2026-11-29T02:00:00Z"]);
    assert_eq!(due(&mut event, "2026-11-29T02:00:31Z"), [""; 0]);
    // Ahead by mistake, and back: the next night is not left out.
    assert_eq!(due(&mut event, "2026-12-24T02:00:10Z"), ["2026-12-24T02:00:00Z"]);
    assert_eq!(due(&mut event, "2026-11-29T03:00:00Z"), [""; 0]);
    assert_eq!(due(&mut event, "2026-11-30T02:00:01Z"), ["2026-11-30T02:00:00Z"]);
    // Somebody sets it ahead by days: what is longer ago than a minute is missed.
    assert_eq!(due(&mut event, "2026-12-05T12:00:00Z"), [""; 0]);
    assert_eq!(due(&mut event, "2026-12-06T02:01:00Z"), ["2026-12-06T02:00:00Z"]);
}

#[test]
fn missed_times_are_the_last_or_all() {
    for (missed, expected) in [("last", 1), ("all", 6)] {
        let fields = json!({ "every": 600_000, "catch-up": 3_600_000, "missed": missed });
        let mut event = clocked(fields, "2026-11-29T10:05:00Z");
        let due = due(&mut event, "2026-11-29T10:05:00Z");
        assert_eq!(due.len(), expected, "{due:?}");
        assert_eq!(due.last().unwrap(), "2026-11-29T10:00:00Z");
    }
    let mut none = clocked(json!({ "every": 600_000, "catch-up": 0 }), "2026-11-29T10:05:00Z");
    assert_eq!(due(&mut none, "2026-11-29T10:09:59Z"), [""; 0]);
    // A process never wakes at the exact time.
    assert_eq!(due(&mut none, "2026-11-29T10:10:00.003Z"), ["2026-11-29T10:10:00Z"]);
    // Many are sent in several parts.
    let fields = json!({ "every": 60_000, "catch-up": 86_400_000, "missed": "all" });
    let mut many = clocked(fields, "2026-11-29T10:00:00Z");
    let (first, second) =
        (due(&mut many, "2026-11-29T10:00:00Z"), due(&mut many, "2026-11-29T10:00:00Z"));
    assert_eq!((first.len(), second.len()), (MAX_LATE, 24 * 60 - MAX_LATE));
}

/// However a process restarts and the clock is set, no time has two ids, and none within `catch-up` is lost.
#[test]
fn restarts_lose_no_time_and_repeat_only_what_is_known() {
    let fields = || json!({ "every": 60_000, "catch-up": 600_000, "missed": "all" });
    let start: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut now = start;
    // A process that lives for seven minutes, and is gone for five.
    while now < start + 2.hours() {
        let mut event = clocked(fields(), &now.to_string());
        for _ in 0..7 {
            seen.extend(due(&mut event, &now.to_string()));
            now += 1.minute();
        }
        now += 5.minutes();
    }
    let first: Timestamp = seen.first().unwrap().parse().unwrap();
    let last: Timestamp = seen.last().unwrap().parse().unwrap();
    let minutes = last.duration_since(first).as_mins() + 1;
    assert_eq!(seen.len(), usize::try_from(minutes).unwrap());
}

#[tokio::test]
async fn an_event_has_its_time_as_id_and_body() {
    let rules = r#"source times clock { zone = "Asia/Tokyo", event tick { every = 1s } }"#;
    let mut running =
        super::super::testing::SourceTest::new(rules).start(ClockSource).await.unwrap();
    assert!(
        running.listening()[0].starts_with("times.tick every 1s, next at 20"),
        "{:?}",
        running.listening()
    );
    let (first, second) = (running.next_event().await, running.next_event().await);
    let due = |event: &crate::event::Envelope| {
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!(body["due"], event.id);
        let local: Timestamp = body["local"].as_str().unwrap().parse().unwrap();
        assert!(body["local"].as_str().unwrap().ends_with("+09:00"), "{body}");
        let due: Timestamp = event.id.parse().unwrap();
        assert_eq!(local, due);
        due
    };
    assert!(due(&second) > due(&first));
    running.stop().await;
}

#[tokio::test]
async fn a_time_whose_event_is_not_stored_is_tried_again() {
    let rules = r#"source times clock { event tick { every = 1s } }"#;
    let mut running =
        super::super::testing::SourceTest::new(rules).start(ClockSource).await.unwrap();
    let first = running.next_event().await;
    running.fail_commits(2);
    let second = running.next_event().await;
    let due = |id: &str| id.parse::<Timestamp>().unwrap();
    assert_eq!(due(&second.id), due(&first.id) + 1.second(), "no time is left out");
    assert!(running.restarts() > 0);
    running.stop().await;
}
