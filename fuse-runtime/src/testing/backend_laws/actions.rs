//! The laws of actions: their states, their lists, and what is observed of their objects.

use super::Fixture;
use super::support::{
    OpenBackend, Violation, at, attempt, dead, done, envelope, held, ids, intended, push,
};
use crate::event::Envelope;
use crate::ledger::{
    ActionState, DeadLetterKind, DeadLetterQuery, LedgerError, Observed, ObservedResult, Permit,
};

/// An action goes from pending to intended, back to pending if it certainly did not fire, and to done.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_action_becomes_pending_then_intended_then_done(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.decided("a", 0).await?;
    let ledger = &opened.ledger;
    ensure_eq!(opened.state("a").await?, ActionState::Pending, "the state of a new action");
    ledger.intend(&event, "a", attempt(1)).await?;
    let permit = ledger.intend(&event, "a", attempt(2)).await?;
    ensure!(permit.may_fire(), "a new permit does not permit to fire");
    ensure_eq!((permit.event(), permit.action()), (&event, "a"), "the action of the permit");
    ensure_eq!(opened.state("a").await?, intended(2), "the state after the second intent");
    let permit = ledger.reopen(&permit).await?;
    ensure_eq!(opened.state("a").await?, ActionState::Pending, "the state after `reopen`");
    ensure_eq!(opened.counts().await?, (1, 0), "the number of unsettled actions and dead letters");

    ledger.settle(&permit, done(3)).await?;
    ensure_eq!(opened.state("a").await?, done(3), "the state after `settle`");
    ensure!(opened.record(&event).await?.is_settled(), "the event is not settled");
    ensure_eq!(opened.counts().await?, (0, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// An intent is on record after a crash: whether the action fired must be found out.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_intent_survives_a_crash(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.decided("a", 0).await?;
    let mut attempt = attempt(2);
    attempt.checkpoint = Some("uid".into());
    opened.ledger.intend(&event, "a", attempt.clone()).await?;
    let opened = opened.crash(fixture).await?;
    let state = opened.state("a").await?;
    ensure_eq!(state.last_attempt(), Some(attempt), "the attempt after a crash");
    opened.settle("a", done(3)).await?;
    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.state("a").await?, done(3), "the state after another crash");
    Ok(())
}

/// A terminal state is final. Recording it again does nothing.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_settled_action_does_not_change(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.decided("a", 0).await?;
    let ledger = &opened.ledger;
    let permit = opened.permit("a").await?;
    ledger.settle(&permit, done(3)).await?;
    // As after a lost answer.
    ledger.settle(&permit, done(3)).await?;
    let permit = opened.permit("a").await?;
    let settled = LedgerError::Settled("a".into());
    let refused = Err(settled.clone());
    let intent = ledger.intend(&event, "a", attempt(4)).await;
    ensure_eq!(intent, Err(settled.clone()), "the answer to `intend`");
    ensure_eq!(ledger.settle(&permit, dead(4)).await, refused, "the answer to another end");
    ensure_eq!(
        ledger.hold(&permit, held(None)).await,
        Err(settled.clone()),
        "the answer to `hold`"
    );
    ensure_eq!(ledger.reopen(&permit).await, Err(settled), "the answer to `reopen`");
    ensure_eq!(opened.state("a").await?, done(3), "the state");
    Ok(())
}

/// Unknown actions are refused, as are states that do not fit the command.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn unknown_actions_and_wrong_states_are_refused(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.decided("a", 0).await?;
    let ledger = &opened.ledger;
    let unknown = LedgerError::UnknownAction("b".into());
    let permit = Permit::new(event.clone(), "b".into(), 0);
    let intent = ledger.intend(&event, "b", attempt(1)).await;
    ensure_eq!(intent, Err(unknown.clone()), "the answer to `intend`");
    let settled = ledger.settle(&permit, done(1)).await;
    ensure_eq!(settled, Err(unknown.clone()), "the answer to `settle`");
    ensure_eq!(ledger.reopen(&permit).await, Err(unknown), "the answer to `reopen`");

    let permit = opened.permit("a").await?;
    for state in [ActionState::Pending, intended(1), held(None)] {
        let answer = ledger.settle(&permit, state.clone()).await;
        let is_refused = matches!(answer, Err(LedgerError::Invalid(_)));
        ensure!(is_refused, "the answer to `settle` with {state:?} is {answer:?}");
    }
    for state in [ActionState::Pending, intended(1), done(1)] {
        let answer = ledger.hold(&permit, state.clone()).await;
        let is_refused = matches!(answer, Err(LedgerError::Invalid(_)));
        ensure!(is_refused, "the answer to `hold` with {state:?} is {answer:?}");
    }
    ensure_eq!(opened.state("a").await?, ActionState::Pending, "the state");
    Ok(())
}

/// The id of an action with another event is no action.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_action_is_identified_by_its_event_and_its_id(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.decided("a", 0).await?;
    let other = opened.accept("other", 0).await?;
    let ledger = &opened.ledger;
    let found = ledger.action(&event, "a").await?.map(|one| one.event);
    ensure_eq!(found, Some(event.clone()), "the event of the action");
    let found = ledger.find_action("a").await?.map(|one| one.event);
    ensure_eq!(found, Some(event), "the event of the action that is found by its id");
    ensure_eq!(ledger.find_action("b").await?, None, "the action with an unknown id");
    for stranger in [other, push("never-accepted")] {
        ensure_eq!(ledger.action(&stranger, "a").await?, None, "the action of another event");
        let unknown = LedgerError::UnknownAction("a".into());
        let intent = ledger.intend(&stranger, "a", attempt(1)).await;
        ensure_eq!(intent, Err(unknown.clone()), "the answer to `intend`");
        let permit = Permit::new(stranger.clone(), "a".into(), 0);
        ensure_eq!(
            ledger.settle(&permit, done(1)).await,
            Err(unknown.clone()),
            "the answer to `settle`"
        );
        let seen = observed(ObservedResult::Running, "Running");
        let answer = ledger.observe(&stranger, "a", seen).await;
        ensure_eq!(answer, Err(unknown), "the answer to `observe`");
    }
    ensure_eq!(opened.state("a").await?, ActionState::Pending, "the state");
    Ok(())
}

/// Dead letters are listed from the newest to the oldest. One that is reopened is none any more.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn dead_letters_are_listed_newest_first_and_can_be_replayed(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b", "c"] {
        opened.decided(id, 0).await?;
    }
    for (id, seconds) in [("b", 1), ("c", 3), ("a", 2)] {
        opened.settle(id, dead(seconds)).await?;
    }
    ensure_eq!(opened.counts().await?, (0, 3), "the number of unsettled actions and dead letters");
    let letters = opened.ledger.dead_letters(&DeadLetterQuery::newest(2)).await?.letters;
    let listed: Vec<_> = letters.iter().map(|one| (one.event.id.as_str(), one.at)).collect();
    ensure_eq!(listed, [("c", at(3)), ("a", at(2))], "the newest dead letters");
    for letter in &letters {
        ensure_eq!(letter.kind, DeadLetterKind::Exhausted, "the kind");
        ensure_eq!(letter.reason, "failed five times", "the reason");
        ensure_eq!((letter.rule.as_deref(), &letter.element), (Some("s/r"), &None), "the rule");
        let state = letter.action.as_ref().map(|action| &action.state);
        ensure!(state.is_some_and(ActionState::is_settled), "the action is {state:?}");
    }

    let permit = opened.permit("c").await?;
    let permit = opened.ledger.reopen(&permit).await?;
    ensure_eq!(opened.counts().await?, (1, 2), "the numbers after `reopen`");
    opened.ledger.settle(&permit, done(9)).await?;
    ensure_eq!(opened.counts().await?, (0, 2), "the numbers after it is done");
    Ok(())
}

/// Unsettled actions are listed by id, page by page.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn unsettled_actions_are_listed_in_pages(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["d", "b", "c", "a"] {
        opened.decided(id, 0).await?;
    }
    opened.settle("b", done(1)).await?;
    opened.ledger.intend(&push("c"), "c", attempt(1)).await?;
    let page = opened.ledger.unsettled(None, 2).await?;
    ensure_eq!(ids(&page), ["a", "c"], "the first page");
    let events: Vec<_> = page.iter().map(|one| one.event.id.as_str()).collect();
    ensure_eq!(events, ["a", "c"], "the events of the first page");
    let page = opened.ledger.unsettled(Some("c"), 2).await?;
    ensure_eq!(ids(&page), ["d"], "the second page");
    Ok(())
}

/// An action that was held is listed as such until it is settled, also while it is tried again.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_held_action_is_listed_until_it_is_settled(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.decided("a", 0).await?;
    opened.decided("b", 0).await?;
    let ledger = &opened.ledger;
    ensure!(ledger.held(None, 9).await?.is_empty(), "a new action is listed as held");
    let permit = opened.permit("a").await?;
    ledger.hold(&permit, held(Some(attempt(0)))).await?;
    let action = opened.action("a").await?.action;
    ensure!(action.off_bus, "a held action is on the bus");
    ensure_eq!(action.state, held(Some(attempt(0))), "the state");
    ensure_eq!(ids(&ledger.held(None, 9).await?), ["a"], "the list of held actions");
    ensure_eq!(opened.counts().await?, (2, 0), "the number of unsettled actions and dead letters");

    let permit = ledger.intend(&event, "a", attempt(2)).await?;
    ensure!(opened.action("a").await?.action.off_bus, "an action returns to the bus");
    let permit = ledger.reopen(&permit).await?;
    ensure_eq!(ids(&ledger.held(None, 9).await?), ["a"], "the list after a further attempt");
    let waiting = ActionState::Waiting {
        until: at(9),
        attempts: 1,
        reason: "the backend is away".into(),
        last_attempt: None,
        checkpoint: None,
    };
    let permit = ledger.hold(&permit, waiting.clone()).await?;
    ensure_eq!(opened.state("a").await?, waiting, "the state");
    ensure_eq!(ids(&ledger.held(None, 9).await?), ["a"], "the list while it waits");

    ledger.settle(&permit, done(3)).await?;
    ensure!(ledger.held(None, 9).await?.is_empty(), "a settled action is listed as held");
    ensure_eq!(ids(&ledger.unsettled(None, 9).await?), ["b"], "the list of unsettled actions");
    Ok(())
}

/// Held actions are listed by id, page by page, and are there after a crash, although their events
/// are acknowledged.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn held_actions_survive_a_crash_and_are_listed_in_pages(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["c", "a", "b"] {
        opened.decided(id, 0).await?;
        let permit = opened.permit(id).await?;
        opened.ledger.hold(&permit, held(None)).await?;
        opened.ack_next().await?;
    }
    let opened = opened.crash(fixture).await?;
    let page = opened.ledger.held(None, 2).await?;
    ensure_eq!(ids(&page), ["a", "b"], "the first page");
    for one in &page {
        ensure_eq!(one.event, push(&one.action.id), "the event");
        ensure_eq!(one.action.state, held(None), "the state");
    }
    ensure_eq!(ids(&opened.ledger.held(Some("b"), 2).await?), ["c"], "the second page");
    opened.silent().await
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

/// The same observation again changes nothing, and no observation changes a terminal one.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_observation_is_news_once_and_a_terminal_one_is_final(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.decided("a", 0).await?;
    let ledger = &opened.ledger;
    for (result, phase, is_news, is_running) in [
        (ObservedResult::Running, "Pending", true, true),
        (ObservedResult::Running, "Pending", false, true),
        (ObservedResult::Running, "Running", true, true),
        (ObservedResult::Failed, "Failed", true, false),
        (ObservedResult::Gone, "Failed", false, false),
    ] {
        let answer = ledger.observe(&event, "a", observed(result, phase)).await?;
        ensure_eq!(answer, is_news, "whether {result:?} `{phase}` is news");
        let running = ledger.running(None, 9).await?;
        ensure_eq!(!running.is_empty(), is_running, "whether the object is listed as running");
    }
    let action = opened.action("a").await?.action;
    let failed = observed(ObservedResult::Failed, "Failed");
    ensure_eq!(action.observed, Some(failed), "the observation");
    ensure_eq!(action.state, ActionState::Pending, "the state of the action");
    Ok(())
}

/// Actions with running objects are listed by id, page by page, also after a crash.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn running_objects_are_listed_in_pages(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["b", "c", "a"] {
        let event = opened.decided(id, 0).await?;
        opened.settle(id, done(1)).await?;
        let seen = observed(ObservedResult::Running, "Running");
        opened.ledger.observe(&event, id, seen).await?;
    }
    // One that is not observed.
    let ping = Envelope { name: "ping".into(), ..envelope("github", "d", "{}") };
    opened.bus.publish(ping).await?;
    let opened = opened.crash(fixture).await?;
    ensure_eq!(ids(&opened.ledger.running(None, 2).await?), ["a", "b"], "the first page");
    ensure_eq!(ids(&opened.ledger.running(Some("b"), 2).await?), ["c"], "the second page");
    Ok(())
}
