//! The occurrences of an event that are in progress: they keep their places of `concurrency` until their actions ended. Like
//! `transition.rs`, this module does no I/O.

use std::collections::BTreeSet;

use fuse_rules::flow::{FlowStates, Occurrence, WaitName};
use fuse_rules::{Action, Element};
use serde::{Deserialize, Serialize};

use super::{ActionRecord, ActionState, ObservedResult};

/// An occurrence in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlacesInUse {
    #[serde(flatten)]
    name: WaitName,
    element: Element,
    /// The keys of the states of flow control in which it has a place.
    pub(crate) keys: BTreeSet<String>,
    /// How many of its actions have not ended.
    actions: u32,
}

impl PlacesInUse {
    /// The places of an occurrence that passed, and has this number of actions. `None` if it takes none.
    pub(crate) fn new(
        occurrence: &Occurrence,
        actions: usize,
        states: &mut FlowStates,
    ) -> Option<Self> {
        let keys = occurrence.place_keys();
        let name = occurrence.name();
        let actions = u32::try_from(actions).unwrap_or(u32::MAX);
        let element = occurrence.element.clone();
        let held = Self { name, element, keys, actions };
        if actions == 0 {
            held.vacate(states);
        }
        Some(held).filter(|held| !held.keys.is_empty() && actions > 0)
    }

    /// Whether an action is one of those that keep the places.
    pub(crate) fn has(&self, action: &Action) -> bool {
        self.name.rule == action.rule && self.element == action.element
    }

    /// Whether it is this occurrence, with a place in this state.
    pub(crate) fn is(&self, name: &WaitName, key: &str) -> bool {
        self.name == *name && self.keys.contains(key)
    }

    /// Frees the places.
    pub(crate) fn vacate(&self, states: &mut FlowStates) {
        for key in &self.keys {
            states.vacate(key, &self.name);
        }
    }
}

/// An action of an event ended. Returns the places that are free now.
pub(crate) fn end(places: &mut Vec<PlacesInUse>, action: &Action) -> Option<PlacesInUse> {
    let index = places.iter().position(|held| held.has(action))?;
    let held = places.get_mut(index)?;
    held.actions = held.actions.saturating_sub(1);
    (held.actions == 0).then(|| places.remove(index))
}

/// The record of an action, which is no longer in progress if it ended.
pub(crate) fn ended(action: ActionRecord) -> ActionRecord {
    let has_ended = match &action.state {
        ActionState::DeadLettered { .. } => true,
        ActionState::Done { started: None, .. } => true,
        ActionState::Done { started: Some(_), .. } => {
            let observed = action.observed.as_ref().map(|observed| observed.result);
            observed.is_some_and(|result| result != ObservedResult::Running)
        }
        _ => false,
    };
    ActionRecord { in_progress: action.in_progress && !has_ended, ..action }
}
