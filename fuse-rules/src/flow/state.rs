//! The states of all clauses, which can be stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::admit::ClauseAnswer;
use super::after::{self, Matches};
use super::blow::BlowCount;
use super::limit::{self, Places};
use super::once::{self, Claim};
use super::{Flow, FlowTime, Owner};

/// The state of one clause of one rule for one key. It can be stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowState {
    /// The state of [`Flow::After`].
    After(Matches),
    /// The state of [`Flow::Once`].
    Once(Claim),
    /// The state of [`Flow::Limit`].
    Limit(Places),
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
            Self::Limit(places) => places.end(),
            Self::Blow(count) => count.end(),
        }
    }
}

impl Flow {
    /// Asks to pass the clause in this state; `None` is the initial state. Returns the next state and the answer. The state
    /// of another kind of clause counts as none.
    pub(super) fn step(
        self,
        state: Option<&FlowState>,
        owner: &Owner,
        time: FlowTime,
    ) -> (FlowState, ClauseAnswer) {
        match self {
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
            Self::Limit { count, per } => {
                let before = match state {
                    Some(FlowState::Limit(places)) => Some(places),
                    _ => None,
                };
                let (after, answer) = limit::step(before, owner, (count, per), time);
                (FlowState::Limit(after), answer)
            }
        }
    }
}
