//! The ledger in the state folder.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use fuse_rules::flow::{Approval, FlowTime};
use jiff::Timestamp;
use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::flow_table::{concealed_to_read, states};
use super::pages::Bounds;
use super::read::{self, Listed};
use super::transition::Transition;
use super::{
    ActionState, Attempt, Counts, CurrentRules, DeadLetterPage, DeadLetterQuery, Due, EventAction,
    EventOperation, EventPage, EventQuery, EventRecord, FuseHistories, FuseSwitch, Ledger,
    LedgerError, Observed, Permit, Preview, Reacted, StatePage, StateQuery, Thread, ThreadKey,
    Verdict, WaitAnswer, WaitingDecision, Woken, action_table, answer_table, decide, flow, operate,
    pages, preview, prune, react, state_table, switch_table, thread_table, wake,
};
use crate::event::EventKey;
use crate::store::{FLOW, HELD, RUNNING, STOPPING, Store, StoreError, UNSETTLED};

/// How many damaged records are remembered and logged.
const MAX_KNOWN_DAMAGED: usize = 1000;

/// A [`Ledger`] over the [`Store`] of the embedded bus: an event can be decided once the bus accepted
/// it.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedLedger {
    store: Store,
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

impl EmbeddedLedger {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, damaged: Arc::default() }
    }

    /// Corrects what a damaged record or an older fuse left behind. Call it once, before anything else.
    pub(crate) async fn correct(&self) -> Result<(), StoreError> {
        match self.store.read(wake::has_wrong_counts).await? {
            true => self.store.write(wake::recount).await,
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

    /// Changes the state of an action. The store belongs to one process, so that no permit expires.
    async fn change(
        &self,
        event: &EventKey,
        action: &str,
        transition: Transition,
    ) -> Result<Permit, LedgerError> {
        let permit = Permit::new(event.clone(), action.to_owned(), 0);
        let (event, action) = (event.clone(), action.to_owned());
        self.store
            .write(move |transaction| {
                action_table::change(transaction, &event, &action, &transition)
            })
            .await??;
        Ok(permit)
    }
}

#[async_trait]
impl Ledger for EmbeddedLedger {
    async fn decide(&self, verdict: Verdict) -> Result<EventRecord, LedgerError> {
        self.store.write(move |transaction| decide::decide(transaction, &verdict)).await?
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
        self.change(event, action, Transition::Intend(attempt)).await
    }

    async fn hold(&self, permit: &Permit, state: ActionState) -> Result<Permit, LedgerError> {
        self.change(permit.event(), permit.action(), Transition::Hold(state)).await
    }

    async fn settle(&self, permit: &Permit, state: ActionState) -> Result<(), LedgerError> {
        self.change(permit.event(), permit.action(), Transition::Settle(state)).await?;
        Ok(())
    }

    async fn thread(&self, key: &ThreadKey, now: Timestamp) -> Result<Option<Thread>, LedgerError> {
        let key = key.clone();
        let read = move |transaction: &ReadTransaction| thread_table::find(transaction, &key, now);
        Ok(self.store.read(read).await?)
    }

    async fn react(&self, verdict: Verdict) -> Result<Reacted, LedgerError> {
        self.store.write(move |transaction| react::react(transaction, &verdict)).await?
    }

    async fn settle_and_react(
        &self,
        permit: &Permit,
        state: ActionState,
        verdict: Verdict,
    ) -> Result<Reacted, LedgerError> {
        let (event, id) = (permit.event().clone(), permit.action().to_owned());
        let settle = Transition::Settle(state);
        let work = move |transaction: &WriteTransaction| {
            react::settle_and_react(transaction, (&event, &id), &settle, &verdict)
        };
        self.store.write(work).await?
    }

    async fn observe_and_react(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
        verdict: Verdict,
    ) -> Result<(bool, Reacted), LedgerError> {
        let (event, id) = (event.clone(), action.to_owned());
        let work = move |transaction: &WriteTransaction| {
            react::observe_and_react(transaction, (&event, &id), &observed, &verdict)
        };
        self.store.write(work).await?
    }

    async fn recheck(&self, rules: &BTreeSet<String>, time: FlowTime) -> Result<(), LedgerError> {
        let rules = rules.clone();
        Ok(self.store.write(move |transaction| wake::recheck(transaction, &rules, time)).await?)
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
        let (of, rules) = (event.clone(), rules.clone());
        let work = move |transaction: &WriteTransaction| wake::wake(transaction, &of, &rules, time);
        match self.store.write(work).await {
            // It must not hold up the others.
            Err(StoreError::Damaged(why)) => {
                let of = event.clone();
                self.store.write(move |transaction| wake::forget(transaction, &of)).await?;
                self.report_damage([why]);
                Ok(Woken::default())
            }
            woken => Ok(woken?),
        }
    }

    async fn finish_waking(&self, event: &EventKey) -> Result<(), LedgerError> {
        let event = event.clone();
        Ok(self.store.write(move |transaction| wake::finish(transaction, &event)).await?)
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
        let work = move |transaction: &WriteTransaction| {
            answer_table::answer(transaction, &id, (answer, &by), time)
        };
        self.store.write(work).await?
    }

    async fn reopen(&self, permit: &Permit) -> Result<Permit, LedgerError> {
        self.change(permit.event(), permit.action(), Transition::Reopen).await
    }

    async fn observe(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
    ) -> Result<bool, LedgerError> {
        let (event, action) = (event.clone(), action.to_owned());
        self.store
            .write(move |transaction| {
                action_table::observe(transaction, &event, &action, &observed)
            })
            .await?
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
        self.change(event, action, Transition::Stop).await.map(drop)
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
        let event = event.clone();
        self.store
            .write(move |transaction| operate::operate(transaction, &event, &operation))
            .await?
    }

    async fn switch_fuse(&self, fuse: &str, switch: FuseSwitch) -> Result<(), LedgerError> {
        let fuse = fuse.to_owned();
        let write =
            move |transaction: &WriteTransaction| switch_table::record(transaction, &fuse, &switch);
        Ok(self.store.write(write).await?)
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
        Ok(prune::prune(&self.store, older_than).await?)
    }

    fn damaged(&self) -> u64 {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}
