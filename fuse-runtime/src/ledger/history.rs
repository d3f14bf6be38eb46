//! Pages of the events and the dead letters of a ledger, the newest first.

use fuse_rules::{Element, Outcome, ReactionKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ActionState, DeadLetter, DeadLetterKind, DecisionRecord, EventOperation, EventRecord,
    LedgerError, ObservedResult,
};
use crate::event::{EventKey, Replay};

/// Which events a page has. A field that is `None` excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// The name of the source.
    pub source: Option<String>,
    /// The event's name.
    pub name: Option<String>,
    /// The full name of a rule that has a decision about the event which is on record.
    pub rule: Option<String>,
    /// A result of the event; with `rule`, a result of that rule.
    pub result: Option<EventResult>,
    /// Only events that were accepted at this time or later, in the runtime's steady time.
    pub since: Option<Timestamp>,
    /// Only events that were accepted before this time, in the runtime's steady time.
    pub until: Option<Timestamp>,
    /// The [`EventPage::next`] of the page before.
    pub after: Option<String>,
    /// How many events a page has at most.
    pub limit: usize,
}

/// A result of an event. An event may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventResult {
    /// It is not decided yet.
    Queued,
    /// No rule has a decision that is on record: none matched.
    Unmatched,
    /// A rule fired.
    Fired,
    /// A fuse that was off prevented a rule from firing.
    Gated,
    /// `after` counted a match, and waits for further ones.
    Counted,
    /// `once` or `limit` prevented a rule from firing.
    Suppressed,
    /// A match waits at a clause of flow control, such as `still`.
    Waiting,
    /// An event ended the wait of a match.
    Cancelled,
    /// A newer match took the place of one that waited.
    Superseded,
    /// A person declined a match that waited for approval.
    Declined,
    /// Nobody answered a match that waited for approval.
    Expired,
    /// A rule in shadow matched. Its action is recorded, and not performed.
    Shadow,
    /// A rule or the whole event was rejected.
    Rejected,
    /// An action was performed.
    Done,
    /// An action is not performed yet: it is about to be, is held, or waits for a retry.
    Pending,
    /// A rule or the whole event was rejected, an action was given up, or the work that it started failed.
    Failed,
}

impl EventResult {
    /// All of them, in their order.
    pub const ALL: [Self; 16] = [
        Self::Queued,
        Self::Unmatched,
        Self::Fired,
        Self::Gated,
        Self::Counted,
        Self::Suppressed,
        Self::Waiting,
        Self::Cancelled,
        Self::Superseded,
        Self::Declined,
        Self::Expired,
        Self::Shadow,
        Self::Rejected,
        Self::Done,
        Self::Pending,
        Self::Failed,
    ];

    /// Its name in queries and JSON, as in `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Unmatched => "unmatched",
            Self::Fired => "fired",
            Self::Gated => "gated",
            Self::Counted => "counted",
            Self::Suppressed => "suppressed",
            Self::Waiting => "waiting",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Shadow => "shadow",
            Self::Rejected => "rejected",
            Self::Done => "done",
            Self::Pending => "pending",
            Self::Failed => "failed",
        }
    }
}

impl std::str::FromStr for EventResult {
    type Err = UnknownEventResult;

    fn from_str(text: &str) -> Result<Self, UnknownEventResult> {
        Self::ALL.into_iter().find(|result| result.as_str() == text).ok_or(UnknownEventResult)
    }
}

/// A text is not the name of an [`EventResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a result is queued, unmatched, fired, gated, counted, suppressed, waiting, cancelled, superseded, declined, expired, shadow, rejected, done, pending or failed"
)]
pub struct UnknownEventResult;

/// A page of events, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// The events. There may be none although there is a next page, because a page examines a bounded number of
    /// events.
    pub events: Vec<EventOverview>,
    /// Where the next page begins, if there may be one. Only the ledger can read it.
    pub next: Option<String>,
    /// How many events were left out because their records cannot be read.
    #[serde(default)]
    pub damaged: u64,
}

/// An event in a list: its results, without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventOverview {
    /// The sender's id of the event.
    pub id: String,
    /// The source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// When it was accepted, in the time of day.
    pub received: Timestamp,
    /// When it was decided.
    pub decided: Option<Timestamp>,
    /// Why the whole event was rejected, if it was.
    pub rejected: Option<String>,
    /// How many decisions have which outcome.
    pub decisions: DecisionCounts,
    /// How many actions are in which state.
    pub actions: ActionCounts,
    /// What it replays, if it is a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// What people did about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<EventOperation>,
}

/// How many decisions of an event have which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecisionCounts {
    /// The rule fired.
    pub fired: usize,
    /// A fuse was off.
    pub gated: usize,
    /// `after` counted it.
    pub counted: usize,
    /// `once` or `limit` suppressed it.
    pub suppressed: usize,
    /// It waits at a clause of flow control.
    pub waiting: usize,
    /// An event ended its wait.
    pub cancelled: usize,
    /// A newer one took its place.
    pub superseded: usize,
    /// A person declined it.
    pub declined: usize,
    /// Nobody answered it in time.
    pub expired: usize,
    /// The rule is in shadow.
    pub shadow: usize,
    /// It was rejected.
    pub rejected: usize,
}

/// How many actions of an event are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionCounts {
    /// Performed.
    pub done: usize,
    /// Not settled.
    pub pending: usize,
    /// Given up.
    pub dead: usize,
    /// Performed, but the work that was started failed, or its object is gone.
    pub failed: usize,
    /// Replaced by a newer match, before they were performed or while their work went on.
    pub replaced: usize,
}

impl EventOverview {
    /// The overview of a record.
    pub fn new(record: &EventRecord) -> Self {
        let EventRecord { event, decided, rejected, .. } = record;
        Self {
            id: event.id.clone(),
            source: event.source.clone(),
            name: event.name.clone(),
            received: event.received,
            decided: *decided,
            rejected: rejected.clone(),
            decisions: DecisionCounts::new(record, None),
            actions: ActionCounts::new(record, None),
            replay: event.replay.clone(),
            operations: record.operations.clone(),
        }
    }
}

impl DecisionCounts {
    /// The decisions of one rule, or of all.
    fn new(record: &EventRecord, rule: Option<&str>) -> Self {
        let mut counts = Self::default();
        // Reactions are not counted: an event whose rule was gated has not fired, even if a reaction to that has.
        let is_counted = |one: &&DecisionRecord| match rule {
            Some(rule) => one.rule == rule,
            None => ReactionKind::rule_of(&one.rule).is_none() || one.outcome == Outcome::Rejected,
        };
        for decision in record.decisions.iter().filter(is_counted) {
            match decision.outcome {
                Outcome::Fired => counts.fired += 1,
                Outcome::Gated => counts.gated += 1,
                Outcome::Counted => counts.counted += 1,
                Outcome::Suppressed => counts.suppressed += 1,
                Outcome::Waiting => counts.waiting += 1,
                Outcome::Cancelled => counts.cancelled += 1,
                Outcome::Superseded => counts.superseded += 1,
                Outcome::Declined => counts.declined += 1,
                Outcome::Expired => counts.expired += 1,
                Outcome::Shadow => counts.shadow += 1,
                Outcome::Rejected => counts.rejected += 1,
                _ => {}
            }
        }
        counts
    }
}

impl ActionCounts {
    /// The actions of one rule, or of all.
    fn new(record: &EventRecord, rule: Option<&str>) -> Self {
        let mut counts = Self::default();
        let actions = record.actions.iter();
        for action in actions.filter(|one| rule.is_none_or(|rule| one.action.rule == rule)) {
            let result = action.observed.as_ref().map(|observed| observed.result);
            match action.state {
                _ if action.state.is_replaced() => counts.replaced += 1,
                ActionState::Done { .. }
                    if action.replaced.is_some()
                        && matches!(
                            result,
                            Some(ObservedResult::Failed | ObservedResult::Gone)
                        ) =>
                {
                    counts.replaced += 1;
                }
                ActionState::Done { .. }
                    if matches!(result, Some(ObservedResult::Failed | ObservedResult::Gone)) =>
                {
                    counts.failed += 1;
                }
                ActionState::Done { .. } => counts.done += 1,
                ActionState::DeadLettered { .. } => counts.dead += 1,
                _ => counts.pending += 1,
            }
        }
        counts
    }
}

impl EventQuery {
    /// The newest events.
    pub fn newest(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether the names of an event are those that are asked for.
    pub(crate) fn is_named(&self, event: &EventKey) -> bool {
        is(self.source.as_ref(), &event.source) && is(self.name.as_ref(), &event.name)
    }

    /// Whether an event has the rule and the result that are asked for.
    pub(crate) fn matches(&self, record: &EventRecord) -> bool {
        let rule = self.rule.as_deref();
        let has_rule =
            rule.is_none_or(|rule| record.decisions.iter().any(|decision| decision.rule == rule));
        let Some(result) = self.result else { return has_rule };
        let decisions = DecisionCounts::new(record, rule);
        let actions = ActionCounts::new(record, rule);
        let is_rejected = decisions.rejected > 0 || record.rejected.is_some();
        has_rule
            && match result {
                EventResult::Queued => record.decided.is_none(),
                EventResult::Unmatched => {
                    record.decided.is_some()
                        && record.rejected.is_none()
                        && record.decisions.is_empty()
                }
                EventResult::Fired => decisions.fired > 0,
                EventResult::Gated => decisions.gated > 0,
                EventResult::Counted => decisions.counted > 0,
                EventResult::Suppressed => decisions.suppressed > 0,
                EventResult::Waiting => decisions.waiting > 0,
                EventResult::Cancelled => decisions.cancelled > 0,
                EventResult::Superseded => decisions.superseded > 0,
                EventResult::Declined => decisions.declined > 0,
                EventResult::Expired => decisions.expired > 0,
                EventResult::Shadow => decisions.shadow > 0,
                EventResult::Rejected => is_rejected,
                EventResult::Done => actions.done > 0,
                EventResult::Pending => actions.pending > 0,
                EventResult::Failed => is_rejected || actions.dead > 0 || actions.failed > 0,
            }
    }
}

/// Which dead letters a page has. A field that is `None` excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterQuery {
    /// What the [`DeadLetter::id`] begins with.
    pub id: Option<String>,
    /// The name of the event's source.
    pub source: Option<String>,
    /// The event's name.
    pub name: Option<String>,
    /// The full name of the rule.
    pub rule: Option<String>,
    /// Only those that were given up at this time or later.
    pub since: Option<Timestamp>,
    /// Only those that were given up before this time.
    pub until: Option<Timestamp>,
    /// The [`DeadLetterPage::next`] of the page before.
    pub after: Option<String>,
    /// How many dead letters a page has at most.
    pub limit: usize,
}

/// A page of dead letters, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterPage {
    /// The dead letters. There may be none although there is a next page, because a page examines a bounded number.
    pub letters: Vec<DeadLetter>,
    /// Where the next page begins, if there may be one. Only the ledger can read it.
    pub next: Option<String>,
    /// How many were left out because their records cannot be read.
    #[serde(default)]
    pub damaged: u64,
}

/// A dead letter in a list, without what its action would have done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterSummary {
    /// Its id.
    pub id: String,
    /// When it was given up.
    pub at: Timestamp,
    /// How it failed.
    pub kind: DeadLetterKind,
    /// Why, for people.
    pub reason: String,
    /// The event's source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The event's id.
    pub event: String,
    /// The rule. `None` if the event was refused as a whole.
    pub rule: Option<String>,
    /// The element that it is about, if it is about one.
    pub element: Element,
    /// The kind of trigger. `None` if there is no action.
    pub trigger: Option<String>,
}

impl DeadLetter {
    /// The dead letter without its action, for a list.
    pub fn summary(&self) -> DeadLetterSummary {
        let EventKey { source, name, id: event } = self.event.clone();
        DeadLetterSummary {
            id: self.id.clone(),
            at: self.at,
            kind: self.kind,
            reason: self.reason.clone(),
            source,
            name,
            event,
            rule: self.rule.clone(),
            element: self.element.clone(),
            trigger: self.action.as_ref().map(|action| action.action.trigger.clone()),
        }
    }
}

impl DeadLetterQuery {
    /// The newest dead letters.
    pub fn newest(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether the id of a dead letter and the names of its event are those that are asked for.
    pub(crate) fn is_named(&self, id: &str, event: &EventKey) -> bool {
        self.id.as_ref().is_none_or(|start| id.starts_with(start.as_str()))
            && is(self.source.as_ref(), &event.source)
            && is(self.name.as_ref(), &event.name)
    }

    /// Whether a dead letter is of the rule that is asked for.
    pub(crate) fn matches(&self, letter: &DeadLetter) -> bool {
        self.rule.is_none() || self.rule == letter.rule
    }
}

/// The error about an `after` that no page has as its `next`.
pub(crate) fn wrong_cursor() -> LedgerError {
    LedgerError::Invalid("`after` is not the `next` of an earlier page".into())
}

fn is(asked: Option<&String>, own: &str) -> bool {
    asked.is_none_or(|asked| asked == own)
}
