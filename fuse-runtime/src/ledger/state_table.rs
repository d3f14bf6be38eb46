//! Pages of the states of flow control, from the state folder.

use std::ops::Bound;

use fuse_rules::flow::{FlowState, FlowTime, StateSubject, WaitName};
use redb::ReadTransaction;

use super::StateAction;
use super::pages::Bounds;
use super::read::{DecidedRow, action_of};
use super::state_list::{StateEntry, StatePage, StateQuery};
use crate::store::{ACTIONS, DECIDED, FLOW, FLOW_SUBJECTS, StoreError, get_row};

/// The states whose keys come after this one.
pub(super) fn list(
    transaction: &ReadTransaction,
    query: &StateQuery,
    after: Option<&str>,
    time: FlowTime,
    mut bounds: Bounds,
) -> Result<StatePage, StoreError> {
    let (states, subjects) =
        (transaction.open_table(FLOW)?, transaction.open_table(FLOW_SUBJECTS)?);
    let prefix = query.prefix();
    let first = match after {
        Some(after) if after >= prefix.as_str() => Bound::Excluded(after),
        _ => Bound::Included(prefix.as_str()),
    };
    let mut page = StatePage::default();
    let mut last = None;
    for entry in states.range::<&str>((first, Bound::Unbounded))? {
        let (key, row) = entry?;
        let key = key.value();
        if !key.starts_with(&prefix) {
            break;
        }
        if page.states.len() >= query.limit || !bounds.pass() {
            page.next = last.as_deref().map(StateQuery::next);
            break;
        }
        bounds.bytes = bounds.bytes.saturating_sub(row.value().len());
        last = Some(key.to_owned());
        let found = match get_row::<StateSubject>(&subjects, key) {
            // A state without a subject is from an older version, until its clause is asked again.
            Ok(subject) => match subject.filter(|subject| query.matches(subject)) {
                Some(subject) => {
                    get_row::<FlowState>(&states, key).map(|state| Some((subject, state)))
                }
                None => Ok(None),
            },
            Err(error) => Err(error),
        };
        match found {
            Ok(Some((subject, Some(state)))) => {
                if let Some((mut entry, names)) = StateEntry::new(&subject, &state, time) {
                    for name in &names {
                        entry.in_progress.extend(in_progress(transaction, name, &mut bounds)?);
                    }
                    page.states.push(entry);
                }
            }
            Ok(_) => {}
            Err(StoreError::Damaged(_)) => page.damaged += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

/// The actions of an occurrence that keep its place. Those that cannot be read are left out.
fn in_progress(
    transaction: &ReadTransaction,
    name: &WaitName,
    bounds: &mut Bounds,
) -> Result<Vec<StateAction>, StoreError> {
    let decided = transaction.open_table(DECIDED)?;
    bounds.spend(&decided, name.event())?;
    let row = match get_row::<DecidedRow>(&decided, name.event()) {
        Err(StoreError::Damaged(_)) => None,
        row => row?,
    };
    let actions = transaction.open_table(ACTIONS)?;
    let mut found = Vec::new();
    for id in row.into_iter().flat_map(|row| row.actions) {
        bounds.spend(&actions, &id)?;
        match action_of(&actions, id) {
            Ok(action) => found.extend(StateAction::new(name, &action)),
            Err(StoreError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
