//! How attempts at actions end.

use std::time::Duration;

use fuse_rules::ActionResponse;
use jiff::Timestamp;

use super::Engine;
use super::fire::Progress;
use crate::ledger::{ActionState, DeadLetterKind, Permit, ThreadKey};
use crate::triggers::{ActionRequest, Done, Failure};

/// The result of firing an action.
pub(super) enum Fired {
    Done(Done),
    Failed(Failure),
    /// It was not fired, because these fuses are off.
    Gated(Vec<String>),
}

/// How an attempt at an action ends.
pub(super) enum End {
    Done(Done),
    Dead(DeadLetterKind, String),
    /// Parked in this state.
    Parked(ActionState),
}

/// An action that ends.
pub(super) struct EndingAction<'a> {
    pub(super) request: &'a ActionRequest,
    pub(super) permit: &'a Permit,
    /// What is kept of the response to its last attempt.
    pub(super) response: Option<ActionResponse>,
    /// Whether its occurrence keeps places of `concurrency`.
    pub(super) in_progress: bool,
    /// The thread of its message.
    pub(super) thread: Option<ThreadKey>,
}

impl<'a> EndingAction<'a> {
    /// An action that ends without an attempt.
    pub(super) fn new(request: &'a ActionRequest, permit: &'a Permit) -> Self {
        Self { request, permit, response: None, in_progress: false, thread: None }
    }
}

impl Engine {
    /// The state of an action that is held because something is missing, or by fuses.
    pub(super) fn held(&self, progress: &Progress, reason: String, fuses: Vec<String>) -> End {
        let since = match &progress.record.state {
            ActionState::Held { since, .. } => *since,
            _ => self.clock.steady(),
        };
        let (last_attempt, checkpoint) =
            (progress.last_attempt.clone(), progress.request.checkpoint.clone());
        End::Parked(ActionState::Held { since, reason, last_attempt, checkpoint, fuses })
    }

    /// The state of an action that is retried once `wait` has passed.
    pub(super) fn waiting(
        &self,
        progress: &Progress,
        attempts: u32,
        wait: Duration,
        reason: &str,
    ) -> End {
        let until = self.clock.steady().checked_add(wait).unwrap_or(Timestamp::MAX);
        End::Parked(ActionState::Waiting {
            until,
            attempts,
            reason: reason.to_owned(),
            last_attempt: progress.last_attempt.clone(),
            checkpoint: progress.request.checkpoint.clone(),
        })
    }
}

/// The end of an action that has been held for too long.
pub(super) fn given_up(reason: &str, since: Timestamp) -> End {
    End::Dead(DeadLetterKind::NotReady, format!("{reason}; held since {since}"))
}
