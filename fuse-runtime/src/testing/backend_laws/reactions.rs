//! The laws of reactions: of [`Ledger::react`](crate::ledger::Ledger::react), and of the changes that are recorded
//! together with reactions.

use fuse_rules::Outcome;

use super::Fixture;
use super::support::{
    OpenBackend, Violation, action, at, dead, fired, intended, once, outcomes, push, rejected,
    verdict,
};
use crate::event::EventKey;
use crate::ledger::{
    ActionState, DeadLetterQuery, LedgerError, Observed, ObservedResult, Reacted, Verdict,
};

/// The reaction of the rule `s/r` to the failure of the action `act`, with an action of this id.
fn reaction(event: &EventKey, id: &str) -> Verdict {
    let rule = "s/r on failure";
    let mut reaction = verdict(event, id, 5);
    let mut decision = fired(rule, None, id);
    decision.reacts_to = Some("act".into());
    reaction.decisions = vec![decision];
    reaction.actions = vec![(id.to_owned(), action(rule, None))];
    reaction
}

/// A reaction is recorded once, leaves the bus at once, and survives a crash.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_reaction_is_recorded_once(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    opened.ledger.decide(verdict(&event, "act", 1)).await?;
    let added = opened.ledger.react(reaction(&event, "re")).await?;
    let ids: Vec<_> = added.actions.iter().map(|one| one.action.id.as_str()).collect();
    ensure_eq!(ids, ["re"], "the new actions");
    ensure_eq!(added.decisions.len(), 1, "the new decisions");

    let opened = opened.crash(fixture).await?;
    let again = opened.ledger.react(reaction(&event, "re")).await?;
    ensure_eq!(again, Reacted::default(), "the new actions of a reaction that is on record");
    let record = opened.record(&event).await?;
    ensure_eq!(outcomes(&record), [Outcome::Fired, Outcome::Fired], "the outcomes");
    let reacts_to: Vec<_> =
        record.decisions.iter().map(|decision| decision.reacts_to.as_deref()).collect();
    ensure_eq!(reacts_to, [None, Some("act")], "what the decisions react to");
    let ids: Vec<_> = record.actions.iter().map(|one| one.id.as_str()).collect();
    ensure_eq!(ids, ["act", "re"], "the actions of the event");
    let held = opened.ledger.held(None, 10).await?;
    let held: Vec<_> = held.iter().map(|one| one.action.id.as_str()).collect();
    ensure_eq!(held, ["re"], "the actions that left the bus");
    let state = &record.actions.last().map(|one| one.state.clone());
    let is_due = matches!(state, Some(ActionState::Waiting { until, .. }) if *until == at(5));
    ensure!(is_due, "a reaction does not wait until its time: {state:?}");
    ensure_eq!(opened.counts().await?, (2, 0), "the number of unsettled actions and dead letters");

    // The rule reacts to another action as well.
    let mut other = reaction(&event, "re-2");
    other.decisions.iter_mut().for_each(|one| one.reacts_to = Some("act-2".into()));
    ensure_eq!(
        opened.ledger.react(other).await?.actions.len(),
        1,
        "the reactions to another action"
    );
    Ok(())
}

/// A reaction passes flow control, and is a dead letter if it is rejected.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn reactions_pass_flow_control_and_can_be_rejected(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let rule = "s/r on failure";
    for (id, expected) in [("a", 1), ("b", 0)] {
        let event = opened.accept(id, 0).await?;
        opened.ledger.decide(verdict(&event, &format!("act-{id}"), 1)).await?;
        let mut reaction = reaction(&event, &format!("re-{id}"));
        let mut occurrence = once("k", id, None);
        occurrence.rule = rule.into();
        reaction.flow = vec![occurrence];
        let added = opened.ledger.react(reaction).await?;
        ensure_eq!(added.actions.len(), expected, "the reactions that pass `once`");
    }
    let outcomes_of_b = outcomes(&opened.record(&push("b")).await?);
    ensure_eq!(outcomes_of_b, [Outcome::Fired, Outcome::Suppressed], "the outcomes");

    let event = push("a");
    let mut wrong = reaction(&event, "none");
    wrong.actions.clear();
    let mut decision = rejected(rule, None, "`text` has no value");
    decision.reacts_to = Some("another".into());
    wrong.decisions = vec![decision];
    ensure_eq!(
        opened.ledger.react(wrong.clone()).await?.actions,
        [],
        "the actions of a rejected one"
    );
    ensure_eq!(opened.ledger.react(wrong).await?, Reacted::default(), "the same again");
    let page = opened.ledger.dead_letters(&DeadLetterQuery::newest(10)).await?;
    let rules: Vec<_> = page.letters.iter().map(|letter| letter.rule.as_deref()).collect();
    ensure_eq!(rules, [Some(rule)], "the rules of the dead letters");
    Ok(())
}

/// The end of an action and the reactions to it are one commit: if one is refused, neither is recorded.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_end_and_its_reactions_are_one_commit(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("act", 0).await?;
    let unknown = opened.ledger.react(reaction(&push("x"), "re")).await;
    ensure_eq!(unknown, Err(LedgerError::UnknownEvent(push("x"))), "reacting to an unknown event");
    let undecided = opened.ledger.react(reaction(&event, "re")).await;
    let is_invalid = matches!(undecided, Err(LedgerError::Invalid(_)));
    ensure!(is_invalid, "an undecided event has reactions: {undecided:?}");

    opened.ledger.decide(verdict(&event, "act", 1)).await?;
    let permit = opened.permit("act").await?;
    let taken = reaction(&event, "act");
    let refused = opened.ledger.settle_and_react(&permit, dead(2), taken).await;
    ensure!(refused.is_err(), "a reaction has the id of another action");
    ensure_eq!(opened.state("act").await?, ActionState::Pending, "the state after the refusal");
    let wrong = opened.ledger.settle_and_react(&permit, intended(2), reaction(&event, "re")).await;
    ensure!(wrong.is_err(), "an action is settled in a state that is not terminal");
    ensure_eq!(opened.record(&event).await?.actions.len(), 1, "the actions after the refusal");

    let added = opened.ledger.settle_and_react(&permit, dead(2), reaction(&event, "re")).await?;
    ensure_eq!(added.actions.len(), 1, "the number of reactions");
    let opened = opened.crash(fixture).await?;
    ensure_eq!(opened.state("act").await?, dead(2), "the state");
    ensure_eq!(opened.counts().await?, (1, 1), "the number of unsettled actions and dead letters");
    Ok(())
}

/// An observed failure and the reactions to it are one commit, which happens once. If the reactions are refused, the
/// failure is not recorded.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_observation_and_its_reactions_are_one_commit(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    opened.ledger.decide(verdict(&event, "act", 1)).await?;
    let failed = Observed {
        result: ObservedResult::Failed,
        phase: "Failed".into(),
        message: None,
        api_version: "batch/v1".into(),
        kind: "Job".into(),
        namespace: Some("cicd".into()),
        name: "heal".into(),
        at: at(3),
    };
    let taken = reaction(&event, "act");
    let refused = opened.ledger.observe_and_react(&event, "act", failed.clone(), taken).await;
    ensure!(refused.is_err(), "a reaction has the id of another action");
    let unchanged = opened.record(&event).await?;
    let is_observed = unchanged.actions.iter().any(|one| one.observed.is_some());
    ensure!(!is_observed, "an observation is recorded although its reaction is refused");

    for expected in [(true, 1), (false, 0)] {
        let reaction = reaction(&event, "re");
        let (changed, added) =
            opened.ledger.observe_and_react(&event, "act", failed.clone(), reaction).await?;
        ensure_eq!(
            (changed, added.actions.len()),
            expected,
            "whether it changed, and the reactions"
        );
    }
    let opened = opened.crash(fixture).await?;
    let record = opened.record(&event).await?;
    let observed = record.actions.first().and_then(|one| one.observed.as_ref());
    ensure_eq!(observed, Some(&failed), "what was observed");
    ensure_eq!(record.actions.len(), 2, "the number of actions");
    Ok(())
}
