//! What the ledger would record of a verdict now. Like `transition.rs`, this module does no I/O.

use fuse_rules::Element;
use fuse_rules::flow::{FlowStates, StateText};
use serde::{Deserialize, Serialize};

use super::transition;
use super::{DecisionRecord, FuseHistories, LedgerError, Verdict};

/// The result of [`Ledger::preview`](super::Ledger::preview).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// The decisions, after flow control.
    pub decisions: Vec<DecisionRecord>,
    /// The states that the occurrences of the verdict meet, except empty ones.
    pub states: Vec<MetState>,
}

/// The state of a clause that an occurrence meets, as it is before the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetState {
    /// The full name of the occurrence's rule.
    pub rule: String,
    /// The occurrence's element.
    pub element: Element,
    /// The clause with the values of its keys, as in `limit 3 per 1h per "web"`.
    pub clause: String,
    /// What is in it, such as `2 of 3 within 1h`.
    pub state: String,
    /// What frees it, such as `free again at 2026-08-01T14:00:00Z`.
    pub frees: String,
}

/// The preview of a verdict that meets these states and fuses.
pub(crate) fn preview(
    verdict: &Verdict,
    mut states: FlowStates,
    mut fuses: FuseHistories,
) -> Result<Preview, LedgerError> {
    let time = verdict.time();
    let mut met = Vec::new();
    for occurrence in &verdict.flow {
        met.extend(occurrence.requests.iter().filter_map(|request| {
            let text = states.describe(&occurrence.rule, request, time)?;
            let StateText { holds: state, frees, .. } = text;
            Some(MetState {
                rule: occurrence.rule.clone(),
                element: occurrence.element.clone(),
                clause: request.to_string(),
                state,
                frees,
            })
        }));
    }
    let decisions = transition::decide(verdict, &mut states, &mut fuses)?.decisions;
    Ok(Preview { decisions, states: met })
}
