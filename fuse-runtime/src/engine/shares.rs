//! Places for actions that are being performed, in fair shares: one rule or trigger whose backend is
//! slow never takes all of them.
//!
//! A trigger gets a place while it has fewer than are free; a rule, while it has fewer than its
//! trigger could still get. So one slow trigger ends up with half of the places, two with a third
//! each, and there is always a free one for others. Who waits is served in the order of arrival among
//! those of its rule, and rules take turns.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// For how long an action waits for a place while its event waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The places of an engine.
#[derive(Debug)]
pub(crate) struct Shares {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    places: usize,
    taken: usize,
    triggers: BTreeMap<String, Trigger>,
    /// Rules that wait, in the order of their turns.
    turns: VecDeque<(String, String)>,
}

#[derive(Debug, Default)]
struct Trigger {
    taken: usize,
    rules: BTreeMap<String, Rule>,
}

#[derive(Debug, Default)]
struct Rule {
    taken: usize,
    queue: VecDeque<oneshot::Sender<()>>,
    /// Somebody waited in vain: until then nobody else of this rule waits with an event.
    crowded_until: Option<Instant>,
}

/// All places of a rule's share are taken, and have been for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shares: Arc<Shares>,
    trigger: String,
    rule: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.leave(&self.trigger, &self.rule);
    }
}

impl State {
    /// Whether an action of the rule may have a place now.
    fn has_place(&self, trigger: &str, rule: &str) -> bool {
        let free = self.places.saturating_sub(self.taken);
        let Some(of_trigger) = self.triggers.get(trigger) else { return free > 0 };
        let left = free.saturating_sub(of_trigger.taken);
        let of_rule = of_trigger.rules.get(rule).map_or(0, |rule| rule.taken);
        // The last one of a trigger's share goes to a rule that has none.
        left > 0 && (of_rule < left || of_rule == 0)
    }

    fn take(&mut self, trigger: &str, rule: &str) {
        self.taken += 1;
        let of_trigger = self.triggers.entry(trigger.to_owned()).or_default();
        of_trigger.taken += 1;
        of_trigger.rules.entry(rule.to_owned()).or_default().taken += 1;
    }

    /// Gives free places to those that wait.
    fn serve(&mut self) {
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some((trigger, rule)) = self.turns.pop_front() else { return };
            if !self.has_place(&trigger, &rule) {
                self.turns.push_back((trigger, rule));
                passed_over += 1;
                continue;
            }
            let queue = self.triggers.get_mut(&trigger).and_then(|t| t.rules.get_mut(&rule));
            let Some(queue) = queue.map(|rule| &mut rule.queue) else { continue };
            // Who does not wait any more is passed over.
            let served = std::iter::from_fn(|| queue.pop_front()).any(|one| one.send(()).is_ok());
            let waits = !queue.is_empty();
            if served {
                self.take(&trigger, &rule);
                passed_over = 0;
            }
            if waits {
                self.turns.push_back((trigger, rule));
            } else {
                self.forget(&trigger, &rule);
            }
        }
    }

    /// Forgets a rule and a trigger of which nothing is known.
    fn forget(&mut self, trigger: &str, rule: &str) {
        let Some(of_trigger) = self.triggers.get_mut(trigger) else { return };
        let idle =
            |rule: &Rule| rule.taken == 0 && rule.queue.is_empty() && rule.crowded_until.is_none();
        if of_trigger.rules.get(rule).is_some_and(idle) {
            of_trigger.rules.remove(rule);
        }
        if of_trigger.taken == 0 && of_trigger.rules.is_empty() {
            self.triggers.remove(trigger);
        }
    }
}

impl Shares {
    pub(crate) fn new(places: usize) -> Arc<Self> {
        // With fewer than two, no trigger would have fewer than are free.
        let state = State { places: places.max(2), ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place; with `patience`, no longer than that, and not at all where others of the
    /// rule have waited in vain.
    pub(super) async fn place(
        self: &Arc<Self>,
        trigger: &str,
        rule: &str,
        patience: Option<Duration>,
    ) -> Result<Place, Crowded> {
        let served = {
            let mut state = self.state();
            let known = state.triggers.get(trigger).and_then(|known| known.rules.get(rule));
            let queue_is_empty = known.is_none_or(|rule| rule.queue.is_empty());
            if queue_is_empty && state.has_place(trigger, rule) {
                state.take(trigger, rule);
                return Ok(self.taken(trigger, rule));
            }
            let crowded = known.and_then(|rule| rule.crowded_until);
            if patience.is_some() && crowded.is_some_and(|until| Instant::now() < until) {
                return Err(Crowded);
            }
            let (serve, served) = oneshot::channel();
            let of_trigger = state.triggers.entry(trigger.to_owned()).or_default();
            of_trigger.rules.entry(rule.to_owned()).or_default().queue.push_back(serve);
            if queue_is_empty {
                state.turns.push_back((trigger.to_owned(), rule.to_owned()));
            }
            served
        };
        // Given back if it is served while nobody waits for it any more.
        let mut waiting = Served { shares: self, trigger, rule, served: Some(served) };
        let Some(patience) = patience else {
            waiting.served().await;
            return Ok(waiting.into_place());
        };
        if tokio::time::timeout(patience, waiting.served()).await.is_ok() {
            return Ok(waiting.into_place());
        }
        let mut state = self.state();
        let of_trigger = state.triggers.get_mut(trigger);
        if let Some(rule) = of_trigger.and_then(|of_trigger| of_trigger.rules.get_mut(rule)) {
            rule.crowded_until = Some(Instant::now() + patience);
        }
        drop(state);
        Err(Crowded)
    }

    fn taken(self: &Arc<Self>, trigger: &str, rule: &str) -> Place {
        Place { shares: Arc::clone(self), trigger: trigger.into(), rule: rule.into() }
    }

    fn leave(&self, trigger: &str, rule: &str) {
        let mut state = self.state();
        state.taken = state.taken.saturating_sub(1);
        if let Some(of_trigger) = state.triggers.get_mut(trigger) {
            of_trigger.taken = of_trigger.taken.saturating_sub(1);
            if let Some(rule) = of_trigger.rules.get_mut(rule) {
                rule.taken = rule.taken.saturating_sub(1);
                rule.crowded_until = rule.crowded_until.filter(|until| Instant::now() < *until);
            }
        }
        state.forget(trigger, rule);
        state.serve();
    }
}

/// Somebody who waits to be served.
struct Served<'a> {
    shares: &'a Arc<Shares>,
    trigger: &'a str,
    rule: &'a str,
    served: Option<oneshot::Receiver<()>>,
}

impl Served<'_> {
    async fn served(&mut self) {
        if let Some(served) = &mut self.served {
            // The queue keeps the sender until it serves.
            let _kept = served.await.is_ok();
        }
    }

    fn into_place(mut self) -> Place {
        // From here on the place is the guard.
        self.served = None;
        self.shares.taken(self.trigger, self.rule)
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        if let Some(mut served) = self.served.take() {
            served.close();
            if served.try_recv().is_ok() {
                self.shares.leave(self.trigger, self.rule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fill(shares: &Arc<Shares>, trigger: &str, rule: &str) -> Vec<Place> {
        let mut places = Vec::new();
        while let Ok(place) = shares.place(trigger, rule, Some(Duration::ZERO)).await {
            places.push(place);
        }
        places
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_slow_leaves_places_for_others() {
        let shares = Shares::new(64);
        let one = fill(&shares, "workflow", "s/slow").await;
        assert_eq!(one.len(), 22);
        let other = fill(&shares, "workflow", "s/other").await;
        let log = fill(&shares, "log", "s/slow").await;
        assert!(!other.is_empty() && !log.is_empty(), "{} {}", other.len(), log.len());
        // However many rules are slow, another trigger still gets a place.
        let mut all = Vec::new();
        for n in 0..200 {
            all.extend(fill(&shares, "workflow", &format!("s/r{n}")).await);
        }
        assert!(shares.place("job", "s/r", Some(Duration::ZERO)).await.is_ok());
        drop((one, other, log, all));
        let state = shares.state();
        assert_eq!(state.taken, 0);
        assert!(state.triggers.values().all(|trigger| trigger.taken == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_in_turns() {
        let shares = Shares::new(2);
        let first = shares.place("t", "a", None).await.unwrap();
        let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
        for (rule, n) in [("a", 1), ("a", 2), ("b", 3)] {
            let (shares, order) = (Arc::clone(&shares), order.clone());
            tokio::spawn(async move {
                let _place = shares.place("t", rule, None).await.unwrap();
                order.send(n).unwrap();
            });
            tokio::task::yield_now().await;
        }
        drop((first, order));
        let mut all = Vec::new();
        while let Some(n) = served.recv().await {
            all.push(n);
        }
        assert_eq!(all, [1, 3, 2]);
        assert!(shares.state().triggers.is_empty() && shares.state().turns.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_lets_the_next_ones_know() {
        let shares = Shares::new(2);
        let place = shares.place("t", "r", None).await.unwrap();
        let start = Instant::now();
        assert_eq!(shares.place("t", "r", Some(PATIENCE)).await.unwrap_err(), Crowded);
        assert_eq!(start.elapsed(), PATIENCE);
        assert_eq!(shares.place("t", "r", Some(PATIENCE)).await.unwrap_err(), Crowded);
        assert_eq!(start.elapsed(), PATIENCE, "at once");
        drop(place);
        assert!(shares.place("t", "r", Some(PATIENCE)).await.is_ok());
        // Whoever goes away while it waits takes no place with it.
        let place = shares.place("t", "r", None).await.unwrap();
        drop(tokio::time::timeout(PATIENCE, shares.place("t", "r", None)).await);
        drop(place);
        assert_eq!(shares.state().taken, 0);
    }
}
