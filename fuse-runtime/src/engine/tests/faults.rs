//! Faults: switched fuses, panics, a state that fails, backends that are slow. Whatever is injected,
//! what was accepted is done exactly once after the fault is gone, and nothing else stops.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fuse_rules::{Fuses, Outcome};

use super::plant::{Mood, Plant, accept, accept_as, state, until};
use crate::engine::Step;
use crate::ledger::{ActionState, DeadLetterKind};
use crate::sources::Incoming;

fn is_held_by_fuse(state: Option<&ActionState>) -> bool {
    matches!(state, Some(ActionState::Held { fuses, .. }) if fuses == &["line".to_owned()])
}

/// Held, waiting for a retry, and queued: while its fuse is off, nothing of a rule is performed.
#[tokio::test]
async fn a_fuse_that_is_off_stops_what_is_pending() {
    for mood in [Mood::Lacks, Mood::Fails, Mood::Works] {
        let mut plant = Plant::new();
        plant.backend.set("e", mood);
        if mood == Mood::Works {
            // Decided, and interrupted before it is performed.
            *plant.fault.lock().unwrap() = Some((Step::Decided, 1));
            plant.policy.backoff = Duration::from_secs(3600);
        }
        let (running, _) = plant.start().await;
        let id = accept(&running, "e").await;
        until("parked, or decided", async || {
            state(&running, &id).await.is_some_and(|state| match mood {
                Mood::Works => state == ActionState::Pending,
                _ => state.is_parked(),
            })
        })
        .await;
        assert!(running.stop().await);
        plant.backend.set("e", Mood::Works);
        let asked = plant.backend.asked.load(Ordering::SeqCst);

        plant.fuses = Fuses::default().set("line", false);
        let (running, _) = plant.start().await;
        until("held by the fuse", async || is_held_by_fuse(state(&running, &id).await.as_ref()))
            .await;
        // Another rule's actions are performed meanwhile.
        let other = accept(&running, "f").await;
        until("the other one is done", async || plant.backend.done(&other) == 1).await;
        assert!(running.stop().await);
        assert_eq!(
            plant.backend.asked.load(Ordering::SeqCst),
            asked + 1,
            "{mood:?}: only the other"
        );
        assert!(is_held_by_fuse(Some(&plant.record(&id).await.actions[0].state)));

        plant.fuses = Fuses::default();
        let (running, _) = plant.start().await;
        until("done", async || plant.backend.done(&id) == 1).await;
        assert!(running.stop().await);
        assert_eq!(plant.backend.done(&id), 1);
    }
}

#[tokio::test]
async fn what_is_parked_can_be_discarded_with_a_reason() {
    let plant = Plant::new();
    plant.backend.set("e", Mood::Lacks);
    let (running, _) = plant.start().await;
    let id = accept(&running, "e").await;
    until("held", async || state(&running, &id).await.is_some_and(|s| s.is_parked())).await;
    let action = running.ledger().find(&id).await.unwrap().remove(0).actions.remove(0).id;
    // While it is asked about it may be on its way; then it is busy.
    until("discarded", async || {
        running.engine.discard(&action, "ops", " by mistake ").await.is_ok()
    })
    .await;
    let again = running.engine.discard(&action, "ops", "").await.unwrap_err().to_string();
    assert_eq!(again, format!("action `{action}` is settled already"));
    let unknown = running.engine.discard("x", "ops", "").await.unwrap_err().to_string();
    assert_eq!(unknown, "there is no action `x`");
    plant.backend.set("e", Mood::Works);
    assert!(running.stop().await);
    let settled = plant.record(&id).await.actions.remove(0).state;
    let ActionState::DeadLettered { kind, reason, .. } = settled else { panic!("{settled:?}") };
    assert_eq!(
        (kind, reason.as_str()),
        (DeadLetterKind::Discarded, "discarded by `ops`: by mistake")
    );
    assert_eq!(plant.backend.done(&id), 0);
}

/// A panic at any step of any event loses nothing, does nothing twice, and stops nothing.
#[tokio::test]
async fn a_panic_at_any_step_loses_nothing() {
    const EVENTS: u32 = 3;
    let steps = [
        Step::Taken,
        Step::Decided,
        Step::Intended,
        Step::Fired,
        Step::Recorded,
        Step::Held,
        Step::Waiting,
        Step::Acked,
    ];
    for step in steps {
        for nth in 1..=EVENTS {
            let plant = Plant::new();
            match step {
                Step::Held => plant.backend.set("e", Mood::Lacks),
                Step::Waiting => plant.backend.set("e", Mood::Fails),
                _ => {}
            }
            *plant.fault.lock().unwrap() = Some((step, nth));
            let (running, _) = plant.start().await;
            let mut ids = Vec::new();
            for _ in 0..EVENTS {
                ids.push(accept(&running, "e").await);
            }
            until("the fault", async || plant.fault.lock().unwrap().is_none()).await;
            plant.backend.set("e", Mood::Works);
            until("all are settled", async || {
                let mut settled = running.ledger().counts().await.unwrap().unsettled == 0;
                for id in &ids {
                    settled &= running.ledger().find(id).await.unwrap()[0].acked;
                }
                settled
            })
            .await;
            assert!(running.stop().await);
            for id in &ids {
                assert_eq!(plant.backend.done(id), 1, "{step:?} {nth}");
                assert!(plant.record(id).await.is_settled(), "{step:?} {nth}");
            }
        }
    }
}

#[tokio::test]
async fn a_trigger_that_panics_is_tried_again_and_asked_whether_it_was_done() {
    for mood in [Mood::PanicsBefore, Mood::PanicsAfter] {
        let plant = Plant::new();
        plant.backend.set("e", mood);
        let (running, _) = plant.start().await;
        let id = accept(&running, "e").await;
        until("it was asked", async || plant.backend.asked.load(Ordering::SeqCst) > 0).await;
        let other = accept(&running, "f").await;
        until("the other one is done", async || plant.backend.done(&other) == 1).await;
        plant.backend.set("e", Mood::Works);
        until("done", async || {
            matches!(state(&running, &id).await, Some(ActionState::Done { .. }))
        })
        .await;
        assert!(running.stop().await);
        assert_eq!(plant.backend.done(&id), 1, "{mood:?}");
    }
}

/// Actions that fail and are retried, or that hang, leave places for those of other rules.
#[tokio::test]
async fn what_fails_or_hangs_keeps_nobody_else_waiting() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let mut plant = Plant::new();
        (plant.policy.events, plant.policy.actions) = (8, 8);
        if mood == Mood::Fails {
            // Long enough that the test would not end if somebody waited for it.
            plant.policy.backoff = Duration::from_secs(3600);
            plant.policy.max_backoff = plant.policy.backoff;
        }
        plant.backend.set("e", mood);
        let (running, _) = plant.start().await;
        for _ in 0..40 {
            accept(&running, "e").await;
        }
        let other = accept(&running, "f").await;
        until("the other one is done", async || plant.backend.done(&other) == 1).await;
        until("the queue is empty but for what hangs", async || {
            running.intake().backlog() <= if mood == Mood::Hangs { 4 } else { 0 }
        })
        .await;
        let running = running.with_grace(Duration::ZERO);
        let in_time = running.stop().await;
        assert_eq!(in_time, mood == Mood::Fails);
    }
}

#[tokio::test]
async fn what_waits_is_due_at_the_same_time_after_a_restart() {
    let mut plant = Plant::new();
    plant.policy.backoff = Duration::from_millis(300);
    plant.policy.max_backoff = plant.policy.backoff;
    plant.backend.set("e", Mood::Fails);
    let (running, _) = plant.start().await;
    let id = accept(&running, "e").await;
    until("it waits", async || state(&running, &id).await.is_some_and(|s| s.is_parked())).await;
    assert!(running.stop().await);
    let ActionState::Waiting { until: due, attempts: 1, .. } =
        plant.record(&id).await.actions[0].state
    else {
        panic!("it was tried again before its time")
    };
    plant.backend.set("e", Mood::Works);
    let (running, _) = plant.start().await;
    until("done", async || plant.backend.done(&id) == 1).await;
    assert!(jiff::Timestamp::now() >= due, "not before its time");
    assert!(running.stop().await);
}

/// A clock that jumps, while fuse runs or does not, expires nothing, forgets nothing and frees no key.
#[tokio::test]
async fn a_clock_that_jumps_shortens_no_window_and_throws_nothing_away() {
    const DAY: i64 = 24 * 3600;
    for jump in [DAY, -DAY] {
        let mut plant = Plant::new();
        plant.policy.held_for = Duration::from_secs(3600);
        plant.backend.set("e", Mood::Lacks);
        let (running, _) = plant.start().await;
        let held = accept(&running, "e").await;
        until("held", async || state(&running, &held).await.is_some_and(|s| s.is_parked())).await;
        assert!(!accept_as(&running, "first", "k").await);
        until("done", async || plant.backend.done("first") == 1).await;

        let mut now = Some(running);
        // While it runs; across a restart; and back again across another one.
        for n in 0..3 {
            let running = match now.take() {
                Some(running) if n > 0 => {
                    assert!(running.stop().await);
                    plant.wrong_by.store(if n == 1 { jump } else { 0 }, Ordering::SeqCst);
                    plant.start().await.0
                }
                running => {
                    plant.wrong_by.store(jump, Ordering::SeqCst);
                    running.unwrap()
                }
            };
            // The id is known, and the key is held.
            assert!(accept_as(&running, "first", "k").await, "{jump} {n}");
            let again = format!("again-{n}");
            assert!(!accept_as(&running, &again, "k").await);
            until("decided", async || {
                let found = running.ledger().find(&again).await.unwrap();
                found.first().is_some_and(|record| record.acked)
            })
            .await;
            let found = running.ledger().find(&again).await.unwrap();
            assert_eq!(found[0].decisions[0].outcome, Outcome::Suppressed, "{jump} {n}");
            assert!(!state(&running, &held).await.unwrap().is_settled(), "{jump} {n}");
            now = Some(running);
        }
        plant.backend.set("e", Mood::Works);
        until("done", async || plant.backend.done(&held) == 1).await;
        assert!(now.unwrap().stop().await);
    }
}

/// A state that cannot be written, or not even read, for a while.
#[tokio::test]
async fn a_state_that_fails_for_a_while_loses_nothing_and_says_so() {
    let plant = Plant::new();
    let (running, store) = plant.start().await;
    let faults = store.faults();
    let mut accepted = BTreeSet::new();
    for round in 0..6 {
        for _ in 0..5 {
            accepted.insert(accept(&running, "e").await);
        }
        let fail = |fails| if round % 2 == 0 { faults.full(fails) } else { faults.broken(fails) };
        fail(true);
        // Somebody finds out.
        let refused = running.intake().accept(Incoming::json("q", "e", "{}")).await;
        assert!(refused.is_err(), "{refused:?}");
        until("it is said", async || running.intake().health().failing_for.is_some()).await;
        assert!(running.intake().accept(Incoming::json("q", "e", "{}")).await.is_err());
        fail(false);
        until("it works again", async || running.intake().health().problem.is_none()).await;
    }
    until("all are settled", async || {
        let mut settled = running.intake().backlog() == 0;
        for id in &accepted {
            let found = running.ledger().find(id).await.unwrap_or_default();
            settled &= found.first().is_some_and(|record| record.acked && record.is_settled());
        }
        settled
    })
    .await;
    assert!(running.stop().await);
    for id in &accepted {
        assert_eq!(plant.backend.done(id), 1);
    }
    // A refused event may have been kept all the same; then it was done as well, and once.
    assert!(plant.backend.done.lock().unwrap().values().all(|times| *times == 1));
}

/// A state that cannot be closed is a stop that is not clean, and no more than that.
#[tokio::test]
async fn a_stop_while_the_state_fails_is_not_clean_and_loses_nothing() {
    let plant = Plant::new();
    let (running, store) = plant.start().await;
    let id = accept(&running, "e").await;
    until("settled", async || running.intake().backlog() == 0).await;
    store.faults().full(true);
    let refused = running.intake().accept(Incoming::json("q", "e", "{}")).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(!running.stop().await);
    drop(store);
    assert!(plant.record(&id).await.is_settled());
}
