//! The ledger's rows, and reading them.

use std::collections::BTreeMap;
use std::ops::Bound;

use fuse_rules::Action;
use jiff::Timestamp;
use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use super::dead::letter_id;
use super::places::PlacesInUse;
use super::transition::DeadEntry;
use super::{
    ActionRecord, ActionState, BlowRecord, Counts, DeadLetter, DeadLetterKind, DecisionRecord,
    EventAction, EventOperation, EventRecord, Observed, Replacement, WaitRecord,
};
use crate::event::{Envelope, EventKey};
use crate::store::{
    ACTIONS, DEAD, DECIDED, DUE, DUE_HOURS, EVENTS, EventStatus, IDS, STATUS, StoreError,
    UNSETTLED, WAIT_COUNTS, WithoutDecisions, decode_envelope, get_row,
};

/// The decision about an event, without its actions.
#[derive(Serialize, Deserialize)]
pub(super) struct DecidedRow {
    pub(super) plan: String,
    pub(super) decided: Timestamp,
    pub(super) rejected: Option<String>,
    #[serde(default)]
    pub(super) mismatch: Option<String>,
    pub(super) decisions: Vec<DecisionRecord>,
    /// The actions' ids.
    pub(super) actions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) operations: Vec<EventOperation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) waits: Vec<WaitRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) places: Vec<PlacesInUse>,
    /// The fuses that it blew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) blown: Vec<BlowRecord>,
}

impl From<WithoutDecisions> for DecidedRow {
    fn from(WithoutDecisions { plan, decided }: WithoutDecisions) -> Self {
        Self {
            plan,
            decided,
            rejected: None,
            mismatch: None,
            decisions: Vec::new(),
            actions: Vec::new(),
            operations: Vec::new(),
            waits: Vec::new(),
            places: Vec::new(),
            blown: Vec::new(),
        }
    }
}

/// What was decided about an event that another one affects. `None` if nothing was, or if it cannot be read: the damage is
/// reported when the event itself is due.
pub(super) fn readable_row(
    transaction: &WriteTransaction,
    key: &str,
) -> Result<Option<DecidedRow>, StoreError> {
    match get_row(&transaction.open_table(DECIDED)?, key) {
        Err(StoreError::Damaged(_)) => Ok(None),
        row => row,
    }
}

/// An action. Separate from the row of its event, because it changes more often.
#[derive(Serialize, Deserialize)]
pub(super) struct ActionRow {
    pub(super) event: EventKey,
    pub(super) action: Action,
    pub(super) state: ActionState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) requires: Vec<String>,
    #[serde(default)]
    pub(super) off_bus: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) in_progress: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaced: Option<Replacement>,
    #[serde(default)]
    pub(super) observed: Option<Observed>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) performed_by: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ActionRow {
    pub(super) fn new(event: &EventKey, record: &ActionRecord) -> Self {
        let ActionRecord {
            id: _,
            action,
            state,
            requires,
            off_bus,
            in_progress,
            replaced,
            observed,
            revision,
            performed_by,
        } = record.clone();
        let event = event.clone();
        Self {
            event,
            action,
            state,
            requires,
            off_bus,
            in_progress,
            replaced,
            observed,
            revision,
            performed_by,
        }
    }

    pub(super) fn with_id(self, id: String) -> EventAction {
        let Self {
            event,
            action,
            state,
            requires,
            off_bus,
            in_progress,
            replaced,
            observed,
            revision,
            performed_by,
        } = self;
        let action = ActionRecord {
            id,
            action,
            state,
            requires,
            off_bus,
            in_progress,
            replaced,
            observed,
            revision,
            performed_by,
        };
        EventAction { event, action }
    }
}

/// Assembles the record of an event from its rows. `envelope` decodes the row of the event.
pub(super) fn assemble<T>(
    events: &impl ReadableTable<u64, &'static [u8]>,
    statuses: &T,
    all_decided: &T,
    actions: &T,
    key: &str,
    envelope: impl FnOnce(u64, &[u8]) -> Result<Envelope, StoreError>,
) -> Result<Option<EventRecord>, StoreError>
where
    T: ReadableTable<&'static str, &'static [u8]>,
{
    assemble_counted(events, statuses, all_decided, actions, key, envelope, &mut 0)
}

/// The same. Adds to `bytes` the length of each row that is read.
pub(super) fn assemble_counted<T>(
    events: &impl ReadableTable<u64, &'static [u8]>,
    statuses: &T,
    all_decided: &T,
    actions: &T,
    key: &str,
    envelope: impl FnOnce(u64, &[u8]) -> Result<Envelope, StoreError>,
    bytes: &mut usize,
) -> Result<Option<EventRecord>, StoreError>
where
    T: ReadableTable<&'static str, &'static [u8]>,
{
    let mut count = |length: usize| *bytes = bytes.saturating_add(length);
    let Some(status) = get_row::<EventStatus>(statuses, key)? else {
        return Ok(None);
    };
    let row = events
        .get(status.seq)?
        .ok_or_else(|| StoreError::Damaged(format!("the event `{key}` is missing")))?;
    count(row.value().len());
    let mut record = EventRecord {
        acked: status.acked,
        conflicts: status.conflicts,
        last_conflict: status.last_conflict,
        ..EventRecord::undecided(envelope(status.seq, row.value())?)
    };
    if let Some(row) = all_decided.get(key)? {
        count(row.value().len());
    }
    if let Some(row) = decided_row(all_decided, key, &status)? {
        for id in row.actions {
            if let Some(row) = actions.get(id.as_str())? {
                count(row.value().len());
            }
            record.actions.push(action_of(actions, id)?.action);
        }
        record.decided = Some(row.decided);
        record.plan = Some(row.plan);
        record.rejected = row.rejected;
        record.mismatch = row.mismatch;
        record.decisions = row.decisions;
        record.operations = row.operations;
        record.waits = row.waits;
        record.blown = row.blown;
    }
    Ok(Some(record))
}

/// What was decided about an event with this status.
pub(super) fn decided_row(
    all_decided: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
    status: &EventStatus,
) -> Result<Option<DecidedRow>, StoreError> {
    let row = get_row(all_decided, key)?;
    Ok(row.or_else(|| status.nothing.clone().map(DecidedRow::from)))
}

pub(super) fn action_of(
    actions: &impl ReadableTable<&'static str, &'static [u8]>,
    id: String,
) -> Result<EventAction, StoreError> {
    let row: ActionRow = get_row(actions, &id)?
        .ok_or_else(|| StoreError::Damaged(format!("the action `{id}` is missing")))?;
    Ok(row.with_id(id))
}

pub(super) fn event(
    transaction: &ReadTransaction,
    key: &str,
) -> Result<Option<EventRecord>, StoreError> {
    assemble(
        &transaction.open_table(EVENTS)?,
        &transaction.open_table(STATUS)?,
        &transaction.open_table(DECIDED)?,
        &transaction.open_table(ACTIONS)?,
        key,
        decode_envelope,
    )
}

pub(super) fn find(
    transaction: &ReadTransaction,
    id: &str,
) -> Result<Vec<EventRecord>, StoreError> {
    let mut found = Vec::new();
    for entry in transaction.open_table(IDS)?.range::<(&str, &str, &str)>((id, "", "")..)? {
        let (place, _) = entry?;
        let (other, source, name) = place.value();
        if other != id {
            break;
        }
        let (source, name) = (source.to_owned(), name.to_owned());
        let key = EventKey { source, name, id: id.to_owned() };
        found.extend(event(transaction, &key.encode())?);
    }
    Ok(found)
}

pub(super) fn action(
    transaction: &ReadTransaction,
    id: String,
) -> Result<Option<EventAction>, StoreError> {
    let row: Option<ActionRow> = get_row(&transaction.open_table(ACTIONS)?, &id)?;
    Ok(row.map(|row| row.with_id(id)))
}

/// The actions whose ids a table lists. One that cannot be read is reported and left out, because it must
/// not prevent the others from being performed.
pub(super) fn listed(
    transaction: &ReadTransaction,
    table: TableDefinition<'static, &'static str, ()>,
    after: Option<&str>,
    limit: usize,
) -> Result<Listed, StoreError> {
    let ids = transaction.open_table(table)?;
    let actions = transaction.open_table(ACTIONS)?;
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut listed = Listed::default();
    for entry in ids.range::<&str>((from, Bound::Unbounded))? {
        let (id, _) = entry?;
        match action_of(&actions, id.value().to_owned()) {
            Ok(action) => listed.actions.push(action),
            Err(StoreError::Damaged(why)) => listed.damaged.push(why),
            Err(error) => return Err(error),
        }
        if listed.actions.len() >= limit {
            break;
        }
    }
    Ok(listed)
}

/// The actions that a table lists, and why some of them cannot be read.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) actions: Vec<EventAction>,
    pub(super) damaged: Vec<String>,
}

/// The dead letter of an action that was given up.
pub(super) fn dead_action(EventAction { event, action }: EventAction) -> Option<DeadLetter> {
    let ActionState::DeadLettered { at, kind, reason, .. } = action.state.clone() else {
        return None;
    };
    let (rule, element) = (Some(action.action.rule.clone()), action.action.element.clone());
    let id = letter_id(&event.encode(), DeadEntry::Action(&action.id));
    Some(DeadLetter { id, event, at, kind, reason, action: Some(action), rule, element })
}

/// The dead letter of a rejected decision, or of a refused event.
pub(super) fn dead_decision(
    key: &str,
    row: &DecidedRow,
    entry: DeadEntry<'_>,
) -> Option<DeadLetter> {
    let (rule, element, reason) = match entry {
        DeadEntry::Decision(index) => {
            let decision = row.decisions.get(index)?.clone();
            (Some(decision.rule), decision.element, decision.reason)
        }
        DeadEntry::Event => (None, None, row.rejected.clone()?),
        DeadEntry::Action(_) => return None,
    };
    let (at, kind) = (row.decided, DeadLetterKind::Permanent);
    let (id, event) = (letter_id(key, entry), EventKey::decode(key)?);
    Some(DeadLetter { id, event, at, kind, reason, action: None, rule, element })
}

pub(super) fn counts(transaction: &ReadTransaction) -> Result<Counts, StoreError> {
    let mut waiting_at = BTreeMap::new();
    for entry in transaction.open_table(WAIT_COUNTS)?.iter()? {
        let (word, count) = entry?;
        if count.value() > 0 {
            waiting_at.insert(word.value().to_owned(), count.value());
        }
    }
    Ok(Counts {
        unsettled: transaction.open_table(UNSETTLED)?.len()?,
        dead_letters: transaction.open_table(DEAD)?.len()?,
        waiting: transaction.open_table(DUE)?.len()? + transaction.open_table(DUE_HOURS)?.len()?,
        waiting_at,
    })
}
