//! What people do about dead letters, with a ledger alone: also while nothing runs.

use jiff::Timestamp;

use super::attempt::{NextAttempt, next_attempt};
use super::{MIN_PREFIX, ReplayError};
use crate::event::{Envelope, EventKey};
use crate::ledger::{
    DeadLetter, DeadLetterQuery, EventOperation, EventRecord, Ledger, LedgerError, OperationKind,
};

/// The length of a complete id.
const ID_LENGTH: usize = 64;
/// How often the record of a replay is written while other operations take its number.
const MAX_RECORDINGS: u32 = 100;

/// Discards the dead letter whose id starts with `id`, and removes it from the list. `by` and `reason` are recorded. If
/// a replay of it is queued and its request was interrupted, the replay is recorded instead.
///
/// # Errors
/// There is no such dead letter, there are several, it is replayed, or the ledger fails.
pub async fn discard_dead_letter(
    ledger: &dyn Ledger,
    at: Timestamp,
    id: &str,
    by: &str,
    reason: &str,
) -> Result<DeadLetter, ReplayError> {
    if id.len() < MIN_PREFIX {
        return Err(ReplayError::TooShort(id.to_owned()));
    }
    let letter = letter_with(ledger, id, None).await?;
    let letter = letter.ok_or_else(|| LedgerError::UnknownDeadLetter(id.to_owned()))?;
    let record = ledger.event(&letter.event).await?;
    let mut record = record.ok_or_else(|| LedgerError::UnknownEvent(letter.event.clone()))?;
    // A replay of it may be queued although the request for that was interrupted.
    while let NextAttempt::Interrupted(event) = next_attempt(ledger, &record).await? {
        record_replay(ledger, at, &letter.event, &event).await?;
        let known = ledger.event(&letter.event).await?;
        record = known.ok_or_else(|| LedgerError::UnknownEvent(letter.event.clone()))?;
        if record.operations.iter().any(|operation| operation.is_about(&letter.id)) {
            let (letter, replay) = (letter.id, event.id);
            return Err(ReplayError::Replayed { letter, replay });
        }
    }
    let operation = EventOperation {
        number: next_number(&record),
        at,
        by: by.to_owned(),
        letter: Some(letter.id.clone()),
        kind: OperationKind::Discarded { reason: reason.to_owned() },
    };
    ledger.operate(&letter.event, operation).await?;
    tracing::info!(event = letter.event.id, letter = letter.id, by, "dead letter discarded");
    Ok(letter)
}

/// Records a replay that is queued. It is performed whatever else people do about the event, so it is recorded after
/// that.
pub(super) async fn record_replay(
    ledger: &dyn Ledger,
    at: Timestamp,
    key: &EventKey,
    event: &Envelope,
) -> Result<(), ReplayError> {
    let Some(replay) = &event.replay else { return Ok(()) };
    let mut recorded = Err(LedgerError::Outdated(key.clone()));
    for _ in 0..MAX_RECORDINGS {
        let record = ledger.event(key).await?;
        let record = record.ok_or_else(|| LedgerError::UnknownEvent(key.clone()))?;
        let operation = EventOperation {
            number: next_number(&record),
            at,
            by: replay.by.clone(),
            letter: replay.letter.clone(),
            kind: OperationKind::Replayed { event: event.id.clone(), keeps: replay.keeps.clone() },
        };
        recorded = ledger.operate(key, operation).await;
        if !matches!(recorded, Err(LedgerError::Outdated(_))) {
            break;
        }
    }
    recorded?;
    let (by, letter) = (&replay.by, replay.letter.as_deref().unwrap_or_default());
    tracing::info!(
        source = key.source,
        name = key.name,
        event = key.id,
        replay = event.id,
        letter,
        by,
        "replayed"
    );
    Ok(())
}

/// The dead letter whose id starts like this.
pub(super) async fn letter_with(
    ledger: &dyn Ledger,
    id: &str,
    source: Option<&str>,
) -> Result<Option<DeadLetter>, ReplayError> {
    if id.len() < MIN_PREFIX {
        return Ok(None);
    }
    let mut query = DeadLetterQuery { id: Some(id.to_owned()), ..DeadLetterQuery::newest(2) };
    if let Some((source, name)) = source.map(|s| s.split_once('.').unwrap_or((s, ""))) {
        query.source = Some(source.to_owned());
        query.name = (!name.is_empty()).then(|| name.to_owned());
    }
    let mut found = Vec::new();
    loop {
        let page = ledger.dead_letters(&query).await?;
        found.extend(page.letters);
        if found.len() > 1 {
            return Err(ReplayError::Ambiguous(id.to_owned()));
        }
        match page.next {
            // There are no others.
            Some(_) if id.len() == ID_LENGTH && !found.is_empty() => return Ok(found.pop()),
            Some(next) => query.after = Some(next),
            None => return Ok(found.pop()),
        }
    }
}

fn next_number(record: &EventRecord) -> u32 {
    u32::try_from(record.operations.len()).unwrap_or(u32::MAX).saturating_add(1)
}
