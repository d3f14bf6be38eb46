//! Replaying: decides an event or a dead letter again, with the current rules, as another event with its content.
//!
//! A replay is published like any other event, so it is decided once and each of its actions is performed once. Its id
//! has the number of the attempt, so its actions are not those of the first attempt. A replay that is interrupted
//! between publishing and recording it is completed by asking for it again: both times, it is the same event.

mod attempt;
mod letters;
mod report;

use fuse_rules::ReactionKind;

use self::attempt::{NextAttempt, next_attempt};
pub use self::letters::discard_dead_letter;
use self::letters::{letter_with, record_replay};
use self::report::{MAX_DONE_BYTES, MAX_PREVIEW_BYTES, ReplayReport};
use super::{Engine, Step};
use crate::bus::{BusError, Published};
use crate::event::{Envelope, EventKey};
use crate::ledger::{DeadLetter, EventRecord, LedgerError, OperationKind};

/// How many characters of the id of a dead letter are needed.
const MIN_PREFIX: usize = 4;

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
#[non_exhaustive]
pub enum ReplayError {
    /// Nothing has this id.
    #[error(
        "no event and no dead letter has the id `{0}`; `fuse events` and `fuse dead-letters` list them"
    )]
    Unknown(String),
    /// The ids of several dead letters start like this.
    #[error("several dead letters have ids that start with `{0}`; give more of the id")]
    Ambiguous(String),
    /// The beginning of an id is too short.
    #[error("`{0}` is too short for the beginning of an id; give at least {MIN_PREFIX} characters")]
    TooShort(String),
    /// The dead letter is being replayed.
    #[error("dead letter `{letter}` is replayed as `{replay}`, so it is not discarded")]
    Replayed {
        /// The dead letter's id.
        letter: String,
        /// The id of the event that replays it.
        replay: String,
    },
    /// The dead letter is of a reaction.
    #[error(
        "dead letter `{letter}` is a reaction of `{rule}`, and reactions are not replayed; discard it"
    )]
    Reaction {
        /// The dead letter's id.
        letter: String,
        /// The rule.
        rule: String,
    },
    /// There are too many attempts at an event.
    #[error("there are too many attempts at event `{0}`")]
    TooMany(String),
    /// Deciding the event was interrupted.
    #[error("deciding was interrupted: {0}")]
    Interrupted(String),
    /// Several events have the id.
    #[error("several sources have an event `{id}`: {events}; select one with `--source`")]
    SeveralEvents {
        /// The id.
        id: String,
        /// The events' sources and names, for people.
        events: String,
    },
    /// The event is not decided yet.
    #[error("event `{0}` is not decided yet")]
    Undecided(String),
    /// Actions of the event are not performed yet.
    #[error(
        "event `{0}` has actions that are not performed yet; wait until they are, or discard them, before all of the event is replayed"
    )]
    Unsettled(String),
    /// The source rejected the event.
    #[error(
        "event `{id}` never reached the rules, because its source rejected it: {why}; correct the source, and send the event again"
    )]
    RejectedBySource {
        /// The event's id.
        id: String,
        /// Why.
        why: String,
    },
    /// The replay would do nothing.
    #[error("nothing would be done, so nothing is replayed: {0}")]
    Nothing(String),
    /// The bus does not accept the replay.
    #[error("the replay cannot be queued: {0}")]
    Bus(#[from] BusError),
    /// The ledger failed.
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
        let event = match next_attempt(self.ledger.as_ref(), &target.record).await? {
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
            let event = match next_attempt(self.ledger.as_ref(), &target.record).await? {
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

    async fn record_replay(&self, key: &EventKey, event: &Envelope) -> Result<(), ReplayError> {
        record_replay(self.ledger.as_ref(), self.clock.now(), key, event).await
    }

    /// Discards a dead letter and removes it from the list.
    pub(crate) async fn discard_letter(
        &self,
        id: &str,
        by: &str,
        reason: &str,
    ) -> Result<DeadLetter, ReplayError> {
        discard_dead_letter(self.ledger.as_ref(), self.clock.now(), id, by, reason).await
    }

    /// The event with the id of a request, or the dead letter whose id starts with it.
    async fn target(&self, request: &ReplayRequest) -> Result<Target, ReplayError> {
        let (id, source) = (&request.id, request.source.as_deref());
        let is_asked = |key: &EventKey| source.is_none_or(|source| key.is_from(source));
        let mut found = self.ledger.find(id).await?;
        found.retain(|record| is_asked(&record.event.key()));
        if found.len() > 1 {
            let events: Vec<_> = found.iter().map(|one| one.event.key().full_name()).collect();
            return Err(ReplayError::SeveralEvents { id: id.clone(), events: events.join(", ") });
        }
        let target = match found.pop() {
            Some(record) => Target { record, letter: None },
            None => {
                let letter = letter_with(self.ledger.as_ref(), id, source).await?;
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
        if let Some(letter) = &target.letter
            && let Some(rule) = letter.rule.as_deref().and_then(ReactionKind::rule_of)
        {
            let (letter, rule) = (letter.id.clone(), rule.to_owned());
            return Err(ReplayError::Reaction { letter, rule });
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
}
