//! Held actions: what waits for something that is missing, off the bus, by what it waits for.
//!
//! They are on record in the ledger; what is here is the order of it. Now and then the oldest of
//! each group asks its trigger whether it could be performed. If so, the whole group is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// An action that waits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) since: Timestamp,
    pub(super) request: ActionRequest,
    pub(super) tried: Option<Tried>,
    /// Not to be asked about before, as the backend wishes.
    pub(super) until: Option<Timestamp>,
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

    pub(super) fn add(&self, reason: String, held: Held) {
        let mut groups = self.groups();
        let reason = (held.request.action.trigger.clone(), reason);
        if !groups.by_reason.contains_key(&reason) {
            groups.turns.push_back(reason.clone());
        }
        let group = groups.by_reason.entry(reason).or_default();
        group.insert((held.since, held.request.id.clone()), held);
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

    /// Takes the oldest of a group out.
    fn take(&self, reason: &Reason, most: usize) -> Vec<Held> {
        let mut groups = self.groups();
        let mut taken = Vec::new();
        if let Some(group) = groups.by_reason.get_mut(reason) {
            while let Some((_, held)) = (taken.len() < most).then(|| group.pop_first()).flatten() {
                taken.push(held);
            }
            if group.is_empty() {
                groups.by_reason.remove(reason);
                groups.turns.retain(|other| other != reason);
            }
        }
        taken
    }

    /// The triggers of which actions wait.
    pub(crate) fn triggers(&self) -> BTreeSet<String> {
        self.groups().by_reason.keys().map(|(trigger, _)| trigger.clone()).collect()
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
        let Self { since, request, tried, .. } = self;
        let ActionRequest { id, action, event, noted } = request;
        let state = ActionState::Held { since, reason: reason.1.clone(), tried, noted };
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
                let ActionState::Held { since, reason, tried, noted } = one.action.state.clone()
                else {
                    open.push(one);
                    continue;
                };
                let ActionRecord { id, action, .. } = one.action;
                let request = ActionRequest { id, action, event: one.event, noted };
                self.waiting.add(reason, Held { since, request, tried, until: None });
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

    /// Performs an action that left the bus, until that is on record.
    async fn again(&self, mut action: EventAction, stop: &Stop) {
        let id = action.action.id.clone();
        while !stop.is_requested() {
            match self.perform(action.clone(), stop).await {
                Ok(()) | Err(Interrupted::Stopping) => return,
                Err(error) => {
                    tracing::error!(action = id, %error, "cannot settle the action; trying again");
                }
            }
            self.pause(self.policy.backoff, stop).await;
            // From what is on record now: a part of it may have been done.
            match self.ledger.action(&id).await {
                Ok(Some(now)) if now.action.state.is_settled() => return,
                Ok(Some(now)) => action = now,
                Ok(None) => return,
                Err(error) => tracing::error!(action = id, %error, "cannot read the action"),
            }
        }
    }

    async fn give_up_old(&self) {
        let now = (self.clock)();
        for (reason, held) in self.waiting.take_older(|since| self.is_too_old(since, now)) {
            let end = given_up(&reason.1, held.since);
            if let Err(error) = self.settle(&held.request, end).await {
                tracing::error!(action = held.request.id, %error, "cannot give the action up; trying again");
                self.waiting.add(reason.1, held);
            }
        }
    }

    /// Asks about the groups whose turn it is; the actions that need wait no longer for what they
    /// waited for.
    async fn released(&self, stop: &Stop) -> Vec<EventAction> {
        let away = self.away().await;
        let now = (self.clock)();
        let due = |(reason, oldest): &(Reason, Held)| {
            !away.contains(&reason.0) && oldest.until.is_none_or(|until| until <= now)
        };
        let asked =
            self.waiting.next().into_iter().filter(due).map(|(reason, oldest)| async move {
                let readiness = match self.triggers.get(&reason.0) {
                    Some(trigger) => trigger.readiness_for(&oldest.request).await,
                    // Performing it says what is wrong.
                    None => Readiness::Ready,
                };
                (reason, readiness)
            });
        let mut released = Vec::new();
        for (reason, readiness) in super::join_all(asked).await {
            if stop.is_requested() {
                break;
            }
            let most = match &readiness {
                Readiness::Ready => usize::MAX,
                // What this one waits for is there; the others find out what they lack, each for
                // itself, and not all at once.
                Readiness::NotReady(why) if *why != reason.1 => self.policy.events,
                Readiness::NotReady(_) => continue,
            };
            let group = self.waiting.take(&reason, most);
            let (trigger, was_missing, count) = (&reason.0, &reason.1, group.len());
            tracing::info!(trigger, was_missing, count, "held actions are tried again");
            released.extend(group.into_iter().map(|held| held.action(&reason)));
        }
        released
    }

    /// The triggers whose backend is away as a whole: what is held for them lacks what it lacked.
    async fn away(&self) -> BTreeSet<String> {
        let asked = self.waiting.triggers().into_iter().map(|kind| async move {
            let trigger = self.triggers.get(&kind)?;
            let readiness = trigger.readiness().await;
            matches!(readiness, Readiness::NotReady(_)).then_some(kind)
        });
        super::join_all(asked).await.into_iter().flatten().collect()
    }
}
