//! Pages of the states of flow control, in memory.

use fuse_rules::flow::{FlowTime, WaitName};

use super::State;
use super::ledger::event_action;
use crate::event::EventKey;
use crate::ledger::{LedgerError, StateAction, StateEntry, StatePage, StateQuery};

impl State {
    pub(super) fn states(
        &self,
        query: &StateQuery,
        time: FlowTime,
    ) -> Result<StatePage, LedgerError> {
        let after = query.after.as_deref().map(StateQuery::cursor).transpose()?;
        let prefix = query.prefix();
        let mut page = StatePage::default();
        let mut last = None;
        let states = self.flow.iter().filter(|(key, _)| {
            key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > &after.as_str())
        });
        for (key, state) in states {
            let subject = self.flow.subject(key).filter(|subject| query.matches(subject));
            let Some((mut entry, names)) =
                subject.and_then(|subject| StateEntry::new(subject, state, time))
            else {
                continue;
            };
            if page.states.len() >= query.limit {
                page.next = last.map(StateQuery::next);
                break;
            }
            entry.in_progress = names.iter().flat_map(|name| self.in_progress(name)).collect();
            page.states.push(entry);
            last = Some(key);
        }
        Ok(page)
    }

    /// The actions of an occurrence that keep its place.
    fn in_progress(&self, name: &WaitName) -> Vec<StateAction> {
        let key = EventKey::decode(name.event());
        let Some(record) = key.as_ref().and_then(|key| self.record(key)) else { return Vec::new() };
        let actions = record.actions.iter();
        let actions = actions.map(|action| event_action(&record.event.key(), action));
        actions.filter_map(|action| StateAction::new(name, &action)).collect()
    }
}
