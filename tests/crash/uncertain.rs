use fuse_runtime::ledger::{ActionState, DeadLetterKind};

use super::{Scene, at};

/// Dies with one intent on record and nothing fired; restarts so many seconds later.
async fn restarted_after(seconds: i64) -> (Scene, Vec<ActionState>) {
    let scene = Scene::new();
    scene.die("Intended", 1);
    assert_eq!(scene.journal(), Vec::<String>::new());
    let record = scene.recover(true, at(seconds)).await.record;
    let states = record.actions.into_iter().map(|action| action.state);
    let states = states.collect();
    (scene, states)
}

#[tokio::test]
async fn an_intent_of_less_than_five_minutes_is_fired() {
    let (scene, states) = restarted_after(299).await;
    assert!(states.iter().all(|state| matches!(state, ActionState::Done { .. })), "{states:#?}");
    assert_eq!(scene.journal().len(), 2);
    assert_eq!(scene.fuse.manifests().len(), 2);
}

#[tokio::test]
async fn an_older_intent_without_a_trace_becomes_a_dead_letter() {
    let (scene, states) = restarted_after(301).await;
    let dead: Vec<&str> = states
        .iter()
        .filter_map(|state| match state {
            ActionState::DeadLettered { kind: DeadLetterKind::Uncertain, reason, .. } => {
                Some(reason.as_str())
            }
            _ => None,
        })
        .collect();
    let [reason] = dead.as_slice() else {
        panic!("{states:#?}");
    };
    assert!(
        reason.contains("2026-08-01T10:00:00Z") && reason.contains("left no trace"),
        "{reason}"
    );
    // The other action had no intent yet, and is done.
    assert_eq!(scene.journal().len(), 1);
    assert_eq!(scene.fuse.manifests().len(), 1);
}

/// The age does not matter where there is a trace.
#[tokio::test]
async fn an_old_intent_with_a_trace_is_done() {
    let scene = Scene::new();
    scene.die("Fired", 2);
    let recovered = scene.recover(true, at(24 * 3600)).await;
    scene.assert_all_done_once(&recovered.record, "a day later");
}
