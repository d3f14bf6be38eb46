//! The laws of [`Ledger::decide`](crate::ledger::Ledger::decide).

use fuse_rules::Outcome;

use super::Fixture;
use super::support::{
    OpenBackend, Violation, action, at, envelope, fired, once, outcomes, push, refused, rejected,
    verdict,
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
