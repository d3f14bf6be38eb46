//! What the messages of the log do to the state. Every replica applies the same messages in the same order, so that all
//! have the same state. Nothing here reads a clock or anything else that differs between replicas.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::frame::{LogBatch, LogChange};
use crate::change::{ChangeAnswer, Origin};
use crate::store::{LOG, MEMBERS, OWNERS, QUEUE, StoreError, get_row, put_row};

/// A replica that is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    /// What people call it.
    pub(super) name: String,
    /// The position at which it joined. The replica that joined first is the keeper.
    pub(super) since: u64,
    /// Its last batch.
    pub(super) batch: u64,
    /// The newest format of messages that it reads.
    pub(super) format: u32,
}

/// The replicas that are alive, by their ids.
pub(super) type Members = BTreeMap<String, Member>;

/// The keeper: the replica that joined first. It resumes decisions that wait, retries held actions, and prunes old events.
pub(super) fn keeper(members: &Members) -> Option<&str> {
    members.iter().min_by_key(|(_, member)| member.since).map(|(id, _)| id.as_str())
}

/// How much of which log was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The id of the log.
    pub(super) log: String,
    /// The last message that was applied.
    pub(super) applied: u64,
    /// When the broker stored that message, in nanoseconds since 1970: another message there has another time.
    pub(super) published: i128,
}

const POSITION: &str = "position";

/// How much of which log was applied. `None` in a state that was never shared.
pub(super) fn position(transaction: &ReadTransaction) -> Result<Option<Position>, StoreError> {
    get_row(&transaction.open_table(LOG)?, POSITION)
}

pub(super) fn set_position(
    transaction: &WriteTransaction,
    position: &Position,
) -> Result<(), StoreError> {
    put_row(&mut transaction.open_table(LOG)?, POSITION, position)
}

/// The replicas that are alive after what was applied in this transaction.
pub(super) fn members_now(transaction: &WriteTransaction) -> Result<Members, StoreError> {
    all_members(&transaction.open_table(MEMBERS)?)
}

/// The replicas that are alive.
pub(super) fn members(transaction: &ReadTransaction) -> Result<Members, StoreError> {
    all_members(&transaction.open_table(MEMBERS)?)
}

fn all_members(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Members, StoreError> {
    let mut members = Members::new();
    for entry in table.iter()? {
        let id = entry?.0.value().to_owned();
        if let Some(member) = get_row(table, &id)? {
            members.insert(id, member);
        }
    }
    Ok(members)
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Fate {
    /// It was applied. The answer to each change.
    Applied(Vec<Result<ChangeAnswer, StoreError>>),
    /// It was applied before.
    Repeated,
    /// Its replica is not, or no longer, a member: nothing was applied.
    Refused,
}

/// What a batch did.
#[derive(Debug)]
pub(super) struct AppliedBatch {
    pub(super) fate: Fate,
    /// Whether replicas joined or ended.
    pub(super) members_changed: bool,
    /// The events that got another owner, each with its sequence number.
    pub(super) moved: Vec<(u64, String)>,
}

/// Applies the message at `position`. Changes in `failed` are left out; their answers are their errors. `at` is called with
/// the index of each change before it is applied.
pub(super) fn apply(
    transaction: &WriteTransaction,
    batch: &mut LogBatch,
    position: u64,
    failed: &BTreeMap<usize, StoreError>,
    at: &impl Fn(usize),
) -> Result<AppliedBatch, StoreError> {
    let mut done = AppliedBatch { fate: Fate::Refused, members_changed: false, moved: Vec::new() };
    let replica = batch.head.replica.clone();
    if let Some(LogChange::Join { name, format, replaces }) = batch.changes.first() {
        let joins = (replica.as_str(), name.as_str(), *format);
        done.moved = join(transaction, joins, replaces.as_deref(), position)?;
        done.members_changed = true;
    }
    match count(transaction, &replica, batch.head.number)? {
        BatchNumber::New => {}
        BatchNumber::Repeated => return Ok(AppliedBatch { fate: Fate::Repeated, ..done }),
        BatchNumber::Unknown => return Ok(done),
    }
    let origin = Origin { replica: replica.clone(), position };
    let mut answers = Vec::with_capacity(batch.changes.len());
    for (index, change) in batch.changes.iter_mut().enumerate() {
        at(index);
        match (change, failed.get(&index)) {
            (LogChange::State(_), Some(problem)) => answers.push(Err(problem.clone())),
            (LogChange::State(change), None) => {
                answers.push(Ok(change.apply(transaction, Some(&origin))?));
            }
            (LogChange::Join { .. }, _) | (_, Some(_)) => {}
            (LogChange::Leave, None) => {
                done.moved.extend(end(transaction, &replica)?);
                done.members_changed = true;
            }
            (LogChange::Expire { replica: other, seen }, None) => {
                if has_batch(transaction, other, *seen)? {
                    done.moved.extend(end(transaction, other)?);
                    done.members_changed = true;
                }
            }
        }
    }
    Ok(AppliedBatch { fate: Fate::Applied(answers), ..done })
}

/// Whether a batch has to be applied.
enum BatchNumber {
    New,
    Repeated,
    Unknown,
}

/// Records the batch as the last one of its replica.
fn count(
    transaction: &WriteTransaction,
    replica: &str,
    number: u64,
) -> Result<BatchNumber, StoreError> {
    let mut members = transaction.open_table(MEMBERS)?;
    let Some(mut member) = get_row::<Member>(&members, replica)? else {
        return Ok(BatchNumber::Unknown);
    };
    if number <= member.batch {
        return Ok(BatchNumber::Repeated);
    }
    member.batch = number;
    put_row(&mut members, replica, &member)?;
    Ok(BatchNumber::New)
}

/// Whether this is the last batch of a replica that is alive.
fn has_batch(
    transaction: &WriteTransaction,
    replica: &str,
    number: u64,
) -> Result<bool, StoreError> {
    let member: Option<Member> = get_row(&transaction.open_table(MEMBERS)?, replica)?;
    Ok(member.is_some_and(|member| member.batch == number))
}

fn join(
    transaction: &WriteTransaction,
    (replica, name, format): (&str, &str, u32),
    replaces: Option<&str>,
    position: u64,
) -> Result<Vec<(u64, String)>, StoreError> {
    let mut members = transaction.open_table(MEMBERS)?;
    if members.get(replica)?.is_some() {
        return Ok(Vec::new());
    }
    if let Some(former) = replaces {
        members.remove(former)?;
    }
    let member = Member { name: name.to_owned(), since: position, batch: 0, format };
    put_row(&mut members, replica, &member)?;
    drop(members);
    move_orphans(transaction)
}

fn end(transaction: &WriteTransaction, replica: &str) -> Result<Vec<(u64, String)>, StoreError> {
    transaction.open_table(MEMBERS)?.remove(replica)?;
    move_orphans(transaction)
}

/// Gives the events whose replicas have ended to the others, in turns. Returns which events got which owner.
fn move_orphans(transaction: &WriteTransaction) -> Result<Vec<(u64, String)>, StoreError> {
    let members = all_members(&transaction.open_table(MEMBERS)?)?;
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let mut owners = transaction.open_table(OWNERS)?;
    let mut orphans = Vec::new();
    for entry in transaction.open_table(QUEUE)?.iter()? {
        let seq = entry?.0.value();
        let owner = owners.get(seq)?.map(|owner| owner.value().to_owned());
        if owner.is_none_or(|owner| !members.contains_key(&owner)) {
            orphans.push(seq);
        }
    }
    let mut moved = Vec::with_capacity(orphans.len());
    for (seq, to) in orphans.into_iter().zip(members.keys().cycle()) {
        owners.insert(seq, to.as_str())?;
        moved.push((seq, to.clone()));
    }
    Ok(moved)
}
