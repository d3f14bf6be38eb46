//! Flow control decides whether a rule whose conditions are true may act.
//!
//! Each clause is a small state machine: `step(state, owner, time) -> (state, answer)`. It is total and pure, and time is
//! injected. A crash may repeat a question: if the same [`Owner`] asks again at the same time, the answer is the same and
//! the state does not change. The ledger, `fuse test` and `fuse explain` all call [`FlowStates::admit`], so they make the
//! same decisions and give the same reasons.
//!
//! A clause may let an occurrence wait. The caller keeps the [`Wait`] and calls [`FlowStates::resume`] when it is due. The
//! wait may end before: a newer occurrence takes its place, an event cancels it ([`FlowStates::cancel`]), a person answers
//! it, or a place becomes free ([`FlowStates::take_ready`]).
//!
//! ```
//! use fuse_rules::flow::{Admission, Flow, FlowRequest, FlowStates, Occurrence, Owner};
//! use jiff::{SignedDuration, Timestamp};
//!
//! let occurrence = |event: &str| Occurrence {
//!     rule: "sensor/rule".into(),
//!     element: None,
//!     owner: Owner::new(event, &format!("event `{event}`"), None),
//!     received: Timestamp::UNIX_EPOCH,
//!     is_shadow: false,
//!     requests: vec![FlowRequest::new(
//!         "once per body.app",
//!         Flow::Once { within: SignedDuration::from_hours(4) },
//!         vec!["\"web\"".into()],
//!     )],
//! };
//! let mut states = FlowStates::default();
//! let now = Timestamp::UNIX_EPOCH.into();
//! assert_eq!(states.admit(&occurrence("a"), now), Admission::Passed);
//! assert_eq!(
//!     states.admit(&occurrence("b"), now),
//!     Admission::Suppressed {
//!         by: 0,
//!         why: "`once per \"web\" within 4h` already fired at 1970-01-01T00:00:00Z for event `a`; \
//!          free again at 1970-01-01T04:00:00Z"
//!             .into(),
//!     }
//! );
//! // The owner may ask again.
//! assert_eq!(states.admit(&occurrence("a"), now), Admission::Passed);
//! ```
//!
//! # How to add a clause
//!
//! 1. Here: a variant of [`Flow`] with the parameters, their text, and the rank of the clause.
//! 2. A file of its own with the state, `step` and `describe`, like `limit.rs`; a variant of `FlowState`, and its arms in
//!    `state.rs` and `describe.rs`.
//! 3. The grammar, the tree (`syntax/clauses.rs`) and the checks of the parameters (`check/flow.rs`); `grammar/README.md`
//!    lists the rest of the steps for syntax.
//! 4. Its row in the table of `tests/laws.rs`, which compares it with a list of everything it admitted.
//! 5. A mutation of its parameters (`testing/mutants/flow.rs`), its arms in the lints `constant-key` and
//!    `limit-never-reached`, and its section in `docs/language.md`.
//!
//! The plan and the evaluators need no change. If a wait of the clause ends for another reason than time, the ledgers do
//! (`ledger/waits.rs` and its neighbours), and so does `fuse explain`.

mod admit;
mod after;
pub(crate) mod approval;
mod blow;
mod concurrency;
mod describe;
mod hours;
mod key;
mod limit;
mod occurrence;
mod once;
mod owner;
mod quiet;
mod request;
pub(crate) mod requires;
mod rule_limits;
mod state;
mod still;
mod time;
mod wait;

#[cfg(test)]
mod tests;

pub use admit::{Admission, FlowStates};
pub use after::Matches;
pub use blow::{BlowAdmission, BlowClause, BlowCount, BlowCounts, BlowingFuse, BlownFuse};
pub use concurrency::{InProgress, Overflow};
pub use describe::{StateHolder, StateSubject, StateText};
pub use hours::{DAY, Hours, Opening, Window};
pub use limit::{Places, Queue};
pub use occurrence::Occurrence;
pub use once::Claim;
pub use owner::Owner;
pub use quiet::Burst;
pub use request::FlowRequest;
pub use rule_limits::RuleLimits;
pub use state::FlowState;
pub use still::Delay;
pub use time::FlowTime;
pub use wait::{
    Approval, Cancellation, EndedWait, ReadyWait, ReplacedOccurrence, Wait, WaitEnd, WaitName,
};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::literals::duration_text;

/// How many occurrences of a key may wait in the queue of a clause. A state is read as a whole for each decision.
const MAX_QUEUED: usize = 1_000;

/// A clause with its parameters, but without its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// `requires FUSE, … else hold D`: lets an occurrence through if its [fuses](FlowRequest::fuses) are on. Others wait
    /// until they are, at most for `within`.
    Requires {
        /// How long they wait.
        within: SignedDuration,
    },
    /// `during mon..fri 09:00..17:00 …`: lets an occurrence through if its event was received within the
    /// [hours](FlowRequest::hours).
    During {
        /// Whether other occurrences wait until the hours open, instead of being suppressed.
        waits: bool,
    },
    /// `after N within D per KEY, …`: lets the `count`th match of a key within `within` through, and counts the others.
    /// Then it starts again from zero.
    After {
        /// The number of matches, at least 2.
        count: u32,
        /// The length of the window.
        within: SignedDuration,
    },
    /// `once per KEY, … within D`: lets the first occurrence of a key through, and suppresses others until `within` has
    /// passed since the first.
    Once {
        /// How long the first occurrence suppresses others.
        within: SignedDuration,
    },
    /// `quiet D per KEY, … max M`: lets the last occurrence of a burst through, `length` after it.
    Quiet {
        /// How long no other occurrence may come.
        length: SignedDuration,
        /// How long a burst may take.
        max: Option<SignedDuration>,
    },
    /// `still D per KEY, … unless …`: lets an occurrence through after `length`, if no event cancelled it.
    Still {
        /// How long it waits.
        length: SignedDuration,
    },
    /// `limit N per D per KEY, …`: lets at most `count` occurrences of a key through in any window of `per`, and
    /// suppresses others.
    Limit {
        /// The number of occurrences, at least 1.
        count: u32,
        /// The length of the window.
        per: SignedDuration,
        /// Whether others wait for a place, in the order in which they came, instead of being suppressed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        waits: bool,
    },
    /// `approval within D by "group"`: lets an occurrence wait until one of its [approvers](FlowRequest::approvers)
    /// approves it.
    Approval {
        /// How long it waits.
        within: SignedDuration,
    },
    /// `concurrency N per KEY, … else …`: lets an occurrence through while fewer than `count` of its key are in progress.
    Concurrency {
        /// The number of occurrences, at least 1.
        count: u32,
        /// What becomes of others.
        otherwise: Overflow,
    },
}

impl Flow {
    /// The position among the clauses of a rule: an occurrence passes those with the lowest rank first.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Requires { .. } => 0,
            Self::During { .. } => 1,
            Self::After { .. } => 2,
            Self::Once { .. } => 3,
            Self::Quiet { .. } => 4,
            Self::Still { .. } => 5,
            Self::Limit { .. } => 6,
            Self::Approval { .. } => 7,
            Self::Concurrency { .. } => 8,
        }
    }

    /// Its first word, in messages and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requires { .. } => "requires",
            Self::During { .. } => "during",
            Self::After { .. } => "after",
            Self::Once { .. } => "once",
            Self::Quiet { .. } => "quiet",
            Self::Still { .. } => "still",
            Self::Limit { .. } => "limit",
            Self::Approval { .. } => "approval",
            Self::Concurrency { .. } => "concurrency",
        }
    }

    /// The words of the clause before its keys, in messages.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Requires { .. } => "requires",
            Self::During { .. } => "during",
            Self::After { .. } => "after",
            Self::Once { .. } => "once per",
            Self::Quiet { .. } => "quiet",
            Self::Still { .. } => "still",
            Self::Limit { .. } => "limit",
            Self::Approval { .. } => "approval",
            Self::Concurrency { .. } => "concurrency",
        }
    }

    /// Whether it counts every match that reaches it, also those that it lets through and other clauses then hold back.
    /// What it holds back is *counted* instead of *suppressed*.
    pub const fn counts_matches(self) -> bool {
        matches!(self, Self::After { .. })
    }

    /// Whether it lets occurrences wait.
    pub const fn waits(self) -> bool {
        match self {
            Self::During { waits } | Self::Limit { waits, .. } => waits,
            Self::Requires { .. } | Self::Approval { .. } => true,
            Self::Quiet { .. } | Self::Still { .. } => true,
            Self::Concurrency { otherwise, .. } => !matches!(otherwise, Overflow::Skip),
            Self::After { .. } | Self::Once { .. } => false,
        }
    }

    /// Whether it lets every occurrence wait, and asks for nothing else: one that waited has passed it.
    pub const fn always_waits(self) -> bool {
        matches!(self, Self::Quiet { .. } | Self::Still { .. })
    }

    /// Whether it may suppress an occurrence. `quiet` lets the newest one wait; only one that is decided too late is
    /// suppressed. A queue suppresses one only if very many wait already. Nobody can plan for these.
    pub const fn suppresses(self) -> bool {
        match self {
            Self::During { waits } | Self::Limit { waits, .. } => !waits,
            Self::Concurrency { otherwise, .. } => matches!(otherwise, Overflow::Skip),
            Self::Requires { .. } | Self::Approval { .. } => false,
            Self::After { .. } | Self::Quiet { .. } => false,
            Self::Once { .. } | Self::Still { .. } => true,
        }
    }

    /// A limit with `else wait`, or without.
    pub(crate) const fn with_waits(self, waits: bool) -> Self {
        match self {
            Self::Limit { count, per, .. } => Self::Limit { count, per, waits },
            other => other,
        }
    }

    /// Whether what it lets wait may expire.
    pub const fn expires(self) -> bool {
        matches!(self, Self::Requires { .. } | Self::Approval { .. })
    }

    /// Whether it waits for fuses.
    pub const fn is_requires(self) -> bool {
        matches!(self, Self::Requires { .. })
    }

    /// Whether it is `approval`.
    pub const fn is_approval(self) -> bool {
        matches!(self, Self::Approval { .. })
    }

    /// Whether what it lets through keeps a place until its actions ended.
    pub const fn holds_places(self) -> bool {
        matches!(self, Self::Concurrency { .. })
    }

    /// Whether it stops what is in progress.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Concurrency { otherwise: Overflow::Replace, .. })
    }

    /// Whether it is `once`.
    pub const fn is_once(self) -> bool {
        matches!(self, Self::Once { .. })
    }

    /// The clause as in rules, with these keys.
    pub fn text(self, keys: &[String]) -> String {
        let per_keys = per(keys);
        match self {
            // Its keys are its fuses.
            Self::Requires { within } => {
                format!("requires {} else hold {}", keys.join(", "), duration_text(within))
            }
            Self::During { .. } => "during".to_owned(),
            Self::After { count, within } => {
                format!("after {count} within {}{per_keys}", duration_text(within))
            }
            Self::Once { within } => format!("once{per_keys} within {}", duration_text(within)),
            Self::Quiet { length, max } => {
                let max = max.map(|max| format!(" max {}", duration_text(max)));
                format!("quiet {}{per_keys}{}", duration_text(length), max.unwrap_or_default())
            }
            Self::Still { length } => format!("still {}{per_keys}", duration_text(length)),
            Self::Limit { count, per, .. } => {
                format!("limit {count} per {}{per_keys}{}", duration_text(per), self.else_text())
            }
            Self::Approval { within } => format!("approval within {}", duration_text(within)),
            Self::Concurrency { count, otherwise } => {
                format!("concurrency {count}{per_keys}{}", otherwise.text())
            }
        }
    }

    /// The `else` part of a limit.
    const fn else_text(self) -> &'static str {
        match self {
            Self::Limit { waits: true, .. } => " else wait",
            _ => "",
        }
    }

    /// The clause as in rules, with these keys: `limit NAME per KEY, …` if a limiter of this name has its parameters.
    pub fn text_with(self, limiter: Option<&str>, keys: &[String]) -> String {
        let Some(name) = limiter else { return self.text(keys) };
        let per_keys = per(keys);
        let otherwise = match self {
            Self::Concurrency { otherwise, .. } => otherwise.text(),
            _ => self.else_text().to_owned(),
        };
        format!("{} {name}{per_keys}{otherwise}", self.word())
    }

    /// Identifies a clause with these keys when the rules change: its word and its keys. The clause keeps its state if
    /// its other parameters change.
    pub(crate) fn identity(self, keys: &[String]) -> String {
        let keys = keys.join(", ");
        match self {
            Self::Requires { .. } => "requires".to_owned(),
            Self::During { .. } => "during".to_owned(),
            Self::After { .. } => format!("after per {keys}"),
            Self::Once { .. } => format!("once per {keys}"),
            Self::Quiet { .. } => format!("quiet per {keys}"),
            Self::Still { .. } => format!("still per {keys}"),
            Self::Limit { .. } => format!("limit per {keys}"),
            Self::Approval { .. } => "approval".to_owned(),
            Self::Concurrency { .. } => format!("concurrency per {keys}"),
        }
    }
}

/// The keys of a clause as in rules.
fn per(keys: &[String]) -> String {
    if keys.is_empty() { String::new() } else { format!(" per {}", keys.join(", ")) }
}
