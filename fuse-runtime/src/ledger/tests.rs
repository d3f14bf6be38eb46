//! The laws of a ledger, on the embedded one.

mod crash;
mod decide;
mod prune;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;

use fuse_rules::{Action, Element, Outcome};

use super::{Attempt, DecisionRecord, EmbeddedLedger, OnceClaim, Verdict};
use crate::bus::{Bus, EmbeddedBus};
use crate::event::EventKey;
use crate::store::Store;
use crate::store::support::{at, envelope};

/// A bus and a ledger over one store.
struct House {
    store: Store,
    bus: Arc<EmbeddedBus>,
    ledger: EmbeddedLedger,
}

impl House {
    async fn of(store: Store) -> Self {
        Self {
            bus: Arc::new(EmbeddedBus::new(store.clone(), 100_000).await.unwrap()),
            ledger: EmbeddedLedger::new(store.clone()),
            store,
        }
    }

    async fn in_memory() -> Self {
        Self::of(Store::in_memory().unwrap()).await
    }

    /// Accepts an event received so many seconds after the start.
    async fn accept(&self, id: &str, seconds: i64) -> EventKey {
        let mut event = envelope("github", id, "{}");
        event.received = at(seconds);
        let key = event.key();
        self.bus.publish(event).await.unwrap();
        key
    }

    /// Hands the next event out and acks it.
    async fn ack_next(&self) {
        let delivery = self.bus.next().await.unwrap();
        self.bus.ack(&delivery).await.unwrap();
    }
}

/// An attempt begun so many seconds after the start.
fn attempt(seconds: i64) -> Attempt {
    Attempt { at: at(seconds), checkpoint: None }
}

fn action(rule: &str, element: Element) -> Action {
    let mut fields = serde_json::Map::new();
    fields.insert("url".into(), "https://example.com".into());
    Action { trigger: "http".into(), rule: rule.into(), element, ordinal: 0, fields }
}

fn fired(rule: &str, element: Element, id: &str) -> DecisionRecord {
    DecisionRecord {
        rule: rule.into(),
        element,
        outcome: Outcome::Fired,
        reason: "the condition is true".into(),
        action: Some(id.into()),
    }
}

fn rejected(rule: &str, element: Element, reason: &str) -> DecisionRecord {
    DecisionRecord {
        rule: rule.into(),
        element,
        outcome: Outcome::Rejected,
        reason: reason.into(),
        action: None,
    }
}

fn claim(key: &str, owner: &str, element: Element) -> OnceClaim {
    OnceClaim {
        key: key.into(),
        owner: owner.into(),
        within_ms: 4 * 3600 * 1000,
        rule: "s/r".into(),
        element,
    }
}

/// The verdict that fires the rule `s/r` as the action `id`, so many seconds after the start.
fn verdict(event: &EventKey, id: &str, seconds: i64) -> Verdict {
    Verdict {
        event: event.clone(),
        plan: "plan-1".into(),
        decided: at(seconds),
        steady: at(seconds),
        rejected: None,
        mismatch: None,
        decisions: vec![fired("s/r", None, id)],
        actions: vec![(id.into(), action("s/r", None))],
        requires: BTreeMap::new(),
        once: Vec::new(),
    }
}
