//! What the engine has to know of the changes that other replicas made.

use super::frame::LogChange;
use crate::change::{ChangeAnswer, StateChange};
use crate::ledger::OthersChanges;
use crate::ledger::change::{LedgerAnswer, LedgerChange};
use crate::store::StoreError;

/// What a batch of another replica changed. `answers` has one answer for each change of the state.
pub(super) fn changes(
    changes: &[LogChange],
    answers: &[Result<ChangeAnswer, StoreError>],
) -> OthersChanges {
    let mut all = OthersChanges::default();
    let of_state = changes.iter().filter_map(|change| match change {
        LogChange::State(change) => Some(change),
        _ => None,
    });
    for (change, answer) in of_state.zip(answers) {
        if let (StateChange::Ledger(change), Ok(ChangeAnswer::Ledger(answer))) = (change, answer) {
            add(&mut all, change, answer);
        }
    }
    all
}

fn add(all: &mut OthersChanges, change: &LedgerChange, answer: &LedgerAnswer) {
    match (change, answer) {
        (_, LedgerAnswer::Decided(record)) => {
            let Ok(record) = &**record else { return };
            all.waits |= !record.waits.is_empty();
            all.stops |= record.waits.iter().any(|one| one.wait.is_for_place());
            all.fuses |= !record.blown.is_empty();
        }
        (LedgerChange::Act { action, .. }, LedgerAnswer::Acted(Ok(_))) => {
            all.actions.push(action.id.clone());
            // Its places may be free.
            all.waits = true;
        }
        (change, LedgerAnswer::Reacted(Ok((_, reacted)))) => {
            if let LedgerChange::SettleAndReact { action, .. }
            | LedgerChange::ObserveAndReact { action, .. } = change
            {
                all.actions.push(action.id.clone());
            }
            all.actions.extend(reacted.actions.iter().map(|one| one.action.id.clone()));
            all.fuses |= !reacted.blown.is_empty();
            all.waits = true;
        }
        (_, LedgerAnswer::Woken(woken)) => {
            all.actions.extend(woken.actions.iter().map(|one| one.action.id.clone()));
            all.fuses |= !woken.blown.is_empty();
            all.stops = true;
        }
        (LedgerChange::SwitchFuse { .. }, _) => all.fuses = true,
        (LedgerChange::Recheck { .. }, _) | (_, LedgerAnswer::New(Ok(true))) => all.waits = true,
        _ => {}
    }
}
