//! The ledger in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;
use fuse_rules::flow::{Approval, FlowTime};
use jiff::Timestamp;

use super::{Process, State, StoredDecision};
use crate::event::EventKey;
use crate::ledger::blow;
use crate::ledger::preview::preview;
use crate::ledger::transition::{self, Transition};
use crate::ledger::{
    ActionRecord, ActionState, Attempt, Counts, CurrentRules, DeadLetterPage, DeadLetterQuery, Due,
    EventAction, EventOperation, EventPage, EventQuery, EventRecord, FuseHistories, FuseSwitch,
    Ledger, LedgerError, Observed, Permit, Preview, Reacted, StatePage, StateQuery, Thread,
    ThreadKey, Verdict, WaitAnswer, WaitingDecision, Woken,
};

impl State {
    pub(super) fn record(&self, key: &EventKey) -> Option<EventRecord> {
        let stored = self.events.get(key)?;
        let mut record = EventRecord {
            acked: stored.acked,
            conflicts: stored.acceptance.conflicts,
            last_conflict: stored.acceptance.last_conflict,
            ..EventRecord::undecided(stored.event.clone())
        };
        if let Some(decision) = &stored.decision {
            record.decided = Some(decision.decided);
            record.plan = Some(decision.plan.clone());
            record.rejected = decision.rejected.clone();
            record.mismatch = decision.mismatch.clone();
            record.decisions = decision.decisions.clone();
            record.operations = decision.operations.clone();
            record.waits = decision.waits.clone();
            record.blown = decision.blown.clone();
            let actions = decision.actions.iter().filter_map(|id| self.actions.get(id));
            record.actions = actions.map(|(_, action)| action.clone()).collect();
        }
        Some(record)
    }

    fn decide(&mut self, verdict: &Verdict) -> Result<EventRecord, LedgerError> {
        let unknown = || LedgerError::UnknownEvent(verdict.event.clone());
        let record = self.record(&verdict.event).ok_or_else(unknown)?;
        if record.decided.is_some() {
            return Ok(record);
        }
        if let Some((id, _)) = verdict.actions.iter().find(|(id, _)| self.actions.contains_key(id))
        {
            return Err(LedgerError::Invalid(transition::two_actions(id)));
        }
        let verdict = &self.key_secret.conceal(verdict);
        let fuses_before = self.fuses.clone();
        let decided = transition::decide(verdict, &mut self.flow, &mut self.fuses)?;
        let blown = blow::records(&fuses_before, &self.fuses);
        let stored = self.events.get_mut(&verdict.event).ok_or_else(unknown)?;
        stored.decision = Some(StoredDecision {
            plan: verdict.plan.clone(),
            decided: verdict.decided,
            rejected: verdict.rejected.clone(),
            mismatch: verdict.mismatch.clone(),
            decisions: decided.decisions,
            actions: decided.actions.iter().map(|action| action.id.clone()).collect(),
            operations: Vec::new(),
            waits: decided.waits,
            places: decided.places,
            blown,
            is_woken: false,
            resolved: BTreeSet::new(),
        });
        for action in decided.actions {
            self.actions.insert(action.id.clone(), (verdict.event.clone(), action));
        }
        self.end_all(&decided.ended);
        self.wake_and_replace(verdict.decided);
        self.record(&verdict.event).ok_or_else(unknown)
    }

    /// Adds reactions to a decided event. If it fails, nothing is changed.
    fn react(&mut self, verdict: &Verdict) -> Result<Reacted, LedgerError> {
        let verdict = &self.key_secret.conceal(verdict);
        let unknown = || LedgerError::UnknownEvent(verdict.event.clone());
        let Self { events, actions, flow, .. } = self;
        let stored = events.get_mut(&verdict.event).ok_or_else(unknown)?;
        let undecided = || transition::undecided(&verdict.event);
        let decision = stored.decision.as_mut().ok_or_else(undecided)?;
        let mut states = flow.clone();
        let reactions = transition::react(&decision.decisions, verdict, &mut states)?;
        if let Some(known) = reactions.actions.iter().find(|one| actions.contains_key(&one.id)) {
            return Err(LedgerError::Invalid(transition::two_actions(&known.id)));
        }
        *flow = states;
        decision.decisions.extend(reactions.decisions.iter().cloned());
        decision.waits.extend(reactions.waits);
        decision.places.extend(reactions.places);
        let mut added = Vec::new();
        for action in reactions.actions {
            decision.actions.push(action.id.clone());
            added.push(event_action(&verdict.event, &action));
            actions.insert(action.id.clone(), (verdict.event.clone(), action));
        }
        self.end_all(&reactions.ended);
        self.wake_ready();
        Ok(Reacted { decisions: reactions.decisions, actions: added, blown: Vec::new() })
    }

    fn observe(
        &mut self,
        event: &EventKey,
        action: &str,
        observed: &Observed,
    ) -> Result<bool, LedgerError> {
        let record = self.action(event, action)?;
        let Some(changed) = transition::observe(record, observed) else { return Ok(false) };
        let revision = record.revision.saturating_add(1);
        let has_ended = record.in_progress && !changed.in_progress;
        *record = ActionRecord { revision, ..changed };
        if has_ended {
            self.ended(event, action);
        }
        Ok(true)
    }

    fn action(&mut self, event: &EventKey, id: &str) -> Result<&mut ActionRecord, LedgerError> {
        match self.actions.get_mut(id) {
            Some((of, action)) if of == event => Ok(action),
            _ => Err(LedgerError::UnknownAction(id.to_owned())),
        }
    }

    /// Changes an action that has this revision, or any if there is none. The permit of the next change.
    fn change(
        &mut self,
        event: &EventKey,
        id: &str,
        revision: Option<u64>,
        transition: &Transition,
    ) -> Result<Permit, LedgerError> {
        let record = self.action(event, id)?;
        if let Some(changed) = transition::change(record, transition)? {
            if revision.is_some_and(|revision| revision != record.revision) {
                return Err(LedgerError::Fenced(id.to_owned()));
            }
            let revision = record.revision.saturating_add(1);
            let has_ended = record.in_progress && !changed.in_progress;
            let thread = match &changed.state {
                ActionState::Done { thread, .. } => thread.clone(),
                _ => None,
            };
            *record = ActionRecord { revision, ..changed };
            self.threads.extend(thread.map(|thread| (thread.key.clone(), *thread)));
            if has_ended {
                self.ended(event, id);
            }
            // It may become a dead letter again.
            if let Some(decision) = self.events.get_mut(event).and_then(|e| e.decision.as_mut()) {
                decision.resolved.remove(id);
            }
            return Ok(Permit::new(event.clone(), id.to_owned(), revision));
        }
        Ok(Permit::new(event.clone(), id.to_owned(), record.revision))
    }
}

pub(super) fn event_action(event: &EventKey, action: &ActionRecord) -> EventAction {
    EventAction { event: event.clone(), action: action.clone() }
}

impl Process {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> Result<T, LedgerError> {
        let mut state = self.state().ok_or(LedgerError::Closed)?;
        Ok(work(&mut state))
    }

    fn permitted(&self, permit: &Permit, transition: &Transition) -> Result<Permit, LedgerError> {
        let revision = Some(permit.revision());
        self.with(|state| state.change(permit.event(), permit.action(), revision, transition))?
    }
}

#[async_trait]
impl Ledger for Process {
    async fn decide(&self, verdict: Verdict) -> Result<EventRecord, LedgerError> {
        self.with(|state| state.decide(&verdict))?
    }

    async fn event(&self, event: &EventKey) -> Result<Option<EventRecord>, LedgerError> {
        self.with(|state| state.record(event))
    }

    async fn find(&self, id: &str) -> Result<Vec<EventRecord>, LedgerError> {
        self.with(|state| {
            let keys = state.events.keys().filter(|key| key.id == id);
            keys.filter_map(|key| state.record(key)).collect()
        })
    }

    async fn action(
        &self,
        event: &EventKey,
        action: &str,
    ) -> Result<Option<EventAction>, LedgerError> {
        Ok(self.find_action(action).await?.filter(|found| found.event == *event))
    }

    async fn find_action(&self, id: &str) -> Result<Option<EventAction>, LedgerError> {
        self.with(|state| state.actions.get(id).map(|(event, action)| event_action(event, action)))
    }

    async fn intend(
        &self,
        event: &EventKey,
        action: &str,
        attempt: Attempt,
    ) -> Result<Permit, LedgerError> {
        let intent = Transition::Intend(attempt);
        self.with(|state| state.change(event, action, None, &intent))?
    }

    async fn hold(&self, permit: &Permit, state: ActionState) -> Result<Permit, LedgerError> {
        self.permitted(permit, &Transition::Hold(state))
    }

    async fn settle(&self, permit: &Permit, state: ActionState) -> Result<(), LedgerError> {
        self.permitted(permit, &Transition::Settle(state))?;
        Ok(())
    }

    async fn thread(&self, key: &ThreadKey, now: Timestamp) -> Result<Option<Thread>, LedgerError> {
        self.with(|state| state.threads.get(key).filter(|thread| thread.until > now).cloned())
    }

    async fn react(&self, verdict: Verdict) -> Result<Reacted, LedgerError> {
        self.with(|state| state.react(&verdict))?
    }

    async fn settle_and_react(
        &self,
        permit: &Permit,
        end: ActionState,
        verdict: Verdict,
    ) -> Result<Reacted, LedgerError> {
        self.with(|state| {
            let (event, action) = (permit.event(), permit.action());
            let (settle, revision) = (Transition::Settle(end), permit.revision());
            // Every check comes before the first change.
            let record = state.action(event, action)?;
            if transition::change(record, &settle)?.is_some() && revision != record.revision {
                return Err(LedgerError::Fenced(action.to_owned()));
            }
            let is_new = transition::change(record, &settle)?.is_some();
            let mut added = state.react(&verdict)?;
            state.change(event, action, Some(revision), &settle)?;
            if is_new {
                let record = state.action(event, action)?.clone();
                added.blown = state.count(event, |flow, fuses| {
                    blow::settled(&verdict, &record, &record.state, flow, fuses)
                });
            }
            Ok(added)
        })?
    }

    async fn observe_and_react(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
        verdict: Verdict,
    ) -> Result<(bool, Reacted), LedgerError> {
        self.with(|state| {
            if transition::observe(state.action(event, action)?, &observed).is_none() {
                return Ok((false, Reacted::default()));
            }
            let mut added = state.react(&verdict)?;
            state.observe(event, action, &observed)?;
            let record = state.action(event, action)?.clone();
            added.blown = state.count(event, |flow, fuses| {
                blow::observed(&verdict, &record, &observed, flow, fuses)
            });
            Ok((true, added))
        })?
    }

    async fn due(&self, time: FlowTime, limit: usize) -> Result<Due, LedgerError> {
        self.with(|state| state.due(time, limit))
    }

    async fn waiting(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<WaitingDecision>, LedgerError> {
        self.with(|state| state.waiting_decisions(after, limit))
    }

    async fn find_waiting(&self, id: &str) -> Result<Option<WaitingDecision>, LedgerError> {
        self.with(|state| state.find_waiting(id))
    }

    async fn answer(
        &self,
        id: &str,
        answer: WaitAnswer,
        by: &Approval,
        time: FlowTime,
    ) -> Result<bool, LedgerError> {
        self.with(|state| state.answer(id, (answer, by), time))?
    }

    async fn wake(
        &self,
        event: &EventKey,
        time: FlowTime,
        rules: &CurrentRules,
    ) -> Result<Woken, LedgerError> {
        self.with(|state| state.wake(event, rules, time))
    }

    async fn recheck(&self, rules: &BTreeSet<String>, time: FlowTime) -> Result<(), LedgerError> {
        self.with(|state| state.recheck(rules, time))
    }

    async fn finish_waking(&self, event: &EventKey) -> Result<(), LedgerError> {
        self.with(|state| state.finish_waking(event))
    }

    async fn reopen(&self, permit: &Permit) -> Result<Permit, LedgerError> {
        self.permitted(permit, &Transition::Reopen)
    }

    async fn observe(
        &self,
        event: &EventKey,
        action: &str,
        observed: Observed,
    ) -> Result<bool, LedgerError> {
        self.with(|state| state.observe(event, action, &observed))?
    }

    async fn unsettled(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.with(|state| state.page(after, limit, |lists| lists.unsettled))
    }

    async fn held(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.with(|state| state.page(after, limit, |lists| lists.held))
    }

    async fn stopping(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.with(|state| state.page(after, limit, |lists| lists.stopping))
    }

    async fn stopped(&self, event: &EventKey, action: &str) -> Result<(), LedgerError> {
        self.with(|state| state.change(event, action, None, &Transition::Stop))?.map(drop)
    }

    async fn running(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EventAction>, LedgerError> {
        self.with(|state| state.page(after, limit, |lists| lists.running))
    }

    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<DeadLetterPage, LedgerError> {
        self.with(|state| state.dead_page(query))?
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, LedgerError> {
        self.with(|state| state.event_page(query))?
    }

    async fn preview(&self, verdict: &Verdict) -> Result<Preview, LedgerError> {
        let (verdict, states, fuses) = self.with(|state| {
            (state.key_secret.conceal(verdict), state.flow.clone(), state.fuses.clone())
        })?;
        preview(&verdict, states, fuses)
    }

    async fn operate(
        &self,
        event: &EventKey,
        operation: EventOperation,
    ) -> Result<(), LedgerError> {
        self.with(|state| state.operate(event, operation))?
    }

    async fn switch_fuse(&self, fuse: &str, switch: FuseSwitch) -> Result<(), LedgerError> {
        self.with(|state| {
            state.fuses.entry(fuse.to_owned()).or_default().record(switch);
        })
    }

    async fn fuse_switches(&self) -> Result<FuseHistories, LedgerError> {
        self.with(|state| state.fuses.clone())
    }

    async fn states(&self, query: &StateQuery, time: FlowTime) -> Result<StatePage, LedgerError> {
        self.with(|state| state.states(query, time))?
    }

    async fn counts(&self) -> Result<Counts, LedgerError> {
        self.with(|state| Counts {
            unsettled: state.page(None, usize::MAX, |lists| lists.unsettled).len() as u64,
            dead_letters: state.dead_letters().len() as u64,
            waiting: state.waiting(),
            waiting_at: state.waiting_at(),
        })
    }

    async fn prune(&self, older_than: Timestamp) -> Result<u64, LedgerError> {
        self.with(|state| state.prune(older_than))
    }
}
