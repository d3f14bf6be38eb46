//! The changes of the ledger.

use std::collections::BTreeSet;
use std::ops::Bound;

use fuse_rules::flow::{Approval, FlowTime};
use redb::WriteTransaction;
use serde::{Deserialize, Serialize};

use super::conceal::KeySecret;
use super::transition::Transition;
use super::{
    ActionState, CurrentRules, EventOperation, EventRecord, FuseSwitch, LedgerError, Observed,
    Reacted, Verdict, WaitAnswer, Woken, action_table, answer_table, decide, flow_table, operate,
    prune, react, switch_table, wake,
};
use crate::change::Origin;
use crate::event::EventKey;
use crate::store::StoreError;

/// An action, and the revision that its record must have if several replicas share the ledger. An intent and what is
/// asked by nobody in particular need none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ActionRef {
    pub(crate) event: EventKey,
    pub(crate) id: String,
    pub(crate) revision: Option<u64>,
}

/// A change of the ledger. Verdicts have no sensitive values: see [`KeySecret`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum LedgerChange {
    Decide(Verdict),
    Act {
        action: ActionRef,
        transition: Transition,
    },
    Observe {
        action: ActionRef,
        observed: Observed,
    },
    React(Verdict),
    SettleAndReact {
        action: ActionRef,
        state: ActionState,
        verdict: Verdict,
    },
    ObserveAndReact {
        action: ActionRef,
        observed: Observed,
        verdict: Verdict,
    },
    Recheck {
        rules: BTreeSet<String>,
        time: FlowTime,
    },
    Wake {
        event: EventKey,
        rules: CurrentRules,
        time: FlowTime,
    },
    /// Forgets that an event has something to do, because its record cannot be read.
    Forget(EventKey),
    FinishWaking(EventKey),
    Answer {
        id: String,
        answer: WaitAnswer,
        by: Approval,
        time: FlowTime,
    },
    Operate {
        event: EventKey,
        operation: EventOperation,
    },
    SwitchFuse {
        fuse: String,
        switch: FuseSwitch,
    },
    /// Removes the next events that were received before a time, in nanoseconds.
    PruneEvents {
        after: Option<(i128, u64)>,
        before: i128,
    },
    /// Removes the next of what ended before a time, in nanoseconds.
    PruneEnded {
        of: prune::Ending,
        before: i128,
    },
    /// Sets the secret of sensitive keys, unless there is one.
    SetKeySecret(KeySecret),
    /// Counts the decisions that wait again.
    Recount,
}

/// What a change of the ledger gave.
#[derive(Debug)]
pub(crate) enum LedgerAnswer {
    Decided(Box<Result<EventRecord, LedgerError>>),
    /// The revision of the action's record.
    Acted(Result<u64, LedgerError>),
    /// Whether something is new.
    New(Result<bool, LedgerError>),
    /// Whether the observed state is new, and what was added.
    Reacted(Result<(bool, Reacted), LedgerError>),
    Woken(Woken),
    /// How many were removed, and the last one that was read, if more may follow.
    Pruned(u64, Option<(i128, u64)>),
    /// Whether more may follow.
    More(bool),
    Operated(Result<(), LedgerError>),
    Done,
}

impl LedgerChange {
    pub(crate) fn apply(
        &self,
        transaction: &WriteTransaction,
        origin: Option<&Origin>,
    ) -> Result<LedgerAnswer, StoreError> {
        Ok(match self {
            Self::Decide(verdict) => {
                LedgerAnswer::Decided(Box::new(decide::decide(transaction, verdict)?))
            }
            Self::Act { action, transition } => {
                LedgerAnswer::Acted(action_table::change(transaction, action, transition, origin)?)
            }
            Self::Observe { action, observed } => {
                LedgerAnswer::New(action_table::observe(transaction, action, observed)?)
            }
            Self::React(verdict) => {
                let reacted = react::react(transaction, verdict)?;
                LedgerAnswer::Reacted(reacted.map(|reacted| (true, reacted)))
            }
            Self::SettleAndReact { action, state, verdict } => {
                let settle = Transition::Settle(state.clone());
                let of = (action, origin);
                let reacted = react::settle_and_react(transaction, of, &settle, verdict)?;
                LedgerAnswer::Reacted(reacted.map(|reacted| (true, reacted)))
            }
            Self::ObserveAndReact { action, observed, verdict } => LedgerAnswer::Reacted(
                react::observe_and_react(transaction, action, observed, verdict)?,
            ),
            Self::Recheck { rules, time } => done(wake::recheck(transaction, rules, *time)?),
            Self::Wake { event, rules, time } => {
                LedgerAnswer::Woken(wake::wake(transaction, event, rules, *time)?)
            }
            Self::Forget(event) => done(wake::forget(transaction, event)?),
            Self::FinishWaking(event) => done(wake::finish(transaction, event)?),
            Self::Answer { id, answer, by, time } => {
                LedgerAnswer::New(answer_table::answer(transaction, id, (*answer, by), *time)?)
            }
            Self::Operate { event, operation } => {
                LedgerAnswer::Operated(operate::operate(transaction, event, operation)?)
            }
            Self::SwitchFuse { fuse, switch } => {
                done(switch_table::record(transaction, fuse, switch)?)
            }
            Self::PruneEvents { after, before } => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let (removed, last) = prune::prune_events(transaction, from, *before)?;
                LedgerAnswer::Pruned(removed, last)
            }
            Self::PruneEnded { of, before } => {
                LedgerAnswer::More(prune::prune_ended(transaction, *of, *before)?)
            }
            Self::SetKeySecret(secret) => done(flow_table::set_secret(transaction, secret)?),
            Self::Recount => done(wake::recount(transaction)?),
        })
    }
}

fn done((): ()) -> LedgerAnswer {
    LedgerAnswer::Done
}
