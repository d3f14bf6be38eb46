//! Laws of flow control: the states of clauses change with the decisions.

use fuse_rules::Outcome;
use fuse_rules::flow::Occurrence;

use super::Fixture;
use super::support::{
    OpenBackend, Violation, action, fired, limited, once, outcomes, rejected, third, verdict,
};

/// The first occurrence of a key holds it until its window ends. An occurrence within the window is
/// suppressed, with the reason, and has no action.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_held_key_suppresses_until_its_window_ends(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    const WINDOW: i64 = 4 * 3600;
    let opened = OpenBackend::new(fixture).await?;
    for (id, seconds, outcome) in [
        ("a", 0, Outcome::Fired),
        ("b", 60, Outcome::Suppressed),
        ("c", WINDOW - 1, Outcome::Suppressed),
        ("d", WINDOW, Outcome::Fired),
    ] {
        let event = opened.accept(id, seconds).await?;
        let mut verdict = verdict(&event, &format!("act-{id}"), seconds);
        verdict.flow = vec![once("\"k\"", id, None)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome after {seconds} s");
        if outcome == Outcome::Suppressed {
            let reasons: Vec<_> = record.decisions.iter().map(|one| one.reason.as_str()).collect();
            let why = "`once per \"k\" within 4h` already fired at 2026-08-01T10:00:00Z for event `a`; \
                       free again at 2026-08-01T14:00:00Z";
            ensure_eq!(reasons, [why], "the reason");
            let named = record.decisions.iter().filter_map(|one| one.action.as_ref()).count();
            ensure_eq!((named, record.actions.len()), (0, 0), "the actions");
            ensure!(record.is_settled(), "a suppressed event is not settled");
        }
    }
    ensure_eq!(opened.counts().await?, (2, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// A key is held after a crash.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_key_is_held_after_a_crash(fixture: &dyn Fixture) -> Result<(), Violation> {
    for (id, outcome) in [("a", Outcome::Fired), ("b", Outcome::Suppressed)] {
        let opened = OpenBackend::new(fixture).await?;
        let event = opened.accept(id, 0).await?;
        let mut verdict = verdict(&event, id, 1);
        verdict.flow = vec![once("k", id, None)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
    }
    Ok(())
}

/// A limit lets its number through in any window, also across a crash. What is suppressed has the reason and no action.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_limit_lets_no_more_through_than_its_number(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    const WINDOW: i64 = 4 * 3600;
    let mut opened = OpenBackend::new(fixture).await?;
    for (id, seconds, outcome) in [
        ("a", 0, Outcome::Fired),
        ("b", 600, Outcome::Fired),
        ("c", WINDOW - 1, Outcome::Suppressed),
        ("d", WINDOW, Outcome::Fired),
        ("e", WINDOW + 599, Outcome::Suppressed),
        ("f", WINDOW + 600, Outcome::Fired),
    ] {
        opened = opened.crash(fixture).await?;
        let event = opened.accept(id, seconds).await?;
        let mut verdict = verdict(&event, &format!("act-{id}"), seconds);
        verdict.flow = vec![limited(id)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome after {seconds} s");
        if id == "c" {
            let reasons: Vec<_> = record.decisions.iter().map(|one| one.reason.as_str()).collect();
            let why =
                "`limit 2 per 4h` is reached: 2 of 2 within 4h; free again at 2026-08-01T14:00:00Z";
            ensure_eq!(reasons, [why], "the reason");
            ensure_eq!(record.actions.len(), 0, "the number of actions");
        }
    }
    Ok(())
}

/// The rules that use a limiter share its places, also across a crash.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn rules_share_the_places_of_a_limiter(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    for (id, rule, outcome) in [
        ("a", "s/r", Outcome::Fired),
        ("b", "t/r", Outcome::Fired),
        ("c", "s/r", Outcome::Suppressed),
        ("d", "u/r", Outcome::Suppressed),
    ] {
        opened = opened.crash(fixture).await?;
        let event = opened.accept(id, 0).await?;
        let mut verdict = verdict(&event, id, 0);
        verdict.decisions = vec![fired(rule, None, id)];
        verdict.actions = vec![(id.into(), action(rule, None))];
        let mut occurrence = Occurrence { rule: rule.into(), ..limited(id) };
        for request in &mut occurrence.requests {
            request.limiter = Some("api".into());
        }
        verdict.flow = vec![occurrence];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
    }
    Ok(())
}

/// `after` counts matches across crashes. A counted match has the reason and no action. The count is stored, even if a
/// later clause suppresses the match that passes `after`.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn matches_are_counted_across_crashes(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    for (id, outcome) in [
        ("a", Outcome::Counted),
        ("b", Outcome::Counted),
        ("c", Outcome::Fired),
        ("d", Outcome::Counted),
        ("e", Outcome::Counted),
        ("f", Outcome::Suppressed),
        ("g", Outcome::Counted),
    ] {
        opened = opened.crash(fixture).await?;
        let event = opened.accept(id, 0).await?;
        let mut verdict = verdict(&event, &format!("act-{id}"), 0);
        let mut occurrence = third(id);
        occurrence.requests.extend(once("\"k\"", id, None).requests);
        verdict.flow = vec![occurrence];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
        if outcome == Outcome::Counted {
            let number = if matches!(id, "b" | "e") { 2 } else { 1 };
            let reasons: Vec<_> = record.decisions.iter().map(|one| one.reason.as_str()).collect();
            let why = format!("`after 3 within 4h` is not reached: {number} of 3 within 4h");
            ensure_eq!(reasons, [why.as_str()], "the reason");
            let named = record.decisions.iter().filter_map(|one| one.action.as_ref()).count();
            ensure_eq!((named, record.actions.len()), (0, 0), "the actions");
            ensure!(record.is_settled(), "a counted event is not settled");
        }
    }
    ensure_eq!(opened.counts().await?, (1, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// The action of a rule in shadow is a part of its decision, also after a crash, and is not performed. Flow control
/// applies to it.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_action_in_shadow_is_recorded_and_never_performed(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let shadow = Some(Box::new(action("s/r", None)));
    for (id, outcome) in [("a", Outcome::Shadow), ("b", Outcome::Suppressed)] {
        let event = opened.accept(id, 0).await?;
        let mut verdict = verdict(&event, id, 0);
        verdict.actions.clear();
        for decision in &mut verdict.decisions {
            decision.outcome = Outcome::Shadow;
            decision.action = None;
            decision.shadow.clone_from(&shadow);
        }
        verdict.flow = vec![once("\"k\"", id, None)];
        opened.ledger.decide(verdict).await?;
        opened = opened.crash(fixture).await?;
        let record = opened.record(&event).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
        let on_record: Vec<_> = record.decisions.iter().map(|one| one.shadow.clone()).collect();
        let expected = if outcome == Outcome::Shadow { shadow.clone() } else { None };
        ensure_eq!(on_record, [expected], "what it would have done");
        ensure_eq!(record.actions.len(), 0, "the number of actions");
        ensure!(record.is_settled(), "an event in shadow is not settled");
    }
    ensure_eq!(opened.counts().await?, (0, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// The owner of a key is granted it again: a crash may repeat the question.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_owner_of_a_key_is_granted_it_again(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for (id, owner, outcome) in [
        ("a", "mine", Outcome::Fired),
        ("b", "mine", Outcome::Fired),
        ("c", "other", Outcome::Suppressed),
    ] {
        let event = opened.accept(id, 0).await?;
        let mut verdict = verdict(&event, id, 1);
        verdict.flow = vec![once("k", owner, None)];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of event `{id}`");
    }
    Ok(())
}

/// Of two elements of one event with the same key, the first is granted it. Every action of the
/// other is dropped, also those that no decision names.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_first_of_two_elements_with_one_key_is_granted_it(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("e", 0).await?;
    let mut verdict = verdict(&event, "unused", 0);
    verdict.decisions.clear();
    verdict.actions.clear();
    for element in 0..3 {
        let id = format!("act-{element}");
        let element = Some(vec![element]);
        verdict.decisions.push(fired("s/r", element.clone(), &id));
        verdict.actions.push((id, action("s/r", element)));
    }
    // A second trigger of the suppressed element.
    let mut second = action("s/r", Some(vec![1]));
    second.ordinal = 1;
    verdict.actions.push(("act-1-second".into(), second));
    verdict.flow = vec![
        once("k", "e", Some(vec![0])),
        once("k", "e", Some(vec![1])),
        once("other", "e", Some(vec![2])),
    ];
    let record = opened.ledger.decide(verdict).await?;
    let expected = [Outcome::Fired, Outcome::Suppressed, Outcome::Fired];
    ensure_eq!(outcomes(&record), expected, "the outcomes");
    let ids: Vec<_> = record.actions.iter().map(|one| one.id.as_str()).collect();
    ensure_eq!(ids, ["act-0", "act-2"], "the actions");
    ensure_eq!(opened.counts().await?, (2, 0), "the number of unsettled actions and dead letters");
    Ok(())
}

/// A claim without a fired decision claims nothing.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_decision_that_did_not_fire_claims_no_key(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let event = opened.accept("a", 0).await?;
    let mut unrendered = verdict(&event, "act", 0);
    unrendered.decisions = vec![rejected("s/r", None, "`name` is absent")];
    unrendered.actions.clear();
    unrendered.flow = vec![once("k", "a", None)];
    let record = opened.ledger.decide(unrendered).await?;
    ensure_eq!(outcomes(&record), [Outcome::Rejected], "the outcomes");

    let event = opened.accept("b", 0).await?;
    let mut verdict = verdict(&event, "act-b", 1);
    verdict.flow = vec![once("k", "b", None)];
    let record = opened.ledger.decide(verdict).await?;
    ensure_eq!(outcomes(&record), [Outcome::Fired], "the outcomes of the next event");
    Ok(())
}
