//! What people say about decisions that wait: how it is recorded. Like `waits.rs`, this module does no I/O.

use fuse_rules::Element;
use fuse_rules::flow::{Approval, EndedWait, FlowStates, FlowTime, WaitEnd};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::waits::{self, WaitRecord, due_at};
use super::{DecisionRecord, LedgerError};
use crate::event::EventKey;

/// What a person wants of a decision that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitAnswer {
    /// Its action is approved.
    Approve,
    /// Its action is declined.
    Decline,
    /// Whatever it waits for, its action is not to be performed.
    Discard,
}

impl WaitAnswer {
    /// Its word in the log, such as `approved`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Decline => "declined",
            Self::Discard => "discarded",
        }
    }
}

/// A decision that waits, in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitingDecision {
    /// The event.
    pub event: EventKey,
    /// Why it waits, for people.
    pub reason: String,
    /// The wait.
    #[serde(flatten)]
    pub record: WaitRecord,
}

/// A decision that waits, in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitSummary {
    /// Its id: that of its first action.
    pub id: String,
    /// The rule's full name.
    pub rule: String,
    /// The element that it is about, if it is about one.
    pub element: Element,
    /// The event's source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The event's id.
    pub event: String,
    /// The kinds of trigger of its actions.
    pub triggers: Vec<String>,
    /// When it is due, in the time of day. Without an answer, what waits for approval then expires.
    pub until: Timestamp,
    /// Why it waits, for people.
    pub reason: String,
    /// Whether it waits for the answer of a person.
    pub needs_approval: bool,
    /// The groups of which one may answer. Empty if everyone may who has the right `approve`.
    pub approvers: Vec<String>,
}

impl WaitingDecision {
    /// The wait with this record among the decisions about an event.
    pub(crate) fn new(
        event: EventKey,
        decisions: &[DecisionRecord],
        record: WaitRecord,
    ) -> WaitingDecision {
        let its = decisions.iter().find(|decision| record.governs(decision));
        let reason = its.map(|decision| decision.reason.clone()).unwrap_or_default();
        Self { event, reason, record }
    }

    /// The wait for a list, at this time.
    pub fn summary(&self, time: FlowTime) -> WaitSummary {
        let wait = &self.record.wait;
        let approval = wait.open_approval();
        let event = self.event.clone();
        WaitSummary {
            id: self.record.id().unwrap_or_default().to_owned(),
            rule: wait.occurrence.rule.clone(),
            element: wait.occurrence.element.clone(),
            source: event.source,
            name: event.name,
            event: event.id,
            triggers: self.record.actions.iter().map(|(_, one)| one.trigger.clone()).collect(),
            until: self.until(time),
            reason: self.reason.clone(),
            needs_approval: approval.is_some(),
            approvers: approval.map(|request| request.approvers.clone()).unwrap_or_default(),
        }
    }

    /// When it is due, in the time of day.
    pub fn until(&self, time: FlowTime) -> Timestamp {
        let until = due_at(&self.record.wait, time);
        until.checked_add(time.wall.duration_since(time.steady)).unwrap_or(until)
    }
}

/// Records an answer about the wait with this action. Returns whether it is new.
pub(crate) fn answer(
    (decisions, waits): (&mut [DecisionRecord], &mut Vec<WaitRecord>),
    states: &mut FlowStates,
    id: &str,
    (answer, approval): (WaitAnswer, &Approval),
    time: FlowTime,
) -> Result<bool, LedgerError> {
    let not_waiting = || LedgerError::NotWaiting(id.to_owned());
    let index = waits.iter().position(|one| one.id() == Some(id)).ok_or_else(not_waiting)?;
    let record = waits.get_mut(index).ok_or_else(not_waiting)?;
    if answer != WaitAnswer::Discard {
        match &record.wait.approval {
            // The answer may have been lost.
            Some(_) if answer == WaitAnswer::Approve => return Ok(false),
            Some(given) => {
                return Err(LedgerError::Approved { id: id.to_owned(), approval: given.clone() });
            }
            None if record.wait.open_approval().is_none() => {
                return Err(LedgerError::NotAsked(id.to_owned()));
            }
            // It expires as soon as it is looked at.
            None if record.wait.is_due(time) => return Err(not_waiting()),
            None => {}
        }
    }
    let (end, why) = match answer {
        WaitAnswer::Approve => {
            record.wait.approval = Some(approval.clone());
            record.wait.until = time.steady;
            let why = format!("it was approved {approval}, and is about to go on");
            let its = decisions.iter_mut().filter(|decision| record.governs(decision));
            its.for_each(|decision| decision.reason.clone_from(&why));
            return Ok(true);
        }
        WaitAnswer::Decline => (WaitEnd::Declined, approval.declined()),
        WaitAnswer::Discard => (WaitEnd::Cancelled, format!("discarded {approval}")),
    };
    states.release(&record.wait);
    let ended = EndedWait { wait: record.wait.name(), end, why };
    waits::end(decisions, waits, &ended);
    Ok(true)
}
