//! The laws of [`Ledger::decide`](crate::ledger::Ledger::decide), flow control included.

use fuse_rules::Outcome;

use super::Fixture;
use super::support::{
    OpenBackend, Violation, action, at, envelope, fired, limited, once, outcomes, push, refused,
    rejected, verdict,
};
use crate::bus::Published;
use crate::event::Envelope;
use crate::ledger::{ActionState, DeadLetterKind, DeadLetterQuery, LedgerError};

/// The first decision about an event stays: a later verdict, as of changed rules, is dropped.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_event_is_decided_once(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    let undecided = opened.record(&event).await?;
    ensure_eq!((undecided.decided, &undecided.plan), (None, &None), "the decision of a new event");
    ensure!(!undecided.is_settled(), "an undecided event is settled");

    let first = opened.ledger.decide(verdict(&event, "act", 1)).await?;
    ensure_eq!(first.decided, Some(at(1)), "the time of the decision");
    ensure_eq!(first.plan.as_deref(), Some("plan-1"), "the plan that decided");
    ensure_eq!(outcomes(&first), [Outcome::Fired], "the outcomes");
    let [act] = first.actions.as_slice() else {
        return Err(Violation::new("one action is recorded as several, or none"));
    };
    ensure_eq!(act.state, ActionState::Pending, "the state of a new action");
    ensure_eq!(act.action, action("s/r", None), "the recorded action");

    let mut other = verdict(&event, "another", 2);
    other.plan = "plan-2".into();
    ensure_eq!(opened.ledger.decide(other).await?, first, "the record after a second verdict");
    ensure_eq!(opened.record(&event).await?, first, "the record");
    ensure_eq!(opened.counts().await?, (1, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// A decision that was answered is there after a crash, and counts.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_decision_survives_a_crash(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    let before = opened.ledger.decide(verdict(&event, "act", 1)).await?;
    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.record(&event).await?, before, "the record after a crash");
    let again = opened.ledger.decide(verdict(&event, "another", 9)).await?;
    ensure_eq!(again, before, "the record after a second verdict");
    Ok(())
}

/// Only an accepted event can be decided.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_event_that_was_not_accepted_is_not_decided(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = push("e");
    let decided = opened.ledger.decide(verdict(&event, "act", 1)).await;
    ensure_eq!(decided, Err(LedgerError::UnknownEvent(event.clone())), "the answer to `decide`");
    ensure_eq!(opened.ledger.event(&event).await?, None, "the record");
    Ok(())
}

/// A verdict that contradicts itself is refused as a whole: the event is undecided and its keys are
/// free.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_verdict_that_contradicts_itself_records_nothing(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    let mut twice = verdict(&event, "act", 1);
    twice.actions.extend(twice.actions.clone());
    let mut missing = verdict(&event, "act", 1);
    missing.decisions = vec![fired("s/r", None, "missing")];
    let mut contradictory = verdict(&event, "act", 1);
    contradictory.rejected = Some("the key `a` occurs twice".into());
    for mut bad in [twice, missing, contradictory] {
        bad.flow = vec![once("k", "o", None)];
        let decided = opened.ledger.decide(bad.clone()).await;
        let is_refused = matches!(decided, Err(LedgerError::Invalid(_)));
        ensure!(is_refused, "the answer to the verdict {bad:?} is {decided:?}");
    }
    ensure_eq!(opened.record(&event).await?.decided, None, "the decision");
    let mut good = verdict(&event, "act", 1);
    good.flow = vec![once("k", "someone else", None)];
    let record = opened.ledger.decide(good).await?;
    ensure_eq!(outcomes(&record), [Outcome::Fired], "the outcomes of a good verdict");
    Ok(())
}

/// An event that is refused as a whole is settled and is one dead letter, whatever was decided with it.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_refused_event_is_one_dead_letter(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    let mut refused = refused(&event, 3, "the key `a` occurs twice");
    refused.decisions = vec![rejected("s/r", None, "the event is refused")];
    let record = opened.ledger.decide(refused).await?;
    ensure!(record.is_settled(), "a refused event is not settled");
    let letters = opened.ledger.dead_letters(&DeadLetterQuery::newest(10)).await?.letters;
    ensure_eq!(letters.len(), 1, "the number of dead letters");
    for letter in letters {
        ensure_eq!((&letter.event, letter.at), (&event, at(3)), "the event and the time");
        ensure_eq!(letter.reason, "the key `a` occurs twice", "the reason");
        ensure_eq!(letter.kind, DeadLetterKind::Permanent, "the kind");
        let parts = (&letter.action, &letter.rule, &letter.element);
        ensure_eq!(parts, (&None, &None, &None), "the part of the event");
    }
    ensure_eq!(opened.counts().await?, (0, 1), "the number of unsettled actions and dead letters");
    Ok(())
}

/// Each rejected decision is a dead letter, also after a crash. Deciding again adds none.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn rejected_decisions_are_dead_letters_that_survive_a_crash(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    let mut partly = verdict(&event, "act", 3);
    partly.decisions.push(rejected("s/r", Some(vec![0]), "`name` is absent"));
    // Two triggers of one rule and element.
    partly.decisions.push(rejected("s/r", Some(vec![1]), "`name` is null"));
    partly.decisions.push(rejected("s/r", Some(vec![1]), "`env` is a map"));
    opened.ledger.decide(partly.clone()).await?;
    opened.ledger.decide(partly).await?;
    let other = opened.accept("other", 0).await?;
    let mut whole = verdict(&other, "unused", 2);
    whole.decisions = vec![rejected("s/each", None, "`body.alerts` has 501 elements")];
    whole.actions.clear();
    let record = opened.ledger.decide(whole).await?;
    ensure!(record.is_settled(), "an event without actions is not settled");

    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.counts().await?, (1, 4), "the number of unsettled actions and dead letters");
    let mut letters = Vec::new();
    for letter in opened.ledger.dead_letters(&DeadLetterQuery::newest(10)).await?.letters {
        ensure!(letter.action.is_none(), "a rejected decision has an action");
        ensure_eq!(letter.kind, DeadLetterKind::Permanent, "the kind");
        letters.push((letter.at, letter.event.id, letter.rule, letter.element, letter.reason));
    }
    // Those of one event and time may come in any order.
    letters.sort();
    let expected = |seconds, id: &str, rule: &str, element, why: &str| {
        (at(seconds), id.to_owned(), Some(rule.to_owned()), element, why.to_owned())
    };
    let expected = [
        expected(2, "other", "s/each", None, "`body.alerts` has 501 elements"),
        expected(3, "e", "s/r", Some(vec![0]), "`name` is absent"),
        expected(3, "e", "s/r", Some(vec![1]), "`env` is a map"),
        expected(3, "e", "s/r", Some(vec![1]), "`name` is null"),
    ];
    ensure_eq!(letters, expected, "the list of dead letters");
    ensure_eq!(
        opened.ledger.dead_letters(&DeadLetterQuery::newest(2)).await?.letters.len(),
        2,
        "the length of a page of two"
    );
    Ok(())
}

/// An id at two event names of one source is two events, each with a decision of its own.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn one_id_of_two_event_names_is_two_events(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let push = opened.accept("same", 0).await?;
    let other = Envelope { name: "ping".into(), ..envelope("github", "same", "{}") };
    let ping = other.key();
    let published = opened.bus.publish(other).await?;
    ensure_eq!(published, Published::Accepted, "the answer to the second event");
    for (event, act, seconds) in [(&push, "act-push", 1), (&ping, "act-ping", 2)] {
        let record = opened.ledger.decide(verdict(event, act, seconds)).await?;
        ensure_eq!(record.event.key(), *event, "the event of the record");
        ensure_eq!(record.decided, Some(at(seconds)), "the time of the decision");
        let ids: Vec<_> = record.actions.iter().map(|one| one.id.as_str()).collect();
        ensure_eq!(ids, [act], "the actions");
    }
    let found = opened.ledger.find("same").await?;
    let keys: Vec<_> = found.iter().map(|record| record.event.key()).collect();
    ensure_eq!(keys, [ping, push], "the events with this id");
    Ok(())
}

/// Events are found by their whole id, sorted by source and name, decided or not.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn events_are_found_by_id(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["same", "same-not", "sam"] {
        opened.accept(id, 0).await?;
    }
    let other = envelope("a-source", "same", "{}");
    let key = other.key();
    opened.bus.publish(other).await?;
    opened.ledger.decide(verdict(&key, "act", 1)).await?;
    let found = opened.ledger.find("same").await?;
    let found: Vec<_> =
        found.iter().map(|record| (record.event.source.as_str(), record.decided)).collect();
    ensure_eq!(found, [("a-source", Some(at(1))), ("github", None)], "the events with this id");
    ensure!(opened.ledger.find("nothing").await?.is_empty(), "an unknown id is found");
    Ok(())
}

/// The first occurrence of a key holds it until its window ends. An occurrence within the window is
/// suppressed, with the reason, and has no action.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_held_key_suppresses_until_its_window_ends(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    const WINDOW: i64 = 4 * 3600;
    let opened = OpenBackend::new(fixture).await?;
    for (id, seconds, outcome) in [
        ("a", 0, Outcome::Fired),
        ("b", 60, Outcome::Suppressed),
        ("c", WINDOW - 1, Outcome::Suppressed),
        ("d", WINDOW, Outcome::Fired),
    ] {
        let event = opened.accept(id, seconds).await?;
        let mut verdict = verdict(&event, &format!("act-{id}"), seconds);
        verdict.flow = vec![once("\"k\"", id, None)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome after {seconds} s");
        if outcome == Outcome::Suppressed {
            let reasons: Vec<_> = record.decisions.iter().map(|one| one.reason.as_str()).collect();
            let why = "`once per \"k\" within 4h` already fired at 2026-08-01T10:00:00Z for event `a`; \
                       free again at 2026-08-01T14:00:00Z";
            ensure_eq!(reasons, [why], "the reason");
            let named = record.decisions.iter().filter_map(|one| one.action.as_ref()).count();
            ensure_eq!((named, record.actions.len()), (0, 0), "the actions");
            ensure!(record.is_settled(), "a suppressed event is not settled");
        }
    }
    ensure_eq!(opened.counts().await?, (2, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// A key is held after a crash.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_key_is_held_after_a_crash(fixture: &dyn Fixture) -> Result<(), Violation> {
    for (id, outcome) in [("a", Outcome::Fired), ("b", Outcome::Suppressed)] {
        let opened = OpenBackend::new(fixture).await?;
        let event = opened.accept(id, 0).await?;
        let mut verdict = verdict(&event, id, 1);
        verdict.flow = vec![once("k", id, None)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
    }
    Ok(())
}

/// A limit lets its number through in any window, also across a crash. What is suppressed has the reason and no action.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_limit_lets_no_more_through_than_its_number(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    const WINDOW: i64 = 4 * 3600;
    let mut opened = OpenBackend::new(fixture).await?;
    for (id, seconds, outcome) in [
        ("a", 0, Outcome::Fired),
        ("b", 600, Outcome::Fired),
        ("c", WINDOW - 1, Outcome::Suppressed),
        ("d", WINDOW, Outcome::Fired),
        ("e", WINDOW + 599, Outcome::Suppressed),
        ("f", WINDOW + 600, Outcome::Fired),
    ] {
        opened = opened.crash(fixture).await?;
        let event = opened.accept(id, seconds).await?;
        let mut verdict = verdict(&event, &format!("act-{id}"), seconds);
        verdict.flow = vec![limited(id)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome after {seconds} s");
        if id == "c" {
            let reasons: Vec<_> = record.decisions.iter().map(|one| one.reason.as_str()).collect();
            let why =
                "`limit 2 per 4h` is reached: 2 of 2 within 4h; free again at 2026-08-01T14:00:00Z";
            ensure_eq!(reasons, [why], "the reason");
            ensure_eq!(record.actions.len(), 0, "the number of actions");
        }
    }
    Ok(())
}

/// The owner of a key is granted it again: a crash may repeat the question.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_owner_of_a_key_is_granted_it_again(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for (id, owner, outcome) in [
        ("a", "mine", Outcome::Fired),
        ("b", "mine", Outcome::Fired),
        ("c", "other", Outcome::Suppressed),
    ] {
        let event = opened.accept(id, 0).await?;
        let mut verdict = verdict(&event, id, 1);
        verdict.flow = vec![once("k", owner, None)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
    }
    Ok(())
}

/// Of two elements of one event with the same key, the first is granted it. Every action of the
/// other is dropped, also those that no decision names.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_first_of_two_elements_with_one_key_is_granted_it(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    let mut verdict = verdict(&event, "unused", 0);
    verdict.decisions.clear();
    verdict.actions.clear();
    for element in 0..3 {
        let id = format!("act-{element}");
        let element = Some(vec![element]);
        verdict.decisions.push(fired("s/r", element.clone(), &id));
        verdict.actions.push((id, action("s/r", element)));
    }
    // A second trigger of the suppressed element.
    let mut second = action("s/r", Some(vec![1]));
    second.ordinal = 1;
    verdict.actions.push(("act-1-second".into(), second));
    verdict.flow = vec![
        once("k", "e", Some(vec![0])),
        once("k", "e", Some(vec![1])),
        once("other", "e", Some(vec![2])),
    ];
    let record = opened.ledger.decide(verdict).await?;
    let expected = [Outcome::Fired, Outcome::Suppressed, Outcome::Fired];
    ensure_eq!(outcomes(&record), expected, "the outcomes");
    let ids: Vec<_> = record.actions.iter().map(|one| one.id.as_str()).collect();
    ensure_eq!(ids, ["act-0", "act-2"], "the actions");
    ensure_eq!(opened.counts().await?, (2, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// A claim without a fired decision claims nothing.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_decision_that_did_not_fire_claims_no_key(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    let mut unrendered = verdict(&event, "act", 0);
    unrendered.decisions = vec![rejected("s/r", None, "`name` is absent")];
    unrendered.actions.clear();
    unrendered.flow = vec![once("k", "a", None)];
    let record = opened.ledger.decide(unrendered).await?;
    ensure_eq!(outcomes(&record), [Outcome::Rejected], "the outcomes");

    let event = opened.accept("b", 0).await?;
    let mut verdict = verdict(&event, "act-b", 1);
    verdict.flow = vec![once("k", "b", None)];
    let record = opened.ledger.decide(verdict).await?;
    ensure_eq!(outcomes(&record), [Outcome::Fired], "the outcomes of the next event");
    Ok(())
}
