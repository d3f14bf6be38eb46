//! The law of `concurrency … else replace`: the oldest match in progress stops, and its place goes to the newest one.

use fuse_rules::Outcome;
use fuse_rules::flow::Overflow;

use super::Fixture;
use super::concurrency::{concurrency, started};
use super::support::{OpenBackend, Violation, at, attempt, done, held, ids, push};
use crate::ledger::{ActionState, DeadLetterKind, LedgerError, ObservedResult, Replacement};

/// One that has to stop is listed until it was told so, also across crashes. Its place is free when its work has ended. The
/// newest match waits for it, and supersedes an older one that waits. One that was not attempted yet is not performed.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_newest_match_replaces_the_oldest(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let one = || concurrency(1, Overflow::Replace, "k");
    ensure_eq!(opened.concurrent("a", 0, one()).await?, [Outcome::Fired], "the first outcome");
    opened.settle("a", started(1)).await?;
    ensure_eq!(opened.stopping().await?, [""; 0], "what has to stop before");
    ensure_eq!(opened.concurrent("b", 2, one()).await?, [Outcome::Waiting], "a newer one");
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.stopping().await?, ["a"], "what has to stop");
    let by = Replacement { by: "event `b`".into(), at: at(2), is_stopped: false };
    ensure_eq!(opened.action("a").await?.action.replaced, Some(by), "why it has to stop");
    ensure_eq!(opened.concurrent("c", 3, one()).await?, [Outcome::Waiting], "the newest one");
    let record = opened.record(&push("b")).await?;
    let found: Vec<_> = record.decisions.iter().map(|one| one.outcome).collect();
    ensure_eq!(found, [Outcome::Superseded], "the outcome of the one that waited");

    for _ in 0..2 {
        opened.ledger.stopped(&push("a"), "a").await?;
        opened = opened.crash(fixture).await?;
        ensure_eq!(opened.stopping().await?, [""; 0], "what has to stop once it was told so");
    }
    ensure_eq!(opened.ready(4).await?, [""; 0], "what is due before it has ended");
    opened.observed_as("a", ObservedResult::Failed, "Failed").await?;
    ensure_eq!(opened.release(5).await?, ["c"], "what is released when it has ended");

    // It was not attempted yet, so it ends at once.
    ensure_eq!(opened.concurrent("d", 6, one()).await?, [Outcome::Waiting], "one more");
    let state = opened.action("c").await?.action.state;
    let is_replaced =
        matches!(&state, ActionState::DeadLettered { kind: DeadLetterKind::Replaced, .. });
    ensure!(is_replaced, "one that was not attempted is {state:?}");
    let late = opened.ledger.intend(&push("c"), "c", attempt(7)).await;
    ensure!(matches!(late, Err(LedgerError::Settled(_))), "it is attempted all the same: {late:?}");
    ensure_eq!(opened.ledger.counts().await?.dead_letters, 0, "the number of dead letters");
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.release(7).await?, ["d"], "what is released at once");
    // Its end has to be noted, too.
    ensure_eq!(opened.stopping().await?, ["c"], "what ended because it was replaced");
    opened.ledger.stopped(&push("c"), "c").await?;
    ensure_eq!(opened.stopping().await?, [""; 0], "what ended once that was noted");

    // One that is about to be attempted may start its work, and has to stop then.
    let permit = opened.ledger.intend(&push("d"), "d", attempt(8)).await?;
    ensure_eq!(opened.concurrent("e", 9, one()).await?, [Outcome::Waiting], "the last one");
    ensure_eq!(opened.stopping().await?, [""; 0], "what has to stop while it is attempted");
    opened.ledger.settle(&permit, started(10)).await?;
    ensure_eq!(opened.stopping().await?, ["d"], "what has to stop when it began");
    opened.observed_as("d", ObservedResult::Gone, "").await?;
    ensure_eq!(opened.stopping().await?, [""; 0], "what has to stop when it is gone");
    ensure_eq!(opened.release(11).await?, ["e"], "what is released in the end");

    // One whose attempt fails after it was replaced is not attempted again.
    let permit = opened.ledger.intend(&push("e"), "e", attempt(12)).await?;
    ensure_eq!(opened.concurrent("f", 13, one()).await?, [Outcome::Waiting], "one after it");
    opened.ledger.hold(&permit, held(None)).await?;
    ensure!(opened.action("e").await?.action.state.is_replaced(), "it is held all the same");
    ensure_eq!(opened.release(14).await?, ["f"], "what is released instead");
    let permit = opened.ledger.intend(&push("f"), "f", attempt(15)).await?;
    ensure_eq!(opened.concurrent("g", 16, one()).await?, [Outcome::Waiting], "the next one");
    opened.ledger.reopen(&permit).await?;
    ensure!(opened.action("f").await?.action.state.is_replaced(), "it is pending all the same");
    ensure_eq!(opened.release(17).await?, ["g"], "what is released after that");
    // An attempt with an unknown result has to be looked at.
    let permit = opened.ledger.intend(&push("g"), "g", attempt(18)).await?;
    ensure_eq!(opened.concurrent("h", 19, one()).await?, [Outcome::Waiting], "the very last one");
    opened.ledger.hold(&permit, held(Some(attempt(18)))).await?;
    ensure!(!opened.action("g").await?.action.state.is_replaced(), "its attempt is forgotten");
    opened.settle("g", done(20)).await?;
    ensure_eq!(opened.release(21).await?, ["h"], "what is released in the very end");
    let unknown = opened.ledger.stopped(&push("z"), "z").await;
    ensure!(
        matches!(unknown, Err(LedgerError::UnknownAction(_))),
        "an unknown action: {unknown:?}"
    );
    Ok(())
}

impl OpenBackend {
    async fn stopping(&self) -> Result<Vec<String>, Violation> {
        Ok(ids(&self.ledger.stopping(None, 9).await?).into_iter().map(str::to_owned).collect())
    }
}
