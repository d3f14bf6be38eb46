//! The ledger in a store: reads its tables, and has every change of them committed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use fuse_rules::flow::{Approval, FlowTime};
use jiff::Timestamp;
use redb::{ReadTransaction, TableDefinition};

use super::change::{LedgerAnswer, LedgerChange};
use super::commit::{any_revision, permitted};
use super::flow_table::{concealed_to_read, states};
use super::pages::Bounds;
use super::prune::Ending;
use super::read::{self, Listed};
use super::transition::Transition;
use super::{
    ActionState, Attempt, Counts, CurrentRules, DeadLetterPage, DeadLetterQuery, Due, EventAction,
    EventOperation, EventPage, EventQuery, EventRecord, FuseHistories, FuseSwitch, Ledger,
    LedgerError, Observed, Permit, Preview, Reacted, Sharing, StatePage, StateQuery, Thread,
    ThreadKey, Verdict, WaitAnswer, WaitingDecision, Woken, answer_table, flow, pages, preview,
    state_table, switch_table, thread_table, wake,
};
use crate::change::{Commit, wrong_answer};
use crate::event::EventKey;
use crate::store::{FLOW, HELD, RUNNING, STOPPING, Store, StoreError, UNSETTLED};

/// How many damaged records are remembered and logged.
const MAX_KNOWN_DAMAGED: usize = 1000;

/// A [`Ledger`] over the [`Store`] of a [`StoreBus`](crate::bus::StoreBus): an event can be decided once the bus accepted
/// it.
#[derive(Clone, Debug)]
pub(crate) struct StoreLedger {
    pub(super) store: Store,
    pub(super) commits: Arc<dyn Commit>,
    /// Why records could not be read. The text identifies the record.
    damaged: Arc<Mutex<BTreeSet<String>>>,
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            StoreError::Storage(problem) => Self::Storage(problem),
            other => Self::Storage(other.to_string()),
        }
    }
}

impl StoreLedger {
    pub(crate) fn new(store: Store, commits: Arc<dyn Commit>) -> Self {
        Self { store, commits, damaged: Arc::default() }
    }

    /// Corrects what a damaged record or an older fuse left behind. Call it once, before anything else.
    pub(crate) async fn correct(&self) -> Result<(), StoreError> {
        match self.store.read(wake::has_wrong_counts).await? {
            true => self.commit_done(LedgerChange::Recount).await,
            false => Ok(()),
        }
    }

    /// One page of the actions whose ids a table lists.
    async fn listed(
        &self,
        table: TableDefinition<'static, &'static str, ()>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        let after = after.map(str::to_owned);
        let read = move |transaction: &ReadTransaction| {
            read::listed(transaction, table, after.as_deref(), limit)
        };
        let Listed { actions, damaged } = self.store.read(read).await?;
        self.report_damage(damaged);
        Ok(actions)
    }

    /// Reports records that cannot be read, each once.
    fn report_damage(&self, damaged: impl IntoIterator<Item = String>) {
        let mut known = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        for why in damaged {
            if known.len() < MAX_KNOWN_DAMAGED && known.insert(why.clone()) {
                tracing::error!(why, "an action is not performed: its record cannot be read");
            }
        }
    }
}

#[async_trait]
impl Ledger for StoreLedger {
    async fn decide(&self, verdict: Verdict) -> Result<EventRecord, LedgerError> {
        let verdict = self.concealed(verdict).await?;
        let refused = Verdict::refused(&verdict);
        let decided = match self.commit(LedgerChange::Decide(verdict)).await {
            // It would never be decided, and nobody would be told.
            Err(StoreError::TooLarge(why)) => {
                self.commit(LedgerChange::Decide(Verdict { rejected: Some(why), ..refused })).await
            }
            decided => decided,
        };
        match decided? {
            LedgerAnswer::Decided(record) => *record,
            _ => Err(wrong_answer().into()),
        }
    }

    async fn event(&self, event: &EventKey) -> Result<Option<EventRecord>, LedgerError> {
        let key = event.encode();
        let read = move |transaction: &ReadTransaction| read::event(transaction, &key);
        Ok(self.store.read(read).await?)
    }

    async fn find(&self, id: &str) -> Result<Vec<EventRecord>, LedgerError> {
        let id = id.to_owned();
        Ok(self.store.read(move |transaction| read::find(transaction, &id)).await?)
    }

    async fn action(
        &self,
        event: &EventKey,
        action: &str,
    ) -> Result<Option<EventAction>, LedgerError> {
        Ok(self.find_action(action).await?.filter(|found| found.event == *event))
    }

    async fn find_action(&self, id: &str) -> Result<Option<EventAction>, LedgerError> {
        let id = id.to_owned();
        Ok(self.store.read(move |transaction| read::action(transaction, id)).await?)
    }

    async fn intend(
        &self,
        event: &EventKey,
        action: &str,
        attempt: Attempt,
    ) -> Result<Permit, LedgerError> {
        self.intend_at((event, action, None), attempt).await
    }

    async fn intend_from(&self, permit: &Permit, attempt: Attempt) -> Result<Permit, LedgerError> {
        let at = (permit.event(), permit.action(), Some(permit.revision()));
        self.intend_at(at, attempt).await
    }

    async fn hold(&self, permit: &Permit, state: ActionState) -> Result<Permit, LedgerError> {
        self.permitted(permit, Transition::Hold(state)).await
    }

    async fn settle(&self, permit: &Permit, state: ActionState) -> Result<(), LedgerError> {
        self.permitted(permit, Transition::Settle(state)).await.map(drop)
    }

    async fn thread(&self, key: &ThreadKey, now: Timestamp) -> Result<Option<Thread>, LedgerError> {
        let key = key.clone();
        let read = move |transaction: &ReadTransaction| thread_table::find(transaction, &key, now);
        Ok(self.store.read(read).await?)
    }

    async fn react(&self, verdict: Verdict) -> Result<Reacted, LedgerError> {
        let verdict = self.concealed(verdict).await?;
        Ok(self.commit_reaction(LedgerChange::React(verdict)).await?.1)
    }

    async fn settle_and_react(
        &self,
        permit: &Permit,
        state: ActionState,
        verdict: Verdict,
    ) -> Result<Reacted, LedgerError> {
        let (action, verdict) = (permitted(permit), self.concealed(verdict).await?);
        let change = LedgerChange::SettleAndReact { action, state, verdict };
        Ok(self.commit_reaction(change).await?.1)
    }

    async fn observe_and_react(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
        verdict: Verdict,
    ) -> Result<(bool, Reacted), LedgerError> {
        let (action, verdict) = (any_revision(event, action), self.concealed(verdict).await?);
        self.commit_reaction(LedgerChange::ObserveAndReact { action, observed, verdict }).await
    }

    async fn recheck(&self, rules: &BTreeSet<String>, time: FlowTime) -> Result<(), LedgerError> {
        Ok(self.commit_done(LedgerChange::Recheck { rules: rules.clone(), time }).await?)
    }

    async fn due(&self, time: FlowTime, limit: usize) -> Result<Due, LedgerError> {
        Ok(self.store.read(move |transaction| wake::due(transaction, time, limit)).await?)
    }

    async fn wake(
        &self,
        event: &EventKey,
        time: FlowTime,
        rules: &CurrentRules,
    ) -> Result<Woken, LedgerError> {
        let rules = rules.clone();
        match self.commit(LedgerChange::Wake { event: event.clone(), rules, time }).await {
            // It must not hold up the others.
            Err(StoreError::Damaged(why)) => {
                self.commit_done(LedgerChange::Forget(event.clone())).await?;
                self.report_damage([why]);
                Ok(Woken::default())
            }
            Ok(LedgerAnswer::Woken(woken)) => Ok(woken),
            Ok(_) => Err(wrong_answer().into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn finish_waking(&self, event: &EventKey) -> Result<(), LedgerError> {
        Ok(self.commit_done(LedgerChange::FinishWaking(event.clone())).await?)
    }

    async fn waiting(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<WaitingDecision>, LedgerError> {
        let after = after.map(str::to_owned);
        let read = move |transaction: &ReadTransaction| {
            answer_table::list(transaction, after.as_deref(), limit)
        };
        let (found, damaged) = self.store.read(read).await?;
        self.report_damage(damaged);
        Ok(found)
    }

    async fn find_waiting(&self, id: &str) -> Result<Option<WaitingDecision>, LedgerError> {
        let id = id.to_owned();
        Ok(self.store.read(move |transaction| answer_table::find(transaction, &id)).await?)
    }

    async fn answer(
        &self,
        id: &str,
        answer: WaitAnswer,
        by: &Approval,
        time: FlowTime,
    ) -> Result<bool, LedgerError> {
        let (id, by) = (id.to_owned(), by.clone());
        self.commit_new(LedgerChange::Answer { id, answer, by, time }).await
    }

    async fn reopen(&self, permit: &Permit) -> Result<Permit, LedgerError> {
        self.permitted(permit, Transition::Reopen).await
    }

    async fn observe(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
    ) -> Result<bool, LedgerError> {
        let action = any_revision(event, action);
        self.commit_new(LedgerChange::Observe { action, observed }).await
    }

    async fn unsettled(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.listed(UNSETTLED, after, limit).await
    }

    async fn held(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.listed(HELD, after, limit).await
    }

    async fn running(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.listed(RUNNING, after, limit).await
    }

    async fn stopping(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.listed(STOPPING, after, limit).await
    }

    async fn stopped(&self, event: &EventKey, action: &str) -> Result<(), LedgerError> {
        self.change((event, action, None), Transition::Stop).await.map(drop)
    }

    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<DeadLetterPage, LedgerError> {
        let (query, after) = (query.clone(), query.after.as_deref().map(pages::dead_cursor));
        let after = after.transpose()?;
        let read = move |transaction: &ReadTransaction| {
            pages::dead_letters(transaction, &query, after.as_ref(), Bounds::new())
        };
        Ok(self.store.read(read).await?)
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, LedgerError> {
        let (query, after) = (query.clone(), query.after.as_deref().map(pages::event_cursor));
        let after = after.transpose()?;
        let read = move |transaction: &ReadTransaction| {
            pages::events(transaction, &query, after, Bounds::new())
        };
        Ok(self.store.read(read).await?)
    }

    async fn preview(&self, verdict: &Verdict) -> Result<Preview, LedgerError> {
        let asking = verdict.clone();
        let read = move |transaction: &ReadTransaction| {
            let asking = concealed_to_read(transaction, asking)?;
            let states = states(&transaction.open_table(FLOW)?, flow::keys(&asking))?;
            // Off the async threads: it may take long.
            Ok(preview::preview(&asking, states, switch_table::read(transaction)?))
        };
        self.store.read(read).await?
    }

    async fn operate(
        &self,
        event: &EventKey,
        operation: EventOperation,
    ) -> Result<(), LedgerError> {
        match self.commit(LedgerChange::Operate { event: event.clone(), operation }).await? {
            LedgerAnswer::Operated(operated) => operated,
            _ => Err(wrong_answer().into()),
        }
    }

    async fn switch_fuse(&self, fuse: &str, switch: FuseSwitch) -> Result<(), LedgerError> {
        Ok(self.commit_done(LedgerChange::SwitchFuse { fuse: fuse.to_owned(), switch }).await?)
    }

    async fn fuse_switches(&self) -> Result<FuseHistories, LedgerError> {
        Ok(self.store.read(switch_table::read).await?)
    }

    async fn states(&self, query: &StateQuery, time: FlowTime) -> Result<StatePage, LedgerError> {
        let (query, after) = (query.clone(), query.after.as_deref().map(StateQuery::cursor));
        let after = after.transpose()?;
        let read = move |transaction: &ReadTransaction| {
            state_table::list(transaction, &query, after.as_deref(), time, Bounds::new())
        };
        Ok(self.store.read(read).await?)
    }

    async fn counts(&self) -> Result<Counts, LedgerError> {
        Ok(self.store.read(read::counts).await?)
    }

    async fn prune(&self, older_than: Timestamp) -> Result<u64, LedgerError> {
        // In batches, so that new events need not wait long.
        let before = older_than.as_nanosecond();
        let (mut events, mut after) = (0_u64, None);
        loop {
            match self.commit(LedgerChange::PruneEvents { after, before }).await? {
                LedgerAnswer::Pruned(removed, last) => {
                    events = events.saturating_add(removed);
                    // Events that stay are not read again.
                    after = last;
                }
                _ => return Err(wrong_answer().into()),
            }
            if after.is_none() {
                break;
            }
        }
        for of in Ending::ALL {
            while match self.commit(LedgerChange::PruneEnded { of, before }).await? {
                LedgerAnswer::More(more) => more,
                _ => return Err(wrong_answer().into()),
            } {}
        }
        if events > 0 {
            self.store.compact().await?;
        }
        Ok(events)
    }

    fn sharing(&self) -> Option<Sharing> {
        self.commits.sharing()
    }

    fn damaged(&self) -> u64 {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}
