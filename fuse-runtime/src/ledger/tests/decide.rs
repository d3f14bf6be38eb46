//! Deciding once, and `once per`.

use fuse_rules::Outcome;

use super::super::{ActionState, Counts, DeadLetterKind, Ledger, LedgerError};
use super::{House, action, claim, fired, rejected, verdict};
use crate::bus::{Bus, Published};
use crate::event::EventKey;
use crate::store::Store;
use crate::store::support::{at, envelope};

#[tokio::test]
async fn an_event_is_decided_once() {
    let house = House::in_memory().await;
    let event = house.accept("e", 0).await;
    let waiting = house.ledger.event(&event).await.unwrap().unwrap();
    assert_eq!((waiting.decided, &waiting.plan), (None, &None));
    assert!(!waiting.is_settled());

    let first = house.ledger.decide(verdict(&event, "act", 1)).await.unwrap();
    assert_eq!(first.decided, Some(at(1)));
    assert_eq!(first.plan.as_deref(), Some("plan-1"));
    assert_eq!(first.actions.len(), 1);
    assert_eq!(first.actions[0].state, ActionState::Pending);
    assert_eq!(first.actions[0].action, action("s/r", None));

    let mut other = verdict(&event, "another", 2);
    other.plan = "plan-2".into();
    other.decisions[0].rule = "s/renamed".into();
    assert_eq!(house.ledger.decide(other).await.unwrap(), first);
    assert_eq!(house.ledger.event(&event).await.unwrap(), Some(first));
    let counts = house.ledger.counts().await.unwrap();
    assert_eq!(counts.unsettled, 1);
}

#[tokio::test]
async fn an_event_that_was_not_accepted_is_not_decided() {
    let house = House::in_memory().await;
    let event = EventKey { source: "github".into(), name: "push".into(), id: "e".into() };
    let problem = house.ledger.decide(verdict(&event, "act", 1)).await;
    let problem = problem.unwrap_err();
    assert_eq!(problem.to_string(), "there is no event `e` of `github.push`");
    assert_eq!(house.ledger.event(&event).await.unwrap(), None);
}

#[tokio::test]
async fn a_verdict_that_contradicts_itself_is_refused_whole() {
    let house = House::in_memory().await;
    let event = house.accept("e", 0).await;
    let other = house.accept("other", 0).await;
    house.ledger.decide(verdict(&other, "taken", 1)).await.unwrap();

    let mut twice = verdict(&event, "act", 1);
    twice.actions.push(twice.actions[0].clone());
    let mut unheld = verdict(&event, "act", 1);
    unheld.decisions[0].action = Some("missing".into());
    let mut refused = verdict(&event, "act", 1);
    refused.rejected = Some("a key stands twice".into());
    let taken = verdict(&event, "taken", 1);
    for bad in [twice, unheld, refused, taken] {
        let mut bad = bad;
        bad.once = vec![claim("s/r k", "o", None)];
        let problem = house.ledger.decide(bad).await.unwrap_err();
        assert!(matches!(problem, LedgerError::Invalid(_)), "{problem}");
    }
    // Nothing of them is left: the event is undecided and the key is free.
    let record = house.ledger.event(&event).await.unwrap().unwrap();
    assert_eq!(record.decided, None);
    let mut good = verdict(&event, "act", 1);
    good.once = vec![claim("s/r k", "someone else", None)];
    let record = house.ledger.decide(good).await.unwrap();
    assert_eq!(record.decisions[0].outcome, Outcome::Fired);
}

#[tokio::test]
async fn a_refused_event_is_a_dead_letter() {
    let house = House::in_memory().await;
    let event = house.accept("e", 0).await;
    let mut refused = verdict(&event, "act", 3);
    refused.decisions.clear();
    refused.actions.clear();
    refused.rejected = Some("the key `a` stands twice".into());
    let record = house.ledger.decide(refused).await.unwrap();
    assert!(record.is_settled());
    let letters = house.ledger.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].event, letters[0].at), (&event, at(3)));
    assert_eq!(letters[0].reason, "the key `a` stands twice");
    assert!(letters[0].action.is_none());
    assert_eq!((&letters[0].rule, &letters[0].element), (&None, &None));
}

#[tokio::test]
async fn decisions_that_an_event_was_refused_with_are_no_dead_letters_of_their_own() {
    let house = House::in_memory().await;
    let event = house.accept("e", 0).await;
    let mut refused = verdict(&event, "act", 3);
    refused.decisions = vec![rejected("s/r", None, "the event is refused")];
    refused.actions.clear();
    refused.rejected = Some("the key `a` stands twice".into());
    house.ledger.decide(refused).await.unwrap();
    let letters = house.ledger.dead_letters(10).await.unwrap();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["the key `a` stands twice"]);
}

#[tokio::test]
async fn rejected_decisions_are_dead_letters_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::of(Store::open(folder.path()).unwrap()).await;
    let event = house.accept("e", 0).await;
    let mut partly = verdict(&event, "act", 3);
    partly.decisions.push(rejected("s/r", Some(vec![0]), "`name` is absent"));
    // Two triggers of one rule and element.
    partly.decisions.push(rejected("s/r", Some(vec![1]), "`name` is null"));
    partly.decisions.push(rejected("s/r", Some(vec![1]), "`env` is a map"));
    house.ledger.decide(partly.clone()).await.unwrap();
    // Deciding again adds nothing.
    house.ledger.decide(partly).await.unwrap();
    let other = house.accept("other", 0).await;
    let mut whole = verdict(&other, "unused", 2);
    whole.decisions = vec![rejected("s/each", None, "`body.alerts` has 501 elements")];
    whole.actions.clear();
    assert!(house.ledger.decide(whole).await.unwrap().is_settled());
    drop(house);

    let house = House::of(Store::open(folder.path()).unwrap()).await;
    let counts = house.ledger.counts().await.unwrap();
    assert_eq!(counts, Counts { unsettled: 1, dead_letters: 4 });
    let letters = house.ledger.dead_letters(10).await.unwrap();
    assert!(letters.iter().all(|l| l.kind == DeadLetterKind::Permanent && l.action.is_none()));
    let said: Vec<_> = letters
        .into_iter()
        .map(|l| (l.event, l.at, l.rule.unwrap(), l.element, l.reason))
        .collect();
    let of_event = |element, why: &str| {
        (event.clone(), at(3), "s/r".to_owned(), Some(vec![element]), why.to_owned())
    };
    let expected = [
        of_event(1, "`env` is a map"),
        of_event(1, "`name` is null"),
        of_event(0, "`name` is absent"),
        (other, at(2), "s/each".to_owned(), None, "`body.alerts` has 501 elements".to_owned()),
    ];
    assert_eq!(said, expected);
    assert_eq!(house.ledger.dead_letters(2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn one_id_at_two_events_of_a_source_is_two_events() {
    let house = House::in_memory().await;
    let push = house.accept("same", 0).await;
    let mut other = envelope("github", "same", "{}");
    other.name = "ping".into();
    let ping = other.key();
    assert_eq!(house.bus.publish(other.clone()).await, Ok(Published::Accepted));
    assert_eq!(house.bus.publish(other).await, Ok(Published::Known));
    assert_eq!(house.bus.backlog(), 2);

    for (event, act, seconds) in [(&push, "act-push", 1), (&ping, "act-ping", 2)] {
        let record = house.ledger.decide(verdict(event, act, seconds)).await.unwrap();
        assert_eq!((record.event.key(), record.decided), (event.clone(), Some(at(seconds))));
        assert_eq!(record.actions[0].id, act);
    }
    let found = house.ledger.find("same").await.unwrap();
    let keys: Vec<_> = found.iter().map(|record| record.event.key()).collect();
    assert_eq!(keys, [ping, push]);
}

#[tokio::test]
async fn events_are_found_by_id_whatever_their_source() {
    let house = House::in_memory().await;
    house.accept("same", 0).await;
    house.accept("same-not", 0).await;
    house.accept("sam", 0).await;
    let other = envelope("a source", "same", "{}");
    house.bus.publish(other.clone()).await.unwrap();
    house.ledger.decide(verdict(&other.key(), "act", 1)).await.unwrap();

    let found = house.ledger.find("same").await.unwrap();
    let said: Vec<_> =
        found.iter().map(|record| (record.event.source.as_str(), record.decided)).collect();
    assert_eq!(said, [("a source", Some(at(1))), ("github", None)]);
    assert!(house.ledger.find("nothing").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_held_key_suppresses_until_its_window_ends() {
    let house = House::in_memory().await;
    let mut outcomes = Vec::new();
    // The first, one inside, one a moment before the end, one at the end.
    for (id, seconds) in [("a", 0), ("b", 60), ("c", 4 * 3600 - 1), ("d", 4 * 3600)] {
        let event = house.accept(id, seconds).await;
        let mut verdict = verdict(&event, &format!("act-{id}"), seconds);
        verdict.once = vec![claim("s/r [\"k\"]", id, None)];
        outcomes.push(house.ledger.decide(verdict).await.unwrap());
    }
    let said: Vec<_> = outcomes.iter().map(|r| r.decisions[0].outcome).collect();
    use Outcome::{Fired, Suppressed};
    assert_eq!(said, [Fired, Suppressed, Suppressed, Fired]);
    let held = &outcomes[1];
    assert_eq!(
        held.decisions[0].reason,
        "`once per` already fired at 2026-08-01T10:00:00Z for event `a`; \
         holds until 2026-08-01T14:00:00Z"
    );
    assert_eq!(held.decisions[0].action, None);
    assert!(held.actions.is_empty() && held.is_settled());
    assert_eq!(house.ledger.counts().await.unwrap().unsettled, 2);
}

#[tokio::test]
async fn a_key_is_held_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for (id, expected) in [("a", Outcome::Fired), ("b", Outcome::Suppressed)] {
        let house = House::of(Store::open(folder.path()).unwrap()).await;
        let event = house.accept(id, 0).await;
        let mut verdict = verdict(&event, id, 1);
        verdict.once = vec![claim("s/r k", id, None)];
        let record = house.ledger.decide(verdict).await.unwrap();
        assert_eq!(record.decisions[0].outcome, expected);
    }
}

#[tokio::test]
async fn the_owner_of_a_key_is_granted_it_again() {
    let house = House::in_memory().await;
    for (id, owner, expected) in [
        ("a", "mine", Outcome::Fired),
        ("b", "mine", Outcome::Fired),
        ("c", "other", Outcome::Suppressed),
    ] {
        let event = house.accept(id, 0).await;
        let mut verdict = verdict(&event, id, 1);
        verdict.once = vec![claim("s/r k", owner, None)];
        let record = house.ledger.decide(verdict).await.unwrap();
        assert_eq!(record.decisions[0].outcome, expected, "event {id}");
    }
}

#[tokio::test]
async fn the_first_of_two_elements_with_one_key_wins() {
    let house = House::in_memory().await;
    let event = house.accept("e", 0).await;
    let mut verdict = verdict(&event, "unused", 0);
    verdict.decisions.clear();
    verdict.actions.clear();
    for element in 0..3 {
        let id = format!("act-{element}");
        let element = Some(vec![element]);
        verdict.decisions.push(fired("s/r", element.clone(), &id));
        verdict.actions.push((id, action("s/r", element)));
    }
    // A second trigger of the suppressed element, which no decision names.
    let mut second = action("s/r", Some(vec![1]));
    second.ordinal = 1;
    verdict.actions.push(("act-1-second".into(), second));
    // One owner: the repeat inside the verdict is another occurrence all the same.
    verdict.once = vec![
        claim("s/r k", "e", Some(vec![0])),
        claim("s/r k", "e", Some(vec![1])),
        claim("s/r other", "e", Some(vec![2])),
    ];
    let record = house.ledger.decide(verdict).await.unwrap();
    let said: Vec<_> = record.decisions.iter().map(|d| d.outcome).collect();
    use Outcome::{Fired, Suppressed};
    assert_eq!(said, [Fired, Suppressed, Fired]);
    let ids: Vec<_> = record.actions.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(ids, ["act-0", "act-2"]);
    let counts = house.ledger.counts().await.unwrap();
    assert_eq!(counts, Counts { unsettled: 2, dead_letters: 0 });
}

#[tokio::test]
async fn what_did_not_fire_uses_no_key_up() {
    let house = House::in_memory().await;
    let event = house.accept("a", 0).await;
    let mut unrendered = verdict(&event, "act", 0);
    unrendered.decisions[0].outcome = Outcome::Rejected;
    unrendered.decisions[0].action = None;
    unrendered.actions.clear();
    unrendered.once = vec![claim("s/r k", "a", None)];
    let record = house.ledger.decide(unrendered).await.unwrap();
    assert_eq!(record.decisions[0].outcome, Outcome::Rejected);

    let event = house.accept("b", 0).await;
    let mut verdict = verdict(&event, "act-b", 1);
    verdict.once = vec![claim("s/r k", "b", None)];
    let record = house.ledger.decide(verdict).await.unwrap();
    assert_eq!(record.decisions[0].outcome, Outcome::Fired);
}
