//! The limits of rules, which may change while occurrences wait.

use std::collections::{BTreeMap, BTreeSet};

use super::{Flow, Wait, state_name};

/// The limits of all rules. The rules may be edited while an occurrence waits; it then has to obey the new numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleLimits {
    /// The limits of each rule, by its full name and by the name of their states.
    by_rule: BTreeMap<String, BTreeMap<String, Flow>>,
}

impl RuleLimits {
    /// Adds a clause of a rule, if it is a limit.
    pub fn add(&mut self, rule: &str, clause: &str, limiter: Option<&str>, flow: Flow) {
        if matches!(flow, Flow::Limit { .. }) {
            let limits = self.by_rule.entry(rule.to_owned()).or_default();
            limits.insert(state_name(rule, clause, limiter), flow);
        }
    }

    /// Replaces the parameters of the limits that one that waits has to pass. A limit that was removed keeps them.
    pub fn update(&self, wait: &mut Wait) {
        let occurrence = &mut wait.occurrence;
        let Some(limits) = self.by_rule.get(&occurrence.rule) else { return };
        for request in &mut occurrence.requests {
            let name = state_name(&occurrence.rule, &request.clause, request.limiter.as_deref());
            if let Some(Flow::Limit { count, per, .. }) = limits.get(&name)
                && let Flow::Limit { waits, .. } = request.flow
            {
                request.flow = Flow::Limit { count: *count, per: *per, waits };
            }
        }
    }

    /// The rules whose limits are not those of `former`, and at which occurrences may wait.
    pub fn changed_since(&self, former: Option<&Self>) -> BTreeSet<String> {
        let changed = self.by_rule.iter().filter(|(rule, limits)| {
            limits.values().any(|flow| flow.waits())
                && former.and_then(|former| former.by_rule.get(*rule)) != Some(*limits)
        });
        changed.map(|(rule, _)| rule.clone()).collect()
    }
}
