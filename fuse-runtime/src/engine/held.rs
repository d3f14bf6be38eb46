//! Held actions: what waits for something that is missing, off the bus, by what it waits for.
//!
//! They are on record in the ledger; what is here is the order of it. Now and then the oldest of
//! each group asks its trigger whether it could be performed. If so, the whole group is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::fire::given_up;
use super::{Engine, Interrupted};
use crate::ledger::{ActionRecord, ActionState, EventAction, LedgerError, Tried};
use crate::sources::Stop;
use crate::triggers::{ActionRequest, Readiness};

/// How many groups are asked about in one round; the others have their turn in the next ones.
const ASKED_AT_ONCE: usize = 32;
/// How many actions are read from the ledger at once.
const PAGE: usize = 256;

/// The actions that wait, by trigger and by what is missing.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    groups: Mutex<Groups>,
}

#[derive(Debug, Default)]
struct Groups {
    by_reason: BTreeMap<Reason, BTreeMap<(Timestamp, String), Held>>,
    /// Whose turn it is to be asked about.
    turns: VecDeque<Reason>,
    /// How many actions of each trigger are about to be added.
    places: BTreeMap<String, usize>,
}

/// The trigger, and what is missing.
type Reason = (String, String);

#[derive(Clone, Debug)]
struct Held {
    since: Timestamp,
    request: ActionRequest,
    tried: Option<Tried>,
}

/// A group, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) trigger: String,
    pub(crate) reason: String,
    pub(crate) count: usize,
    pub(crate) since: Timestamp,
}

impl Groups {
    fn count(&self, trigger: &str) -> usize {
        let of_trigger = self.by_reason.iter().filter(|((kind, _), _)| kind == trigger);
        of_trigger.map(|(_, group)| group.len()).sum()
    }
}

impl Waiting {
    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(
        &self,
        since: Timestamp,
        reason: String,
        request: ActionRequest,
        tried: Option<Tried>,
    ) {
        let mut groups = self.groups();
        let reason = (request.action.trigger.clone(), reason);
        if !groups.by_reason.contains_key(&reason) {
            groups.turns.push_back(reason.clone());
        }
        let group = groups.by_reason.entry(reason).or_default();
        group.insert((since, request.id.clone()), Held { since, request, tried });
    }

    /// Keeps a place for an action that is about to be added, until that is given back;
    /// `false` where so many wait already.
    pub(super) fn reserve(&self, trigger: &str, most: usize) -> bool {
        let mut groups = self.groups();
        let count = groups.count(trigger);
        let places = groups.places.entry(trigger.to_owned()).or_default();
        let has_room = count.saturating_add(*places) < most;
        *places = places.saturating_add(usize::from(has_room));
        has_room
    }

    /// Gives a place back that was kept.
    pub(super) fn vacate(&self, trigger: &str) {
        if let Some(places) = self.groups().places.get_mut(trigger) {
            *places = places.saturating_sub(1);
        }
    }

    /// How many actions of a trigger wait.
    pub(crate) fn count(&self, trigger: &str) -> usize {
        self.groups().count(trigger)
    }

    /// What is waited for, sorted.
    pub(crate) fn summary(&self) -> Vec<Group> {
        let groups = self.groups();
        let described = groups.by_reason.iter().filter_map(|((trigger, reason), group)| {
            let ((since, _), _) = group.first_key_value()?;
            let (trigger, reason) = (trigger.clone(), reason.clone());
            Some(Group { trigger, reason, count: group.len(), since: *since })
        });
        described.collect()
    }

    /// The next groups to ask about, each with its oldest action.
    fn next(&self) -> Vec<(Reason, Held)> {
        let mut groups = self.groups();
        let mut asked = Vec::new();
        for _ in 0..groups.turns.len().min(ASKED_AT_ONCE) {
            let Some(reason) = groups.turns.pop_front() else { break };
            let oldest = groups.by_reason.get(&reason).and_then(|group| group.first_key_value());
            if let Some(held) = oldest.map(|(_, held)| held.clone()) {
                groups.turns.push_back(reason.clone());
                asked.push((reason, held));
            }
        }
        asked
    }

    /// Takes a whole group out.
    fn take(&self, reason: &Reason) -> Vec<Held> {
        let mut groups = self.groups();
        groups.turns.retain(|other| other != reason);
        groups.by_reason.remove(reason).unwrap_or_default().into_values().collect()
    }

    /// Takes out what was held before a time.
    fn take_older(&self, is_too_old: impl Fn(Timestamp) -> bool) -> Vec<(Reason, Held)> {
        let mut groups = self.groups();
        let mut taken = Vec::new();
        for (reason, group) in &mut groups.by_reason {
            while let Some(first) = group.first_entry() {
                if !is_too_old(first.get().since) {
                    break;
                }
                taken.push((reason.clone(), first.remove()));
            }
        }
        groups.by_reason.retain(|_, group| !group.is_empty());
        let Groups { by_reason, turns, .. } = &mut *groups;
        turns.retain(|reason| by_reason.contains_key(reason));
        taken
    }
}

impl Held {
    fn action(self, reason: &Reason) -> EventAction {
        let Self { since, request, tried } = self;
        let state = ActionState::Held { since, reason: reason.1.clone(), tried };
        let ActionRequest { id, action, event, .. } = request;
        EventAction {
            event,
            action: ActionRecord { id, action, state, off_bus: true, observed: None },
        }
    }
}

impl Engine {
    /// Reads what left the bus in an earlier life: held actions, and those that were being tried
    /// again, which are performed at once.
    pub(crate) async fn recall(&self) -> Result<Vec<EventAction>, LedgerError> {
        let (mut last, mut open) = (None, Vec::new());
        loop {
            let page = self.ledger.held(last.as_deref(), PAGE).await?;
            let Some(end) = page.last() else { return Ok(open) };
            last = Some(end.action.id.clone());
            for one in page {
                let ActionState::Held { since, reason, tried } = one.action.state.clone() else {
                    open.push(one);
                    continue;
                };
                let ActionRecord { id, action, .. } = one.action;
                let request = ActionRequest { id, action, event: one.event, noted: None };
                self.waiting.add(since, reason, request, tried);
            }
        }
    }

    /// Looks after held actions until told to stop.
    pub(crate) async fn look_after_held(self: Arc<Self>, open: Vec<EventAction>, stop: Stop) {
        let places = Arc::new(Semaphore::new(self.policy.events));
        let mut working = JoinSet::new();
        let mut ready = open;
        loop {
            for action in ready {
                let (engine, places, stop) = (Arc::clone(&self), Arc::clone(&places), stop.clone());
                working.spawn(async move {
                    // The semaphore is never closed.
                    let _place = places.acquire_owned().await.ok();
                    engine.again(action, &stop).await;
                });
            }
            while working.try_join_next().is_some() {}
            self.pause(self.policy.recheck, &stop).await;
            if stop.is_requested() {
                break;
            }
            self.give_up_old().await;
            ready = self.released(&stop).await;
        }
        while working.join_next().await.is_some() {}
    }

    async fn again(&self, action: EventAction, stop: &Stop) {
        if stop.is_requested() {
            return;
        }
        let id = action.action.id.clone();
        let (back, reason) = (action.clone(), "it could not be recorded".to_owned());
        match self.perform(action, stop).await {
            Ok(()) | Err(Interrupted::Stopping) => {}
            Err(error) => {
                tracing::error!(action = id, %error, "cannot settle the action; trying again");
                let EventAction { event, action } = back;
                let since = (self.clock)();
                let tried = action.state.tried();
                let request = ActionRequest { id, action: action.action, event, noted: None };
                self.waiting.add(since, reason, request, tried);
            }
        }
    }

    async fn give_up_old(&self) {
        let now = (self.clock)();
        for (reason, held) in self.waiting.take_older(|since| self.is_too_old(since, now)) {
            let end = given_up(&reason.1, held.since);
            if let Err(error) = self.settle(&held.request, end).await {
                tracing::error!(action = held.request.id, %error, "cannot give the action up; trying again");
                self.waiting.add(held.since, reason.1, held.request, held.tried);
            }
        }
    }

    /// Asks about the groups whose turn it is; the actions that need wait no longer.
    async fn released(&self, stop: &Stop) -> Vec<EventAction> {
        let mut released = Vec::new();
        let asked = self.waiting.next().into_iter().map(|(reason, oldest)| async move {
            let readiness = match self.triggers.get(&reason.0) {
                Some(trigger) => trigger.readiness_for(&oldest.request).await,
                // Performing it says what is wrong.
                None => Readiness::Ready,
            };
            (reason, readiness)
        });
        for (reason, readiness) in super::join_all(asked).await {
            if stop.is_requested() {
                break;
            }
            match readiness {
                Readiness::Ready => {
                    let group = self.waiting.take(&reason);
                    tracing::info!(
                        trigger = reason.0,
                        was_missing = reason.1,
                        count = group.len(),
                        "what held actions waited for is there"
                    );
                    released.extend(group.into_iter().map(|held| held.action(&reason)));
                }
                Readiness::NotReady(why) if why != reason.1 => self.regroup(&reason, &why).await,
                Readiness::NotReady(_) => {}
            }
        }
        released
    }

    /// Something else is missing now.
    async fn regroup(&self, before: &Reason, now: &str) {
        tracing::warn!(trigger = before.0, missing = now, "held actions wait for something else");
        for Held { since, request, tried } in self.waiting.take(before) {
            let recorded =
                self.ledger.hold(&request.id, since, now.to_owned(), tried.clone()).await;
            if let Err(error) = recorded {
                tracing::error!(action = request.id, %error, "cannot record what the action waits for");
            }
            self.waiting.add(since, now.to_owned(), request, tried);
        }
    }
}
