//! What passes the clauses: a rule whose conditions are true, for one element of one event.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FlowRequest, Owner, WaitName};

/// A rule whose conditions are true, for one element of one event, and the clauses that it has to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// The element, as in [`Decision::element`](crate::Decision::element).
    pub element: Option<Vec<u32>>,
    /// Who asks.
    pub owner: Owner,
    /// When its event was received. Events may be decided in another order.
    pub received: Timestamp,
    /// Whether the rule is in shadow: it then takes no place in a limiter, which other rules share.
    pub is_shadow: bool,
    /// The clauses, in the order in which they are passed.
    pub requests: Vec<FlowRequest>,
}

impl Occurrence {
    /// Sets the values of the fuses for which it may wait.
    pub fn set_fuses(&mut self, is_on: impl Fn(&str) -> bool) {
        self.requests.iter_mut().for_each(|request| request.set_fuses(&is_on));
    }

    /// Whether it waits while this fuse is off.
    pub fn waits_for(&self, fuse: &str) -> bool {
        self.requests.iter().any(|request| request.fuses.contains_key(fuse))
    }

    /// Whether it waits for each of these fuses, which are off. If so, they are off for it from now on.
    pub fn wait_for<'f>(&mut self, off: impl IntoIterator<Item = &'f str>) -> Result<(), &'f str> {
        let off: Vec<&str> = off.into_iter().collect();
        if let Some(fuse) = off.iter().find(|fuse| !self.waits_for(fuse)) {
            return Err(fuse);
        }
        for request in &mut self.requests {
            let values = request.fuses.iter_mut();
            values.filter(|(name, _)| off.contains(&name.as_str())).for_each(|(_, on)| *on = false);
        }
        Ok(())
    }

    /// The first word of one of its clauses, by index.
    pub fn clause_word(&self, clause: usize) -> &'static str {
        self.requests.get(clause).map_or("", |request| request.flow.word())
    }

    /// Its name among all occurrences: the rule and the owner.
    pub fn name(&self) -> WaitName {
        WaitName { rule: self.rule.clone(), owner: self.owner.id.clone() }
    }

    /// The keys of the states that decide about it, as in [`FlowStates`](super::FlowStates).
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let requests = self.requests.iter().filter(|request| request.has_state());
        requests.map(|request| request.state_key(&self.rule))
    }

    /// The keys of the states in which it has a place until its actions ended. A rule in shadow has no actions.
    pub fn place_keys(&self) -> BTreeSet<String> {
        let holding = |request: &&FlowRequest| request.flow.holds_places() && !self.is_shadow;
        let requests = self.requests.iter().filter(holding);
        requests.map(|request| request.state_key(&self.rule)).collect()
    }
}
