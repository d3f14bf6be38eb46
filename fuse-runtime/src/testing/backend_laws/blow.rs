//! The laws of fuses that blow.

use fuse_rules::flow::{BlowClause, BlowCounts, BlowingFuse, Occurrence};
use fuse_rules::{Outcome, ReactionKind};
use futures_util::future::join_all;
use jiff::SignedDuration;

use super::Fixture;
use super::fuses::switch;
use super::support::{
    OpenBackend, Violation, action, at, attempt, dead, envelope, fired, limited, once, outcomes,
    verdict,
};
use crate::event::EventKey;
use crate::ledger::{
    ActionState, BlowRecord, CurrentRules, DeadLetterKind, FuseHistory, FuseSwitch, LedgerError,
    Observed, ObservedResult, SwitchPosition, Verdict,
};

/// How many verdicts are recorded at once.
const CONCURRENT: usize = 12;

fn fuse(counts: BlowCounts, reset_after: Option<SignedDuration>) -> BlowingFuse {
    let clause = BlowClause { counts, count: 2, within: SignedDuration::from_secs(60) };
    BlowingFuse { name: "f".into(), clauses: vec![clause], reset_after, drops: false }
}

/// A verdict about this event that fires the rule `s/r`, which requires a fuse that lets two actions through in a minute
/// and closes after ten.
fn asking(event: &EventKey, seconds: i64) -> Verdict {
    let mut asking = verdict(event, &format!("act-{}", event.id), seconds);
    asking.requires.insert("s/r".into(), vec!["f".into()]);
    asking.flow = vec![Occurrence { requests: Vec::new(), ..once("", &event.id, None) }];
    asking.blow = vec![fuse(BlowCounts::Actions, Some(SignedDuration::from_mins(10)))];
    asking
}

/// The outcome of a new event with this id, and whether its action is recorded.
async fn ask(opened: &OpenBackend, id: &str, seconds: i64) -> Result<Outcome, Violation> {
    let event = opened.accept(id, 0).await?;
    let record = opened.ledger.decide(asking(&event, seconds)).await?;
    let outcome = outcomes(&record).first().copied().unwrap_or(Outcome::Unknown);
    let acts = outcome == Outcome::Fired;
    ensure_eq!(record.actions.len(), usize::from(acts), "the number of actions of `{id}`");
    Ok(outcome)
}

/// The changes of the fuse, the newest first.
async fn changes(opened: &OpenBackend) -> Result<Vec<FuseSwitch>, Violation> {
    let histories = opened.ledger.fuse_switches().await?;
    Ok(histories.get("f").into_iter().flat_map(FuseHistory::newest_first).cloned().collect())
}

/// The action that is one too many blows its fuse in the commit of its decision, and is gated, like everything until the
/// fuse closes. Then the count starts from zero.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_action_that_is_one_too_many_blows_its_fuse(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    use Outcome::{Fired, Gated};
    let opened = OpenBackend::new(fixture).await?;
    for (id, seconds, expected) in [("a", 0, Fired), ("b", 59, Fired)] {
        ensure_eq!(ask(&opened, id, seconds).await?, expected, "the outcome of `{id}`");
    }
    ensure_eq!(changes(&opened).await?.len(), 0, "the number of changes before it blows");
    // The counts survive a crash. `a` no longer counts a minute later.
    let opened = opened.crash(fixture).await?;
    for (id, seconds, expected) in [("c", 60, Fired), ("d", 61, Gated), ("e", 119, Gated)] {
        ensure_eq!(ask(&opened, id, seconds).await?, expected, "the outcome of `{id}`");
    }
    let opened = opened.crash(fixture).await?;
    let all = changes(&opened).await?;
    let blown = all.first().ok_or_else(|| Violation::new("it is not recorded that it blew"))?;
    ensure_eq!(all.len(), 1, "the number of changes");
    let until = Some(at(661));
    ensure_eq!(
        (blown.to, blown.at, blown.until),
        (SwitchPosition::Blown, at(61), until),
        "the change"
    );
    let why = "`blow after 2 actions within 1m` is reached: 2 of 2 actions within 1m passed; \
               `s/r` had one more for event `d`";
    ensure_eq!(blown.reason, why, "why it blew");
    for (id, seconds, expected) in
        [("f", 660, Gated), ("g", 661, Fired), ("h", 662, Fired), ("i", 663, Gated)]
    {
        ensure_eq!(ask(&opened, id, seconds).await?, expected, "the outcome of `{id}`");
    }
    Ok(())
}

/// A person closes a blown fuse, and the count starts from zero. While a fuse is switched off, what was evaluated before
/// is gated too.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_switch_closes_a_blown_fuse(fixture: &dyn Fixture) -> Result<(), Violation> {
    use Outcome::{Fired, Gated};
    let opened = OpenBackend::new(fixture).await?;
    for (id, expected) in [("a", Fired), ("b", Fired), ("c", Gated)] {
        ensure_eq!(ask(&opened, id, 0).await?, expected, "the outcome of `{id}`");
    }
    opened.ledger.switch_fuse("f", switch(SwitchPosition::Reset, 1)).await?;
    for (id, expected) in [("d", Fired), ("e", Fired), ("f", Gated)] {
        ensure_eq!(ask(&opened, id, 2).await?, expected, "the outcome of `{id}`");
    }
    opened.ledger.switch_fuse("f", switch(SwitchPosition::On, 3)).await?;
    ensure_eq!(ask(&opened, "g", 4).await?, Fired, "the outcome after the fuse is switched on");
    opened.ledger.switch_fuse("f", switch(SwitchPosition::Off, 5)).await?;
    ensure_eq!(ask(&opened, "h", 6).await?, Gated, "the outcome after the fuse is switched off");
    Ok(())
}

/// However many verdicts are recorded at once, no more actions pass than the fuse lets through, and it blows once.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn no_more_actions_pass_than_the_fuse_lets_through(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let mut verdicts = Vec::new();
    for number in 0..CONCURRENT {
        verdicts.push(asking(&opened.accept(&format!("e{number}"), 0).await?, 1));
    }
    let decided = join_all(verdicts.iter().map(|one| opened.ledger.decide(one.clone()))).await;
    let fired = |record: &Result<_, LedgerError>| {
        record.as_ref().is_ok_and(|record| outcomes(record).contains(&Outcome::Fired))
    };
    ensure_eq!(decided.iter().filter(|record| fired(record)).count(), 2, "the number that passed");
    ensure_eq!(changes(&opened).await?.len(), 1, "how often it blew");
    // A decision is asked for again after a crash.
    let opened = opened.crash(fixture).await?;
    for (verdict, before) in verdicts.into_iter().zip(&decided) {
        let again = opened.ledger.decide(verdict).await?;
        let before = before.as_ref().map(outcomes).unwrap_or_default();
        ensure_eq!(outcomes(&again), before, "the outcome of a repeated question");
    }
    Ok(())
}

/// The clauses of a rule come before its fuse: what they hold back does not count, and what blows the fuse takes no place
/// in them. The decisions of one verdict count in their order.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn clauses_come_before_the_fuse(fixture: &dyn Fixture) -> Result<(), Violation> {
    use Outcome::{Fired, Gated, Suppressed};
    let opened = OpenBackend::new(fixture).await?;
    let with_limit = |event: &EventKey| {
        let mut asking = asking(event, 1);
        let limited = limited(&event.id);
        asking.flow.iter_mut().for_each(|one| one.requests.clone_from(&limited.requests));
        // The fuse lets three through, and the limit two.
        asking.blow.iter_mut().flat_map(|fuse| &mut fuse.clauses).for_each(|one| one.count = 3);
        asking
    };
    for (id, expected) in [("a", Fired), ("b", Fired), ("c", Suppressed), ("d", Suppressed)] {
        let event = opened.accept(id, 0).await?;
        let record = opened.ledger.decide(with_limit(&event)).await?;
        ensure_eq!(outcomes(&record), [expected], "the outcome of `{id}`");
    }
    ensure_eq!(changes(&opened).await?.len(), 0, "how often it blew");

    // The fuse counts two actions. One verdict has two more and a rule that does not require it.
    let event = opened.accept("e", 0).await?;
    let mut asking = with_limit(&event);
    let rules = ["s/r", "s/r2", "s/free"];
    let decisions = rules.map(|rule| fired(rule, None, &format!("act-e-{rule}")));
    asking.decisions = decisions.to_vec();
    asking.actions = rules.map(|rule| (format!("act-e-{rule}"), action(rule, None))).to_vec();
    asking.requires.insert("s/r2".into(), vec!["f".into()]);
    asking.flow = rules
        .map(|rule| Occurrence { rule: rule.into(), requests: Vec::new(), ..once("", "e", None) })
        .to_vec();
    let record = opened.ledger.decide(asking).await?;
    ensure_eq!(outcomes(&record), [Fired, Gated, Fired], "the outcomes of one verdict");
    Ok(())
}

/// A preview shows that a fuse would blow, and changes nothing.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn a_preview_blows_nothing(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b"] {
        ask(&opened, id, 0).await?;
    }
    let event = envelope("github", "c", "{}").key();
    let preview = opened.ledger.preview(&asking(&event, 1)).await?.decisions;
    let shown: Vec<Outcome> = preview.iter().map(|decision| decision.outcome).collect();
    ensure_eq!(shown, [Outcome::Gated], "the outcomes of the preview");
    ensure_eq!(changes(&opened).await?.len(), 0, "how often it blew");
    Ok(())
}

/// A verdict that counts the failure of an action of this event, and reacts to nothing.
fn counting(event: &EventKey, seconds: i64) -> Verdict {
    let mut counting = Verdict::empty(event.clone(), "plan".into(), (at(seconds), at(seconds)));
    counting.blow = vec![fuse(BlowCounts::Failures, None)];
    counting
}

fn observed(result: ObservedResult, seconds: i64) -> Observed {
    Observed {
        result,
        phase: result.as_str().into(),
        message: None,
        api_version: "batch/v1".into(),
        kind: "Job".into(),
        namespace: None,
        name: "heal".into(),
        at: at(seconds),
    }
}

/// Dead letters and objects that fail blow a fuse, in the commit that records them. Each action fails once. What a person
/// or a fuse gave up is not a failure, nor is that of a reaction.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn failures_blow_a_fuse(fixture: &dyn Fixture) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    let mut events = Vec::new();
    for id in ["a", "b", "c", "d"] {
        events.push(opened.decided(id, 0).await?);
    }
    let [a, b, c, d] = events.as_slice() else { return Ok(()) };
    let ledger = &opened.ledger;
    let settle = async |event: &EventKey, state: ActionState| -> Result<Vec<String>, Violation> {
        let intent = attempt(1);
        let permit = ledger.intend(event, &event.id, intent).await?;
        Ok(ledger.settle_and_react(&permit, state, counting(event, 2)).await?.blown)
    };
    let given_up =
        |kind| ActionState::DeadLettered { at: at(2), kind, reason: "no".into(), response: None };
    ensure_eq!(settle(c, given_up(DeadLetterKind::Discarded)).await?, [""; 0], "a discard");
    ensure_eq!(settle(d, given_up(DeadLetterKind::Dropped)).await?, [""; 0], "a drop");
    ensure_eq!(settle(a, dead(2)).await?, [""; 0], "what the first failure blows");
    // Its object fails, too: that is the same action.
    let failed = observed(ObservedResult::Failed, 3);
    let observe = async |event: &EventKey, observed: Observed| -> Result<Vec<String>, Violation> {
        let counting = counting(event, 3);
        Ok(ledger.observe_and_react(event, &event.id, observed, counting).await?.1.blown)
    };
    ensure_eq!(observe(a, failed.clone()).await?, [""; 0], "what the same failure blows");
    let running = observed(ObservedResult::Running, 3);
    ensure_eq!(observe(b, running).await?, [""; 0], "what an object that runs blows");
    ensure_eq!(observe(b, failed.clone()).await?, ["f"], "what the second failure blows");
    ensure_eq!(observe(b, failed).await?, [""; 0], "what a repeated observation blows");

    let opened = opened.crash(fixture).await?;
    let all = changes(&opened).await?;
    ensure_eq!(all.len(), 1, "how often it blew");
    let reason = all.first().map(|blown| (blown.to, blown.until, blown.reason.as_str()));
    let why = "`blow after 2 failures within 1m` is reached: 2 of 2 failures within 1m; \
               the last one is that of `s/r` for event `b`";
    ensure_eq!(reason, Some((SwitchPosition::Blown, None, why)), "the change");
    // A fuse that is off counts nothing, so that it starts from zero.
    let event = opened.decided("e", 4).await?;
    let intent = attempt(4);
    let permit = opened.ledger.intend(&event, "e", intent).await?;
    let counted = opened.ledger.settle_and_react(&permit, dead(5), counting(&event, 5)).await?;
    ensure_eq!(counted.blown, [""; 0], "what a failure blows while the fuse is off");
    Ok(())
}

/// The record of an event names the fuses that the event blew, and those that the failures of its actions blew. In the
/// latter case, the event is due until the reactions are recorded, because it may have left the bus.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn an_event_names_the_fuses_that_it_blew(fixture: &dyn Fixture) -> Result<(), Violation> {
    let mut opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b", "c", "d"] {
        ask(&opened, id, 1).await?;
    }
    let blown = |reason: &str, since| {
        let (fuse, rule, reason) = ("f".to_owned(), "s/r".to_owned(), reason.to_owned());
        BlowRecord { fuse, rule, reason, since: at(since) }
    };
    opened = opened.crash(fixture).await?;
    let why = "`blow after 2 actions within 1m` is reached: 2 of 2 actions within 1m passed";
    for (id, expected) in [("b", vec![]), ("c", vec![blown(why, 1)]), ("d", vec![])] {
        let event = envelope("github", id, "{}").key();
        ensure_eq!(opened.record(&event).await?.blown, expected, "the fuses that `{id}` blew");
    }
    ensure_eq!(opened.due(2).await?.0, [""; 0], "what is due after decisions");

    opened.ledger.switch_fuse("f", switch(SwitchPosition::On, 3)).await?;
    let mut event = envelope("github", "e", "{}").key();
    for id in ["e", "f"] {
        event = opened.decided(id, 4).await?;
        let permit = opened.ledger.intend(&event, id, attempt(4)).await?;
        opened.ledger.settle_and_react(&permit, dead(5), counting(&event, 5)).await?;
    }
    opened = opened.crash(fixture).await?;
    let why = "`blow after 2 failures within 1m` is reached: 2 of 2 failures within 1m";
    ensure_eq!(opened.record(&event).await?.blown, [blown(why, 5)], "the fuses that `f` blew");
    ensure_eq!(opened.due(5).await?.0, ["f"], "what is due after a failure");
    let time = at(5).into();
    let woken = opened.ledger.wake(&event, time, &CurrentRules::default()).await?;
    ensure_eq!(woken.is_unfinished, true, "whether the reactions have to be recorded");
    opened.ledger.finish_waking(&event).await?;
    opened = opened.crash(fixture).await?;
    ensure_eq!(opened.due(5).await?.0, [""; 0], "what is due once they are recorded");
    Ok(())
}

/// The failure of a reaction does not count.
///
/// # Errors
///
/// The backend breaks the law.
pub async fn the_failures_of_reactions_do_not_count(
    fixture: &dyn Fixture,
) -> Result<(), Violation> {
    let opened = OpenBackend::new(fixture).await?;
    for id in ["a", "b", "c"] {
        let event = opened.accept(id, 0).await?;
        let rule = ReactionKind::Gated.name_for("s/r");
        let mut reaction = verdict(&event, id, 1);
        reaction.decisions = vec![fired(&rule, None, id)];
        reaction.actions = vec![(id.to_owned(), action(&rule, None))];
        opened.ledger.decide(reaction).await?;
        let intent = attempt(1);
        let permit = opened.ledger.intend(&event, id, intent).await?;
        opened.ledger.settle_and_react(&permit, dead(2), counting(&event, 2)).await?;
    }
    ensure_eq!(changes(&opened).await?.len(), 0, "how often it blew");
    Ok(())
}
