//! Actions that fuses hold or drop, and attempts whose result is unknown: finds out whether these took effect.

use super::end::End;
use super::fire::Progress;
use super::{Engine, Interrupted, gate};
use crate::ledger::{ActionState, Attempt, DeadLetterKind};
use crate::triggers::{Guarded, Probe};

impl Engine {
    /// The end of an attempt that fuses prevent: the action is held, or given up if one of the fuses drops pending
    /// actions. If an earlier attempt was interrupted a short time ago, finds out whether it took effect, because there
    /// may be no trace left when the fuses are on again.
    pub(super) async fn gated(
        &self,
        trigger: &Guarded<'_>,
        progress: &mut Progress,
        off: Vec<String>,
    ) -> Result<End, Interrupted> {
        let mut end = self.held(progress, gate::held_by(&off), off.clone());
        if let Some(last) = &progress.last_attempt
            && self.clock.age(last.at) <= self.policy.uncertain_after
        {
            end = self.resolve_doubt(trigger, progress, end).await?;
        }
        Ok(match (end, self.dropped_by(&off)) {
            (End::Parked(state), Some(why)) => match state.last_attempt() {
                Some(Attempt { at, .. }) => {
                    let doubt = "it is unknown whether the attempt at";
                    End::Dead(DeadLetterKind::Uncertain, format!("{why}; {doubt} {at} took effect"))
                }
                None => End::Dead(DeadLetterKind::Dropped, why),
            },
            (end, _) => end,
        })
    }

    /// Why one of these fuses drops pending actions, if one does.
    fn dropped_by(&self, fuses: &[String]) -> Option<String> {
        let generation = self.active.get();
        let fuse = generation.gate.dropping(fuses)?;
        let state = generation.states.get(fuse)?;
        Some(format!("dropped: {}", state.describe(fuse)))
    }

    /// The end of an action whose last attempt failed. If that attempt may have taken effect, asks the trigger.
    pub(super) async fn exhausted(
        &self,
        trigger: &Guarded<'_>,
        progress: &Progress,
        reason: &str,
        attempts: u32,
    ) -> End {
        let why = match attempts {
            1 => format!("{reason} (tried once)"),
            _ => format!("{reason} (tried {attempts} times)"),
        };
        let exhausted = |why| End::Dead(DeadLetterKind::Exhausted, why);
        if progress.last_attempt.is_none() {
            return exhausted(why);
        }
        match trigger.probe(&progress.request).await {
            Probe::Done(done) => End::Done(done),
            Probe::Unknown(doubt) => {
                End::Dead(DeadLetterKind::Uncertain, format!("{why}; {doubt}"))
            }
            Probe::Absent | Probe::Repeatable | Probe::Unavailable(_) => exhausted(why),
        }
    }

    /// Finds out whether the last attempt took effect before its action is parked for long. Later, there
    /// may be no trace left.
    pub(super) async fn resolve_doubt(
        &self,
        trigger: &Guarded<'_>,
        progress: &mut Progress,
        end: End,
    ) -> Result<End, Interrupted> {
        let End::Parked(mut state) = end else { return Ok(end) };
        if progress.last_attempt.is_some() {
            match trigger.probe(&progress.request).await {
                Probe::Done(done) => return Ok(End::Done(done)),
                Probe::Absent => {
                    self.revert_intent(progress).await?;
                    if let ActionState::Held { last_attempt, .. }
                    | ActionState::Waiting { last_attempt, .. } = &mut state
                    {
                        *last_attempt = None;
                    }
                }
                Probe::Repeatable | Probe::Unknown(_) | Probe::Unavailable(_) => {}
            }
        }
        Ok(End::Parked(state))
    }

    /// Removes the intent of an attempt that certainly did not take effect. Otherwise a later start would
    /// be uncertain about it.
    pub(super) async fn revert_intent(&self, progress: &mut Progress) -> Result<(), Interrupted> {
        if progress.last_attempt.take().is_some() {
            progress.permit = self.ledger.reopen(&progress.permit).await?;
        }
        Ok(())
    }
}
