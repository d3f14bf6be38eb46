//! Laws of approval: the answer of a person is recorded once, and what it is about goes on, ends or expires.

use fuse_rules::Outcome;
use fuse_rules::flow::{Approval, Flow, FlowRequest};
use jiff::SignedDuration;

use super::Fixture;
use super::support::{OpenBackend, Violation, at, ids, limited, outcomes, push};
use super::waits::{asks, time};
use crate::ledger::{CurrentRules, LedgerError, WaitAnswer, Woken};

/// `approval within 60s by "sre"`.
fn approval() -> FlowRequest {
    FlowRequest {
        approvers: vec!["sre".into()],
        ..FlowRequest::new(
            "approval",
            Flow::Approval { within: SignedDuration::from_secs(60) },
            Vec::new(),
        )
    }
}

impl OpenBackend {
    async fn asks_for_approval(
        &self,
        id: &str,
        requests: Vec<FlowRequest>,
    ) -> Result<(), Violation> {
        let event = self.accept(id, 0).await?;
        let record = self.ledger.decide(asks(&event, 0, requests)).await?;
        ensure_eq!(outcomes(&record), [Outcome::Waiting], "the first outcome");
        Ok(())
    }

    async fn answered(
        &self,
        id: &str,
        answer: WaitAnswer,
        seconds: i64,
    ) -> Result<bool, LedgerError> {
        let reason = Some("because".to_owned());
        let by = Approval { by: "alice".into(), at: at(seconds), reason };
        self.ledger.answer(id, answer, &by, time(seconds)).await
    }

    async fn why(&self, id: &str) -> Result<Vec<(Outcome, String)>, Violation> {
        let record = self.record(&push(id)).await?;
        Ok(record.decisions.into_iter().map(|one| (one.outcome, one.reason)).collect())
    }

    /// The ids of the decisions that wait.
    async fn listed(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, Violation> {
        let page = self.ledger.waiting(after, limit).await?;
        Ok(page.iter().filter_map(|one| one.record.id()).map(str::to_owned).collect())
    }
}

/// What is approved is due at once, passes its other clauses, and names who approved it. It is performed once, however
/// often it is approved, also across crashes.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_is_approved_is_due_at_once(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let mut limit = limited("").requests;
    limit.push(approval());
    opened.asks_for_approval("a", limit).await?;
    let waiting = opened.ledger.find_waiting("a").await?;
    let shown = waiting.map(|one| (one.event, one.reason, one.record.wait.approvers().to_vec()));
    let why = "`approval within 1m by \"sre\"` waits for approval until 2026-08-01T10:01:00Z";
    let sre = vec!["sre".to_owned()];
    ensure_eq!(shown, Some((push("a"), why.to_owned(), sre)), "what waits for approval");
    ensure!(opened.answered("a", WaitAnswer::Approve, 10).await?, "an answer is new");
    opened = opened.crash(fixture).await?;
    // The answer may have been lost.
    ensure!(!opened.answered("a", WaitAnswer::Approve, 11).await?, "an answer is new twice");
    let due = opened.ledger.due(time(10), 10).await?.events;
    ensure_eq!(due, [push("a")], "what is due");
    let woken = opened.ledger.wake(&push("a"), time(12), &CurrentRules::default()).await?;
    ensure_eq!(ids(&woken.actions), ["a"], "the released actions");
    let why =
        "every condition holds, and it was approved by alice at 2026-08-01T10:00:10Z: because";
    ensure_eq!(opened.why("a").await?, [(Outcome::Fired, why.to_owned())], "the decision");
    opened = opened.crash(fixture).await?;
    ensure_eq!(
        opened.ledger.wake(&push("a"), time(13), &CurrentRules::default()).await?,
        Woken::default(),
        "the next"
    );
    for answer in [WaitAnswer::Approve, WaitAnswer::Decline, WaitAnswer::Discard] {
        let late = opened.answered("a", answer, 14).await;
        ensure_eq!(late, Err(LedgerError::NotWaiting("a".into())), "a late answer");
    }
    Ok(())
}

/// What is declined or discarded ends at once, and is never performed. Its event is woken if its rule can react.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_is_declined_ends_at_once(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b", "c"] {
        opened.asks_for_approval(id, vec![approval()]).await?;
    }
    ensure!(opened.answered("a", WaitAnswer::Decline, 10).await?, "an answer is new");
    opened = opened.crash(fixture).await?;
    let why = "declined by alice at 2026-08-01T10:00:10Z: because".to_owned();
    ensure_eq!(opened.why("a").await?, [(Outcome::Declined, why)], "what is declined");
    ensure_eq!(opened.ledger.due(time(10), 10).await?.events, [push("a")], "what is woken");
    let woken = opened.ledger.wake(&push("a"), time(10), &CurrentRules::default()).await?;
    ensure!(woken.is_unfinished && woken.actions.is_empty(), "its reactions are not due");
    opened.ledger.finish_waking(&push("a")).await?;

    ensure!(opened.answered("b", WaitAnswer::Discard, 11).await?, "an answer is new");
    let why = "discarded by alice at 2026-08-01T10:00:11Z: because".to_owned();
    ensure_eq!(opened.why("b").await?, [(Outcome::Cancelled, why)], "what is discarded");

    ensure!(opened.answered("c", WaitAnswer::Approve, 12).await?, "an answer is new");
    let declined = opened.answered("c", WaitAnswer::Decline, 13).await;
    let is_refused = matches!(declined, Err(LedgerError::Approved { .. }));
    ensure!(is_refused, "what is approved can be declined");
    ensure_eq!(opened.ledger.due(time(60), 10).await?.events, [push("c")], "what is due");
    ensure!(opened.record(&push("a")).await?.is_settled(), "what is declined is not settled");
    Ok(())
}

/// Without an answer, it expires at its time, even if it is woken later. An answer is then too late.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_nobody_answers_expires(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    opened.asks_for_approval("a", vec![approval()]).await?;
    opened = opened.crash(fixture).await?;
    let late = opened.answered("a", WaitAnswer::Approve, 60).await;
    ensure_eq!(late, Err(LedgerError::NotWaiting("a".into())), "a late answer");
    let woken = opened.ledger.wake(&push("a"), time(60), &CurrentRules::default()).await?;
    ensure!(woken.is_unfinished && woken.actions.is_empty(), "what expires is released");
    let why = "`approval within 1m by \"sre\"` was answered by nobody".to_owned();
    ensure_eq!(opened.why("a").await?, [(Outcome::Expired, why)], "what expired");
    Ok(())
}

/// Everything that waits and has an action is listed by its id, in pages. Only what waits for approval can be approved.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_waits_is_listed(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let still = Flow::Still { length: SignedDuration::from_secs(300) };
    let still =
        FlowRequest { flow: still, clause: "still".into(), approvers: Vec::new(), ..approval() };
    opened.asks_for_approval("c", vec![still]).await?;
    for id in ["b", "a"] {
        opened.asks_for_approval(id, vec![approval()]).await?;
    }
    ensure_eq!(opened.listed(None, 10).await?, ["a", "b", "c"], "everything that waits");
    ensure_eq!(opened.listed(None, 2).await?, ["a", "b"], "the first page");
    ensure_eq!(opened.listed(Some("b"), 2).await?, ["c"], "the second page");
    for answer in [WaitAnswer::Approve, WaitAnswer::Decline] {
        let answered = opened.answered("c", answer, 1).await;
        ensure_eq!(answered, Err(LedgerError::NotAsked("c".into())), "an answer that nobody asked");
    }
    ensure!(opened.answered("c", WaitAnswer::Discard, 1).await?, "nothing can be discarded");
    opened.answered("a", WaitAnswer::Decline, 1).await?;
    ensure_eq!(opened.listed(None, 10).await?, ["b"], "what waits in the end");
    ensure_eq!(opened.ledger.find_waiting("a").await?, None, "what no longer waits");
    Ok(())
}
