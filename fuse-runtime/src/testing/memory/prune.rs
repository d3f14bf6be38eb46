//! Pruning in memory.

use jiff::Timestamp;

use super::{State, StoredDecision};

impl State {
    /// Removes the events that are old and settled, and everything that is over. Returns how many events were removed.
    pub(super) fn prune(&mut self, older_than: Timestamp) -> u64 {
        let Self { events, actions, flow, threads, .. } = self;
        let before = events.len();
        events.retain(|_, stored| {
            let ids = || stored.decision.iter().flat_map(|decision| &decision.actions);
            let is_unsettled =
                |id: &String| actions.get(id).is_some_and(|(_, one)| !one.state.is_settled());
            let waits = |one: &StoredDecision| {
                one.is_woken || !one.waits.is_empty() || !one.places.is_empty()
            };
            let stays = stored.kept_from >= older_than
                || !stored.acked
                || ids().any(is_unsettled)
                || stored.decision.as_ref().is_some_and(waits);
            if !stays {
                for id in ids() {
                    actions.remove(id);
                }
            }
            stays
        });
        flow.prune(older_than);
        threads.retain(|_, thread| thread.until > older_than);
        before.saturating_sub(events.len()) as u64
    }
}
