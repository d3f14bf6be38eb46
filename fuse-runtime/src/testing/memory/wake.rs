//! The waits in memory.

use std::collections::BTreeSet;

use fuse_rules::ReactionKind;
use fuse_rules::flow::{EndedWait, FlowTime};
use jiff::Timestamp;

use super::State;
use super::ledger::event_action;
use crate::event::EventKey;
use crate::ledger::blow;
use crate::ledger::waits::{self, Resumed};
use crate::ledger::{CurrentRules, Due, Woken};

impl State {
    pub(super) fn due(&self, time: FlowTime, limit: usize) -> Due {
        let now = time.steady;
        let mut waiting = Vec::new();
        for (key, stored) in &self.events {
            let Some(decision) = &stored.decision else { continue };
            if decision.is_woken {
                waiting.push((Timestamp::MIN, stored.seq, key));
            }
            let waits = decision.waits.iter();
            waiting.extend(waits.map(|one| (waits::due_at(&one.wait, time), stored.seq, key)));
        }
        waiting.sort_unstable();
        let mut due = Due::default();
        for (until, _, key) in waiting {
            if until > now {
                due.next = Some(until);
                break;
            }
            if due.events.contains(key) {
                continue;
            }
            if due.events.len() >= limit {
                due.next = Some(now);
                break;
            }
            due.events.push(key.clone());
        }
        due
    }

    /// Makes the waits of these rules due now that may not have to go on.
    pub(super) fn hasten(&mut self, rules: &BTreeSet<String>, time: FlowTime) {
        let decisions = self.events.values_mut().filter_map(|stored| stored.decision.as_mut());
        for decision in decisions {
            waits::hasten(&mut decision.waits, rules, time);
        }
    }

    pub(super) fn wake(&mut self, event: &EventKey, rules: &CurrentRules, time: FlowTime) -> Woken {
        let Self { events, actions, flow, fuses, .. } = self;
        let decision = events.get_mut(event).and_then(|stored| stored.decision.as_mut());
        let Some(decision) = decision else { return Woken::default() };
        let before = fuses.clone();
        let waiting = (decision.decisions.as_mut_slice(), &mut decision.waits);
        let Resumed { decisions, actions: released, ended } =
            waits::resume(waiting, flow, fuses, (rules, time));
        let blown = blow::changed(&before, fuses);
        decision.is_woken |= decisions.iter().any(|one| ReactionKind::of(one.outcome).is_some());
        let mut woken =
            Woken { decisions, actions: Vec::new(), blown, is_unfinished: decision.is_woken };
        for action in released {
            decision.actions.push(action.id.clone());
            woken.actions.push(event_action(event, &action));
            actions.insert(action.id.clone(), (event.clone(), action));
        }
        self.end_all(&ended);
        woken
    }

    pub(super) fn finish_waking(&mut self, event: &EventKey) {
        let stored = self.events.get_mut(event);
        if let Some(decision) = stored.and_then(|stored| stored.decision.as_mut()) {
            decision.is_woken = false;
        }
    }

    /// Ends waits before they are due.
    pub(super) fn end_all(&mut self, ended: &[EndedWait]) {
        for one in ended {
            let key = EventKey::decode(one.wait.event());
            let stored = key.and_then(|key| self.events.get_mut(&key));
            if let Some(decision) = stored.and_then(|stored| stored.decision.as_mut()) {
                waits::end(&mut decision.decisions, &mut decision.waits, one);
            }
        }
    }

    /// How many occurrences wait.
    pub(super) fn waiting(&self) -> u64 {
        let decisions = self.events.values().filter_map(|stored| stored.decision.as_ref());
        decisions.map(|decision| decision.waits.len() as u64).sum()
    }
}
