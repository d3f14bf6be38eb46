//! How the ledger in a store has its changes committed.

use std::time::Duration;

use tokio::time::Instant;

use super::change::{ActionRef, LedgerAnswer, LedgerChange};
use super::conceal::KeySecret;
use super::flow_table;
use super::store_ledger::StoreLedger;
use super::transition::Transition;
use super::{Attempt, LedgerError, Permit, Reacted, Verdict};
use crate::change::{ChangeAnswer, StateChange, wrong_answer};
use crate::event::EventKey;
use crate::store::StoreError;

/// How long after an intent its action may be fired, if several replicas share the ledger: half of the time after which
/// another one may take it over.
const MAY_FIRE_FOR: Duration = Duration::from_secs(5);

impl StoreLedger {
    /// Records the intent to fire an action, whose record must have this revision.
    pub(super) async fn intend_at(
        &self,
        at: (&EventKey, &str, Option<u64>),
        attempt: Attempt,
    ) -> Result<Permit, LedgerError> {
        let asked = Instant::now();
        let permit = self.change(at, Transition::Intend(attempt)).await?;
        Ok(match self.commits.owner().is_some() {
            true => permit.with_deadline(asked + MAY_FIRE_FOR),
            false => permit,
        })
    }

    pub(super) async fn commit(&self, change: LedgerChange) -> Result<LedgerAnswer, StoreError> {
        let answer = self.commits.commit(StateChange::Ledger(Box::new(change)), Box::new(|_| ()));
        match answer.await? {
            ChangeAnswer::Ledger(answer) => Ok(*answer),
            ChangeAnswer::Bus(_) => Err(wrong_answer()),
        }
    }

    /// A change that gives nothing.
    pub(super) async fn commit_done(&self, change: LedgerChange) -> Result<(), StoreError> {
        match self.commit(change).await? {
            LedgerAnswer::Done => Ok(()),
            _ => Err(wrong_answer()),
        }
    }

    /// A change that may be news.
    pub(super) async fn commit_new(&self, change: LedgerChange) -> Result<bool, LedgerError> {
        match self.commit(change).await? {
            LedgerAnswer::New(is_new) => is_new,
            _ => Err(wrong_answer().into()),
        }
    }

    /// A change that adds reactions.
    pub(super) async fn commit_reaction(
        &self,
        change: LedgerChange,
    ) -> Result<(bool, Reacted), LedgerError> {
        match self.commit(change).await? {
            LedgerAnswer::Reacted(reacted) => reacted,
            _ => Err(wrong_answer().into()),
        }
    }

    /// The verdict without sensitive values, to be recorded.
    pub(super) async fn concealed(&self, verdict: Verdict) -> Result<Verdict, StoreError> {
        if !KeySecret::is_needed(&verdict) {
            return Ok(verdict);
        }
        loop {
            if let Some(secret) = self.store.read(flow_table::secret).await? {
                return Ok(secret.conceal(&verdict));
            }
            let secret = KeySecret::random().map_err(StoreError::Storage)?;
            self.commit_done(LedgerChange::SetKeySecret(secret)).await?;
        }
    }

    /// Changes the state of an action, whose record must have this revision.
    pub(super) async fn change(
        &self,
        (event, id, revision): (&EventKey, &str, Option<u64>),
        transition: Transition,
    ) -> Result<Permit, LedgerError> {
        let action = ActionRef { event: event.clone(), id: id.to_owned(), revision };
        match self.commit(LedgerChange::Act { action, transition }).await? {
            LedgerAnswer::Acted(revision) => {
                Ok(Permit::new(event.clone(), id.to_owned(), revision?))
            }
            _ => Err(wrong_answer().into()),
        }
    }

    /// Changes the state of an action with the permit to do so.
    pub(super) async fn permitted(
        &self,
        permit: &Permit,
        to: Transition,
    ) -> Result<Permit, LedgerError> {
        self.change((permit.event(), permit.action(), Some(permit.revision())), to).await
    }
}

/// The action that a permit is for.
pub(super) fn permitted(permit: &Permit) -> ActionRef {
    let (event, id) = (permit.event().clone(), permit.action().to_owned());
    ActionRef { event, id, revision: Some(permit.revision()) }
}

/// An action, whatever its revision.
pub(super) fn any_revision(event: &EventKey, id: &str) -> ActionRef {
    ActionRef { event: event.clone(), id: id.to_owned(), revision: None }
}
