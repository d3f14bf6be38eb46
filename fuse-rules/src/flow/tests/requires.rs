//! `requires … else hold`: who waits for a fuse, when it goes on, and when it expires.

use jiff::SignedDuration;

use super::{at, limit, occurrence};
use crate::flow::{Admission, Flow, FlowRequest, FlowStates, Occurrence, Wait};

/// An occurrence with `requires a, b else hold 60s` and `limit 1 per 100s`.
fn held(event: &str) -> Occurrence {
    let hold = Flow::Requires { within: SignedDuration::from_secs(60) };
    let fuses = ["a", "b"].map(|fuse| (fuse.to_owned(), true)).into();
    let requires = FlowRequest::new("requires a, b", hold, Vec::new());
    let limit = FlowRequest::new("limit", limit(1, 100), Vec::new());
    occurrence(event, vec![FlowRequest { fuses, ..requires }, limit])
}

fn off(fuses: &[&str]) -> Occurrence {
    let mut occurrence = held("x");
    occurrence.set_fuses(|fuse| !fuses.contains(&fuse));
    occurrence
}

fn wait(states: &mut FlowStates, occurrence: Occurrence, now: i64) -> (Wait, String) {
    match states.admit(&occurrence, at(now).into()) {
        Admission::Waiting { by, until, why, .. } => {
            (Wait::new(occurrence, by, at(now).into(), until), why)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_waits_for_the_fuses_that_are_off() {
    let mut states = FlowStates::default();
    let (mut first, why) = wait(&mut states, off(&["a", "b"]), 0);
    assert_eq!(
        why,
        "`requires a, b else hold 1m` waits for the fuses `a`, `b`, which are off, at most until 1970-01-01T00:01:00Z"
    );
    assert_eq!(first.until, at(60));
    assert!(first.is_for_fuses() && first.is_for_fuse("a") && !first.is_for_fuse("c"));
    assert!(states.iter().next().is_none(), "a wait takes no place");

    // One is on. It waits for the other until the same time.
    first.occurrence.set_fuses(|fuse| fuse == "a");
    let Admission::Waiting { by: 0, until, why, .. } = states.resume(&first, at(20).into()) else {
        panic!("it goes on");
    };
    assert_eq!(until, at(60));
    assert!(why.contains(" waits for the fuse `b`, which is off, "), "{why}");

    // Also at the very end: what is on lets it through.
    first.occurrence.set_fuses(|_| true);
    assert_eq!(states.resume(&first, at(60).into()), Admission::Passed);
    // A crash may repeat the question.
    assert_eq!(states.resume(&first, at(61).into()), Admission::Passed);
    // Its place is taken when it passes, not when it came.
    let second = held("y");
    assert!(matches!(states.admit(&second, at(70).into()), Admission::Suppressed { by: 1, .. }));
}

#[test]
fn it_expires_if_a_fuse_is_still_off() {
    let mut states = FlowStates::default();
    let (first, _) = wait(&mut states, off(&["b"]), 0);
    let Admission::Expired { by: 0, why } = states.resume(&first, at(60).into()) else {
        panic!("it waits on");
    };
    assert_eq!(why, "`requires a, b else hold 1m` is over: the fuse `b` is still off");
}

#[test]
fn it_does_not_wait_while_all_are_on() {
    let mut states = FlowStates::default();
    assert_eq!(states.admit(&held("x"), at(0).into()), Admission::Passed);
    let mut blown = held("y");
    assert_eq!(blown.wait_for(["a", "c"]), Err("c"), "it does not require this fuse");
    assert!(blown.requests.iter().all(|one| one.fuses.values().all(|on| *on)), "nothing changed");
    assert_eq!(blown.wait_for(["a"]), Ok(()));
    let (_, why) = wait(&mut states, blown, 1);
    assert!(why.contains("the fuse `a`"), "{why}");
}
