//! Laws of waiting: a decision that waits is released once when it is due, or ends before.

use fuse_rules::Outcome;
use fuse_rules::flow::{
    BlowClause, BlowCounts, BlowingFuse, Cancellation, Flow, FlowRequest, FlowTime, Hours,
    Occurrence, Owner, Window,
};
use jiff::SignedDuration;

use super::Fixture;
use super::fuses::switch;
use super::support::{
    OpenBackend, Violation, action, at, done, fired, ids, limited, once, outcomes, push, verdict,
};
use crate::event::EventKey;
use crate::ledger::{
    ActionState, CurrentRules, DecisionRecord, Due, EventRecord, SwitchPosition, Verdict, Woken,
};

/// `still 5m per body.k`, with this key.
fn still(key: &str) -> FlowRequest {
    request("still per body.k", Flow::Still { length: SignedDuration::from_secs(300) }, key)
}

/// `quiet 60s per body.k max 2m`, with this key.
fn quiet(key: &str) -> FlowRequest {
    let (length, max) = (SignedDuration::from_secs(60), SignedDuration::from_secs(120));
    request("quiet per body.k", Flow::Quiet { length, max: Some(max) }, key)
}

pub(super) fn request(clause: &str, flow: Flow, key: &str) -> FlowRequest {
    FlowRequest::new(clause, flow, vec![format!("\"{key}\"")])
}

/// A verdict of the rule `s/r`, which has to pass these clauses, with one action that has the id of the event.
pub(super) fn asks(event: &EventKey, seconds: i64, requests: Vec<FlowRequest>) -> Verdict {
    let mut verdict = verdict(event, &event.id, seconds);
    let owner = Owner::new(&event.encode(), &format!("event `{}`", event.id), None);
    let received = at(seconds);
    verdict.flow = vec![Occurrence { requests, owner, received, ..once("", &event.id, None) }];
    verdict
}

/// A verdict without decisions that cancels the waits of the key.
fn cancels(event: &EventKey, seconds: i64, key: &str) -> Verdict {
    let mut verdict = verdict(event, &event.id, seconds);
    (verdict.decisions, verdict.actions) = (Vec::new(), Vec::new());
    verdict.cancels = vec![Cancellation { rule: "s/r".into(), request: still(key) }];
    verdict
}

pub(super) fn time(seconds: i64) -> FlowTime {
    at(seconds).into()
}

impl OpenBackend {
    /// Accepts an event and decides it by `s/r`, so many seconds after the start.
    async fn asked(
        &self,
        id: &str,
        seconds: i64,
        requests: Vec<FlowRequest>,
    ) -> Result<EventRecord, Violation> {
        let event = self.accept(id, seconds).await?;
        Ok(self.ledger.decide(asks(&event, seconds, requests)).await?)
    }

    /// The ids of the events that are due, and in how many seconds after the start the next one is.
    pub(super) async fn due(&self, seconds: i64) -> Result<(Vec<String>, Option<i64>), Violation> {
        let due = self.ledger.due(time(seconds), 100).await?;
        let next = due.next.map(|next| next.duration_since(at(0)).as_secs());
        Ok((due.events.into_iter().map(|event| event.id).collect(), next))
    }

    async fn wake(&self, id: &str, seconds: i64) -> Result<Woken, Violation> {
        Ok(self.ledger.wake(&push(id), time(seconds), &CurrentRules::default()).await?)
    }

    async fn waiting(&self) -> Result<u64, Violation> {
        let counts = self.ledger.counts().await?;
        let sum: u64 = counts.waiting_at.values().sum();
        ensure_eq!(sum, counts.waiting, "how many wait at all clauses");
        Ok(counts.waiting)
    }
}

/// A decision waits without an action. When it is due, it fires and its action is released off the bus, once, also across
/// crashes. Until then, it is not settled.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_wait_is_released_once_when_it_is_due(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let record = opened.asked("a", 0, vec![still("k")]).await?;
    ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome");
    let why = "`still 5m per \"k\"` waits until 2026-08-01T10:05:00Z";
    ensure_eq!(record.decisions.iter().map(|one| &*one.reason).collect::<Vec<_>>(), [why], "why");
    ensure_eq!((record.actions.len(), record.waits.len()), (0, 1), "the actions and waits");
    ensure!(!record.is_settled(), "an event that waits is settled");
    ensure_eq!(opened.counts().await?, (0, 0), "the unsettled actions");
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.due(299).await?, (Vec::new(), Some(300)), "what is due before");
    ensure_eq!(opened.wake("a", 299).await?, Woken::default(), "what is woken before");
    ensure_eq!(opened.due(300).await?, (vec!["a".to_owned()], None), "what is due");
    ensure_eq!(opened.waiting().await?, 1, "the number of waits");
    let at = opened.ledger.counts().await?.waiting_at;
    ensure_eq!(at, [("still".to_owned(), 1)].into(), "how many wait at each clause");
    let clause = |record: &EventRecord| record.decisions.first().and_then(|one| one.clause.clone());
    let before = opened.record(&push("a")).await?;
    ensure_eq!(clause(&before).as_deref(), Some("still"), "the clause at which it waits");
    let woken = opened.wake("a", 300).await?;
    ensure_eq!(ids(&woken.actions), ["a"], "the released actions");
    ensure!(!woken.is_unfinished, "an action that fires needs no reaction");
    // The answer may have been lost.
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.wake("a", 301).await?, Woken::default(), "what is woken again");
    ensure_eq!(opened.due(1000).await?, (Vec::new(), None), "what is due afterwards");
    ensure_eq!(opened.waiting().await?, 0, "the number of waits afterwards");
    let record = opened.record(&push("a")).await?;
    ensure_eq!(outcomes(&record), [Outcome::Fired], "the outcome afterwards");
    ensure_eq!(clause(&record), None, "the clause afterwards");
    let named: Vec<_> = record.decisions.iter().map(|one| one.action.as_deref()).collect();
    ensure_eq!(named, [Some("a")], "the action of the decision");
    let held = opened.ledger.held(None, 10).await?;
    ensure_eq!(ids(&held), ["a"], "the actions off the bus");
    ensure_eq!(held, woken.actions, "the action that was released");
    let is_waiting = held.iter().all(|one| matches!(one.action.state, ActionState::Waiting { .. }));
    ensure!(is_waiting, "a released action does not wait for its first attempt");
    opened.settle("a", done(301)).await?;
    ensure!(opened.record(&push("a")).await?.is_settled(), "the event is not settled in the end");
    Ok(())
}

/// What is due is listed by its due time, then by its arrival, and no more than asked for.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn waits_are_due_in_order(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for (id, seconds, clause) in
        [("z", 0, still("1")), ("y", 0, still("2")), ("x", 0, quiet("3")), ("w", 0, quiet("4"))]
    {
        opened.asked(id, seconds, vec![clause]).await?;
    }
    ensure_eq!(opened.due(60).await?, (vec!["x".into(), "w".into()], Some(300)), "what is due");
    let all = ["x", "w", "z", "y"].map(str::to_owned).to_vec();
    ensure_eq!(opened.due(300).await?, (all, None), "what is due in the end");
    let first = opened.ledger.due(time(300), 3).await?;
    let due: Vec<&str> = first.events.iter().map(|event| event.id.as_str()).collect();
    ensure_eq!(due, ["x", "w", "z"], "a part of what is due");
    ensure!(first.next.is_some_and(|next| next <= at(300)), "the rest is not due");
    Ok(())
}

/// What waits for hours of the day is due by the time of day, however the clock was set, and before what came later.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn hours_begin_by_the_time_of_day(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    // The events are received at 10:00; the hours begin at 12:00.
    let hours = Hours {
        windows: vec![Window { days: Window::ALL_DAYS, from: 12 * 60, to: 13 * 60 }],
        zone: None,
        except: Vec::new(),
    };
    let during = || FlowRequest {
        hours: Some(Box::new(hours.clone())),
        values: Vec::new(),
        ..request("during 12:00..13:00", Flow::During { waits: true }, "")
    };
    for id in ["b", "a"] {
        let record = opened.asked(id, 0, vec![during()]).await?;
        ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome");
    }
    opened.asked("c", 0, vec![still("k")]).await?;
    // The other wait of this event is due a month later.
    let event = opened.accept("d", 0).await?;
    let mut both = asks(&event, 0, vec![during()]);
    let month = Flow::Still { length: SignedDuration::from_hours(30 * 24) };
    let later = request("still per body.k", month, "l");
    let of_other = |one: &Occurrence| {
        let element = Some(vec![1]);
        let owner = Owner::new(&event.encode(), "event `d`", element.as_deref());
        Occurrence { element, owner, requests: vec![later.clone()], ..one.clone() }
    };
    both.decisions.push(fired("s/r", Some(vec![1]), "d1"));
    both.actions.push(("d1".into(), action("s/r", Some(vec![1]))));
    both.flow.extend(both.flow.first().map(of_other));
    opened.ledger.decide(both).await?;
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.waiting().await?, 5, "the number of waits");
    const NOON: i64 = 2 * 3600;
    // The machine was off: only ten minutes of steady time have passed.
    let due = |steady, wall| FlowTime { steady: at(steady), wall: at(wall) };
    let early = opened.ledger.due(due(60, NOON - 1), 10).await?;
    ensure_eq!(early, Due { events: Vec::new(), next: Some(at(61)) }, "what is due before");
    let now = due(600, NOON);
    let all = opened.ledger.due(now, 10).await?.events;
    let all: Vec<&str> = all.iter().map(|event| event.id.as_str()).collect();
    ensure_eq!(all, ["c", "b", "a", "d"], "what is due");
    let woken = opened.ledger.wake(&push("b"), now, &CurrentRules::default()).await?;
    ensure_eq!(ids(&woken.actions), ["b"], "the released actions");
    // The hours are over again: it waits for the next day.
    let evening = due(4000, NOON + 3600);
    let woken = opened.ledger.wake(&push("a"), evening, &CurrentRules::default()).await?;
    ensure_eq!(woken.actions.len(), 0, "the number of actions after the hours");
    let record = opened.record(&push("a")).await?;
    ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome after the hours");
    let next = opened.ledger.due(due(5000, NOON + 24 * 3600), 10).await?.events;
    ensure!(next.contains(&push("a")), "it is not due on the next day");
    Ok(())
}

/// An event ends the wait of its key, and no other one. What was received before it does not wait any more.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_cancelled_wait_is_never_due(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    opened.asked("a", 0, vec![still("k")]).await?;
    opened.asked("other", 0, vec![still("l")]).await?;
    opened.asked("overdue", 0, vec![still("m")]).await?;
    let event = opened.accept("b", 60).await?;
    opened.ledger.decide(cancels(&event, 60, "k")).await?;
    opened = opened.crash(fixture).await?;
    let record = opened.record(&push("a")).await?;
    let why = "`still 5m per \"k\"` is cancelled by event `b`";
    ensure_eq!(described(&record), [(Outcome::Cancelled, why)], "the outcome");
    ensure!(record.is_settled() && record.actions.is_empty(), "a cancelled event is not settled");
    ensure_eq!(opened.due(1000).await?.0, ["other", "overdue"], "what is due");
    // It is due, and the event was faster than its release.
    let event = opened.accept("n", 1000).await?;
    opened.ledger.decide(cancels(&event, 1000, "m")).await?;
    ensure_eq!(opened.due(1000).await?.0, ["other"], "what is due after the event");
    let record = opened.record(&push("overdue")).await?;
    ensure_eq!(outcomes(&record), [Outcome::Cancelled], "the outcome of what is due");
    let late = opened.accept("c", 50).await?;
    let record = opened.ledger.decide(asks(&late, 50, vec![still("k")])).await?;
    let why = "`still 5m per \"k\"` is cancelled by event `b`, which was received later";
    ensure_eq!(described(&record), [(Outcome::Cancelled, why)], "the outcome of a late event");
    let record = opened.asked("d", 61, vec![still("k")]).await?;
    ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome of a later event");
    // A further one does not restart the wait.
    let record = opened.asked("e", 62, vec![still("k")]).await?;
    ensure_eq!(outcomes(&record), [Outcome::Suppressed], "the outcome of a repetition");
    Ok(())
}

/// The last one of a burst waits, also if its elements are of one event, and the burst ends in time.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_newer_occurrence_supersedes_the_one_that_waits(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    opened.asked("a", 0, vec![quiet("k")]).await?;
    let event = opened.accept("b", 50).await?;
    let mut two = asks(&event, 50, vec![quiet("k")]);
    let first = two.flow.first().cloned();
    let element = |index: u32| Some(vec![index]);
    two.decisions = vec![fired("s/r", element(0), "b0"), fired("s/r", element(1), "b1")];
    two.actions =
        vec![("b0".into(), action("s/r", element(0))), ("b1".into(), action("s/r", element(1)))];
    let of = |index, occurrence: Occurrence| Occurrence {
        element: element(index),
        owner: Owner::new(&event.encode(), "event `b`", element(index).as_deref()),
        ..occurrence
    };
    two.flow = first.iter().flat_map(|one| [of(0, one.clone()), of(1, one.clone())]).collect();
    opened.ledger.decide(two).await?;
    opened = opened.crash(fixture).await?;
    let why = "`quiet 1m per \"k\" max 2m` waits for element 0 of event `b`, which is newer";
    let record = opened.record(&push("a")).await?;
    ensure_eq!(described(&record), [(Outcome::Superseded, why)], "the first outcome");
    let record = opened.record(&event).await?;
    ensure_eq!(outcomes(&record), [Outcome::Superseded, Outcome::Waiting], "the elements");
    ensure_eq!(opened.due(0).await?, (Vec::new(), Some(110)), "when the burst ends");
    opened.asked("c", 100, vec![quiet("k")]).await?;
    // Not 60 s later, but 2 min after the first one.
    ensure_eq!(opened.due(0).await?, (Vec::new(), Some(120)), "when the burst ends at the latest");
    ensure_eq!(ids(&opened.wake("c", 120).await?.actions), ["c"], "the released actions");
    let record = opened.asked("d", 121, vec![quiet("k")]).await?;
    ensure_eq!(outcomes(&record), [Outcome::Waiting], "the next burst");
    ensure_eq!(opened.due(0).await?, (Vec::new(), Some(181)), "when the next burst ends");
    Ok(())
}

/// A wait that is over asks the other clauses. If one of them holds it back, its event is listed until its reactions are
/// on record.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_wait_that_is_over_asks_the_other_clauses(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let limit = || limited("").requests;
    let clauses = |key: &str| limit().into_iter().chain([still(key)]).collect::<Vec<_>>();
    for id in ["a", "b", "c"] {
        // The limit has no key: two of the three.
        let record = opened.asked(id, 0, clauses(id)).await?;
        ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome before");
    }
    for id in ["a", "b"] {
        let woken = opened.wake(id, 300).await?;
        ensure_eq!(ids(&woken.actions), [id], "the released actions");
    }
    let woken = opened.wake("c", 300).await?;
    ensure_eq!(woken.actions.len(), 0, "the number of actions over the limit");
    ensure!(woken.is_unfinished, "a suppressed decision may have reactions");
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.due(300).await?, (vec!["c".to_owned()], None), "what is unfinished");
    let again = opened.wake("c", 301).await?;
    ensure!(again.is_unfinished && again.decisions.is_empty(), "what is unfinished changes");
    opened.ledger.finish_waking(&push("c")).await?;
    ensure_eq!(opened.due(300).await?, (Vec::new(), None), "what is unfinished in the end");
    let record = opened.record(&push("c")).await?;
    ensure_eq!(outcomes(&record), [Outcome::Suppressed], "the outcome");
    Ok(())
}

/// What is released counts for the fuses that can blow. The action that is one too many is gated. What is due while the
/// fuse is off goes on waiting, and counts when the fuse is on again.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_is_released_can_blow_a_fuse(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let within = SignedDuration::from_mins(10);
    let clause = BlowClause { counts: BlowCounts::Actions, count: 1, within };
    let fuse =
        BlowingFuse { name: "f".into(), clauses: vec![clause], reset_after: None, drops: false };
    for id in ["a", "b", "c"] {
        let event = opened.accept(id, 0).await?;
        let mut verdict = asks(&event, 0, vec![still(id)]);
        verdict.requires.insert("s/r".into(), vec!["f".into()]);
        verdict.blow = vec![fuse.clone()];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome before");
    }
    let blow = CurrentRules { blow: vec![fuse], ..CurrentRules::default() };
    for (id, outcome, blown) in [("a", Outcome::Fired, false), ("b", Outcome::Gated, true)] {
        opened = opened.crash(fixture).await?;
        let woken = opened.ledger.wake(&push(id), time(300), &blow).await?;
        let found: Vec<_> = woken.decisions.iter().map(|decision| decision.outcome).collect();
        ensure_eq!(found, [outcome], "the outcome of `{id}`");
        ensure_eq!(!woken.blown.is_empty(), blown, "whether `{id}` blows the fuse");
        ensure_eq!(woken.is_unfinished, blown, "whether something may react to `{id}`");
        let required: Vec<_> = woken.actions.iter().map(|one| one.action.requires.len()).collect();
        let expected = if blown { Vec::new() } else { vec![1] };
        ensure_eq!(required, expected, "the fuses of the action of `{id}`");
    }
    ensure_eq!(opened.ledger.wake(&push("c"), time(300), &blow).await?, Woken::default(), "`c`");
    ensure_eq!(opened.due(300).await?.0, ["b"], "what is due while the fuse is off");
    let record = opened.record(&push("c")).await?;
    let why = "the wait is over, and the fuse `f` is off; it goes on when the fuse is on";
    ensure_eq!(described(&record), [(Outcome::Waiting, why)], "the outcome while it is off");
    opened.ledger.switch_fuse("f", switch(SwitchPosition::On, 301)).await?;
    opened = opened.crash(fixture).await?;
    ensure!(opened.due(420).await?.0.contains(&"c".to_owned()), "`c` is not due any more");
    let woken = opened.ledger.wake(&push("c"), time(420), &blow).await?;
    ensure_eq!(ids(&woken.actions), ["c"], "the actions when the fuse is on");
    Ok(())
}

/// An event with a decision that waits is not pruned.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_waits_is_not_pruned(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    opened.asked("a", 0, vec![still("k")]).await?;
    opened.ack_next().await?;
    ensure_eq!(opened.ledger.prune(at(200)).await?, 0, "the number of pruned events");
    let woken = opened.wake("a", 300).await?;
    ensure_eq!(ids(&woken.actions), ["a"], "the released actions");
    opened.settle("a", done(301)).await?;
    ensure_eq!(opened.ledger.prune(at(400)).await?, 1, "the number of pruned events in the end");
    // A late wake finds nothing.
    ensure_eq!(opened.wake("a", 500).await?, Woken::default(), "what is woken of a pruned event");
    Ok(())
}

pub(super) fn described(record: &EventRecord) -> Vec<(Outcome, &str)> {
    let of = |one: &'_ DecisionRecord| one.outcome;
    record.decisions.iter().map(|one| (of(one), one.reason.as_str())).collect()
}
