//! Applying a verdict's once claims to the claims on file.

use std::collections::HashSet;
use std::time::Duration;

use fuse_rules::once::{Admission, Claim, admit};
use fuse_rules::{Action, Outcome};
use jiff::Timestamp;
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
    let on_file: Option<ClaimRow> = get_row(&transaction.open_table(ONCE)?, &claim.key)?;
    let ends = on_file.as_ref().map(|row| row.claim.until);
    let previous = on_file.map(|row| ClaimRow { claim: row.claim.as_of(verdict.steady), ..row });
    let refused = if repeated {
        previous.as_ref()
    } else {
        let within = Duration::from_millis(claim.within_ms);
        let claimed = previous.as_ref().map(|row| &row.claim);
        match (admit(claimed, &claim.owner, verdict.steady, within), &previous) {
            (Admission::Granted(new), _) => {
                let row = ClaimRow { claim: new, event: verdict.event.clone() };
                put(transaction, &claim.key, &row, ends)?;
                return Ok(None);
            }
            (Admission::Held { .. }, previous) => previous.as_ref(),
        }
    };
    // Only a claim on file can hold a key.
    let Some(row) = refused else { return Ok(None) };
    if Some(row.claim.until) != ends {
        put(transaction, &claim.key, row, ends)?;
    }
    Ok(Some(held(row, verdict)))
}

/// Writes a claim in place of one that ends at `old`.
fn put(
    transaction: &WriteTransaction,
    key: &str,
    row: &ClaimRow,
    old: Option<Timestamp>,
) -> Result<(), StoreError> {
    let mut ends = transaction.open_table(ONCE_ENDS)?;
    if let Some(old) = old {
        ends.remove((old.as_nanosecond(), key))?;
    }
    ends.insert((row.claim.until.as_nanosecond(), key), ())?;
    put_row(&mut transaction.open_table(ONCE)?, key, row)
}

fn held(row: &ClaimRow, verdict: &Verdict) -> String {
    // Claims are kept by the steady time, and told by the time of day.
    let skew = verdict.decided.duration_since(verdict.steady);
    let told = |at: Timestamp| at.checked_add(skew).unwrap_or(at);
    let (since, until) = (told(row.claim.since), told(row.claim.until));
    format!("`once per` already fired at {since} for event `{}`; holds until {until}", row.event.id)
}
