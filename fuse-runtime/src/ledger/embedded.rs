//! The ledger in the state folder.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::dead::{self, Dead};
use super::read::{self, ActionRow, DecidedRow, Listed, action_dead_since, assemble};
use super::{
    ActionRecord, ActionState, Attempt, Counts, DeadLetter, EventAction, EventRecord, Ledger,
    LedgerError, Observed, ObservedResult, Verdict, once, prune,
};
use crate::event::EventKey;
use crate::store::{
    ACTIONS, DEAD, DECIDED, EVENTS, HELD, RUNNING, STATUS, Store, StoreError, UNSETTLED, get_row,
    put_row,
};

/// A [`Ledger`] over a [`Store`], the same one that the bus is over: an event can be decided once
/// the bus accepted it.
#[derive(Clone, Debug)]
pub struct EmbeddedLedger {
    store: Store,
    /// Why records could not be read, by what it says of them.
    damaged: Arc<Mutex<BTreeSet<String>>>,
}

impl EmbeddedLedger {
    /// The ledger of `store`.
    pub fn new(store: Store) -> Self {
        Self { store, damaged: Arc::default() }
    }

    /// The actions whose ids a table lists, page by page.
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
        if !damaged.is_empty() {
            let mut known = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
            for why in damaged {
                if known.len() < MAX_KNOWN_DAMAGED && known.insert(why.clone()) {
                    tracing::error!(why, "an action is not performed: its record cannot be read");
                }
            }
        }
        Ok(actions)
    }
}

/// How many damaged records are remembered and told of.
const MAX_KNOWN_DAMAGED: usize = 1000;

#[async_trait]
impl Ledger for EmbeddedLedger {
    async fn decide(&self, verdict: Verdict) -> Result<EventRecord, LedgerError> {
        self.store.write(move |transaction| decide(transaction, &verdict)).await?
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

    async fn action(&self, id: &str) -> Result<Option<EventAction>, LedgerError> {
        let id = id.to_owned();
        Ok(self.store.read(move |transaction| read::action(transaction, id)).await?)
    }

    async fn intend(&self, action: &str, attempt: Attempt) -> Result<(), LedgerError> {
        let id = action.to_owned();
        let Attempt { at, checkpoint } = attempt;
        self.store
            .write(move |transaction| {
                change(transaction, &id, |state| {
                    let checkpoint = checkpoint.clone();
                    (!state.is_settled()).then_some(ActionState::Intended { at, checkpoint })
                })
            })
            .await?
    }

    async fn hold(&self, action: &str, held: ActionState) -> Result<(), LedgerError> {
        if !held.is_set_aside() {
            let why = format!("action `{action}` cannot be set aside with a state that is not");
            return Err(LedgerError::Invalid(why));
        }
        let id = action.to_owned();
        self.store
            .write(move |transaction| {
                change(transaction, &id, |state| (!state.is_settled()).then(|| held.clone()))
            })
            .await?
    }

    async fn observe(&self, action: &str, observed: Observed) -> Result<bool, LedgerError> {
        let id = action.to_owned();
        self.store.write(move |transaction| observe(transaction, &id, &observed)).await?
    }

    async fn settle(&self, action: &str, state: ActionState) -> Result<(), LedgerError> {
        if !state.is_settled() {
            return Err(LedgerError::Invalid(format!(
                "action `{action}` can not be settled with a state that is no end"
            )));
        }
        let id = action.to_owned();
        self.store
            .write(move |transaction| {
                change(transaction, &id, |before| {
                    (!before.is_settled() || *before == state).then(|| state.clone())
                })
            })
            .await?
    }

    async fn reopen(&self, action: &str) -> Result<(), LedgerError> {
        let id = action.to_owned();
        self.store
            .write(move |transaction| {
                change(transaction, &id, |state| match state {
                    ActionState::Done { .. } => None,
                    _ => Some(ActionState::Pending),
                })
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

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, LedgerError> {
        Ok(self.store.read(move |transaction| read::dead_letters(transaction, limit)).await?)
    }

    fn damaged(&self) -> u64 {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    async fn counts(&self) -> Result<Counts, LedgerError> {
        Ok(self.store.read(read::counts).await?)
    }

    async fn prune(&self, older_than: Timestamp) -> Result<u64, LedgerError> {
        Ok(prune::prune(&self.store, older_than).await?)
    }
}

fn decide(
    transaction: &WriteTransaction,
    verdict: &Verdict,
) -> Result<Result<EventRecord, LedgerError>, StoreError> {
    let key = verdict.event.encode();
    let events = transaction.open_table(EVENTS)?;
    let statuses = transaction.open_table(STATUS)?;
    let mut all_decided = transaction.open_table(DECIDED)?;
    let mut actions = transaction.open_table(ACTIONS)?;
    let on_file = assemble(&events, &statuses, &all_decided, &actions, &key)?;
    let Some(mut record) = on_file else {
        return Ok(Err(LedgerError::UnknownEvent(verdict.event.clone())));
    };
    if record.decided.is_some() {
        return Ok(Ok(record));
    }
    // All checks come before the first write: a refusal then leaves nothing to take back.
    if let Some(problem) = contradiction(verdict, &actions)? {
        return Ok(Err(LedgerError::Invalid(problem)));
    }

    let once::Applied { decisions, actions: fired } = once::apply(transaction, verdict)?;
    let mut unsettled = transaction.open_table(UNSETTLED)?;
    for (id, action) in fired {
        let requires = verdict.requires.get(&action.rule).cloned().unwrap_or_default();
        let row = ActionRow {
            event: verdict.event.clone(),
            action,
            state: ActionState::Pending,
            requires,
            off_bus: false,
            observed: None,
        };
        put_row(&mut actions, &id, &row)?;
        unsettled.insert(id.as_str(), ())?;
        record.actions.push(ActionRecord {
            id,
            action: row.action,
            state: row.state,
            requires: row.requires,
            off_bus: false,
            observed: None,
        });
    }
    let row = DecidedRow {
        plan: verdict.plan.clone(),
        decided: verdict.decided,
        rejected: verdict.rejected.clone(),
        mismatch: verdict.mismatch.clone(),
        decisions,
        actions: record.actions.iter().map(|one| one.id.clone()).collect(),
    };
    put_row(&mut all_decided, &key, &row)?;
    let mut dead = transaction.open_table(DEAD)?;
    for letter in dead::from_the_start(&row) {
        dead.insert((row.decided.as_nanosecond(), key.as_str(), &*letter.encode()), ())?;
    }
    record.decided = Some(row.decided);
    record.plan = Some(row.plan);
    record.rejected = row.rejected;
    record.mismatch = row.mismatch;
    record.decisions = row.decisions;
    Ok(Ok(record))
}

/// What is wrong with the verdict, where something is.
fn contradiction(
    verdict: &Verdict,
    actions: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<String>, StoreError> {
    if verdict.rejected.is_some() && !verdict.actions.is_empty() {
        return Ok(Some("an event that is refused can have no actions".into()));
    }
    let mut ids = HashSet::new();
    for (id, _) in &verdict.actions {
        if id.is_empty() {
            return Ok(Some("an action has no id".into()));
        }
        if !ids.insert(id.as_str()) || actions.get(id.as_str())?.is_some() {
            return Ok(Some(format!("there are two actions with the id `{id}`")));
        }
    }
    let named = verdict.decisions.iter().filter_map(|d| d.action.as_deref());
    Ok(named
        .into_iter()
        .find(|id| !ids.contains(id))
        .map(|id| format!("a decision names the action `{id}`, which the verdict does not hold")))
}

/// Records what the object of an action came to; whether that is news. The end stays the end.
fn observe(
    transaction: &WriteTransaction,
    id: &str,
    observed: &Observed,
) -> Result<Result<bool, LedgerError>, StoreError> {
    let mut actions = transaction.open_table(ACTIONS)?;
    let Some(mut row) = get_row::<ActionRow>(&actions, id)? else {
        return Ok(Err(LedgerError::UnknownAction(id.to_owned())));
    };
    let is_news = row.observed.as_ref().is_none_or(|before| {
        let same = before.result == observed.result
            && before.phase == observed.phase
            && before.message == observed.message;
        before.result == ObservedResult::Running && !same
    });
    if !is_news {
        return Ok(Ok(false));
    }
    let mut running = transaction.open_table(RUNNING)?;
    if observed.result == ObservedResult::Running {
        running.insert(id, ())?;
    } else {
        running.remove(id)?;
    }
    row.observed = Some(observed.clone());
    put_row(&mut actions, id, &row)?;
    Ok(Ok(true))
}

/// Changes an action's state to what `next` gives; `None` where its state must stay.
fn change(
    transaction: &WriteTransaction,
    id: &str,
    next: impl Fn(&ActionState) -> Option<ActionState>,
) -> Result<Result<(), LedgerError>, StoreError> {
    let mut actions = transaction.open_table(ACTIONS)?;
    let Some(mut row) = get_row::<ActionRow>(&actions, id)? else {
        return Ok(Err(LedgerError::UnknownAction(id.to_owned())));
    };
    let Some(state) = next(&row.state) else {
        return Ok(Err(LedgerError::Settled(id.to_owned())));
    };
    let event = row.event.encode();
    let letter = Dead::Action(id).encode();
    let mut dead = transaction.open_table(DEAD)?;
    if let Some(at) = action_dead_since(&row.state) {
        dead.remove((at.as_nanosecond(), event.as_str(), &*letter))?;
    }
    if let Some(at) = action_dead_since(&state) {
        dead.insert((at.as_nanosecond(), event.as_str(), &*letter), ())?;
    }
    let mut unsettled = transaction.open_table(UNSETTLED)?;
    if state.is_settled() {
        unsettled.remove(id)?;
        transaction.open_table(HELD)?.remove(id)?;
    } else {
        unsettled.insert(id, ())?;
    }
    if state.is_set_aside() {
        transaction.open_table(HELD)?.insert(id, ())?;
        row.off_bus = true;
    }
    row.state = state;
    put_row(&mut actions, id, &row)?;
    Ok(Ok(()))
}
