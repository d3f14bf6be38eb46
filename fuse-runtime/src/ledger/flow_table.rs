//! The states of flow control, in the state folder.

use fuse_rules::flow::{FlowState, FlowStates};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::conceal::KeySecret;
use super::{Verdict, flow};
use crate::store::{
    FLOW, FLOW_ENDS, FLOW_SUBJECTS, SECRETS, StoreError, get_row, put_row, put_row_if_changed,
};

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
        // It changes only with the rules.
        if let Some(subject) = after.subject(key) {
            put_row_if_changed(&mut transaction.open_table(FLOW_SUBJECTS)?, key, subject)?;
        }
    }
    Ok(())
}

/// The name of the secret of [`KeySecret`].
const KEY_SECRET: &str = "flow-keys";

/// The secret of sensitive keys, if there is one.
pub(super) fn secret(transaction: &ReadTransaction) -> Result<Option<KeySecret>, StoreError> {
    readable_secret(&transaction.open_table(SECRETS)?)
}

/// Sets the secret of sensitive keys, unless there is one.
pub(super) fn set_secret(
    transaction: &WriteTransaction,
    secret: &KeySecret,
) -> Result<(), StoreError> {
    let mut secrets = transaction.open_table(SECRETS)?;
    match readable_secret(&secrets)? {
        Some(_) => Ok(()),
        None => put_row(&mut secrets, KEY_SECRET, secret),
    }
}

/// A damaged secret is none: it only has to be the same as before. With another one, the states of sensitive keys start
/// from the beginning.
fn readable_secret(
    secrets: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<KeySecret>, StoreError> {
    match get_row::<KeySecret>(secrets, KEY_SECRET) {
        Err(StoreError::Damaged(_)) => Ok(None),
        row => row,
    }
}

/// A verdict without sensitive values, which is not recorded.
pub(super) fn concealed_to_read(
    transaction: &ReadTransaction,
    verdict: Verdict,
) -> Result<Verdict, StoreError> {
    if !KeySecret::is_needed(&verdict) {
        return Ok(verdict);
    }
    // Without one, there are no states of sensitive keys.
    Ok(secret(transaction)?.unwrap_or_default().conceal(&verdict))
}
