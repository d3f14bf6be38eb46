//! Applying the once claims of a verdict to the claims on record. Nothing here does I/O: the caller
//! reads the documents of the claimed keys, and writes those that changed together with the decision.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use fuse_rules::once::{Admission, Claim, admit};
use fuse_rules::{Action, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DecisionRecord, OnceClaim, Verdict};
use crate::event::EventKey;

/// The claim of one key, with its event: people know events, not owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OnceDocument {
    pub(crate) claim: Claim,
    pub(crate) event: EventKey,
}

/// The claims on record, by key.
pub(crate) type OnceDocuments = BTreeMap<String, OnceDocument>;

/// The decisions and actions of a verdict once its claims are applied.
pub(super) struct Applied {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) actions: Vec<(String, Action)>,
}

/// Applies the claims of a verdict in their order. Decisions whose claim is not granted are suppressed,
/// and their actions dropped.
pub(super) fn resolve(verdict: &Verdict, documents: &mut OnceDocuments) -> Applied {
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
        let Some(reason) = refusal(documents, claim, verdict, repeated) else {
            granted.insert(claim.key.as_str());
            continue;
        };
        for decision in decisions.iter_mut().filter(|decision| governs(decision)) {
            decision.outcome = Outcome::Suppressed;
            decision.reason.clone_from(&reason);
            if let Some(id) = decision.action.take() {
                actions.retain(|(other, _)| *other != id);
            }
        }
        // A rule with several triggers has more actions than its decision names.
        actions.retain(|(_, action)| action.rule != claim.rule || action.element != claim.element);
    }
    Applied { decisions, actions }
}

/// Claims a key. If another claim holds it, the reason why the decision is suppressed.
fn refusal(
    documents: &mut OnceDocuments,
    claim: &OnceClaim,
    verdict: &Verdict,
    repeated: bool,
) -> Option<String> {
    let now = verdict.steady;
    if let Some(document) = documents.get_mut(&claim.key) {
        document.claim = document.claim.clone().as_of(now);
    }
    let previous = documents.get(&claim.key);
    if !repeated {
        let within = Duration::from_millis(claim.within_ms);
        let on_record = previous.map(|document| &document.claim);
        if let Admission::Granted(granted) = admit(on_record, &claim.owner, now, within) {
            let document = OnceDocument { claim: granted, event: verdict.event.clone() };
            documents.insert(claim.key.clone(), document);
            return None;
        }
    }
    // Only a claim on record can hold a key.
    previous.map(|document| suppressed(document, verdict))
}

fn suppressed(document: &OnceDocument, verdict: &Verdict) -> String {
    // Claims are recorded in the steady time, and shown in the time of day.
    let skew = verdict.decided.duration_since(verdict.steady);
    let shown = |at: Timestamp| at.checked_add(skew).unwrap_or(at);
    let (since, until) = (shown(document.claim.since), shown(document.claim.until));
    format!(
        "`once per` already fired at {since} for event `{}`; holds until {until}",
        document.event.id
    )
}
