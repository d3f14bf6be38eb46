//! The law of `requires … else hold`: what waits for a fuse.

use fuse_rules::Outcome;
use fuse_rules::flow::{BlowClause, BlowCounts, BlowingFuse, Flow, FlowRequest};
use jiff::SignedDuration;

use super::Fixture;
use super::fuses::switch;
use super::support::{OpenBackend, Violation, ids, outcomes, push};
use super::waits::{asks, described, time};
use crate::ledger::{CurrentRules, SwitchPosition, Woken};

/// What waits for a fuse is asked again when rules are rechecked, and released once all of its fuses are on. If one is
/// still off when its time is over, it expires. The one that blows its fuse waits for it.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn what_waits_for_a_fuse_goes_on_when_it_is_on(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    let within = SignedDuration::from_mins(10);
    let clause = BlowClause { counts: BlowCounts::Actions, count: 1, within };
    let fuse =
        BlowingFuse { name: "f".into(), clauses: vec![clause], reset_after: None, drops: false };
    let hold = Flow::Requires { within: SignedDuration::from_secs(300) };
    let fuses = |f_is_on| [("f".to_owned(), f_is_on), ("g".to_owned(), true)].into();
    for (id, f_is_on, outcome) in [
        ("a", false, Outcome::Waiting),
        ("b", false, Outcome::Waiting),
        ("c", true, Outcome::Fired),
        // It blows the fuse.
        ("d", true, Outcome::Waiting),
        // It was evaluated before the fuse blew.
        ("e", true, Outcome::Waiting),
    ] {
        let event = opened.accept(id, 0).await?;
        let request = FlowRequest::new("requires f, g", hold, Vec::new());
        let request = FlowRequest { fuses: fuses(f_is_on), ..request };
        let mut verdict = asks(&event, 0, vec![request]);
        verdict.requires.insert("s/r".into(), vec!["f".into(), "g".into()]);
        verdict.blow = vec![fuse.clone()];
        let record = opened.ledger.decide(verdict).await?;
        ensure_eq!(outcomes(&record), [outcome], "the outcome of `{id}`");
        let blew: Vec<&str> = record.blown.iter().map(|blown| blown.fuse.as_str()).collect();
        ensure_eq!(blew, if id == "d" { vec!["f"] } else { vec![] }, "the fuses that `{id}` blew");
    }
    ensure_eq!(opened.due(299).await?, (vec![], Some(300)), "what is due before");

    // `g` is off now: what is asked again waits on, until the same time.
    let rules = |off: &[&str]| CurrentRules {
        blow: vec![fuse.clone()],
        off: off.iter().map(|fuse| (*fuse).to_owned()).collect(),
        ..CurrentRules::default()
    };
    opened.ledger.recheck(&["t/r".to_owned()].into(), time(10)).await?;
    ensure_eq!(opened.due(10).await?.0, [""; 0], "what is due after a recheck of another rule");
    opened.ledger.recheck(&["s/r".to_owned()].into(), time(10)).await?;
    ensure_eq!(opened.due(10).await?.0, ["a", "b", "d", "e"], "what is due after a recheck");
    for id in ["a", "b", "d", "e"] {
        let woken = opened.ledger.wake(&push(id), time(10), &rules(&["g"])).await?;
        ensure_eq!(woken, Woken::default(), "what became of `{id}` while its fuses are off");
    }
    ensure_eq!(opened.due(299).await?, (vec![], Some(300)), "what is due after they were asked");
    let record = opened.record(&push("a")).await?;
    let why = "`requires f, g else hold 5m` waits for the fuses `f`, `g`, which are off, at most until \
               2026-08-01T10:05:00Z";
    ensure_eq!(described(&record), [(Outcome::Waiting, why)], "the reason");

    opened.ledger.switch_fuse("f", switch(SwitchPosition::On, 20)).await?;
    opened = opened.crash(fixture).await?;
    opened.ledger.recheck(&["s/r".to_owned()].into(), time(20)).await?;
    let woken = opened.ledger.wake(&push("a"), time(20), &rules(&[])).await?;
    ensure_eq!(ids(&woken.actions), ["a"], "the actions when the fuse is on");
    // One more is too many again.
    let woken = opened.ledger.wake(&push("b"), time(20), &rules(&[])).await?;
    ensure_eq!(woken.actions.len(), 0, "the actions of the one that blows the fuse");
    let record = opened.record(&push("b")).await?;
    ensure_eq!(outcomes(&record), [Outcome::Waiting], "the outcome of the one that blows it");

    // At the end of its time.
    let woken = opened.ledger.wake(&push("d"), time(300), &rules(&[])).await?;
    let found: Vec<_> = woken.decisions.iter().map(|one| one.outcome).collect();
    ensure_eq!(found, [Outcome::Expired], "the outcome at the end of its time");
    ensure!(woken.is_unfinished, "nothing reacts to what expired");
    Ok(())
}
