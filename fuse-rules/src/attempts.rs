//! How an action is attempted, if its rule says so: `trigger http retry 5 backoff 1s..1m timeout 10s { … }`.

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::literals::duration_text;

/// How the action of a trigger block is attempted. Whatever is missing is up to the runtime.
///
/// ```
/// use fuse_rules::{AttemptPolicy, Backoff, Retry};
/// use jiff::SignedDuration;
///
/// let backoff = Backoff { first: SignedDuration::from_secs(1), max: SignedDuration::from_mins(1) };
/// let policy = AttemptPolicy {
///     retry: Some(Retry { count: 5, backoff: Some(backoff) }),
///     timeout: Some(SignedDuration::from_secs(10)),
/// };
/// assert_eq!(policy.to_string(), "retry 5 backoff 1s..1m timeout 10s");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptPolicy {
    /// `retry N backoff A..B`: how often it is attempted again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// `timeout D`: how long one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SignedDuration>,
}

/// How often an action is attempted again after it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The number of attempts after the first one. With 0, there is only one attempt.
    pub count: u32,
    /// The delays between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
}

/// The delays between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// The delay before the second attempt. It doubles with each further attempt.
    pub first: SignedDuration,
    /// The longest delay, unless the backend asks for a longer one.
    pub max: SignedDuration,
}

impl AttemptPolicy {
    /// Whether the rule says nothing about attempts.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Retry {
    /// How many attempts there are, with the first one.
    ///
    /// ```
    /// assert_eq!(fuse_rules::Retry { count: 0, backoff: None }.attempts(), 1);
    /// ```
    pub fn attempts(self) -> u32 {
        self.count.saturating_add(1)
    }
}

/// The clauses as in rules, or nothing.
impl fmt::Display for AttemptPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retry = self.retry.map(|retry| retry.to_string());
        let timeout = self.timeout.map(|timeout| format!("timeout {}", duration_text(timeout)));
        let clauses: Vec<String> = retry.into_iter().chain(timeout).collect();
        f.write_str(&clauses.join(" "))
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "retry {}", self.count)?;
        match self.backoff {
            Some(Backoff { first, max }) => {
                write!(f, " backoff {}..{}", duration_text(first), duration_text(max))
            }
            None => Ok(()),
        }
    }
}
