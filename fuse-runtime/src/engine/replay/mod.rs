//! Replaying: decides an event or a dead letter again, with the current rules, as another event with its content.
//!
//! A replay is published like any other event, so it is decided once and each of its actions is performed once. Its id
//! has the number of the attempt, so its actions are not those of the first attempt. A replay that is interrupted
//! between publishing and recording it is completed by asking for it again: both times, it is the same event.

mod attempt;
mod report;

use self::attempt::NextAttempt;
use self::report::{MAX_DONE_BYTES, MAX_PREVIEW_BYTES, ReplayReport};
use super::{Engine, Step};
use crate::bus::{BusError, Published};
use crate::event::{Envelope, EventKey};
use crate::ledger::{
    DeadLetter, DeadLetterQuery, EventOperation, EventRecord, LedgerError, OperationKind,
};

/// How many characters of the id of a dead letter are needed.
const MIN_PREFIX: usize = 4;
/// The length of a complete id.
const ID_LENGTH: usize = 64;
/// How often the record of a replay is written while other operations take its number.
const MAX_RECORDINGS: u32 = 100;

/// What to replay.
#[derive(Clone, Debug)]
pub(crate) struct ReplayRequest {
    /// The id of an event, or the beginning of the id of a dead letter.
    pub(crate) id: String,
    /// The event's source, or its source and name, if several events have the id.
    pub(crate) source: Option<String>,
    pub(crate) ignore_once: bool,
    /// Who asks for it.
    pub(crate) by: String,
}

/// Why something cannot be replayed or discarded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(
        "no event and no dead letter has the id `{0}`; `fuse events` and `fuse dead-letters` list them"
    )]
    Unknown(String),
    #[error("several dead letters have ids that start with `{0}`; give more of the id")]
    Ambiguous(String),
    #[error("`{0}` is too short for the beginning of an id; give at least {MIN_PREFIX} characters")]
    TooShort(String),
    #[error("dead letter `{letter}` is replayed as `{replay}`, so it is not discarded")]
    Replayed { letter: String, replay: String },
    #[error("there are too many attempts at event `{0}`")]
    TooMany(String),
    #[error("deciding was interrupted: {0}")]
    Interrupted(String),
    #[error("several sources have an event `{id}`: {events}; select one with `--source`")]
    SeveralEvents { id: String, events: String },
    #[error("event `{0}` is not decided yet")]
    Undecided(String),
    #[error(
        "event `{0}` has actions that are not performed yet; wait until they are, or discard them, before all of the event is replayed"
    )]
    Unsettled(String),
    #[error(
        "event `{id}` never reached the rules, because its source rejected it: {why}; correct the source, and send the event again"
    )]
    RejectedBySource { id: String, why: String },
    #[error("nothing would be done, so nothing is replayed: {0}")]
    Nothing(String),
    #[error("the replay cannot be queued: {0}")]
    Bus(#[from] BusError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The event to replay, and the dead letter of it.
struct Target {
    record: EventRecord,
    letter: Option<DeadLetter>,
}

impl Target {
    /// Whether an event replays this: the same dead letter, or all of the event.
    fn is_replayed_by(&self, event: &Envelope) -> bool {
        let letter = event.replay.as_ref().and_then(|replay| replay.letter.as_ref());
        letter == self.letter.as_ref().map(|letter| &letter.id)
    }
}

impl Engine {
    /// What a replay would do now. Changes nothing.
    pub(crate) async fn preview_replay(
        &self,
        request: &ReplayRequest,
    ) -> Result<ReplayReport, ReplayError> {
        let target = self.target(request).await?;
        let event = match self.next_attempt(&target.record).await? {
            NextAttempt::New(attempt) => self.attempt_at(request, &target, attempt),
            NextAttempt::Interrupted(event) if target.is_replayed_by(&event) => *event,
            // It is recorded first.
            NextAttempt::Interrupted(event) => {
                let attempt = event.replay.map_or(1, |replay| replay.attempt).saturating_add(1);
                self.attempt_at(request, &target, attempt)
            }
        };
        self.report(&target, &event, MAX_PREVIEW_BYTES).await
    }

    /// Replays an event or a dead letter. Returns once the replay is durable.
    pub(crate) async fn replay(
        &self,
        request: &ReplayRequest,
    ) -> Result<ReplayReport, ReplayError> {
        let (target, mut event) = loop {
            let target = self.target(request).await?;
            let event = match self.next_attempt(&target.record).await? {
                NextAttempt::New(attempt) => {
                    let event = self.attempt_at(request, &target, attempt);
                    break (target, event);
                }
                NextAttempt::Interrupted(event) => event,
            };
            // It is queued, and only its record is missing.
            if target.is_replayed_by(&event) {
                let mut report = self.report(&target, &event, MAX_DONE_BYTES).await?;
                self.record_replay(&target.record.event.key(), &event).await?;
                report.done = true;
                return Ok(report);
            }
            self.record_replay(&target.record.event.key(), &event).await?;
        };
        let mut report = self.report(&target, &event, MAX_DONE_BYTES).await?;
        if !report.acts() {
            return Err(ReplayError::Nothing(report.why_nothing(&target)));
        }
        let key = target.record.event.key();
        if let Some(replay) = &mut event.replay {
            replay.keeps = std::mem::take(&mut report.keeps);
        }
        if self.bus.publish(event.clone()).await? != Published::Accepted {
            return Err(LedgerError::Outdated(key).into());
        }
        (self.watcher)(Step::Replayed);
        self.record_replay(&key, &event).await?;
        report.done = true;
        Ok(report)
    }

    /// Records a replay that is queued. It is performed whatever else people do about the event, so it is recorded
    /// after that.
    async fn record_replay(&self, key: &EventKey, event: &Envelope) -> Result<(), ReplayError> {
        let Some(replay) = &event.replay else { return Ok(()) };
        let at = self.clock.now();
        let mut recorded = Err(LedgerError::Outdated(key.clone()));
        for _ in 0..MAX_RECORDINGS {
            let record = self.ledger.event(key).await?;
            let record = record.ok_or_else(|| LedgerError::UnknownEvent(key.clone()))?;
            let operation = EventOperation {
                number: next_number(&record),
                at,
                by: replay.by.clone(),
                letter: replay.letter.clone(),
                kind: OperationKind::Replayed {
                    event: event.id.clone(),
                    keeps: replay.keeps.clone(),
                },
            };
            recorded = self.ledger.operate(key, operation).await;
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

    /// Discards a dead letter and removes it from the list.
    pub(crate) async fn discard_letter(
        &self,
        id: &str,
        by: &str,
        reason: &str,
    ) -> Result<DeadLetter, ReplayError> {
        if id.len() < MIN_PREFIX {
            return Err(ReplayError::TooShort(id.to_owned()));
        }
        let letter = self.letter(id, None).await?;
        let letter = letter.ok_or_else(|| LedgerError::UnknownDeadLetter(id.to_owned()))?;
        let record = self.ledger.event(&letter.event).await?;
        let mut record = record.ok_or_else(|| LedgerError::UnknownEvent(letter.event.clone()))?;
        // A replay of it may be queued although the request for that was interrupted.
        while let NextAttempt::Interrupted(event) = self.next_attempt(&record).await? {
            self.record_replay(&letter.event, &event).await?;
            let known = self.ledger.event(&letter.event).await?;
            record = known.ok_or_else(|| LedgerError::UnknownEvent(letter.event.clone()))?;
            if record.operations.iter().any(|operation| operation.is_about(&letter.id)) {
                let (letter, replay) = (letter.id, event.id);
                return Err(ReplayError::Replayed { letter, replay });
            }
        }
        let operation = EventOperation {
            number: next_number(&record),
            at: self.clock.now(),
            by: by.to_owned(),
            letter: Some(letter.id.clone()),
            kind: OperationKind::Discarded { reason: reason.to_owned() },
        };
        self.ledger.operate(&letter.event, operation).await?;
        tracing::info!(event = letter.event.id, letter = letter.id, by, "dead letter discarded");
        Ok(letter)
    }

    /// The event with the id of a request, or the dead letter whose id starts with it.
    async fn target(&self, request: &ReplayRequest) -> Result<Target, ReplayError> {
        let (id, source) = (&request.id, request.source.as_deref());
        let is_asked = |key: &EventKey| {
            source.is_none_or(|asked| *asked == key.source || *asked == key.full_name())
        };
        let mut found = self.ledger.find(id).await?;
        found.retain(|record| is_asked(&record.event.key()));
        if found.len() > 1 {
            let events: Vec<_> = found.iter().map(|one| one.event.key().full_name()).collect();
            return Err(ReplayError::SeveralEvents { id: id.clone(), events: events.join(", ") });
        }
        let target = match found.pop() {
            Some(record) => Target { record, letter: None },
            None => {
                let letter = self.letter(id, source).await?;
                let letter = letter.ok_or_else(|| ReplayError::Unknown(id.clone()))?;
                let record = self.ledger.event(&letter.event).await?;
                let record = record.ok_or_else(|| ReplayError::Unknown(id.clone()))?;
                Target { record, letter: Some(letter) }
            }
        };
        let (record, event) = (&target.record, &target.record.event);
        if let Some(why) = &event.rejected {
            let (id, why) = (event.id.clone(), why.clone());
            return Err(ReplayError::RejectedBySource { id, why });
        }
        if record.decided.is_none() {
            return Err(ReplayError::Undecided(event.id.clone()));
        }
        if target.letter.is_none() {
            self.check_settled(record).await?;
        }
        Ok(target)
    }

    /// Whether everything that an event and its replays led to is settled.
    async fn check_settled(&self, record: &EventRecord) -> Result<(), ReplayError> {
        if !record.is_settled() {
            return Err(ReplayError::Unsettled(record.event.id.clone()));
        }
        for operation in &record.operations {
            let OperationKind::Replayed { event, .. } = &operation.kind else { continue };
            let key = EventKey { id: event.clone(), ..record.event.key() };
            if self.ledger.event(&key).await?.is_some_and(|replay| !replay.is_settled()) {
                return Err(ReplayError::Unsettled(event.clone()));
            }
        }
        Ok(())
    }

    /// The dead letter whose id starts like this.
    async fn letter(
        &self,
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
            let page = self.ledger.dead_letters(&query).await?;
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
}

fn next_number(record: &EventRecord) -> u32 {
    u32::try_from(record.operations.len()).unwrap_or(u32::MAX).saturating_add(1)
}
