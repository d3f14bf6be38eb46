//! What a replay would do, for people.

use std::collections::{BTreeMap, BTreeSet};

use fuse_rules::{Action, Element, Outcome, ReactionKind};
use serde::Serialize;
use serde_json::Value;

use super::{ReplayError, Target};
use crate::engine::decide::verdict;
use crate::engine::{Engine, MAX_DECIDING_KIB};
use crate::event::{Envelope, EventKey};
use crate::http::shorten;
use crate::ledger::dead::open_letters;
use crate::ledger::{DeadLetterKind, DecisionRecord, OperationKind, Verdict};
use crate::triggers::{ActionRequest, Triggers};

/// How many decisions a report has.
const MAX_DECISIONS: usize = 1_000;
/// How many bytes of rendered actions a preview has, but for the last action.
pub(super) const MAX_PREVIEW_BYTES: usize = 1 << 20;
/// The same of a replay that is done. Its answer must be small: a client that does not get it asks again.
pub(super) const MAX_DONE_BYTES: usize = 64 << 10;
/// How many reasons or rules one message has.
const MAX_NAMED: usize = 10;

/// What a replay does, or did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReplayReport {
    /// The event that is replayed.
    event: EventKey,
    /// The dead letter that is replayed, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    letter: Option<String>,
    /// The id of the event that replays it.
    replay: String,
    attempt: u32,
    /// Whether it was done, or only shown.
    pub(super) done: bool,
    /// Why the current rules reject the whole event, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<String>,
    /// How many decisions fire.
    fired: usize,
    decisions: Vec<ReplayedDecision>,
    /// What a person should know before it is done.
    warnings: Vec<String>,
    /// The dead letters that stay listed, because nothing is done about them.
    #[serde(skip)]
    pub(super) keeps: BTreeSet<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ReplayedDecision {
    rule: String,
    element: Element,
    outcome: Outcome,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<ReplayedAction>,
}

#[derive(Clone, Debug, Serialize)]
struct ReplayedAction {
    id: String,
    trigger: String,
    /// How it is attempted, as in rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// The rendered action, if the report has room for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Value>,
}

impl Engine {
    /// What the rules decide about the event that replays the target, with so many bytes of rendered actions.
    pub(super) async fn report(
        &self,
        target: &Target,
        envelope: &Envelope,
        max_bytes: usize,
    ) -> Result<ReplayReport, ReplayError> {
        let verdict = self.verdict_of(envelope).await?;
        let decided = self.ledger.preview(&verdict).await?.decisions;
        let acts = |one: &&DecisionRecord| matches!(one.outcome, Outcome::Fired | Outcome::Waiting);
        let fired = decided.iter().filter(acts).count();
        let mut warnings = warnings(target);
        let keeps = match target.letter {
            Some(_) => BTreeSet::new(),
            None => kept(target, &decided, &mut warnings),
        };
        let left_out = decided.len().saturating_sub(MAX_DECISIONS);
        if left_out > 0 {
            warnings.push(format!("{left_out} more decisions are not shown"));
        }
        let actions: BTreeMap<&str, &Action> =
            verdict.actions.iter().map(|(id, action)| (id.as_str(), action)).collect();
        let replayed = |decision: DecisionRecord| {
            let DecisionRecord { rule, element, outcome, reason, action, .. } = decision;
            let action = action.and_then(|id| {
                let Action { trigger, attempts, .. } = *actions.get(id.as_str())?;
                let policy = (!attempts.is_empty()).then(|| attempts.to_string());
                Some(ReplayedAction { id, trigger: trigger.clone(), policy, object: None })
            });
            ReplayedDecision { rule, element, outcome, reason, action }
        };
        let report = ReplayReport {
            event: target.record.event.key(),
            letter: target.letter.as_ref().map(|letter| letter.id.clone()),
            replay: envelope.id.clone(),
            attempt: envelope.replay.as_ref().map_or(1, |replay| replay.attempt),
            done: false,
            rejected: verdict.rejected.clone(),
            fired,
            decisions: decided.into_iter().take(MAX_DECISIONS).map(replayed).collect(),
            warnings,
            keeps,
        };
        // Off the async threads: there may be many.
        let triggers = self.triggers.clone();
        let render = move || report.with_objects(verdict, &triggers, max_bytes);
        let rendered = tokio::task::spawn_blocking(render).await;
        rendered.map_err(|error| ReplayError::Interrupted(error.to_string()))
    }

    async fn verdict_of(&self, envelope: &Envelope) -> Result<Verdict, ReplayError> {
        let kibibytes = u32::try_from(envelope.body.len() >> 10).unwrap_or(u32::MAX);
        // As for events that are queued. The semaphore is never closed.
        let _permit = self.deciding.acquire_many(kibibytes.min(MAX_DECIDING_KIB)).await.ok();
        let (generation, triggers, event) =
            (self.active.get(), self.triggers.clone(), envelope.clone());
        let now = (self.clock.now(), self.clock.steady());
        let decided =
            tokio::task::spawn_blocking(move || verdict(&generation, &triggers, &event, now).0);
        decided.await.map_err(|error| ReplayError::Interrupted(error.to_string()))
    }
}

impl ReplayReport {
    /// Whether something would be done.
    pub(super) fn acts(&self) -> bool {
        self.fired > 0
    }

    fn with_objects(mut self, verdict: Verdict, triggers: &Triggers, max_bytes: usize) -> Self {
        let (event, mut bytes, mut left_out) = (verdict.event, 0_usize, 0_usize);
        let mut actions: BTreeMap<_, _> = verdict.actions.into_iter().collect();
        for action in self.decisions.iter_mut().filter_map(|decision| decision.action.as_mut()) {
            if bytes >= max_bytes {
                left_out = left_out.saturating_add(1);
                continue;
            }
            let found = actions.remove(&action.id).zip(triggers.get(&action.trigger));
            action.object = found.and_then(|(own, trigger)| {
                trigger.render(&ActionRequest::new(own, event.clone())).ok()
            });
            let length = action.object.as_ref().map_or(0, |object| object.to_string().len());
            bytes = bytes.saturating_add(length);
        }
        if left_out > 0 {
            self.warnings.push(format!("the objects of {left_out} more actions are not shown"));
        }
        self
    }

    /// Why the replay does nothing.
    pub(super) fn why_nothing(&self, target: &Target) -> String {
        if let Some(why) = &self.rejected {
            return format!("the event is rejected: {why}");
        }
        let reason = |one: &ReplayedDecision| {
            format!("`{}` is {}: {}", one.rule, one.outcome.as_str(), shorten(&one.reason))
        };
        let reasons: BTreeSet<String> = self.decisions.iter().map(reason).collect();
        match (reasons.is_empty(), target.letter.as_ref().and_then(|letter| letter.rule.as_ref())) {
            (false, _) => first(reasons, "; "),
            (true, Some(rule)) => {
                format!("the rule `{rule}` does not match the event, or no longer exists")
            }
            (true, None) => "no rule matches the event".to_owned(),
        }
    }
}

/// The first of some texts, and how many more there are.
fn first(texts: BTreeSet<String>, separator: &str) -> String {
    let left_out = texts.len().saturating_sub(MAX_NAMED);
    let text = texts.into_iter().take(MAX_NAMED).collect::<Vec<_>>().join(separator);
    if left_out > 0 { format!("{text}{separator}and {left_out} more") } else { text }
}

/// The dead letters of an event whose rules would not fire when all of the event is replayed: they stay listed. The
/// others are done again, or are rejected again and lead to new dead letters.
fn kept(
    target: &Target,
    decided: &[DecisionRecord],
    warnings: &mut Vec<String>,
) -> BTreeSet<String> {
    let is_done = |one: &&DecisionRecord| {
        matches!(one.outcome, Outcome::Fired | Outcome::Waiting | Outcome::Rejected)
    };
    let done: BTreeSet<(&str, &Element)> =
        decided.iter().filter(is_done).map(|one| (one.rule.as_str(), &one.element)).collect();
    let mut rules = BTreeSet::new();
    let mut keeps = BTreeSet::new();
    for letter in open_letters(&target.record) {
        // The replay makes the reactions of its rules again.
        let about = letter
            .about
            .map(|(rule, element)| (ReactionKind::rule_of(rule).unwrap_or(rule), element));
        if let Some((rule, element)) = about
            && !done.contains(&(rule, element))
        {
            rules.insert(format!("`{rule}`"));
            keeps.insert(letter.id);
        }
    }
    if !keeps.is_empty() {
        let (count, rules) = (keeps.len(), first(rules, ", "));
        warnings.push(match count {
            1 => format!("1 dead letter stays listed, because its rule does not fire: {rules}"),
            _ => format!(
                "{count} dead letters stay listed, because their rules do not fire: {rules}"
            ),
        });
    }
    keeps
}

fn warnings(target: &Target) -> Vec<String> {
    let mut warnings = Vec::new();
    if target.letter.as_ref().is_some_and(|letter| letter.kind == DeadLetterKind::Uncertain) {
        warnings.push(
            "it is unknown whether the first attempt took effect; if it did, the action is performed twice".into(),
        );
    }
    if target.letter.is_some() {
        return warnings;
    }
    let fired =
        target.record.decisions.iter().filter(|one| {
            one.outcome == Outcome::Fired && ReactionKind::rule_of(&one.rule).is_none()
        });
    let rules: BTreeSet<String> = fired.map(|one| format!("`{}`", one.rule)).collect();
    if !rules.is_empty() {
        warnings.push(format!(
            "all rules decide again, also those that fired before, whose actions are performed again: {}",
            first(rules, ", ")
        ));
    }
    let mut replays = target.record.operations.iter().rev().filter_map(|operation| {
        let OperationKind::Replayed { event, .. } = &operation.kind else { return None };
        Some(format!("`{event}` at {}", operation.at))
    });
    if let Some(last) = replays.next() {
        let more = match replays.count() {
            0 => String::new(),
            count => format!(", and {count} times earlier"),
        };
        warnings.push(format!("it was replayed before, as {last}{more}"));
    }
    warnings
}
