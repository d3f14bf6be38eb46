//! The laws of threads: [`Ledger::thread`](crate::ledger::Ledger::thread), and what the end of an action records.

use super::Fixture;
use super::support::{OpenBackend, Violation, at, attempt, done, push, verdict};
use crate::ledger::{ActionState, Thread, ThreadKey, ThreadMessage};

fn key(channel: &str) -> ThreadKey {
    ThreadKey { trigger: "slack".into(), channel: channel.into(), key: "incident 7".into() }
}

/// A thread that this message began, until so many seconds after the start.
fn thread(message: &str, until: i64) -> Thread {
    let first = ThreadMessage { channel: "C1".into(), message: message.into() };
    Thread { key: key("#ops"), first, until: at(until) }
}

/// The end of an action with the thread of its message.
fn ended(thread: Thread) -> ActionState {
    match done(2) {
        ActionState::Done { at, detail, started, response, .. } => {
            ActionState::Done { at, detail, started, response, thread: Some(Box::new(thread)) }
        }
        other => other,
    }
}

/// Settles a new action of this id with its thread.
async fn send(opened: &OpenBackend, id: &str, thread: Thread) -> Result<(), Violation> {
    let event = opened.accept(id, 0).await?;
    opened.ledger.decide(verdict(&event, id, 1)).await?;
    let permit = opened.ledger.intend(&event, id, attempt(1)).await?;
    opened.ledger.settle(&permit, ended(thread)).await?;
    Ok(())
}

/// A thread is on record from the end of its action until it is over, also after a crash, and under its own key only. An
/// end that is recorded with reactions records it as well.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_thread_is_recorded_with_the_end_of_its_action(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    ensure_eq!(opened.ledger.thread(&key("#ops"), at(1)).await?, None, "a thread nobody began");
    send(&opened, "a", thread("1.1", 100)).await?;
    let opened = opened.crash(fixture).await?;
    let found = opened.ledger.thread(&key("#ops"), at(99)).await?;
    ensure_eq!(found, Some(thread("1.1", 100)), "the thread after a crash");
    ensure_eq!(opened.ledger.thread(&key("#dev"), at(3)).await?, None, "another channel");
    ensure_eq!(opened.ledger.thread(&key("#ops"), at(100)).await?, None, "one that is over");

    let event = opened.accept("b", 0).await?;
    opened.ledger.decide(verdict(&event, "b", 1)).await?;
    let permit = opened.ledger.intend(&event, "b", attempt(1)).await?;
    let nothing = verdict(&push("b"), "none", 2);
    let nothing = crate::ledger::Verdict { decisions: Vec::new(), actions: Vec::new(), ..nothing };
    opened.ledger.settle_and_react(&permit, ended(thread("2.2", 200)), nothing).await?;
    let found = opened.ledger.thread(&key("#ops"), at(150)).await?;
    ensure_eq!(found, Some(thread("2.2", 200)), "the thread of an end with reactions");
    Ok(())
}

/// The last message that was recorded counts, and an end that is recorded again changes nothing.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_last_message_of_a_thread_replaces_the_one_on_record(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    send(&opened, "a", thread("1.1", 100)).await?;
    send(&opened, "b", thread("1.1", 50)).await?;
    ensure_eq!(opened.ledger.thread(&key("#ops"), at(60)).await?, None, "a shorter time");
    send(&opened, "c", thread("3.3", 300)).await?;
    opened.settle("a", ended(thread("1.1", 100))).await?;
    let found = opened.ledger.thread(&key("#ops"), at(3)).await?;
    ensure_eq!(found, Some(thread("3.3", 300)), "the last thread");
    Ok(())
}

/// A thread that is over is forgotten, and no other.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_thread_that_is_over_is_pruned(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    send(&opened, "a", thread("1.1", 100)).await?;
    opened.ledger.prune(at(99)).await?;
    let found = opened.ledger.thread(&key("#ops"), at(3)).await?;
    ensure_eq!(found, Some(thread("1.1", 100)), "a thread that is not over");
    opened.ledger.prune(at(100)).await?;
    ensure_eq!(opened.ledger.thread(&key("#ops"), at(3)).await?, None, "a pruned thread");
    Ok(())
}
