//! The places of `concurrency` in a test, and what other rules use of limiters.

use super::super::execute::SentEvent;
use super::Timeline;
use crate::flow::{FlowRequest, Occurrence, Owner};

impl Timeline<'_, '_> {
    /// Lets so many matches of other rules through the limiter of a request, or as many as it has room for. Those of
    /// `concurrency` stay in progress.
    pub(super) fn use_limiter(&mut self, step: usize, request: &FlowRequest, used: u32) {
        let limiter = request.limiter.as_deref().unwrap_or_default();
        for number in 0..used {
            let id = format!("with limiter, step {step}, {number}");
            let occurrence = Occurrence {
                rule: "with limiter".to_owned(),
                element: None,
                owner: Owner::new(&id, &format!("`with limiter {limiter}`"), None),
                received: self.now,
                is_shadow: false,
                requests: vec![request.clone()],
            };
            self.states.admit(&occurrence, self.now.into());
        }
    }

    /// An occurrence is in progress, if it has a place. A rule with several triggers has one place for all of them.
    pub(super) fn begin(&mut self, occurrence: &Occurrence) {
        let keys = occurrence.place_keys();
        let name = occurrence.name();
        if !keys.is_empty() && !self.in_progress.iter().any(|(known, _)| *known == name) {
            self.in_progress.push((name, keys));
        }
    }

    /// Ends the actions of the oldest occurrence of a rule that is in progress, and continues with those that get its place.
    pub(super) fn finish(&mut self, step: usize, rule: &str, events: &mut [SentEvent<'_>]) {
        let oldest = self.in_progress.iter().position(|(name, _)| name.rule == rule);
        if let Some((name, keys)) = oldest.map(|oldest| self.in_progress.remove(oldest)) {
            keys.iter().for_each(|key| self.states.vacate(key, &name));
        }
        self.fire(step, events);
    }

    /// Those that got a place are due.
    pub(super) fn wake_ready(&mut self) {
        for ready in self.states.take_ready() {
            let waiting = self.waiting.iter_mut().filter(|one| one.wait.is_for_place());
            waiting.filter(|one| one.wait.name() == ready.wait).for_each(|one| {
                one.wait.until = one.wait.until.min(self.now);
            });
        }
    }
}
