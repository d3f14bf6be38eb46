//! The limits of rules, which may change while occurrences wait.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::key::state_name;
use super::{Flow, Wait};

/// The limits of all rules. The rules may be edited while an occurrence waits; it then has to obey the new numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLimits {
    /// The limits of each rule, by its full name and by the name of their states.
    by_rule: BTreeMap<String, BTreeMap<String, Flow>>,
}

impl RuleLimits {
    /// Adds a clause of a rule, if it is a `limit` or `concurrency`.
    pub fn add(&mut self, rule: &str, clause: &str, limiter: Option<&str>, flow: Flow) {
        if matches!(flow, Flow::Limit { .. } | Flow::Concurrency { .. }) {
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
            request.flow = match (request.flow, limits.get(&name)) {
                (Flow::Limit { waits, .. }, Some(Flow::Limit { count, per, .. })) => {
                    Flow::Limit { count: *count, per: *per, waits }
                }
                (Flow::Concurrency { otherwise, .. }, Some(Flow::Concurrency { count, .. })) => {
                    Flow::Concurrency { count: *count, otherwise }
                }
                (flow, _) => flow,
            };
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

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::super::{FlowRequest, Occurrence, Overflow, Owner};
    use super::*;

    #[test]
    fn one_that_waits_obeys_the_numbers_of_the_rules_in_use() {
        let limit = |count, minutes, waits| {
            let per = SignedDuration::from_mins(minutes);
            ("limit per ", Flow::Limit { count, per, waits })
        };
        let concurrency =
            |count, otherwise| ("concurrency per ", Flow::Concurrency { count, otherwise });
        let decided = [limit(5, 1, true), concurrency(5, Overflow::Skip)];
        let requests = decided.map(|(clause, flow)| FlowRequest::new(clause, flow, Vec::new()));
        let occurrence = Occurrence {
            rule: "s/r".into(),
            element: None,
            owner: Owner::new("a", "a", None),
            received: Timestamp::UNIX_EPOCH,
            is_shadow: false,
            requests: requests.to_vec(),
        };
        let now = Timestamp::UNIX_EPOCH;
        let mut wait = Wait::new(occurrence, 0, now.into(), now);
        let mut limits = RuleLimits::default();
        for (clause, flow) in [limit(1, 2, false), concurrency(1, Overflow::Queue)] {
            limits.add("s/r", clause, None, flow);
        }
        limits.update(&mut wait);
        let flows: Vec<Flow> = wait.occurrence.requests.iter().map(|one| one.flow).collect();
        // Only the numbers: what becomes of those that find no place was decided.
        assert_eq!(flows, [limit(1, 2, true).1, concurrency(1, Overflow::Skip).1]);
        assert_eq!(limits.changed_since(None), ["s/r".to_owned()].into());
        assert!(limits.changed_since(Some(&limits)).is_empty());
    }
}
