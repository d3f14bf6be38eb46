//! Applying a verdict's once claims to the claims on file.

use std::collections::HashSet;
use std::time::Duration;

use fuse_rules::once::{Admission, Claim, admit};
use fuse_rules::{Action, Outcome};
use redb::WriteTransaction;
use serde::{Deserialize, Serialize};

use super::{DecisionRecord, OnceClaim, Verdict};
use crate::event::EventKey;
use crate::store::{ONCE, ONCE_ENDS, StoreError, get_row, put_row};

/// A claim on file, with the event that it was for, as people know events and not owners.
#[derive(Clone, Serialize, Deserialize)]
struct ClaimRow {
    claim: Claim,
    event: EventKey,
}

/// What is left of a verdict's decisions and actions.
pub(super) struct Applied {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) actions: Vec<(String, Action)>,
}

/// The verdict's decisions and actions, with what its claims were not granted suppressed.
pub(super) fn apply(
    transaction: &WriteTransaction,
    verdict: &Verdict,
) -> Result<Applied, StoreError> {
    let mut decisions = verdict.decisions.clone();
    let mut actions = verdict.actions.clone();
    let mut granted = HashSet::new();
    for claim in &verdict.once {
        let governs = |decision: &DecisionRecord| {
            decision.outcome == Outcome::Fired
                && decision.rule == claim.rule
                && decision.element == claim.element
        };
        if !decisions.iter().any(governs) {
            continue;
        }
        // The owner's own claim does not count here: these are two occurrences of one key.
        let repeated = granted.contains(claim.key.as_str());
        match file(transaction, claim, verdict, repeated)? {
            None => {
                granted.insert(claim.key.as_str());
            }
            Some(reason) => {
                for decision in decisions.iter_mut().filter(|decision| governs(decision)) {
                    decision.outcome = Outcome::Suppressed;
                    decision.reason.clone_from(&reason);
                    if let Some(id) = decision.action.take() {
                        actions.retain(|(other, _)| *other != id);
                    }
                }
                // A rule with several triggers has more actions than its decision names.
                actions.retain(|(_, action)| {
                    action.rule != claim.rule || action.element != claim.element
                });
            }
        }
    }
    Ok(Applied { decisions, actions })
}

/// Claims the key; where it is held, why the decision is suppressed.
fn file(
    transaction: &WriteTransaction,
    claim: &OnceClaim,
    verdict: &Verdict,
    repeated: bool,
) -> Result<Option<String>, StoreError> {
    let mut table = transaction.open_table(ONCE)?;
    let previous: Option<ClaimRow> = get_row(&table, &claim.key)?;
    if let Some(row) = previous.as_ref().filter(|_| repeated) {
        return Ok(Some(held(row)));
    }
    let within = Duration::from_millis(claim.within_ms);
    let on_file = previous.as_ref().map(|row| &row.claim);
    let new = match (admit(on_file, &claim.owner, verdict.decided, within), &previous) {
        (Admission::Granted(new), _) => new,
        (Admission::Held { .. }, Some(row)) => return Ok(Some(held(row))),
        // Only a claim on file can hold a key.
        (Admission::Held { .. }, None) => return Ok(None),
    };
    let mut ends = transaction.open_table(ONCE_ENDS)?;
    if let Some(old) = on_file {
        ends.remove((old.until.as_nanosecond(), claim.key.as_str()))?;
    }
    ends.insert((new.until.as_nanosecond(), claim.key.as_str()), ())?;
    let row = ClaimRow { claim: new, event: verdict.event.clone() };
    put_row(&mut table, &claim.key, &row)?;
    Ok(None)
}

fn held(row: &ClaimRow) -> String {
    format!(
        "`once per` already fired at {} for event `{}`; holds until {}",
        row.claim.since, row.event.id, row.claim.until
    )
}
