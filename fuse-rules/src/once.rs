//! `once per KEY within D`: the first occurrence of a key acts. Further occurrences are suppressed
//! until `D` has passed since the first.
//!
//! The window starts at the first occurrence, and suppressed occurrences do not extend it. The
//! caller keeps one [`Claim`] per key and passes it to [`admit`] with the current time.
//!
//! ```
//! use std::time::Duration;
//! use fuse_rules::once::{Admission, admit};
//!
//! let within = Duration::from_secs(60);
//! let start: jiff::Timestamp = "2026-08-01T10:00:00Z".parse().unwrap();
//! let Admission::Granted(claim) = admit(None, "a", start, within) else { panic!() };
//!
//! let early = start + Duration::from_secs(59);
//! assert!(matches!(admit(Some(&claim), "b", early, within), Admission::Held { .. }));
//! assert!(matches!(admit(Some(&claim), "b", start + within, within), Admission::Granted(_)));
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decision::OnceKey;

/// Who holds a key, and the window of the claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The owner of the first occurrence; the caller defines what this means.
    pub owner: String,
    /// The time of the first occurrence.
    pub since: Timestamp,
    /// The instant from which the key is free again (inclusive).
    pub until: Timestamp,
}

impl Claim {
    /// The claim as of `now`. If the clock was set back and the claim starts in the future, it is
    /// moved to start at `now`, so that the key is held no longer than its window.
    ///
    /// ```
    /// use fuse_rules::once::Claim;
    ///
    /// let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    /// let (since, until) = (at("2026-08-02T00:00:00Z"), at("2026-08-02T04:00:00Z"));
    /// let claim = Claim { owner: "a".into(), since, until };
    /// let now = at("2026-08-01T00:00:00Z");
    /// assert_eq!(claim.clone().as_of(now).until, at("2026-08-01T04:00:00Z"));
    /// assert_eq!(claim.clone().as_of(since), claim);
    /// ```
    #[must_use]
    pub fn as_of(self, now: Timestamp) -> Self {
        if self.since <= now {
            return self;
        }
        let window = self.until.duration_since(self.since);
        let until = now.checked_add(window).unwrap_or(Timestamp::MAX);
        Self { since: now, until, ..self }
    }
}

/// The answer of [`admit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The occurrence acts. The caller must store this claim for the key.
    Granted(Claim),
    /// The occurrence is suppressed, and the claim does not change.
    Held {
        /// The time of the occurrence that holds the key.
        since: Timestamp,
        /// The instant from which the key is free again.
        until: Timestamp,
        /// The owner of the claim that holds the key.
        by: String,
    },
}

/// Decides whether an occurrence by `owner` at `now` acts, given the `previous` claim of the key.
///
/// It acts if there is no claim, if the claim is over (`now` is its `until` or later), or if
/// `owner` already holds the claim, which then does not change. A stored claim keeps its own end:
/// if the duration of a rule is edited, the new `within` applies from the next window on. If the
/// clock is set back, no occurrence acts early, because only the end of a claim counts. A window
/// that would end after the last representable timestamp ends at that timestamp.
pub fn admit(previous: Option<&Claim>, owner: &str, now: Timestamp, within: Duration) -> Admission {
    match previous {
        Some(claim) if now < claim.until && claim.owner == owner => {
            Admission::Granted(claim.clone())
        }
        Some(claim) if now < claim.until => {
            Admission::Held { since: claim.since, until: claim.until, by: claim.owner.clone() }
        }
        _ => Admission::Granted(Claim {
            owner: owner.to_owned(),
            since: now,
            until: now.checked_add(within).unwrap_or(Timestamp::MAX),
        }),
    }
}

/// The claims of several rules, for callers that keep them in memory.
///
/// ```
/// use fuse_rules::OnceKey;
/// use fuse_rules::once::{Admission, Claims};
///
/// let mut claims = Claims::default();
/// let key = OnceKey { values: vec!["\"a\"".into()], within_ms: 60_000 };
/// let now = jiff::Timestamp::UNIX_EPOCH;
/// assert!(matches!(claims.admit("s/r", &key, "first", now), Admission::Granted(_)));
/// assert!(matches!(claims.admit("s/r", &key, "second", now), Admission::Held { .. }));
/// assert!(matches!(claims.admit("s/other", &key, "second", now), Admission::Granted(_)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Claims(BTreeMap<(String, Vec<String>), Claim>);

impl Claims {
    /// Like [`admit`], for the key of a rule. A granted claim is stored.
    pub fn admit(&mut self, rule: &str, key: &OnceKey, owner: &str, now: Timestamp) -> Admission {
        let place = (rule.to_owned(), key.values.clone());
        let within = Duration::from_millis(key.within_ms);
        if let Some(claim) = self.0.remove(&place) {
            self.0.insert(place.clone(), claim.as_of(now));
        }
        let admission = admit(self.0.get(&place), owner, now, within);
        if let Admission::Granted(claim) = &admission {
            self.0.insert(place, claim.clone());
        }
        admission
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn granted(admission: Admission) -> Option<Claim> {
        match admission {
            Admission::Granted(claim) => Some(claim),
            Admission::Held { .. } => None,
        }
    }

    #[test]
    fn a_claim_is_over_exactly_at_its_end() {
        let within = Duration::from_secs(10);
        let claim = granted(admit(None, "a", at(100), within)).unwrap();
        let held = Admission::Held { since: at(100), until: at(110), by: "a".into() };
        let just_before = at(110) - Duration::from_nanos(1);
        assert_eq!(admit(Some(&claim), "b", just_before, within), held);
        let next = granted(admit(Some(&claim), "b", at(110), within)).unwrap();
        assert_eq!((next.since, next.until), (at(110), at(120)));
    }

    #[test]
    fn a_clock_that_went_backwards_grants_nothing() {
        let claim = granted(admit(None, "a", at(100), Duration::from_secs(10))).unwrap();
        for now in [at(99), at(-100), Timestamp::MIN] {
            let answer = admit(Some(&claim), "b", now, Duration::ZERO);
            assert!(matches!(answer, Admission::Held { .. }), "at {now}");
        }
    }

    #[test]
    fn a_window_that_never_ends_does_not_panic() {
        let claim = granted(admit(None, "a", at(0), Duration::MAX)).unwrap();
        assert_eq!(claim.until, Timestamp::MAX);
    }

    proptest! {
        /// There is at most one grant per window, whatever the clock does, and windows never
        /// overlap. A suppressed occurrence and a repetition by the owner change nothing.
        #[test]
        fn windows_of_a_key_never_overlap(
            occurrences in prop::collection::vec((-50_i64..200, 0_u64..40, "[abc]"), 1..40),
        ) {
            let mut claim: Option<Claim> = None;
            for (second, within, owner) in occurrences {
                let now = at(second);
                let within = Duration::from_secs(within);
                match (admit(claim.as_ref(), &owner, now, within), claim.take()) {
                    (Admission::Held { since, until, by }, before) => {
                        let before = before.expect("only a claim holds back");
                        prop_assert!(now < before.until);
                        prop_assert_ne!(&owner, &before.owner);
                        prop_assert_eq!((since, until, &by), (before.since, before.until, &before.owner));
                        claim = Some(before);
                    }
                    (Admission::Granted(new), before) => {
                        prop_assert_eq!(&new.owner, &owner);
                        match before {
                            Some(before) if before == new => prop_assert!(now < before.until || within.is_zero()),
                            before => {
                                prop_assert_eq!((new.since, new.until), (now, now + within));
                                if let Some(before) = before {
                                    prop_assert!(new.since >= before.until);
                                }
                            }
                        }
                        // Asking again with the same claim and time gives the same answer.
                        let again = admit(Some(&new), &owner, now, within);
                        prop_assert_eq!(granted(again), Some(new.clone()));
                        claim = Some(new);
                    }
                }
            }
        }
    }
}
