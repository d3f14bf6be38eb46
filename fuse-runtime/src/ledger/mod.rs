//! The ledger: what was decided about each event, what became of each action, the states of
//! flow control, and the fuses that people switched.
//!
//! An event is decided once. [`Ledger::decide`] records the decisions *with the rendered actions*
//! before any action is fired. When the event is handled again, after a crash or a reload of the
//! rules, the engine gets that record and continues from it.

mod action_state;
mod action_table;
pub(crate) mod answer;
mod answer_table;
pub(crate) mod blow;
pub(crate) mod change;
mod commit;
pub(crate) mod conceal;
mod content;
pub(crate) mod dead;
mod decide;
mod error;
mod flow;
mod flow_table;
pub(crate) mod history;
mod operate;
pub(crate) mod operation;
mod pages;
mod permit;
mod place_table;
pub(crate) mod places;
pub(crate) mod preview;
mod prune;
mod question;
mod react;
mod read;
mod record;
pub(crate) mod sharing;
pub(crate) mod state_list;
mod state_table;
mod store_ledger;
mod switch;
mod switch_table;
mod thread;
mod thread_table;
pub(crate) mod transition;
mod verdict;
pub(crate) mod waits;
mod wake;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use async_trait::async_trait;
use fuse_rules::flow::{Approval, FlowTime};
use jiff::Timestamp;

use crate::event::EventKey;

pub use action_state::{
    ActionState, Attempt, DeadLetterKind, Observed, ObservedResult, StartedObject,
};
pub use answer::{WaitAnswer, WaitSummary, WaitingDecision};
pub use content::EventContent;
pub use error::LedgerError;
pub use history::{
    ActionCounts, DeadLetterPage, DeadLetterQuery, DeadLetterSummary, DecisionCounts,
    EventOverview, EventPage, EventQuery, EventResult, UnknownEventResult,
};
pub use operation::{EventOperation, OperationKind};
pub use permit::Permit;
pub use preview::{MetState, Preview};
pub use question::{AnsweredDecision, FlowAnswer, FlowQuestion};
pub use record::{
    ActionRecord, ActionSummary, BlowRecord, Counts, DeadLetter, DecisionRecord, EventAction,
    EventRecord, Replacement,
};
pub use sharing::{OthersChanges, Sharing, SharingStats};
pub use state_list::{StateAction, StateEntry, StatePage, StateQuery, StateSummary};
pub(crate) use store_ledger::StoreLedger;
pub use switch::{
    BlownBy, FuseHistories, FuseHistory, FuseSwitch, MAX_FUSE_SWITCHES, SwitchPosition,
};
pub use thread::{Thread, ThreadKey, ThreadMessage};
pub use verdict::{CurrentRules, Due, Reacted, Verdict, Woken};
pub use waits::WaitRecord;

/// The record of events, decisions and actions.
///
/// Every write is durable when it returns. Dropping a future may or may not complete its write, and
/// every write can safely be repeated.
///
/// An action is identified by its event and its id. Changes of its state take a [`Permit`], which
/// [`Ledger::intend`] and [`EventAction::permit`] give, and return the permit of the next change.
///
/// [`backend_laws`](crate::testing::backend_laws) checks an implementation.
///
#[doc = include_str!("example.md")]
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Records what was decided about an event in one commit, and returns the record to act on. If
    /// the event is decided already, it keeps that decision: the verdict is dropped.
    ///
    /// First, the event ends the waits of other events that it cancels; see [`Verdict::cancels`]. Then the occurrences of
    /// the verdict pass flow control in their order; see [`Verdict::flow`]. One that has to wait is in
    /// [`EventRecord::waits`], and [`Ledger::due`] lists its event when it is due.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownEvent`] for an event that was not accepted, and
    /// [`LedgerError::Invalid`] for a verdict that contradicts itself. Nothing is recorded then.
    async fn decide(&self, verdict: Verdict) -> Result<EventRecord, LedgerError>;

    /// All that is known about an event. `None` if it was never accepted, or was pruned.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage, as for the reads that follow.
    async fn event(&self, event: &EventKey) -> Result<Option<EventRecord>, LedgerError>;

    /// The events with this id, sorted by source and name: an id is unique only among the events of
    /// one source and name.
    async fn find(&self, id: &str) -> Result<Vec<EventRecord>, LedgerError>;

    /// An action of an event. `None` if there is none, or its event was pruned.
    async fn action(
        &self,
        event: &EventKey,
        action: &str,
    ) -> Result<Option<EventAction>, LedgerError>;

    /// The action with this id, for people who know nothing but the id.
    async fn find_action(&self, id: &str) -> Result<Option<EventAction>, LedgerError>;

    /// Records that an action is about to be fired, with the checkpoint of its trigger, before it is
    /// fired. Recording it again replaces the earlier attempt.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], [`LedgerError::Settled`] for an action that must not be fired
    /// any more, and [`LedgerError::Taken`] while another process fires it.
    async fn intend(
        &self,
        event: &EventKey,
        action: &str,
        attempt: Attempt,
    ) -> Result<Permit, LedgerError>;

    /// The same for an action whose record was read or changed last with this permit. If several processes share the ledger, the
    /// record must not have changed since.
    ///
    /// # Errors
    ///
    /// Those of [`Ledger::intend`], and [`LedgerError::Fenced`].
    async fn intend_from(&self, permit: &Permit, attempt: Attempt) -> Result<Permit, LedgerError> {
        self.intend(permit.event(), permit.action(), attempt).await
    }

    /// Records that an action leaves the bus: it is held until something is there or a fuse is on, or
    /// it waits for its next attempt. From then on, [`Ledger::held`] lists it until it is settled, and
    /// deliveries of its event no longer perform it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], [`LedgerError::Settled`], [`LedgerError::Fenced`], and
    /// [`LedgerError::Invalid`] for a `state` that is neither [`ActionState::Held`] nor
    /// [`ActionState::Waiting`].
    async fn hold(&self, permit: &Permit, state: ActionState) -> Result<Permit, LedgerError>;

    /// Records the terminal state of an action. Recording the same one again does nothing. If that was the last action of
    /// its occurrence that was in progress, the places of the occurrence are free, and those that wait for them are due.
    /// An action with an object ends when the object is observed in a terminal state; see [`Ledger::observe`].
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], [`LedgerError::Settled`] for an action with another terminal
    /// state, [`LedgerError::Fenced`], and [`LedgerError::Invalid`] for a `state` that is not terminal.
    async fn settle(&self, permit: &Permit, state: ActionState) -> Result<(), LedgerError>;

    /// The thread with this key, if an action that is done recorded it with its terminal state and it is remembered at
    /// this steady time.
    async fn thread(&self, key: &ThreadKey, now: Timestamp) -> Result<Option<Thread>, LedgerError>;

    /// Adds reactions to a decided event: what its rules do in response to decisions and failed actions. The verdict has
    /// their decisions and actions, which pass flow control as those of [`Ledger::decide`]. The actions leave the bus at
    /// once: they are [`ActionState::Waiting`] until the verdict's steady time. Reactions that are on record already are
    /// left out; a reaction is identified by its rule, its element, and the action to which it reacts. Returns what was
    /// added.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownEvent`], and [`LedgerError::Invalid`] for an event that is not decided and for a verdict that
    /// contradicts itself. Nothing is recorded then.
    async fn react(&self, verdict: Verdict) -> Result<Reacted, LedgerError>;

    /// Does what [`Ledger::settle`] and [`Ledger::react`] do, in one commit.
    ///
    /// # Errors
    ///
    /// Those of both. Nothing is recorded then.
    async fn settle_and_react(
        &self,
        permit: &Permit,
        state: ActionState,
        verdict: Verdict,
    ) -> Result<Reacted, LedgerError>;

    /// Does what [`Ledger::observe`] and [`Ledger::react`] do, in one commit. If the observed state is unchanged,
    /// nothing is recorded. Returns whether it changed, and what was added.
    ///
    /// # Errors
    ///
    /// Those of both. Nothing is recorded then.
    async fn observe_and_react(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
        verdict: Verdict,
    ) -> Result<(bool, Reacted), LedgerError>;

    /// Up to `limit` events with waits that are due, and those that were woken and not finished. The cost does not grow with
    /// the number of waits.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn due(&self, time: FlowTime, limit: usize) -> Result<Due, LedgerError>;

    /// Resumes the waits of an event that are due, in one commit. Their decisions become `fired` and their actions are
    /// released, or a clause of flow control holds them back, or they blow one of the fuses that their rule required, as in
    /// [`Ledger::decide`]. Calling it again changes nothing more. If the event was
    /// pruned, there is nothing to do.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn wake(
        &self,
        event: &EventKey,
        time: FlowTime,
        rules: &CurrentRules,
    ) -> Result<Woken, LedgerError>;

    /// Makes the waits of these rules due now that may not have to go on: those for a place of a limit or of `concurrency`. The caller has other
    /// rules now. The cost grows with the number of waits.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn recheck(&self, rules: &BTreeSet<String>, time: FlowTime) -> Result<(), LedgerError>;

    /// Records that the reactions to the decisions of a woken event are on record.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn finish_waking(&self, event: &EventKey) -> Result<(), LedgerError>;

    /// Up to `limit` decisions that wait and whose ids come after `after`, sorted by id. Rules in shadow are left out: nobody
    /// can say anything about them.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn waiting(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<WaitingDecision>, LedgerError>;

    /// The decision that waits with this id; see [`WaitRecord::id`].
    async fn find_waiting(&self, id: &str) -> Result<Option<WaitingDecision>, LedgerError>;

    /// Records what a person says about a decision that waits. If it is approved, it is due at once; otherwise its wait ends.
    /// After a decline, the event is woken, so that the rule can react. Returns whether that is new: approving it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotWaiting`], [`LedgerError::NotAsked`], and [`LedgerError::Approved`] for one that is declined after it
    /// was approved.
    async fn answer(
        &self,
        id: &str,
        answer: WaitAnswer,
        by: &Approval,
        time: FlowTime,
    ) -> Result<bool, LedgerError>;

    /// Makes an action pending again: after an attempt that certainly did not fire, and to replay a
    /// dead letter.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`], [`LedgerError::Settled`] for an action that is done, and
    /// [`LedgerError::Fenced`].
    async fn reopen(&self, permit: &Permit) -> Result<Permit, LedgerError>;

    /// Records the state of the object that an action created, and returns whether that is news. It is
    /// not if the same state was recorded before, or a terminal one.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`] if the object belongs to another ledger, or its event was pruned.
    async fn observe(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
    ) -> Result<bool, LedgerError>;

    /// Up to `limit` replaced actions for which [`Ledger::stopped`] was not called, with ids after `after`, sorted by id:
    /// those whose work has to stop, and those that ended because they were replaced.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn stopping(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError>;

    /// Records that the work of a replaced action was asked to stop, or that its end was noted.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownAction`].
    async fn stopped(&self, event: &EventKey, action: &str) -> Result<(), LedgerError>;

    /// Up to `limit` actions that are not settled and whose ids come after `after`, sorted by id.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn unsettled(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError>;

    /// Up to `limit` actions that left the bus and are not settled, and whose ids come after `after`,
    /// sorted by id: those that are held or wait, and those that were retried since. Their events may be
    /// acknowledged already. Actions whose records cannot be read are left out, and
    /// counted by [`Ledger::damaged`].
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn held(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError>;

    /// Up to `limit` actions whose objects were observed and are not in a terminal state, and whose ids
    /// come after `after`, sorted by id. Includes those that are in progress until their objects are observed.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn running(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError>;

    /// A page of dead letters, the newest first: actions that were given up, decisions that were rejected, and
    /// events that were refused as a whole, without those that an [`EventOperation`] replayed or discarded.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Invalid`] for an `after` that is not from an earlier page.
    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<DeadLetterPage, LedgerError>;

    /// A page of events, those that were accepted last first. Its cost does not grow with the number of events.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Invalid`] for an `after` that is not from an earlier page.
    async fn events(&self, query: &EventQuery) -> Result<EventPage, LedgerError>;

    /// What [`Ledger::decide`] would record of a verdict now, flow control included, and the states that it would meet.
    /// Records nothing, and does not need the event to be accepted.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Invalid`] for a verdict that contradicts itself.
    async fn preview(&self, verdict: &Verdict) -> Result<Preview, LedgerError>;

    /// Records what a person did about a decided event. The dead letter that it is about, or those of the whole event,
    /// are no longer listed. Recording the same operation again does nothing; a replay is the same under any number.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownEvent`], [`LedgerError::Outdated`] if the number is not the next one,
    /// [`LedgerError::UnknownDeadLetter`] for one that never was or, for a discard, is no longer listed, and
    /// [`LedgerError::Invalid`] for an event that is not decided.
    async fn operate(&self, event: &EventKey, operation: EventOperation)
    -> Result<(), LedgerError>;

    /// Records that a fuse is switched at run time, as its last change; see [`FuseHistory::record`].
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn switch_fuse(&self, fuse: &str, switch: FuseSwitch) -> Result<(), LedgerError>;

    /// The last changes of every fuse that was ever switched.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn fuse_switches(&self) -> Result<FuseHistories, LedgerError>;

    /// A page of the states of flow control that have not ended, in words, sorted by rule, limiter or fuse. Those that belong
    /// to a verdict must not contain a value that is [sensitive](fuse_rules::flow::FlowRequest::is_sensitive).
    ///
    /// # Errors
    ///
    /// [`LedgerError::Invalid`] for an `after` that is not from an earlier page.
    async fn states(&self, query: &StateQuery, time: FlowTime) -> Result<StatePage, LedgerError>;

    /// How many actions are not settled, and how many dead letters there are. The cost does not grow with their number.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage.
    async fn counts(&self) -> Result<Counts, LedgerError>;

    /// Removes the events that were received before `older_than`, are acknowledged, and have no action that is unsettled
    /// or in progress, together with their dead letters, and the states of flow control that ended by then.
    /// Returns the number of removed events. If a sender repeats a removed event, it is accepted as a new one.
    ///
    /// # Errors
    ///
    /// Only those of a closed ledger and of storage. Events that were removed before the error stay removed.
    async fn prune(&self, older_than: Timestamp) -> Result<u64, LedgerError>;

    /// What this process knows of the others that share the ledger. `None` if it is alone, as by default.
    fn sharing(&self) -> Option<Sharing> {
        None
    }

    /// How many records were found that cannot be read.
    fn damaged(&self) -> u64 {
        0
    }
}
