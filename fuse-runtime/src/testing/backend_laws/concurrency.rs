//! Laws of `concurrency`: a place is free once, when the actions of its occurrence ended, and goes to the first one that waits.

use std::sync::Arc;

use fuse_rules::Outcome;
use fuse_rules::flow::{
    BlowClause, BlowCounts, BlowingFuse, Flow, FlowRequest, Occurrence, Overflow, Owner, RuleLimits,
};
use jiff::SignedDuration;

use super::Fixture;
use super::support::{
    OpenBackend, Violation, action, at, attempt, dead, done, fired, held, ids, outcomes, push,
    verdict,
};
use super::waits::{asks, request, time};
use crate::event::EventKey;
use crate::ledger::{
    ActionState, CurrentRules, EventRecord, Observed, ObservedResult, StartedObject, Verdict, Woken,
};

/// `concurrency N per body.k else …`, with this key.
pub(super) fn concurrency(count: u32, otherwise: Overflow, key: &str) -> FlowRequest {
    request("concurrency per body.k", Flow::Concurrency { count, otherwise }, key)
}

/// One at a time.
fn one() -> FlowRequest {
    concurrency(1, Overflow::Queue, "k")
}

/// The rules, in which the clause has this number now.
fn edited(count: u32) -> CurrentRules {
    let mut limits = RuleLimits::default();
    let flow = Flow::Concurrency { count, otherwise: Overflow::Queue };
    limits.add("s/r", "concurrency per body.k", None, flow);
    CurrentRules { limits: Arc::new(limits), ..CurrentRules::default() }
}

/// The state of an action that created a workflow.
pub(super) fn started(seconds: i64) -> ActionState {
    let object = StartedObject {
        api_version: "argoproj.io/v1alpha1".into(),
        kind: "Workflow".into(),
        namespace: Some("cicd".into()),
        name: "wf-x".into(),
    };
    let detail = "created `wf-x`".into();
    ActionState::Done {
        at: at(seconds),
        detail,
        started: Some(Box::new(object)),
        response: None,
        thread: None,
    }
}

fn observed(result: ObservedResult, phase: &str) -> Observed {
    Observed {
        result,
        phase: phase.into(),
        message: None,
        api_version: "argoproj.io/v1alpha1".into(),
        kind: "Workflow".into(),
        namespace: Some("cicd".into()),
        name: "wf-x".into(),
        at: at(9),
    }
}

impl OpenBackend {
    /// Accepts an event and decides it by `s/r`, so many seconds after the start. Returns the outcomes.
    pub(super) async fn concurrent(
        &self,
        id: &str,
        seconds: i64,
        request: FlowRequest,
    ) -> Result<Vec<Outcome>, Violation> {
        let event = self.accept(id, seconds).await?;
        Ok(outcomes(&self.ledger.decide(asks(&event, seconds, vec![request])).await?))
    }

    /// The ids of the events that are due.
    pub(super) async fn ready(&self, seconds: i64) -> Result<Vec<String>, Violation> {
        let due = self.ledger.due(time(seconds), 100).await?;
        Ok(due.events.into_iter().map(|event| event.id).collect())
    }

    /// Wakes all events that are due. Returns the ids of the actions that were released.
    pub(super) async fn release(&self, seconds: i64) -> Result<Vec<String>, Violation> {
        self.release_by(&CurrentRules::default(), seconds).await
    }

    /// The same with these rules.
    async fn release_by(
        &self,
        rules: &CurrentRules,
        seconds: i64,
    ) -> Result<Vec<String>, Violation> {
        let mut released = Vec::new();
        for event in self.ledger.due(time(seconds), 100).await?.events {
            let woken = self.ledger.wake(&event, time(seconds), rules).await?;
            released.extend(woken.actions.into_iter().map(|one| one.action.id));
        }
        Ok(released)
    }

    pub(super) async fn observed_as(
        &self,
        id: &str,
        result: ObservedResult,
        phase: &str,
    ) -> Result<bool, Violation> {
        Ok(self.ledger.observe(&push(id), id, observed(result, phase)).await?)
    }
}

/// The place of an action is free when it is settled: once, however often that is recorded, and also across crashes. The
/// first one that waits is due, and no other.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_first_one_that_waits_gets_a_free_place(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    ensure_eq!(opened.concurrent("a", 0, one()).await?, [Outcome::Fired], "the first outcome");
    ensure!(opened.action("a").await?.action.in_progress, "an action with a place has none");
    for (id, seconds) in [("d", 1), ("c", 2), ("b", 3)] {
        let outcome = opened.concurrent(id, seconds, one()).await?;
        ensure_eq!(outcome, [Outcome::Waiting], "the outcome of `{id}`");
    }
    // Another key has its own places.
    let other = concurrency(1, Overflow::Queue, "l");
    ensure_eq!(opened.concurrent("e", 3, other).await?, [Outcome::Fired], "another key");
    let skips = concurrency(1, Overflow::Skip, "k");
    ensure_eq!(opened.concurrent("f", 3, skips).await?, [Outcome::Suppressed], "one that skips");
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.ready(10).await?, [""; 0], "what is due before a place is free");
    // What is attempted or held has not ended.
    let permit = opened.ledger.intend(&push("a"), "a", attempt(4)).await?;
    opened.ledger.hold(&permit, held(None)).await?;
    ensure_eq!(opened.ready(10).await?, [""; 0], "what is due while the action is held");
    opened.settle("a", done(11)).await?;
    opened.settle("a", done(11)).await?;
    opened = opened.crash(fixture).await?;
    opened.settle("a", done(11)).await?;
    ensure!(!opened.action("a").await?.action.in_progress, "an action that ended has a place");
    ensure_eq!(opened.ready(11).await?, ["d"], "what is due once a place is free");
    ensure_eq!(opened.release(12).await?, ["d"], "what is released");
    ensure_eq!(opened.release(13).await?, [""; 0], "what is released later");
    ensure!(opened.action("d").await?.action.in_progress, "a released action has no place");
    // A late repetition frees no second place.
    opened.settle("a", done(11)).await?;
    ensure_eq!(opened.ready(14).await?, [""; 0], "what is due after a repetition");
    opened = opened.crash(fixture).await?;
    opened.settle("d", dead(15)).await?;
    ensure_eq!(opened.release(15).await?, ["c"], "what is released after a dead letter");
    opened.settle("c", done(16)).await?;
    ensure_eq!(opened.release(16).await?, ["b"], "what is released in the end");
    opened.settle("b", done(17)).await?;
    ensure_eq!(opened.concurrent("g", 18, one()).await?, [Outcome::Fired], "the last outcome");
    ensure_eq!(opened.ledger.counts().await?.waiting, 0, "the number of waits");
    Ok(())
}

/// An action that created an object ends when the object is observed in a terminal state, whether or not the action is
/// recorded as done by then. Until then, it is listed as running.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_action_with_an_object_ends_with_it(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    for (id, seconds) in [("a", 0), ("b", 1), ("c", 2)] {
        opened.concurrent(id, seconds, one()).await?;
    }
    opened.settle("a", started(3)).await?;
    ensure_eq!(ids(&opened.ledger.running(None, 9).await?), ["a"], "what runs");
    ensure_eq!(opened.ready(4).await?, [""; 0], "what is due while nothing was observed");
    opened = opened.crash(fixture).await?;
    opened.observed_as("a", ObservedResult::Running, "Running").await?;
    ensure_eq!(opened.ready(4).await?, [""; 0], "what is due while the object runs");
    ensure!(opened.observed_as("a", ObservedResult::Failed, "Failed").await?, "it is no news");
    opened = opened.crash(fixture).await?;
    opened.observed_as("a", ObservedResult::Failed, "Failed").await?;
    opened.observed_as("a", ObservedResult::Gone, "Failed").await?;
    ensure_eq!(opened.release(5).await?, ["b"], "what is released");
    ensure_eq!(ids(&opened.ledger.running(None, 9).await?), [""; 0], "what runs in the end");
    // The object of this one ends before the answer is recorded.
    opened.ledger.intend(&push("b"), "b", attempt(6)).await?;
    opened.observed_as("b", ObservedResult::Succeeded, "Succeeded").await?;
    ensure_eq!(opened.ready(6).await?, [""; 0], "what is due before it is recorded");
    opened.settle("b", started(7)).await?;
    ensure_eq!(opened.release(7).await?, ["c"], "what is released then");
    Ok(())
}

/// The end of an action frees its place also if reactions to it are recorded in the same commit.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_end_with_reactions_frees_the_place(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for (id, seconds) in [("a", 0), ("b", 1), ("c", 2)] {
        opened.concurrent(id, seconds, one()).await?;
    }
    let nothing = |id: &str, seconds| Verdict {
        decisions: Vec::new(),
        actions: Vec::new(),
        ..verdict(&push(id), id, seconds)
    };
    let permit = opened.permit("a").await?;
    for _ in 0..2 {
        opened.ledger.settle_and_react(&permit, dead(3), nothing("a", 3)).await?;
    }
    ensure_eq!(opened.release(4).await?, ["b"], "what is released");
    opened.settle("b", started(5)).await?;
    let failed = observed(ObservedResult::Failed, "Failed");
    for _ in 0..2 {
        let verdict = nothing("b", 6);
        opened.ledger.observe_and_react(&push("b"), "b", failed.clone(), verdict).await?;
    }
    ensure_eq!(opened.release(7).await?, ["c"], "what is released then");
    Ok(())
}

/// The actions of an occurrence share its place, which is free when the last of them ended. Two elements of one event are
/// two occurrences.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_occurrence_keeps_its_place_until_its_last_action_ended(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    let mut both = asks(&event, 0, vec![one()]);
    both.decisions.push(fired("s/r", None, "a2"));
    let second = fuse_rules::Action { ordinal: 1, ..action("s/r", None) };
    both.actions.push(("a2".into(), second));
    both.decisions.push(fired("s/r", Some(vec![1]), "a3"));
    both.actions.push(("a3".into(), action("s/r", Some(vec![1]))));
    let of_element = both.flow.first().map(|first| Occurrence {
        element: Some(vec![1]),
        owner: Owner::new(&event.encode(), "event `a`", Some(&[1])),
        ..first.clone()
    });
    both.flow.extend(of_element);
    let record = opened.ledger.decide(both).await?;
    let expected = [Outcome::Fired, Outcome::Fired, Outcome::Waiting];
    ensure_eq!(outcomes(&record), expected, "the outcomes");
    opened.concurrent("b", 1, one()).await?;
    let settle = async |id: &str, seconds| {
        let action = opened.ledger.action(&event, id).await?;
        let permit = action.ok_or_else(|| Violation::new("there is no action"))?.permit();
        Ok::<(), Violation>(opened.ledger.settle(&permit, done(seconds)).await?)
    };
    settle("a2", 2).await?;
    ensure_eq!(opened.ready(2).await?, [""; 0], "what is due while an action is in progress");
    settle("a", 3).await?;
    ensure_eq!(opened.release(3).await?, ["a3"], "what is released");
    settle("a3", 4).await?;
    ensure_eq!(opened.release(4).await?, ["b"], "what is released then");
    Ok(())
}

/// Never more than the number are in progress, everything that waits passes in the order of arrival, and a lower number
/// applies at once.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn no_more_are_in_progress_than_the_number(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let names: Vec<String> = (0..9).map(|number| format!("e{}", 9 - number)).collect();
    let (mut running, mut released) = (Vec::new(), Vec::new());
    for (seconds, id) in (0..).zip(&names) {
        let request = concurrency(3, Overflow::Queue, "k");
        if opened.concurrent(id, seconds, request).await? == [Outcome::Fired] {
            running.push(id.clone());
        }
    }
    let (first, others) = names.split_at(3);
    ensure_eq!(running, first, "the first ones in progress");
    // The rules were edited: two at a time.
    let request = concurrency(2, Overflow::Queue, "k");
    ensure_eq!(opened.concurrent("last", 9, request).await?, [Outcome::Waiting], "the last one");
    let mut seconds = 10;
    let mut max = 3;
    while !running.is_empty() {
        seconds += 1;
        let id = running.remove(running.len() / 2);
        opened.settle(&id, if seconds % 2 == 0 { done(seconds) } else { dead(seconds) }).await?;
        if seconds % 3 == 0 {
            opened = opened.crash(fixture).await?;
        }
        let next = opened.release_by(&edited(2), seconds).await?;
        running.extend(next.iter().cloned());
        released.extend(next);
        max = (running.len()).max(2).min(max);
        ensure!(running.len() <= max, "{} are in progress", running.len());
    }
    let mut waited = others.to_vec();
    waited.push("last".into());
    ensure_eq!(released, waited, "the order in which those that waited are released");
    Ok(())
}

/// If the number is raised, those that wait are told, and pass in the order of arrival.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_raised_number_applies_to_what_waits(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for (seconds, id) in (0..).zip(["d", "c", "b", "a"]) {
        opened.concurrent(id, seconds, one()).await?;
    }
    ensure_eq!(opened.release_by(&edited(3), 4).await?, [""; 0], "what is released by itself");
    opened.ledger.recheck(&["s/r".to_owned()].into(), time(5)).await?;
    ensure_eq!(opened.release_by(&edited(3), 5).await?, ["c", "b"], "what is released");
    opened.settle("d", done(6)).await?;
    ensure_eq!(opened.release_by(&edited(3), 7).await?, ["a"], "what is released in the end");
    Ok(())
}

/// An occurrence that a fuse gates after the clauses let it through takes no place, and does not stay in the queue.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_a_fuse_gates_takes_no_place(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let within = SignedDuration::from_hours(1);
    let fuse = BlowingFuse {
        name: "healing".into(),
        clauses: vec![BlowClause { counts: BlowCounts::Actions, count: 1, within }],
        reset_after: Some(SignedDuration::from_secs(10)),
        drops: false,
    };
    let guarded = |event: &EventKey, seconds| {
        let mut verdict = asks(event, seconds, vec![one()]);
        verdict.requires.insert("s/r".into(), vec!["healing".into()]);
        verdict.blow = vec![fuse.clone()];
        verdict
    };
    let decide = async |id: &str, seconds| {
        let event = opened.accept(id, seconds).await?;
        let record: EventRecord = opened.ledger.decide(guarded(&event, seconds)).await?;
        Ok::<_, Violation>(outcomes(&record))
    };
    ensure_eq!(decide("a", 0).await?, [Outcome::Fired], "the first outcome");
    ensure_eq!(decide("b", 1).await?, [Outcome::Waiting], "the second outcome");
    opened.settle("a", done(2)).await?;
    // It is one action too many: the fuse blows.
    let rules = CurrentRules { blow: vec![fuse.clone()], ..CurrentRules::default() };
    let woken: Woken = opened.ledger.wake(&push("b"), time(3), &rules).await?;
    let blown: Vec<_> = woken.decisions.iter().map(|one| one.outcome).collect();
    ensure_eq!(blown, [Outcome::Gated], "the outcome when the wait is over");
    ensure_eq!(opened.concurrent("c", 4, one()).await?, [Outcome::Fired], "a rule without a fuse");
    opened.settle("c", done(5)).await?;
    // The fuse is closed, and blows at once: the hour is not over.
    ensure_eq!(decide("d", 14).await?, [Outcome::Fired], "the outcome when the fuse is closed");
    opened.settle("d", done(15)).await?;
    ensure_eq!(decide("e", 16).await?, [Outcome::Gated], "the outcome that blows the fuse");
    ensure_eq!(opened.concurrent("f", 17, one()).await?, [Outcome::Fired], "the last outcome");
    Ok(())
}

/// An event with an action in progress is not pruned. What others wait for does not vanish.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_is_in_progress_is_not_pruned(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    for (id, seconds) in [("a", 0), ("b", 1)] {
        opened.concurrent(id, seconds, one()).await?;
        opened.ack_next().await?;
    }
    opened.settle("a", started(2)).await?;
    ensure_eq!(opened.ledger.prune(at(1_000)).await?, 0, "the number of pruned events");
    opened = opened.crash(fixture).await?;
    opened.observed_as("a", ObservedResult::Gone, "").await?;
    ensure_eq!(opened.release(1_000).await?, ["b"], "what is released");
    ensure_eq!(opened.ledger.prune(at(1_000)).await?, 1, "the number of events pruned then");
    ensure_eq!(opened.concurrent("c", 1_001, one()).await?, [Outcome::Waiting], "the next one");
    opened.settle("b", done(1_002)).await?;
    ensure_eq!(opened.release(1_002).await?, ["c"], "what is released in the end");
    Ok(())
}

/// One that waits asks again now and then, and waits on.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn one_that_waits_for_a_place_asks_again(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for (id, seconds) in [("a", 0), ("b", 1), ("c", 2)] {
        opened.concurrent(id, seconds, one()).await?;
    }
    ensure_eq!(opened.ready(3_602).await?, ["b", "c"], "what asks again after an hour");
    for id in ["b", "c"] {
        let woken = opened.ledger.wake(&push(id), time(3_602), &CurrentRules::default()).await?;
        ensure_eq!(woken, Woken::default(), "what becomes of one that waits on");
        let record = opened.record(&push(id)).await?;
        ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome");
    }
    ensure_eq!(opened.ready(3_603).await?, [""; 0], "what is due afterwards");
    opened.settle("a", done(3_604)).await?;
    ensure_eq!(opened.release(3_604).await?, ["b"], "what is released");
    Ok(())
}
