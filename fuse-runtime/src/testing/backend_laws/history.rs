//! The laws of the pages of events and dead letters, and of what people do about them.

use std::collections::BTreeSet;

use fuse_rules::Outcome;

use super::Fixture;
use super::support::{
    OpenBackend, Violation, at, dead, done, envelope, once, outcomes, rejected, verdict,
};
use crate::bus::Published;
use crate::event::{Envelope, EventKey, Replay};
use crate::ledger::{
    DeadLetterQuery, EventOperation, EventQuery, EventResult, LedgerError, OperationKind,
};

/// The ids of all events that a query finds, page by page.
async fn found(opened: &OpenBackend, query: EventQuery) -> Result<Vec<String>, Violation> {
    let (mut ids, mut query) = (Vec::new(), query);
    loop {
        let page = opened.ledger.events(&query).await?;
        ensure!(page.events.len() <= query.limit, "a page is longer than its limit");
        ids.extend(page.events.into_iter().map(|event| event.id));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(ids),
        }
    }
}

/// The ids of all dead letters, page by page.
async fn letters(opened: &OpenBackend, query: DeadLetterQuery) -> Result<Vec<String>, Violation> {
    let (mut ids, mut query) = (Vec::new(), query);
    loop {
        let page = opened.ledger.dead_letters(&query).await?;
        ensure!(page.letters.len() <= query.limit, "a page is longer than its limit");
        ids.extend(page.letters.into_iter().map(|letter| letter.id));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(ids),
        }
    }
}

fn operation(number: u32, letter: Option<&str>, event: &str) -> EventOperation {
    EventOperation {
        number,
        at: at(9),
        by: "ops".into(),
        letter: letter.map(str::to_owned),
        kind: OperationKind::Replayed { event: event.into(), keeps: BTreeSet::new() },
    }
}

/// Events are listed newest first, in pages of any size, by source, name, rule, result and time.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn events_are_listed_newest_first_and_filtered(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for (index, id) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        opened.accept(id, i64::try_from(index).unwrap_or_default()).await?;
    }
    let other = Envelope { name: "ping".into(), received: at(5), ..envelope("gitlab", "f", "{}") };
    opened.bus.publish(other).await?;
    let key = |id: &str| EventKey { source: "github".into(), name: "push".into(), id: id.into() };
    for id in ["a", "b"] {
        opened.ledger.decide(verdict(&key(id), id, 7)).await?;
    }
    opened.settle("a", done(8)).await?;
    opened.settle("b", dead(8)).await?;
    let mut reject = verdict(&key("c"), "c", 7);
    (reject.decisions, reject.actions) = (vec![rejected("s/other", None, "why")], Vec::new());
    opened.ledger.decide(reject).await?;
    let mut nothing = verdict(&key("d"), "d", 7);
    (nothing.decisions, nothing.actions) = (Vec::new(), Vec::new());
    opened.ledger.decide(nothing).await?;

    let opened = opened.crash(fixture).await?;
    for limit in 1..8 {
        let all = found(&opened, EventQuery::newest(limit)).await?;
        ensure_eq!(all, ["f", "e", "d", "c", "b", "a"], "all events in pages of {limit}");
    }
    let by = async |result: EventResult| {
        found(&opened, EventQuery { result: Some(result), ..EventQuery::newest(1) }).await
    };
    ensure_eq!(by(EventResult::Queued).await?, ["f", "e"], "queued");
    ensure_eq!(by(EventResult::Unmatched).await?, ["d"], "unmatched");
    ensure_eq!(by(EventResult::Fired).await?, ["b", "a"], "fired");
    ensure_eq!(by(EventResult::Rejected).await?, ["c"], "rejected");
    ensure_eq!(by(EventResult::Done).await?, ["a"], "done");
    ensure_eq!(by(EventResult::Failed).await?, ["c", "b"], "failed");
    let of = |source: &str, name: &str| EventQuery {
        source: Some(source.into()),
        name: Some(name.into()),
        ..EventQuery::newest(2)
    };
    ensure_eq!(found(&opened, of("gitlab", "ping")).await?, ["f"], "of a source and a name");
    ensure_eq!(found(&opened, of("gitlab", "push")).await?.len(), 0, "of no event");
    let ruled = EventQuery { rule: Some("s/other".into()), ..EventQuery::newest(9) };
    ensure_eq!(found(&opened, ruled).await?, ["c"], "of a rule");
    let between = EventQuery { since: Some(at(1)), until: Some(at(4)), ..EventQuery::newest(2) };
    ensure_eq!(found(&opened, between).await?, ["d", "c", "b"], "of a period");
    let never = EventQuery { since: Some(at(4)), until: Some(at(1)), ..EventQuery::newest(2) };
    ensure_eq!(found(&opened, never).await?.len(), 0, "of an empty period");
    // An event that arrives between two pages neither repeats nor hides one.
    let page = opened.ledger.events(&EventQuery::newest(2)).await?;
    opened.accept("g", 6).await?;
    let rest = EventQuery { after: page.next, ..EventQuery::newest(9) };
    ensure_eq!(found(&opened, rest).await?, ["d", "c", "b", "a"], "the pages after the first");
    let wrong = EventQuery { after: Some("x".into()), ..EventQuery::newest(2) };
    let wrong = opened.ledger.events(&wrong).await;
    ensure!(matches!(wrong, Err(LedgerError::Invalid(_))), "a wrong `after` gives {wrong:?}");
    Ok(())
}

/// A dead letter that was replayed or discarded is no longer listed, and who did it is on record. The same operation
/// again changes nothing, and no other one takes its number.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_operation_resolves_its_dead_letter_once(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    let first = operation(1, Some("a"), "a (attempt 2)");
    let early = opened.ledger.operate(&event, first.clone()).await;
    ensure!(matches!(early, Err(LedgerError::Invalid(_))), "before the decision: {early:?}");
    let mut decision = verdict(&event, "a", 1);
    decision.decisions.push(rejected("s/other", None, "why"));
    opened.ledger.decide(decision).await?;
    opened.settle("a", dead(2)).await?;
    let all = letters(&opened, DeadLetterQuery::newest(1)).await?;
    ensure_eq!(all.first().map(String::as_str), Some("a"), "the newest dead letter");
    ensure_eq!(all.len(), 2, "the number of dead letters");
    let rest: Vec<String> = all.iter().skip(1).cloned().collect();
    let start = rest.first().and_then(|id| id.get(..8)).unwrap_or_default().to_owned();
    let named = DeadLetterQuery { id: Some(start), ..DeadLetterQuery::newest(5) };
    ensure_eq!(letters(&opened, named.clone()).await?, rest, "those whose ids start so");

    let page = opened.ledger.dead_letters(&DeadLetterQuery::newest(1)).await?;
    opened.ledger.operate(&event, first.clone()).await?;
    // The letter at which a page ended need not be listed any more.
    let after = DeadLetterQuery { after: page.next, ..DeadLetterQuery::newest(1) };
    ensure_eq!(letters(&opened, after).await?, rest, "the pages after the first");
    let opened = opened.crash(fixture).await?;
    opened.ledger.operate(&event, first.clone()).await?;
    ensure_eq!(letters(&opened, DeadLetterQuery::newest(5)).await?, rest, "what is left");
    ensure_eq!(opened.counts().await?, (0, 1), "the counts");
    ensure_eq!(opened.record(&event).await?.operations, [first], "the operations on record");

    let other = opened.ledger.operate(&event, operation(1, None, "a (attempt 2)")).await;
    ensure_eq!(other, Err(LedgerError::Outdated(event.clone())), "another one with its number");
    let gap = opened.ledger.operate(&event, operation(3, None, "a (attempt 2)")).await;
    ensure_eq!(gap, Err(LedgerError::Outdated(event.clone())), "a gap");
    let discarded = OperationKind::Discarded { reason: "why".into() };
    let discard = EventOperation { kind: discarded, ..operation(2, Some("a"), "") };
    let gone = opened.ledger.operate(&event, discard).await;
    ensure_eq!(gone, Err(LedgerError::UnknownDeadLetter("a".into())), "a resolved letter");
    let never = opened.ledger.operate(&event, operation(2, Some("x"), "a (attempt 3)")).await;
    ensure_eq!(never, Err(LedgerError::UnknownDeadLetter("x".into())), "no letter");
    let nobody = EventKey { id: "x".into(), ..event.clone() };
    let unknown = opened.ledger.operate(&nobody, operation(1, None, "x (attempt 2)")).await;
    ensure_eq!(unknown, Err(LedgerError::UnknownEvent(nobody)), "an unknown event");

    // A replay is queued before it is recorded. It is recorded even if another one resolved its letter meanwhile, and
    // once under whatever number.
    opened.ledger.operate(&event, operation(2, Some("a"), "a (attempt 3)")).await?;
    opened.ledger.operate(&event, operation(3, Some("a"), "a (attempt 3)")).await?;
    ensure_eq!(opened.record(&event).await?.operations.len(), 2, "the number of replays");

    // An operation on the whole event is about all of its dead letters, but for those that it keeps.
    let mut kept = operation(3, None, "a (attempt 4)");
    kept.kind = OperationKind::Replayed {
        event: "a (attempt 4)".into(),
        keeps: rest.iter().cloned().collect(),
    };
    opened.ledger.operate(&event, kept).await?;
    ensure_eq!(letters(&opened, named.clone()).await?, rest, "the letters that it keeps");
    opened.ledger.operate(&event, operation(4, None, "a (attempt 5)")).await?;
    ensure_eq!(letters(&opened, named).await?.len(), 0, "the letters of the event");
    ensure_eq!(opened.counts().await?, (0, 0), "the counts at the end");
    ensure_eq!(opened.record(&event).await?.operations.len(), 4, "the number of operations");
    Ok(())
}

/// A replay is an event of its own that is accepted once, is found as it was published, and is decided and pruned as
/// any other.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_replay_is_an_event_that_is_accepted_once(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    opened.decided("a", 0).await?;
    let replay = Replay {
        of: "a".into(),
        received: at(0),
        attempt: 2,
        from: "a".into(),
        by: "ops".into(),
        letter: Some("a".into()),
        keeps: ["b".into()].into(),
        scope: None,
        ignore_once: true,
    };
    let id = Replay::attempt_id("a", 2);
    let event = Envelope { replay: Some(replay), received: at(5), ..envelope("github", &id, "{}") };
    ensure_eq!(opened.bus.publish(event.clone()).await?, Published::Accepted, "the first time");
    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.bus.publish(event.clone()).await?, Published::Known, "the second time");
    ensure_eq!(opened.record(&event.key()).await?.event, event, "the replay on record");
    let decided = opened.ledger.decide(verdict(&event.key(), "b", 6)).await?;
    ensure_eq!(outcomes(&decided), [Outcome::Fired], "its outcomes");
    let listed = opened.ledger.events(&EventQuery::newest(1)).await?.events;
    ensure_eq!(listed.first().and_then(|one| one.replay.clone()), event.replay, "in the list");
    Ok(())
}

/// A preview is what a decision would be, and claims nothing.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_preview_records_nothing(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    let mut asked = verdict(&event, "a", 1);
    asked.flow = vec![once("k", "a", None)];
    for _ in 0..2 {
        let shown = opened.ledger.preview(&asked).await?;
        ensure_eq!(shown.decisions, asked.decisions, "a preview of a free key");
        ensure_eq!(shown.states, [], "the states that it meets");
    }
    ensure_eq!(opened.record(&event).await?.decided, None, "the decision");
    opened.ledger.decide(asked).await?;
    let mut repeated = verdict(&EventKey { id: "b".into(), ..event }, "b", 2);
    repeated.flow = vec![once("k", "b", None)];
    let shown = opened.ledger.preview(&repeated).await?;
    let outcome = shown.decisions.first().map(|decision| decision.outcome);
    ensure_eq!(outcome, Some(Outcome::Suppressed), "a preview of a key that is held");
    let met = shown.states.first().map(|met| met.state.starts_with("fired at "));
    ensure_eq!(met, Some(true), "whether the state that it meets is told");
    Ok(())
}
