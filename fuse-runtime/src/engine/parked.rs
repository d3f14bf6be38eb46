//! The actions that left the bus unsettled, in memory: held ones by what is missing, waiting ones by when
//! they are due. The ledger has the record of each.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::ledger::{ActionRecord, ActionState, EventAction};

/// How many groups are checked in one round. The others follow in the next rounds.
const MAX_GROUPS_PER_ROUND: usize = 32;

/// The actions that left the bus. Shared by the engine and the admin port.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    state: Mutex<State>,
    /// Notified when an action is added, which may be due before all others.
    added: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<HeldReason, BTreeMap<(Timestamp, String), EventAction>>,
    /// The groups in the order in which they are checked.
    turns: VecDeque<HeldReason>,
    waiting: BTreeMap<(Timestamp, String), EventAction>,
    /// How many actions of each trigger are held or wait, including reserved places.
    counts: BTreeMap<String, usize>,
    /// The ids of the actions that are held, wait, or are being performed.
    known: HashSet<String>,
    /// Whether another replica has the actions, so that none is added here.
    is_elsewhere: bool,
}

/// The trigger, and what is missing.
pub(super) type HeldReason = (String, String);

/// A group of held actions, for the admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) trigger: String,
    pub(crate) reason: String,
    pub(crate) count: usize,
    pub(crate) since: Timestamp,
}

impl State {
    fn count(&mut self, trigger: &str) -> &mut usize {
        self.counts.entry(trigger.to_owned()).or_default()
    }

    fn insert(&mut self, action: EventAction) {
        if self.is_elsewhere {
            return;
        }
        let (trigger, id) = (action.action.action.trigger.clone(), action.action.id.clone());
        self.known.insert(id.clone());
        match &action.action.state {
            ActionState::Held { since, reason, .. } => {
                let (since, reason) = (*since, (trigger.clone(), reason.clone()));
                if !self.held.contains_key(&reason) {
                    self.turns.push_back(reason.clone());
                }
                let group = self.held.entry(reason).or_default();
                let is_new = group.insert((since, id), action).is_none();
                *self.count(&trigger) += usize::from(is_new);
            }
            ActionState::Waiting { until, .. } => {
                let until = *until;
                let is_new = self.waiting.insert((until, id), action).is_none();
                *self.count(&trigger) += usize::from(is_new);
            }
            // The caller performs it at once.
            _ => {}
        }
    }

    fn took(&mut self, action: &EventAction) {
        let count = self.count(&action.action.action.trigger);
        *count = count.saturating_sub(1);
    }

    fn drop_empty_groups(&mut self) {
        self.held.retain(|_, group| !group.is_empty());
        let Self { held, turns, .. } = self;
        turns.retain(|reason| held.contains_key(reason));
    }
}

impl Parked {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether actions are added. Forgets all of them when another replica has them.
    pub(crate) fn accept(&self, accepts: bool) {
        let mut state = self.state();
        let parked = state.held.values().chain([&state.waiting]).flat_map(BTreeMap::keys);
        let parked: HashSet<String> = parked.map(|(_, id)| id.clone()).collect();
        // Those that are being performed stay known, so that nobody else here performs them, too.
        let known = std::mem::take(&mut state.known);
        let known = known.into_iter().filter(|id| !parked.contains(id)).collect();
        *state = State { is_elsewhere: !accepts, known, ..State::default() };
    }

    /// Adds an action that is recorded as held or waiting.
    pub(super) fn add(&self, action: EventAction) {
        self.state().insert(action);
        self.added.notify_one();
    }

    /// Adds an action unless it is known. Returns whether it was added.
    pub(super) fn adopt(&self, action: EventAction) -> bool {
        let mut state = self.state();
        if state.is_elsewhere || state.known.contains(&action.action.id) {
            return false;
        }
        state.insert(action);
        drop(state);
        self.added.notify_one();
        true
    }

    /// Forgets an action that is settled, or whose record is in doubt.
    pub(super) fn forget(&self, id: &str) {
        self.state().known.remove(id);
    }

    /// Whether fewer actions of the trigger than `max` are held or wait.
    pub(super) fn has_room(&self, trigger: &str, max: usize) -> bool {
        *self.state().count(trigger) < max
    }

    /// Reserves a place for an action that is about to be added, until [`Parked::vacate`]. Returns `false`
    /// if `max` actions of the trigger are held or wait already. The action is known from now on.
    pub(super) fn reserve(&self, trigger: &str, id: &str, max: usize) -> bool {
        let mut state = self.state();
        if state.is_elsewhere {
            return true;
        }
        let count = state.count(trigger);
        let has_room = *count < max;
        *count += usize::from(has_room);
        if has_room {
            state.known.insert(id.to_owned());
        }
        has_room
    }

    /// Gives a place back that was kept.
    pub(super) fn vacate(&self, trigger: &str) {
        let mut state = self.state();
        let count = state.count(trigger);
        *count = count.saturating_sub(1);
    }

    /// How many actions of a trigger are held.
    pub(crate) fn held(&self, trigger: &str) -> usize {
        let state = self.state();
        let groups = state.held.iter().filter(|((kind, _), _)| kind == trigger);
        groups.map(|(_, group)| group.len()).sum()
    }

    /// The triggers whose actions are held or wait.
    pub(crate) fn triggers(&self) -> Vec<String> {
        self.state().counts.keys().cloned().collect()
    }

    /// How many actions wait for a retry.
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// The groups of held actions, sorted.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let state = self.state();
        let described = state.held.iter().filter_map(|((trigger, reason), group)| {
            let ((since, _), _) = group.first_key_value()?;
            let (trigger, reason) = (trigger.clone(), reason.clone());
            Some(Group { trigger, reason, count: group.len(), since: *since })
        });
        described.collect()
    }

    /// The next groups to check, each with its oldest action.
    pub(super) fn next_groups(&self) -> Vec<(HeldReason, EventAction)> {
        let mut state = self.state();
        let mut asked = Vec::new();
        for _ in 0..state.turns.len().min(MAX_GROUPS_PER_ROUND) {
            let Some(reason) = state.turns.pop_front() else { break };
            let oldest = state.held.get(&reason).and_then(|group| group.first_key_value());
            if let Some(oldest) = oldest.map(|(_, oldest)| oldest.clone()) {
                state.turns.push_back(reason.clone());
                asked.push((reason, oldest));
            }
        }
        asked
    }

    /// Removes up to `max` of the oldest actions of a group. They stay known.
    pub(super) fn take_group(&self, reason: &HeldReason, max: usize) -> Vec<EventAction> {
        let mut state = self.state();
        let mut taken = Vec::new();
        if let Some(group) = state.held.get_mut(reason) {
            while let Some((_, held)) = (taken.len() < max).then(|| group.pop_first()).flatten() {
                taken.push(held);
            }
        }
        taken.iter().for_each(|action| state.took(action));
        state.drop_empty_groups();
        taken
    }

    /// Removes the actions that have been held for too long. They stay known.
    pub(super) fn take_old(&self, is_too_old: impl Fn(Timestamp) -> bool) -> Vec<EventAction> {
        let mut state = self.state();
        let mut taken = Vec::new();
        for group in state.held.values_mut() {
            while let Some(first) = group.first_entry() {
                if !is_too_old(first.key().0) {
                    break;
                }
                taken.push(first.remove());
            }
        }
        taken.iter().for_each(|action| state.took(action));
        state.drop_empty_groups();
        taken
    }

    /// Removes the actions for which this is true. They stay known.
    pub(super) fn take_where(&self, is_taken: impl Fn(&EventAction) -> bool) -> Vec<EventAction> {
        let mut state = self.state();
        let mut taken = Vec::new();
        let State { held, waiting, .. } = &mut *state;
        for actions in held.values_mut().chain([waiting]) {
            taken.extend(actions.extract_if(.., |_, action| is_taken(action)).map(|(_, one)| one));
        }
        taken.iter().for_each(|action| state.took(action));
        state.drop_empty_groups();
        taken
    }

    /// Removes the actions that are due, in the order of due times. They stay known.
    pub(super) fn take_due(&self, now: Timestamp, max: usize) -> Vec<EventAction> {
        let mut state = self.state();
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(first) = state.waiting.first_entry()
            && first.key().0 <= now
        {
            taken.push(first.remove());
        }
        taken.iter().for_each(|action| state.took(action));
        taken
    }

    /// When the next waiting action is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.state().waiting.first_key_value().map(|((until, _), _)| *until)
    }

    /// Waits until an action is added, which may be due earlier.
    pub(super) async fn changed(&self) {
        self.added.notified().await;
    }

    /// Removes one action, to settle it. It stays known. `None` if it is neither held nor waiting.
    pub(super) fn take(&self, id: &str) -> Option<EventAction> {
        let mut state = self.state();
        let held = state.held.values_mut().find_map(|group| {
            let key = group.keys().find(|(_, other)| other == id).cloned()?;
            group.remove(&key)
        });
        let taken = held.or_else(|| {
            let key = state.waiting.keys().find(|(_, other)| other == id).cloned()?;
            state.waiting.remove(&key)
        })?;
        state.took(&taken);
        state.drop_empty_groups();
        Some(taken)
    }
}

/// The same action, parked in another state with this revision of its record.
pub(super) fn with_state(action: EventAction, state: ActionState, revision: u64) -> EventAction {
    let EventAction { event, action } = action;
    EventAction { event, action: ActionRecord { state, off_bus: true, revision, ..action } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKey;

    fn waiting(id: &str) -> EventAction {
        let action = serde_json::from_value(serde_json::json!({
            "rule": "s/r", "element": [], "trigger": "log", "ordinal": 0, "fields": {},
        }));
        let state = ActionState::Waiting {
            until: Timestamp::UNIX_EPOCH,
            attempts: 0,
            reason: String::new(),
            last_attempt: None,
            checkpoint: None,
        };
        let record = ActionRecord::new(id.into(), action.unwrap(), Vec::new());
        let event = EventKey { source: "s".into(), name: "n".into(), id: "1".into() };
        EventAction { event, action: ActionRecord { state, ..record } }
    }

    #[test]
    fn only_the_keeper_has_actions() {
        let parked = Parked::default();
        parked.add(waiting("parked"));
        parked.add(waiting("running"));
        let taken = parked.take("running");
        assert!(taken.is_some());

        parked.accept(false);
        assert_eq!(parked.waiting(), 0);
        parked.add(waiting("other"));
        assert!(!parked.adopt(waiting("other")) && parked.reserve("log", "other", 0));
        assert_eq!((parked.waiting(), parked.triggers()), (0, Vec::new()));

        parked.accept(true);
        assert!(parked.adopt(waiting("parked")), "the keeper reads it again");
        assert!(!parked.adopt(waiting("running")), "it is performed here still");
    }
}
