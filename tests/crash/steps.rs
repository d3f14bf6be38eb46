use fuse_rules::Outcome;
use fuse_runtime::engine::Step;
use fuse_runtime::ledger::ActionState;

use super::{ACTIONS, Scene, at};

/// Dies at a step, starts again, and has everything done once.
async fn dies_and_recovers(step: &str, occurrence: u32) -> Vec<Step> {
    let scene = Scene::new();
    scene.die(step, occurrence);
    let recovered = scene.recover(true, at(10)).await;
    scene.assert_all_done_once(&recovered.record, step);
    recovered.steps
}

/// How often a step was taken after the restart.
fn count(steps: &[Step], step: Step) -> usize {
    steps.iter().filter(|taken| **taken == step).count()
}

#[tokio::test]
async fn after_the_answer() {
    let steps = dies_and_recovers("Accepted", 1).await;
    assert_eq!(count(&steps, Step::Decided), 1);
    assert_eq!(count(&steps, Step::Fired), ACTIONS);
}

#[tokio::test]
async fn after_taking_the_event() {
    let steps = dies_and_recovers("Taken", 1).await;
    assert_eq!(count(&steps, Step::Decided), 1);
    assert_eq!(count(&steps, Step::Fired), ACTIONS);
}

#[tokio::test]
async fn after_deciding() {
    let steps = dies_and_recovers("Decided", 1).await;
    // Decided once and for all.
    assert_eq!(count(&steps, Step::Decided), 0);
    assert_eq!(count(&steps, Step::Fired), ACTIONS);
}

#[tokio::test]
async fn after_an_intent() {
    for occurrence in [1, 2] {
        let steps = dies_and_recovers("Intended", occurrence).await;
        assert_eq!(count(&steps, Step::Decided), 0);
        // The actions before this one were fired.
        let left = ACTIONS + 1 - occurrence as usize;
        assert_eq!(count(&steps, Step::Fired), left, "{steps:?}");
    }
}

#[tokio::test]
async fn after_firing() {
    for occurrence in [1, 2] {
        let steps = dies_and_recovers("Fired", occurrence).await;
        assert_eq!(count(&steps, Step::Decided), 0);
        // The manifest is there: it is found, and only recorded.
        let left = ACTIONS - occurrence as usize;
        assert_eq!(count(&steps, Step::Fired), left, "{steps:?}");
        assert!(count(&steps, Step::Recorded) > left, "{steps:?}");
    }
}

#[tokio::test]
async fn after_recording() {
    for occurrence in [1, 2] {
        let steps = dies_and_recovers("Recorded", occurrence).await;
        assert_eq!(count(&steps, Step::Decided), 0);
        let left = ACTIONS - occurrence as usize;
        assert_eq!(count(&steps, Step::Recorded), left, "{steps:?}");
        assert_eq!(count(&steps, Step::Fired), left, "{steps:?}");
    }
}

#[tokio::test]
async fn after_the_ack() {
    let steps = dies_and_recovers("Acked", 1).await;
    assert_eq!(steps, []);
}

/// What the tests above rest on: the child really dies where it is told to.
#[tokio::test]
async fn a_child_that_dies_leaves_what_it_had_done_and_no_more() {
    for (step, written) in [("Accepted", 0), ("Taken", 0), ("Decided", 0), ("Acked", ACTIONS)] {
        let scene = Scene::new();
        scene.die(step, 1);
        assert_eq!(scene.fuse.manifests().len(), written, "{step}");
        assert_eq!(scene.journal().len(), written, "{step}");
    }
}

/// What is decided stays decided; performing asks the fuse again.
#[tokio::test]
async fn a_decision_stands_though_the_fuse_was_turned_off_meanwhile_and_waits_for_it() {
    let scene = Scene::new();
    scene.die("Decided", 1);
    let record = scene.start_with_the_fuse_off(at(10)).await;
    for action in &record.actions {
        let ActionState::Held { fuses, .. } = &action.state else { panic!("{action:#?}") };
        assert_eq!(fuses, &["cicd"]);
    }
    assert!(scene.fuse.manifests().is_empty());
    let recovered = scene.recover(true, at(20)).await;
    scene.assert_all_done_once(&recovered.record, "Decided");
}

#[tokio::test]
async fn what_was_not_decided_is_decided_by_the_fuse_as_it_is_now() {
    for step in ["Accepted", "Taken"] {
        let scene = Scene::new();
        scene.die(step, 1);
        let record = scene.recover(false, at(10)).await.record;
        let outcomes: Vec<Outcome> = record.decisions.iter().map(|d| d.outcome).collect();
        assert_eq!(outcomes, [Outcome::Gated, Outcome::Gated], "{step}");
        assert!(scene.fuse.manifests().is_empty(), "{step}");
    }
}

#[tokio::test]
async fn it_may_die_several_times() {
    let scene = Scene::new();
    scene.die("Accepted", 1);
    // Each child goes on from where the one before it died, and dies one step further.
    for step in ["Taken", "Decided", "Intended", "Fired", "Recorded"] {
        scene.die(step, 1);
    }
    let recovered = scene.recover(true, at(10)).await;
    scene.assert_all_done_once(&recovered.record, "all of them");
}
