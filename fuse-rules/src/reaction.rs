//! Reactions: what a rule does instead of acting, or after its action failed or succeeded.

mod response;

use std::fmt;

use serde::Serialize;

use crate::decision::{Decision, Element, Outcome};
use crate::value::Value;

pub use response::ActionResponse;
pub(crate) use response::{RESPONSE, RESPONSE_STATUS};

/// The fields of `outcome` that a reaction always has, and those that it may lack.
pub(crate) const OUTCOME_FIELDS: [&str; 4] = ["rule", "state", "reason", "event"];
pub(crate) const OPTIONAL_OUTCOME_FIELDS: [&str; 2] = [OUTCOME_ACTION, "object"];
/// The fields of `outcome` in the reaction of a fuse.
pub(crate) const BLOWN_FIELDS: [&str; 4] = ["fuse", "rule", "reason", "event"];
/// The state of an action that succeeded, as its reaction sees it.
pub(crate) const SUCCEEDED: &str = "succeeded";
/// The field of `outcome` with the id of the action.
pub(crate) const OUTCOME_ACTION: &str = "action";

/// What a rule can react to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReactionKind {
    /// One of its actions was given up, or the object that the action created failed.
    Failure,
    /// Flow control held the action back.
    Suppressed,
    /// A fuse that it requires is off.
    Gated,
    /// Its action could not be rendered.
    Rejected,
    /// One of its actions was performed, and the work of the object that the action created succeeded.
    Success,
    /// Its action waits for approval.
    Waiting,
    /// A person declined its action.
    Declined,
    /// Nobody answered in time whether its action is approved.
    Expired,
    /// The fuse blew. Only a fuse reacts to that.
    Blown,
}

impl ReactionKind {
    /// Every kind that a rule can react to, in the order in which texts list them.
    pub const ALL: [Self; 8] = [
        Self::Declined,
        Self::Expired,
        Self::Failure,
        Self::Gated,
        Self::Rejected,
        Self::Success,
        Self::Suppressed,
        Self::Waiting,
    ];

    /// Its word in rules, such as `failure`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Suppressed => "suppressed",
            Self::Gated => "gated",
            Self::Rejected => "rejected",
            Self::Success => "success",
            Self::Waiting => "waiting",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Blown => "blown",
        }
    }

    /// Whether it reacts to what became of an action.
    pub(crate) fn is_about_result(self) -> bool {
        matches!(self, Self::Failure | Self::Success)
    }

    /// The kind that reacts to an outcome, if one does. A decision that waits is not enough for
    /// [`ReactionKind::Waiting`]: it has to wait for approval.
    ///
    /// ```
    /// use fuse_rules::{Outcome, ReactionKind};
    ///
    /// assert_eq!(ReactionKind::of(Outcome::Gated), Some(ReactionKind::Gated));
    /// assert_eq!(ReactionKind::of(Outcome::Fired), None);
    /// ```
    pub fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Suppressed => Some(Self::Suppressed),
            Outcome::Gated => Some(Self::Gated),
            Outcome::Rejected => Some(Self::Rejected),
            Outcome::Declined => Some(Self::Declined),
            Outcome::Expired => Some(Self::Expired),
            Outcome::Fired
            | Outcome::NotMatched
            | Outcome::Unknown
            | Outcome::Counted
            | Outcome::Waiting
            | Outcome::Cancelled
            | Outcome::Superseded
            | Outcome::Shadow => None,
        }
    }

    /// The full name of the reaction of a rule, `sensor/rule on gated`. Decisions and actions have it as their rule.
    ///
    /// ```
    /// assert_eq!(fuse_rules::ReactionKind::Gated.name_for("s/r"), "s/r on gated");
    /// ```
    pub fn name_for(self, rule: &str) -> String {
        format!("{rule} on {self}")
    }

    /// The rule of a reaction with this full name. `None` for the name of a rule.
    ///
    /// ```
    /// use fuse_rules::ReactionKind;
    ///
    /// assert_eq!(ReactionKind::rule_of("s/r on gated"), Some("s/r"));
    /// assert_eq!(ReactionKind::rule_of("s/r"), None);
    /// ```
    pub fn rule_of(name: &str) -> Option<&str> {
        // Names of rules contain no spaces.
        name.split_once(" on ").map(|(rule, _)| rule)
    }
}

/// A fuse that blew, to which it reacts. The reaction reads it as `outcome`.
///
/// ```
/// use fuse_rules::BlownCause;
///
/// let cause = BlownCause {
///     fuse: "healing".into(),
///     rule: "alerts/restart".into(),
///     reason: "`blow after 20 actions within 10m` is reached".into(),
///     event: "1".into(),
/// };
/// assert_eq!(cause.reaction(), "fuse healing on blown");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlownCause {
    /// The name of the fuse.
    pub fuse: String,
    /// The full name of the rule whose action or failure blew it.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
    /// The id of the event.
    pub event: String,
}

impl BlownCause {
    /// The full name of the reaction, `fuse NAME on blown`.
    pub fn reaction(&self) -> String {
        blown_reaction(&self.fuse)
    }

    /// The values of `outcome`.
    pub(crate) fn fields(&self) -> Value<'static> {
        let values = [&self.fuse, &self.rule, &self.reason, &self.event];
        let fields = BLOWN_FIELDS.into_iter().zip(values);
        Value::Map(fields.map(|(name, value)| (name.into(), Value::text(value.clone()))).collect())
    }
}

/// The full name of the reaction of a fuse.
pub(crate) fn blown_reaction(fuse: &str) -> String {
    // No rule has this name, because names of rules contain a slash.
    ReactionKind::Blown.name_for(&format!("fuse {fuse}"))
}

impl fmt::Display for ReactionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The outcome of a rule for one event and element, to which the rule reacts. Reactions read it as `outcome`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionCause {
    /// The kind of the reaction.
    pub kind: ReactionKind,
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element, as in [`Decision::element`](crate::Decision::element).
    pub element: Element,
    /// The outcome, such as `gated`. For a failure: how it failed, such as `exhausted` or `failed`. For a success:
    /// `succeeded`.
    pub state: String,
    /// Why, for people.
    pub reason: String,
    /// The id of the action that failed or succeeded, or that waits for approval. Each action that failed or succeeded has
    /// reactions of its own.
    pub action: Option<String>,
    /// The object that failed or succeeded, such as `Workflow cicd/heal-x7`.
    pub object: Option<String>,
    /// What was kept of the response to the action.
    pub response: Option<ActionResponse>,
}

impl ReactionCause {
    /// The cause that is an outcome of a rule, if rules can react to it.
    pub fn of_decision(decision: &Decision) -> Option<Self> {
        let Decision { rule, element, outcome, reason, .. } = decision;
        if *outcome == Outcome::Waiting {
            let waits_for_approval = decision.flow.iter().any(|one| one.flow.is_approval());
            return waits_for_approval.then(|| Self::of_wait(rule, element, reason, "test"));
        }
        Self::of_outcome(rule, element, *outcome, reason)
    }

    /// The cause that an action with this id waits for approval.
    pub fn of_wait(rule: &str, element: &Element, reason: &str, action: &str) -> Self {
        Self {
            kind: ReactionKind::Waiting,
            rule: rule.to_owned(),
            element: element.clone(),
            state: Outcome::Waiting.to_string(),
            reason: reason.to_owned(),
            action: Some(action.to_owned()),
            object: None,
            response: None,
        }
    }

    /// The cause that this action of a rule, given with its element and id, failed or succeeded.
    pub fn of_result(
        kind: ReactionKind,
        (rule, element, action): (&str, &Element, &str),
        state: &str,
        reason: &str,
    ) -> Self {
        Self {
            kind,
            rule: rule.to_owned(),
            element: element.clone(),
            state: state.to_owned(),
            reason: reason.to_owned(),
            action: Some(action.to_owned()),
            object: None,
            response: None,
        }
    }

    /// The same for a decision that is given by its parts.
    pub fn of_outcome(
        rule: &str,
        element: &Element,
        outcome: Outcome,
        reason: &str,
    ) -> Option<Self> {
        Some(Self {
            kind: ReactionKind::of(outcome)?,
            rule: rule.to_owned(),
            element: element.clone(),
            state: outcome.to_string(),
            reason: reason.to_owned(),
            action: None,
            object: None,
            response: None,
        })
    }

    /// The values of `outcome`, for an event with this id.
    pub(crate) fn fields(&self, event: &str) -> Value<'static> {
        let always = [self.rule.as_str(), &self.state, &self.reason, event];
        let optional = [&self.action, &self.object];
        let always = OUTCOME_FIELDS.into_iter().zip(always);
        let optional = OPTIONAL_OUTCOME_FIELDS.into_iter().zip(optional);
        let optional = optional.filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let texts = always.chain(optional);
        let texts = texts.map(|(name, text)| (name.into(), Value::text(text.to_owned())));
        let response = self.response.as_ref().map(|one| (RESPONSE.into(), one.to_value()));
        Value::Map(texts.chain(response).collect())
    }
}
