//! The laws of [`Ledger::prune`](crate::ledger::Ledger::prune).

use super::Fixture;
use super::support::{OpenBackend, Violation, at, dead, envelope, refused, rejected, verdict};
use crate::bus::Published;
use crate::event::Envelope;
use crate::ledger::DeadLetterQuery;

/// An event is pruned once it is old, acknowledged, and all its actions are settled.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn only_old_acknowledged_settled_events_are_pruned(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let ids = ["settled", "unsettled", "undecided", "young", "queued"];
    for (id, seconds) in ids.into_iter().zip([0, 1, 2, 100, 3]) {
        let event = opened.accept(id, seconds).await?;
        if id != "undecided" {
            opened.ledger.decide(verdict(&event, id, 5)).await?;
        }
        if !["unsettled", "undecided"].contains(&id) {
            opened.settle(id, dead(6)).await?;
        }
    }
    // All but `queued`.
    for _ in 0..4 {
        opened.ack_next().await?;
    }
    ensure_eq!(opened.ledger.prune(at(0)).await?, 0, "the number of events older than the start");
    ensure_eq!(opened.ledger.prune(at(100)).await?, 2, "the number of pruned events");
    for (id, stays) in ids.into_iter().zip([false, true, false, true, true]) {
        let found = opened.ledger.find(id).await?.len();
        ensure_eq!(found, usize::from(stays), "the number of events `{id}` that are left");
    }
    ensure_eq!(opened.counts().await?, (1, 2), "the number of unsettled actions and dead letters");

    opened.settle("unsettled", dead(7)).await?;
    opened.ack_next().await?;
    ensure_eq!(
        opened.ledger.prune(at(101)).await?,
        3,
        "the number of events that are pruned later"
    );
    ensure_eq!(opened.counts().await?, (0, 0), "the numbers after the last one is pruned");
    ensure!(
        opened.ledger.dead_letters(&DeadLetterQuery::newest(9)).await?.letters.is_empty(),
        "dead letters are left"
    );
    Ok(())
}

/// The dead letters of an event are pruned with it, of whatever kind they are, and no others.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn dead_letters_are_pruned_with_their_event(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    // The same id at two event names: each dead letter belongs to one of them.
    let push = opened.accept("e", 0).await?;
    let other = Envelope { name: "ping".into(), ..envelope("github", "e", "{}") };
    let ping = other.key();
    opened.bus.publish(other).await?;
    for event in [&push, &ping] {
        let mut partly = verdict(event, &event.name, 3);
        for element in 0..12 {
            partly.decisions.push(rejected("s/r", Some(vec![element]), "`name` is absent"));
        }
        let record = opened.ledger.decide(partly).await?;
        for action in record.actions {
            let permit = crate::ledger::EventAction { event: event.clone(), action }.permit();
            opened.ledger.settle(&permit, dead(3)).await?;
        }
    }
    let event = opened.accept("refused", 0).await?;
    opened.ledger.decide(refused(&event, 3, "no")).await?;
    ensure_eq!(opened.counts().await?, (0, 27), "the number of unsettled actions and dead letters");
    for left in [14, 1, 0] {
        opened.ack_next().await?;
        ensure_eq!(opened.ledger.prune(at(1)).await?, 1, "the number of pruned events");
        ensure_eq!(opened.counts().await?, (0, left), "the number of dead letters that are left");
    }
    Ok(())
}

/// Events that stay do not keep others from being pruned.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn pruning_skips_the_events_that_stay(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for number in 0..50 {
        opened.accept(&number.to_string(), number % 7).await?;
    }
    for _ in 0..50 {
        let delivery = opened.next().await?;
        if !delivery.event().id.ends_with('0') {
            opened.bus.ack(&delivery).await?;
        }
    }
    ensure_eq!(opened.ledger.prune(at(7)).await?, 45, "the number of pruned events");
    ensure_eq!(opened.bus.backlog(), 5, "the backlog");
    ensure_eq!(opened.ledger.prune(at(7)).await?, 0, "the number of events pruned later");
    ensure_eq!(opened.ledger.find("10").await?.len(), 1, "the number of events `10`");
    ensure_eq!(opened.ledger.find("11").await?.len(), 0, "the number of events `11`");
    Ok(())
}

/// After an event was pruned, its id is new.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_pruned_event_is_accepted_as_a_new_one(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    opened.ledger.decide(verdict(&event, "act", 1)).await?;
    let action = opened.ledger.action(&event, "act").await?;
    let permit = action.ok_or_else(|| Violation::new("the action is not recorded"))?.permit();
    opened.ledger.settle(&permit, dead(1)).await?;
    opened.ack_next().await?;
    ensure_eq!(opened.ledger.prune(at(1)).await?, 1, "the number of pruned events");
    ensure_eq!(opened.ledger.find_action("act").await?, None, "the action");
    let again = envelope("github", "a", "{\"other\":1}");
    let published = opened.bus.publish(again).await?;
    ensure_eq!(published, Published::Accepted, "the answer to the same id");
    let record = opened.ledger.decide(verdict(&event, "act", 2)).await?;
    ensure_eq!(record.decided, Some(at(2)), "the time of the decision");
    ensure_eq!(opened.next_id().await?, "a", "the delivered event");
    Ok(())
}
