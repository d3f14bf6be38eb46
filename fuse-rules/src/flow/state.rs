//! The states of all clauses, which can be stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::admit::{ClauseAnswer, Question};
use super::after::{self, Matches};
use super::blow::BlowCount;
use super::concurrency::{self, InProgress};
use super::limit::{self, Places, Queue};
use super::once::{self, Claim};
use super::quiet::{self, Burst};
use super::still::{self, Delay};
use super::{Flow, FlowTime, Owner, WaitName};

/// The state of one clause of one rule for one key. It can be stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowState {
    /// The state of [`Flow::After`].
    After(Matches),
    /// The state of [`Flow::Once`].
    Once(Claim),
    /// The state of [`Flow::Quiet`].
    Quiet(Burst),
    /// The state of [`Flow::Still`].
    Still(Delay),
    /// The state of [`Flow::Limit`].
    Limit(Places),
    /// The same while occurrences wait for a place.
    Queue(Queue),
    /// The state of [`Flow::Concurrency`].
    Concurrency(InProgress),
    /// The state of a clause of a fuse that blows.
    Blow(BlowCount),
}

impl FlowState {
    /// The instant from which (inclusive) the state can be forgotten, because the clause makes the same decisions without
    /// it.
    pub fn end(&self) -> Timestamp {
        match self {
            Self::After(matches) => matches.end(),
            Self::Once(claim) => claim.until,
            Self::Quiet(burst) => burst.end(),
            Self::Still(delay) => delay.end(),
            Self::Limit(places) => places.end(),
            Self::Queue(queue) => queue.end(),
            Self::Concurrency(state) => state.end(),
            Self::Blow(count) => count.end(),
        }
    }

    /// The state after an occurrence is no longer in progress.
    pub(super) fn vacate(self, of: &WaitName) -> Self {
        match self {
            Self::Concurrency(state) => Self::Concurrency(state.vacate(&of.rule, &of.owner)),
            other => other,
        }
    }

    /// The state after the occurrence of this owner no longer waits.
    pub(super) fn release(self, rule: &str, asker: &Owner) -> Self {
        match self {
            Self::Quiet(burst) => Self::Quiet(burst.release(&asker.id)),
            Self::Still(delay) => Self::Still(delay.release(&asker.id)),
            Self::Queue(queue) => queue.release(asker).into(),
            Self::Concurrency(state) => Self::Concurrency(state.release(rule, &asker.id)),
            Self::After(_) | Self::Once(_) | Self::Limit(_) | Self::Blow(_) => self,
        }
    }

    /// The state after the occurrence of this owner waits for something else.
    pub(super) fn set_aside(self, rule: &str, asker: &Owner) -> Self {
        match self {
            Self::Queue(queue) => Self::Queue(queue.set_aside(asker)),
            // It joins the queue again when it asks.
            Self::Concurrency(state) => Self::Concurrency(state.release(rule, &asker.id)),
            other => other,
        }
    }
}

impl Flow {
    /// Asks to pass the clause in this state; `None` is the initial state. Returns the next state and the answer. The state
    /// of another kind of clause counts as none.
    pub(super) fn step(
        self,
        state: Option<&FlowState>,
        question: Question<'_>,
        time: FlowTime,
    ) -> (FlowState, ClauseAnswer) {
        let owner = question.owner;
        match self {
            // They have no state, and are not asked here.
            Self::Requires { .. } | Self::During { .. } | Self::Approval { .. } => {
                (FlowState::After(Matches::default()), Ok(()))
            }
            Self::After { count, within } => {
                let before = match state {
                    Some(FlowState::After(matches)) => Some(matches),
                    _ => None,
                };
                let (after, answer) = after::step(before, owner, (count, within), time);
                (FlowState::After(after), answer)
            }
            Self::Once { within } => {
                let before = match state {
                    Some(FlowState::Once(claim)) => Some(claim),
                    _ => None,
                };
                let (after, answer) = once::step(before, owner, within, time);
                (FlowState::Once(after), answer)
            }
            Self::Quiet { length, max } => {
                let before = match state {
                    Some(FlowState::Quiet(burst)) => Some(burst),
                    _ => None,
                };
                let (after, answer) = quiet::step(before, question, (length, max), time);
                (FlowState::Quiet(after), answer)
            }
            Self::Still { length } => {
                let before = match state {
                    Some(FlowState::Still(delay)) => Some(delay),
                    _ => None,
                };
                let (after, answer) = still::step(before, question, length, time);
                (FlowState::Still(after), answer)
            }
            Self::Limit { count, per, waits } => {
                let before = state.map(Queue::from).unwrap_or_default();
                let (after, answer) = limit::step(before, owner, (count, per), waits, time);
                (after.into(), answer)
            }
            Self::Concurrency { count, otherwise } => {
                let before = match state {
                    Some(FlowState::Concurrency(state)) => Some(state),
                    _ => None,
                };
                let (after, answer) = concurrency::step(before, question, (count, otherwise), time);
                (FlowState::Concurrency(after), answer)
            }
        }
    }

    /// An event meets the `unless` condition of the clause in this state. Returns the next state, and who no longer waits.
    /// `None` if the clause has no such condition.
    pub(super) fn cancel(
        self,
        state: Option<&FlowState>,
        question: Question<'_>,
        time: FlowTime,
    ) -> Option<(FlowState, Option<Owner>)> {
        let Self::Still { length } = self else { return None };
        let before = match state {
            Some(FlowState::Still(delay)) => Some(delay),
            _ => None,
        };
        let (after, ended) = still::cancel(before, question, length, time);
        Some((FlowState::Still(after), ended))
    }
}
