//! What the engine asks the ledger to record, and what it gets back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fuse_rules::Action;
use fuse_rules::flow::{BlowingFuse, Cancellation, FlowTime, Occurrence, RuleLimits};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DecisionRecord, EventAction};
use crate::event::EventKey;

/// The reactions that were added to the record of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reacted {
    /// Their decisions, after flow control.
    pub decisions: Vec<DecisionRecord>,
    /// Their actions.
    pub actions: Vec<EventAction>,
    /// The fuses that the failure blew.
    pub blown: Vec<String>,
}

/// What became of the waits of an event that were due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Woken {
    /// The decisions that changed, as they are now.
    pub decisions: Vec<DecisionRecord>,
    /// The actions that were released. They are recorded as [`ActionState::Waiting`](super::ActionState::Waiting) until
    /// the time at which they were due, off the bus.
    pub actions: Vec<EventAction>,
    /// The fuses that blew.
    pub blown: Vec<String>,
    /// Whether the caller has to record the reactions to the decisions of the event, and then call
    /// [`Ledger::finish_waking`](super::Ledger::finish_waking).
    pub is_unfinished: bool,
}

/// The rules and fuses that are in use when waits resume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurrentRules {
    /// The fuses that may blow, as in [`Verdict::blow`].
    pub blow: Vec<BlowingFuse>,
    /// The limits of rules, which those that wait have to obey, even if they were edited meanwhile.
    #[serde(serialize_with = "as_inner", deserialize_with = "in_arc")]
    pub limits: Arc<RuleLimits>,
    /// The fuses that are off. Those that can blow may have been switched since; the ledger knows that.
    pub off: BTreeSet<String>,
}

fn as_inner<S: Serializer>(limits: &Arc<RuleLimits>, to: S) -> Result<S::Ok, S::Error> {
    limits.as_ref().serialize(to)
}

fn in_arc<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<RuleLimits>, D::Error> {
    RuleLimits::deserialize(from).map(Arc::new)
}

/// The events whose waits are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The events, in the order of their due times, then of their arrival. Those that were woken and not finished come
    /// first.
    pub events: Vec<EventKey>,
    /// When the next other wait is due, in steady time.
    pub next: Option<Timestamp>,
}

/// The result of evaluating an event, to be recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The event.
    pub event: EventKey,
    /// The hash of the plan that decided.
    pub plan: String,
    /// When.
    pub decided: Timestamp,
    /// The same in the runtime's steady time, which flow control uses.
    pub steady: Timestamp,
    /// Why the whole event is refused, if it is.
    pub rejected: Option<String>,
    /// Where the event does not conform to its declared type.
    pub mismatch: Option<String>,
    /// The decisions, rule by rule. An action that one names must be in `actions`.
    pub decisions: Vec<DecisionRecord>,
    /// The actions, each with its id. They are recorded as pending.
    pub actions: Vec<(String, Action)>,
    /// The fuses that the rules of the actions require, by the rules' full names.
    pub requires: BTreeMap<String, Vec<String>>,
    /// The occurrences that have to pass flow control before they may act.
    ///
    /// An occurrence governs the `fired` and `shadow` decisions of its rule and element, and their actions. If it governs
    /// none, it does not ask, so that an action which could not be rendered takes no place. If it does not pass, these
    /// decisions become `counted`, `suppressed` or `waiting`, and their actions are dropped or wait. Of two occurrences with one key, the
    /// first asks first. The ledger keeps the states of flow control, which change in the same commit.
    pub flow: Vec<Occurrence>,
    /// The fuses that may blow. [`Ledger::decide`](super::Ledger::decide) counts the actions of those that are required,
    /// by [`Verdict::requires`]; the occurrence with the action that is too many becomes `gated`, and its fuse is recorded
    /// as blown in the same commit. The occurrences after it are gated too, like those that are committed while the fuse is
    /// off. [`Ledger::settle_and_react`](super::Ledger::settle_and_react) and
    /// [`Ledger::observe_and_react`](super::Ledger::observe_and_react) count the failure of their action for all of them.
    ///
    /// An occurrence whose fuses may blow must be in `flow`, even if it has to pass no clause.
    pub blow: Vec<BlowingFuse>,
    /// When the event was received. Events may be decided in another order.
    pub received: Timestamp,
    /// The `still` clauses whose waits the event ends. They come before the occurrences.
    pub cancels: Vec<Cancellation>,
}

impl Verdict {
    /// Whether no rule matches, and there is nothing else to record.
    pub(crate) fn is_without_decisions(&self) -> bool {
        self.decisions.is_empty()
            && self.actions.is_empty()
            && self.flow.is_empty()
            && self.cancels.is_empty()
            && self.blow.is_empty()
            && self.rejected.is_none()
            && self.mismatch.is_none()
    }

    /// When it was decided, for flow control.
    pub(crate) fn time(&self) -> FlowTime {
        FlowTime { steady: self.steady, wall: self.decided }
    }

    /// The same without decisions, to be recorded with the reason why the whole event is refused.
    pub(crate) fn refused(&self) -> Self {
        let (event, plan) = (self.event.clone(), self.plan.clone());
        let refused = Self::empty(event, plan, (self.decided, self.steady));
        Self { received: self.received, ..refused }
    }

    /// A verdict without decisions.
    pub(crate) fn empty(
        event: EventKey,
        plan: String,
        (decided, steady): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            event,
            plan,
            decided,
            steady,
            rejected: None,
            mismatch: None,
            decisions: Vec::new(),
            actions: Vec::new(),
            requires: BTreeMap::new(),
            flow: Vec::new(),
            blow: Vec::new(),
            received: decided,
            cancels: Vec::new(),
        }
    }
}
