//! How often an action is attempted, and when.

use std::time::Duration;

use fuse_rules::Action;

use super::{Engine, Policy};

/// How an action is retried: by its rule, or else by the policy of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retries {
    /// How many attempts there are.
    pub(super) attempts: u32,
    /// The delay before the second attempt.
    backoff: Duration,
    /// The longest delay.
    max_backoff: Duration,
}

impl Engine {
    /// How an action is retried.
    pub(super) fn retries_of(&self, action: &Action) -> Retries {
        Retries::new(&self.policy, action)
    }
}

impl Retries {
    fn new(policy: &Policy, action: &Action) -> Self {
        let Policy { attempts, backoff, max_backoff, .. } = *policy;
        let by_policy = Self { attempts, backoff, max_backoff };
        let Some(retry) = action.attempts.retry else { return by_policy };
        let attempts = retry.attempts();
        let delays = retry.backoff.and_then(|own| {
            Some((Duration::try_from(own.first).ok()?, Duration::try_from(own.max).ok()?))
        });
        let (backoff, max_backoff) = delays.unwrap_or((backoff, max_backoff));
        Self { attempts, backoff, max_backoff }
    }

    /// The delay after so many attempts, unless the backend asks for a longer one.
    pub(super) fn wait(self, attempts: u32, after: Option<Duration>) -> Duration {
        let doublings = attempts.saturating_sub(1);
        let doubled = self.backoff.saturating_mul(2_u32.saturating_pow(doublings));
        doubled.min(self.max_backoff).max(after.unwrap_or_default())
    }
}
