//! Laws of limits at which decisions wait: what the order and the rules are when they resume.

use std::sync::Arc;

use fuse_rules::Outcome;
use fuse_rules::flow::{Flow, FlowRequest, RuleLimits};
use jiff::SignedDuration;

use super::Fixture;
use super::support::{OpenBackend, Violation, done, ids, outcomes, push};
use super::waits::{asks, request, time};
use crate::ledger::{CurrentRules, Woken};

/// The limit of this number per minute, at which others wait.
fn flow(count: u32) -> Flow {
    Flow::Limit { count, per: SignedDuration::from_mins(1), waits: true }
}

/// `limit 1 per 1m per body.k else wait`, with this key.
fn limit(key: &str) -> FlowRequest {
    request("limit per body.k", flow(1), key)
}

/// The rules, in which the limit has this number now.
fn edited(count: u32) -> CurrentRules {
    let mut limits = RuleLimits::default();
    limits.add("s/r", "limit per body.k", None, flow(count));
    CurrentRules { limits: Arc::new(limits), ..CurrentRules::default() }
}

impl OpenBackend {
    /// Decides an event that waits, or passes if its reason is empty.
    async fn queued(&self, id: &str, seconds: i64, why: &str) -> Result<(), Violation> {
        let event = self.accept(id, seconds).await?;
        let record = self.ledger.decide(asks(&event, seconds, vec![limit("k")])).await?;
        let (outcome, reason) = match why {
            "" => (Outcome::Fired, "every condition holds"),
            why => (Outcome::Waiting, why),
        };
        ensure_eq!(outcomes(&record), [outcome], "the outcome of `{id}`");
        let is_why = record.decisions.iter().all(|one| one.reason.contains(reason));
        ensure!(why.is_empty() || is_why, "`{id}`: {:?}", record.decisions);
        Ok(())
    }

    async fn wake_by(
        &self,
        id: &str,
        seconds: i64,
        rules: &CurrentRules,
    ) -> Result<Woken, Violation> {
        Ok(self.ledger.wake(&push(id), time(seconds), rules).await?)
    }
}

/// What waits at a limit acts in the order of arrival, however late it is asked, and never too much at once; also across
/// crashes.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_queue_is_served_in_order(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let full = "`limit 1 per 1m per \"k\" else wait` waits until";
    opened.queued("a", 0, "").await?;
    opened.queued("b", 1, &format!("{full} 2026-08-01T10:01:00Z: 1 of 1 within 1m")).await?;
    let next = format!("{full} 2026-08-01T10:02:00Z: 1 of 1 within 1m, 1 waits before it");
    opened.queued("c", 2, &next).await?;
    let rules = edited(1);
    // No process ran for a while: each of them begins when it is asked.
    opened = opened.crash(fixture).await?;
    let due = opened.ledger.due(time(600), 10).await?.events;
    ensure_eq!(due, [push("b"), push("c")], "what is due");
    ensure_eq!(ids(&opened.wake_by("b", 600, &rules).await?.actions), ["b"], "the first actions");
    let waits = opened.wake_by("c", 600, &rules).await?;
    ensure_eq!(waits.actions.len(), 0, "the actions within the same minute");
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.ledger.due(time(659), 10).await?.events, [], "what is due too early");
    opened.queued("d", 650, "waits until 2026-08-01T10:12:00Z").await?;
    ensure_eq!(ids(&opened.wake_by("c", 660, &rules).await?.actions), ["c"], "the next actions");
    opened.settle("c", done(661)).await?;
    ensure_eq!(ids(&opened.wake_by("d", 720, &rules).await?.actions), ["d"], "the last actions");
    Ok(())
}

/// If the number of a limit is edited, what waits obeys the new one, and is asked at once.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_queue_obeys_the_current_rules(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    opened.queued("a", 0, "").await?;
    for id in ["b", "c", "d"] {
        opened.queued(id, 1, "waits until").await?;
    }
    opened.ledger.recheck(&["s/r".to_owned()].into(), time(10)).await?;
    opened.ledger.recheck(&["t/r".to_owned()].into(), time(9)).await?;
    opened = opened.crash(fixture).await?;
    let due = opened.ledger.due(time(10), 10).await?.events;
    ensure_eq!(due, [push("b"), push("c"), push("d")], "what is due");
    ensure_eq!(opened.ledger.due(time(9), 10).await?.events, [], "what is due before");
    // There are three places, and one is taken.
    for (id, released) in [("b", 1), ("c", 1), ("d", 0)] {
        let woken = opened.wake_by(id, 10, &edited(3)).await?;
        ensure_eq!(woken.actions.len(), released, "the actions of `{id}`");
    }
    // Now there is one: all places have to become free first.
    let woken = opened.wake_by("d", 60, &edited(1)).await?;
    ensure_eq!(woken.actions.len(), 0, "the actions when two places are taken");
    ensure_eq!(opened.ledger.due(time(69), 10).await?.events, [], "what is due too early");
    ensure_eq!(ids(&opened.wake_by("d", 70, &edited(1)).await?.actions), ["d"], "the last actions");
    Ok(())
}
