//! Slots for actions that are being performed, in fair shares: a rule or trigger with a slow backend never
//! takes all of them.
//!
//! A trigger gets a slot while it has fewer than are free; a rule, while it has fewer than its
//! trigger could still get. So one slow trigger ends up with half of the slots, two with a third
//! each, and there is always a free one for others. Waiting actions of one rule get slots in the order of
//! arrival, and rules take turns.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long an action waits for a slot while the delivery of its event waits.
pub(super) const MAX_SLOT_WAIT: Duration = Duration::from_secs(1);

/// The slots of an engine.
#[derive(Debug)]
pub(crate) struct Slots {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: usize,
    taken: usize,
    triggers: BTreeMap<String, Trigger>,
    /// The rules that wait, in the order of their turns.
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
    /// An action waited in vain: until then, no other action of this rule waits with its event.
    crowded_until: Option<Instant>,
}

/// Every slot of the rule's share has been taken for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Congested;

/// A slot, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    trigger: String,
    rule: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.leave(&self.trigger, &self.rule);
    }
}

impl State {
    /// Whether an action of the rule may have a slot now.
    fn has_slot(&self, trigger: &str, rule: &str) -> bool {
        let free = self.slots.saturating_sub(self.taken);
        let Some(of_trigger) = self.triggers.get(trigger) else { return free > 0 };
        let left = free.saturating_sub(of_trigger.taken);
        let of_rule = of_trigger.rules.get(rule).map_or(0, |rule| rule.taken);
        // The last slot of a trigger's share goes to a rule that has none.
        left > 0 && (of_rule < left || of_rule == 0)
    }

    fn take(&mut self, trigger: &str, rule: &str) {
        self.taken += 1;
        let of_trigger = self.triggers.entry(trigger.to_owned()).or_default();
        of_trigger.taken += 1;
        of_trigger.rules.entry(rule.to_owned()).or_default().taken += 1;
    }

    /// Gives free slots to waiting actions.
    fn serve(&mut self) {
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some((trigger, rule)) = self.turns.pop_front() else { return };
            if !self.has_slot(&trigger, &rule) {
                self.turns.push_back((trigger, rule));
                passed_over += 1;
                continue;
            }
            let queue = self.triggers.get_mut(&trigger).and_then(|t| t.rules.get_mut(&rule));
            let Some(queue) = queue.map(|rule| &mut rule.queue) else { continue };
            // Skips those that no longer wait.
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

    /// Forgets a rule and a trigger that are idle.
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

impl Slots {
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        // With fewer than two, a trigger would never have fewer than are free.
        let state = State { slots: slots.max(2), ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot. With `max_wait`, no longer than that, and not at all if another action of the
    /// rule has waited in vain.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        trigger: &str,
        rule: &str,
        max_wait: Option<Duration>,
    ) -> Result<Slot, Congested> {
        let served = {
            let mut state = self.state();
            let known = state.triggers.get(trigger).and_then(|known| known.rules.get(rule));
            let queue_is_empty = known.is_none_or(|rule| rule.queue.is_empty());
            if queue_is_empty && state.has_slot(trigger, rule) {
                state.take(trigger, rule);
                return Ok(self.taken(trigger, rule));
            }
            let crowded = known.and_then(|rule| rule.crowded_until);
            if max_wait.is_some() && crowded.is_some_and(|until| Instant::now() < until) {
                return Err(Congested);
            }
            let (serve, served) = oneshot::channel();
            let of_trigger = state.triggers.entry(trigger.to_owned()).or_default();
            of_trigger.rules.entry(rule.to_owned()).or_default().queue.push_back(serve);
            if queue_is_empty {
                state.turns.push_back((trigger.to_owned(), rule.to_owned()));
            }
            served
        };
        // Returns the slot if it is granted after the caller stopped waiting.
        let mut waiting = WaitingForSlot { slots: self, trigger, rule, served: Some(served) };
        let Some(max_wait) = max_wait else {
            waiting.served().await;
            return Ok(waiting.into_slot());
        };
        if tokio::time::timeout(max_wait, waiting.served()).await.is_ok() {
            return Ok(waiting.into_slot());
        }
        let mut state = self.state();
        let of_trigger = state.triggers.get_mut(trigger);
        if let Some(rule) = of_trigger.and_then(|of_trigger| of_trigger.rules.get_mut(rule)) {
            rule.crowded_until = Some(Instant::now() + max_wait);
        }
        drop(state);
        Err(Congested)
    }

    fn taken(self: &Arc<Self>, trigger: &str, rule: &str) -> Slot {
        Slot { slots: Arc::clone(self), trigger: trigger.into(), rule: rule.into() }
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

/// A caller that waits for a slot.
struct WaitingForSlot<'a> {
    slots: &'a Arc<Slots>,
    trigger: &'a str,
    rule: &'a str,
    served: Option<oneshot::Receiver<()>>,
}

impl WaitingForSlot<'_> {
    async fn served(&mut self) {
        if let Some(served) = &mut self.served {
            // The queue keeps the sender until it grants a slot.
            let _kept = served.await.is_ok();
        }
    }

    fn into_slot(mut self) -> Slot {
        // From here on, the slot is the guard.
        self.served = None;
        self.slots.taken(self.trigger, self.rule)
    }
}

impl Drop for WaitingForSlot<'_> {
    fn drop(&mut self) {
        if let Some(mut served) = self.served.take() {
            served.close();
            if served.try_recv().is_ok() {
                self.slots.leave(self.trigger, self.rule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fill(slots: &Arc<Slots>, trigger: &str, rule: &str) -> Vec<Slot> {
        let mut taken = Vec::new();
        while let Ok(slot) = slots.acquire(trigger, rule, Some(Duration::ZERO)).await {
            taken.push(slot);
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_rule_leaves_slots_for_others() {
        let slots = Slots::new(64);
        let one = fill(&slots, "workflow", "s/slow").await;
        assert_eq!(one.len(), 22);
        let other = fill(&slots, "workflow", "s/other").await;
        let log = fill(&slots, "log", "s/slow").await;
        assert!(!other.is_empty() && !log.is_empty(), "{} {}", other.len(), log.len());
        // Another trigger gets a slot, however many rules are slow.
        let mut all = Vec::new();
        for n in 0..200 {
            all.extend(fill(&slots, "workflow", &format!("s/r{n}")).await);
        }
        assert!(slots.acquire("job", "s/r", Some(Duration::ZERO)).await.is_ok());
        drop((one, other, log, all));
        let state = slots.state();
        assert_eq!(state.taken, 0);
        assert!(state.triggers.values().all(|trigger| trigger.taken == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_rules_take_turns() {
        let slots = Slots::new(2);
        let first = slots.acquire("t", "a", None).await.unwrap();
        let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
        for (rule, n) in [("a", 1), ("a", 2), ("b", 3)] {
            let (slots, order) = (Arc::clone(&slots), order.clone());
            tokio::spawn(async move {
                let _slot = slots.acquire("t", rule, None).await.unwrap();
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
        assert!(slots.state().triggers.is_empty() && slots.state().turns.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn after_one_action_waited_in_vain_the_next_ones_do_not_wait() {
        let slots = Slots::new(2);
        let slot = slots.acquire("t", "r", None).await.unwrap();
        let start = Instant::now();
        assert_eq!(slots.acquire("t", "r", Some(MAX_SLOT_WAIT)).await.unwrap_err(), Congested);
        assert_eq!(start.elapsed(), MAX_SLOT_WAIT);
        assert_eq!(slots.acquire("t", "r", Some(MAX_SLOT_WAIT)).await.unwrap_err(), Congested);
        assert_eq!(start.elapsed(), MAX_SLOT_WAIT, "at once");
        drop(slot);
        assert!(slots.acquire("t", "r", Some(MAX_SLOT_WAIT)).await.is_ok());
        // A caller that stops waiting does not keep a slot.
        let slot = slots.acquire("t", "r", None).await.unwrap();
        drop(tokio::time::timeout(MAX_SLOT_WAIT, slots.acquire("t", "r", None)).await);
        drop(slot);
        assert_eq!(slots.state().taken, 0);
    }
}
