//! The states of flow control, in the state folder.

use fuse_rules::flow::{FlowState, FlowStates};
use redb::{ReadableTable, WriteTransaction};

use super::{Verdict, flow};
use crate::store::{FLOW, FLOW_ENDS, StoreError, get_row, put_row};

/// The states that decide about a verdict.
pub(super) fn asked(
    transaction: &WriteTransaction,
    verdict: &Verdict,
) -> Result<FlowStates, StoreError> {
    match verdict.flow.is_empty() && verdict.cancels.is_empty() && verdict.blow.is_empty() {
        true => Ok(FlowStates::default()),
        false => states(&transaction.open_table(FLOW)?, flow::keys(verdict)),
    }
}

/// The states with these keys.
pub(super) fn states(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    keys: impl Iterator<Item = String>,
) -> Result<FlowStates, StoreError> {
    let mut states = FlowStates::default();
    for key in keys {
        let state = get_row::<FlowState>(table, &key).map_err(|error| match error {
            // Without the values of the keys, which may be secrets.
            StoreError::Damaged(_) => {
                let clause = key.split(" [").next().unwrap_or_default();
                StoreError::Damaged(format!("a state of `{clause}` is damaged"))
            }
            error => error,
        })?;
        if let Some(state) = state {
            states.insert(key, state);
        }
    }
    Ok(states)
}

/// Writes the states that changed.
pub(super) fn write_states(
    transaction: &WriteTransaction,
    before: &FlowStates,
    after: &FlowStates,
) -> Result<(), StoreError> {
    for (key, state) in after.iter() {
        let old = before.get(key);
        if old == Some(state) {
            continue;
        }
        let mut ends = transaction.open_table(FLOW_ENDS)?;
        if let Some(old) = old {
            ends.remove((old.end().as_nanosecond(), key))?;
        }
        ends.insert((state.end().as_nanosecond(), key), ())?;
        put_row(&mut transaction.open_table(FLOW)?, key, state)?;
    }
    Ok(())
}
