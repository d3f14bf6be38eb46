//! The lists of actions in memory.

use super::State;
use super::ledger::event_action;
use crate::ledger::EventAction;
use crate::ledger::transition::{self, Lists};

impl State {
    /// Up to `limit` actions of a list with ids after `after`, sorted by id.
    pub(super) fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        is_listed: impl Fn(Lists) -> bool,
    ) -> Vec<EventAction> {
        let actions = self.actions.iter();
        actions
            .filter(|(id, (_, action))| {
                after.is_none_or(|after| id.as_str() > after)
                    && is_listed(transition::lists(action))
            })
            .take(limit)
            .map(|(_, (event, action))| event_action(event, action))
            .collect()
    }
}
