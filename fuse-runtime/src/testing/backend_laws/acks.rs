//! The laws of acknowledgements.

use std::collections::BTreeSet;

use super::Fixture;
use super::support::{OpenBackend, Violation, at, verdict};
use crate::bus::Published;
use crate::ledger::{EventOperation, OperationKind};

/// An event is known after it was acknowledged, and after a crash. A crash may undo the acknowledgement.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_acknowledged_event_stays_known(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    ensure!(!opened.record(&event).await?.acked, "an event in the queue is acknowledged");
    let delivery = opened.next().await?;
    opened.bus.ack(&delivery).await?;
    // Again, as after a lost answer.
    opened.bus.ack(&delivery).await?;
    ensure!(opened.record(&event).await?.acked, "an acknowledged event is not recorded as such");
    ensure_eq!(opened.publish("a").await?, Published::Known, "the answer to a repeat");
    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.publish("a").await?, Published::Known, "the answer after a crash");
    if !opened.record(&event).await?.acked {
        opened.ack_next().await?;
    }
    opened.silent().await?;
    ensure_eq!(opened.bus.backlog(), 0, "the backlog");
    Ok(())
}

/// If a bus can acknowledge an event together with the record that no rule matches it, the ledger shows it as decided,
/// without decisions. An event that was decided meanwhile stays in the queue, and keeps its decisions.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_event_that_no_rule_matches_is_recorded_when_it_is_acknowledged(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    let delivery = opened.next().await?;
    if !opened.bus.ack_without_decisions(&delivery, "plan-1", at(1)).await? {
        return Ok(());
    }
    let record = opened.record(&event).await?;
    ensure!(record.acked, "the event is not acknowledged");
    ensure_eq!(
        (record.decided, record.plan.as_deref()),
        (Some(at(1)), Some("plan-1")),
        "the decision"
    );
    ensure!(record.decisions.is_empty(), "there are decisions");
    ensure_eq!(opened.bus.backlog(), 0, "the backlog");
    // It has a record like any other, which people can add to.
    let operation = EventOperation {
        number: 1,
        at: at(9),
        by: "ops".into(),
        letter: None,
        kind: OperationKind::Replayed { event: "b".into(), keeps: BTreeSet::new() },
    };
    opened.ledger.operate(&event, operation.clone()).await?;
    let record = opened.record(&event).await?;
    ensure_eq!(record.operations, [operation], "the operations");
    ensure_eq!((record.decided, record.acked), (Some(at(1)), true), "the decision afterwards");

    let other = opened.accept("other", 0).await?;
    let delivery = opened.next().await?;
    opened.ledger.decide(verdict(&other, "act", 2)).await?;
    opened.bus.ack_without_decisions(&delivery, "plan-2", at(3)).await?;
    let record = opened.record(&other).await?;
    ensure_eq!((record.decided, record.acked), (Some(at(2)), false), "an event that is decided");
    ensure_eq!(opened.bus.backlog(), 1, "the backlog");
    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.next_id().await?, "other", "the event that is delivered again");
    opened.silent().await?;
    Ok(())
}

/// A delivery of an earlier process does not acknowledge another event.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_late_acknowledgement_does_not_remove_a_later_event(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    opened.publish("a").await?;
    let delivery = opened.next().await?;
    opened.bus.ack(&delivery).await?;
    let opened = opened.crash(fixture).await?;
    opened.publish("b").await?;
    // Whether the bus accepts it does not matter.
    let _refused = opened.bus.ack(&delivery).await.is_err();
    ensure_eq!(opened.bus.backlog(), 1, "the backlog");
    ensure_eq!(opened.next_id().await?, "b", "the delivered event");
    Ok(())
}
