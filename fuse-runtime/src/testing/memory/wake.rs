//! The waits in memory.

use std::collections::{BTreeMap, BTreeSet};

use fuse_rules::ReactionKind;
use fuse_rules::flow::{Approval, EndedWait, FlowStates, FlowTime, ReplacedOccurrence};
use jiff::Timestamp;

use super::State;
use super::ledger::event_action;
use crate::event::EventKey;
use crate::ledger::blow;
use crate::ledger::places;
use crate::ledger::waits::{self, Resumed};
use crate::ledger::{
    ActionRecord, CurrentRules, Due, FuseHistories, LedgerError, WaitAnswer, WaitingDecision,
    Woken, answer, transition,
};

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
    pub(super) fn recheck(&mut self, rules: &BTreeSet<String>, time: FlowTime) {
        let decisions = self.events.values_mut().filter_map(|stored| stored.decision.as_mut());
        for decision in decisions {
            waits::recheck(&mut decision.waits, rules, time);
        }
    }

    pub(super) fn wake(&mut self, event: &EventKey, rules: &CurrentRules, time: FlowTime) -> Woken {
        let Self { events, actions, flow, fuses, .. } = self;
        let decision = events.get_mut(event).and_then(|stored| stored.decision.as_mut());
        let Some(decision) = decision else { return Woken::default() };
        let before = fuses.clone();
        let waiting = (decision.decisions.as_mut_slice(), &mut decision.waits);
        let Resumed { decisions, actions: released, places, ended } =
            waits::resume(waiting, flow, fuses, (rules, time));
        decision.places.extend(places);
        let blown = blow::changed(&before, fuses);
        decision.blown.extend(blow::records(&before, fuses));
        decision.is_woken |= waits::may_react(&decisions, &decision.waits);
        let mut woken =
            Woken { decisions, actions: Vec::new(), blown, is_unfinished: decision.is_woken };
        for action in released {
            decision.actions.push(action.id.clone());
            woken.actions.push(event_action(event, &action));
            actions.insert(action.id.clone(), (event.clone(), action));
        }
        self.end_all(&ended);
        self.wake_and_replace(time.wall);
        woken
    }

    /// Counts a failure of an action of an event. Returns the fuses that blow.
    pub(super) fn count(
        &mut self,
        event: &EventKey,
        count: impl FnOnce(&mut FlowStates, &mut FuseHistories) -> Vec<String>,
    ) -> Vec<String> {
        let Self { events, flow, fuses, .. } = self;
        let before = fuses.clone();
        let blown = count(flow, fuses);
        let records = blow::records(&before, fuses);
        let stored = events.get_mut(event).filter(|_| !records.is_empty());
        if let Some(decision) = stored.and_then(|stored| stored.decision.as_mut()) {
            decision.blown.extend(records);
            decision.is_woken = true;
        }
        blown
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

    /// An action of an event ended: frees the places of its occurrence, if it was the last one.
    pub(super) fn ended(&mut self, event: &EventKey, id: &str) {
        let Self { events, actions, flow, .. } = self;
        let decision = events.get_mut(event).and_then(|stored| stored.decision.as_mut());
        let Some((decision, (_, action))) = decision.zip(actions.get(id)) else { return };
        if let Some(held) = places::end(&mut decision.places, &action.action) {
            held.vacate(flow);
        }
        self.wake_ready();
    }

    /// The same, and replaces the occurrences whose places newer ones take.
    pub(super) fn wake_and_replace(&mut self, at: Timestamp) {
        let stops = self.flow.take_stops();
        self.wake_ready();
        for ReplacedOccurrence { key, occurrence, by } in stops {
            let Some(event) = EventKey::decode(occurrence.event()) else { continue };
            let stored = self.events.get(&event).and_then(|stored| stored.decision.as_ref());
            let Some(decision) = stored else { continue };
            let Some(held) =
                decision.places.iter().find(|held| held.is(&occurrence, &key)).cloned()
            else {
                continue;
            };
            for id in decision.actions.clone() {
                let Some((_, record)) = self.actions.get_mut(&id) else { continue };
                if !held.has(&record.action) {
                    continue;
                }
                let Some(changed) = transition::replace(record, &by, at) else { continue };
                let has_ended = !changed.in_progress;
                // An attempt in progress may end as it does without this.
                let revision = match changed.state == record.state {
                    true => record.revision,
                    false => record.revision.saturating_add(1),
                };
                *record = ActionRecord { revision, ..changed };
                if has_ended {
                    self.ended(&event, &id);
                }
            }
        }
    }

    /// Makes those due for which there is a place.
    pub(super) fn wake_ready(&mut self) {
        loop {
            let ready = self.flow.take_ready();
            if ready.is_empty() {
                return;
            }
            for one in &ready {
                let key = EventKey::decode(one.wait.event());
                let stored = key.and_then(|key| self.events.get_mut(&key));
                let decision = stored.and_then(|stored| stored.decision.as_mut());
                if !decision.is_some_and(|decision| waits::make_due(&mut decision.waits, &one.wait))
                {
                    self.flow.release_ready(one);
                }
            }
        }
    }

    /// The decisions that wait and can be answered, by id.
    fn answerable(&self) -> BTreeMap<&str, WaitingDecision> {
        let decided = self.events.iter().filter_map(|(key, stored)| {
            let decision = stored.decision.as_ref()?;
            Some((key, &decision.decisions, &decision.waits))
        });
        let all = decided.flat_map(|(key, decisions, waits)| {
            waits.iter().filter_map(move |wait| {
                let waiting = WaitingDecision::new(key.clone(), decisions, wait.clone());
                Some((wait.id()?, waiting))
            })
        });
        all.collect()
    }

    pub(super) fn waiting_decisions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<WaitingDecision> {
        let all = self.answerable().into_iter();
        let listed = all.filter(|(id, _)| after.is_none_or(|after| *id > after));
        listed.take(limit).map(|(_, waiting)| waiting).collect()
    }

    pub(super) fn find_waiting(&self, id: &str) -> Option<WaitingDecision> {
        self.answerable().remove(id)
    }

    pub(super) fn answer(
        &mut self,
        id: &str,
        said: (WaitAnswer, &Approval),
        time: FlowTime,
    ) -> Result<bool, LedgerError> {
        let event = self.find_waiting(id).map(|waiting| waiting.event);
        let Self { events, flow, .. } = self;
        let decision = event.and_then(|event| events.get_mut(&event)?.decision.as_mut());
        let Some(decision) = decision else {
            return Err(LedgerError::NotWaiting(id.to_owned()));
        };
        let waiting = (decision.decisions.as_mut_slice(), &mut decision.waits);
        let is_new = answer::answer(waiting, flow, id, said, time)?;
        decision.is_woken |=
            decision.decisions.iter().any(|one| ReactionKind::of(one.outcome).is_some());
        self.wake_ready();
        Ok(is_new)
    }

    /// How many occurrences wait.
    pub(super) fn waiting_at(&self) -> BTreeMap<String, u64> {
        let decisions = self.events.values().filter_map(|stored| stored.decision.as_ref());
        let counts = waits::by_clause(decisions.flat_map(|decision| &decision.waits));
        counts.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
    }

    pub(super) fn waiting(&self) -> u64 {
        let decisions = self.events.values().filter_map(|stored| stored.decision.as_ref());
        decisions.map(|decision| decision.waits.len() as u64).sum()
    }
}
