//! What people switched at run time: the last changes of each fuse.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How many changes of one fuse are kept.
pub const MAX_FUSE_SWITCHES: usize = 20;

/// What a fuse is switched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchPosition {
    /// On, whatever the configuration and the rules say.
    On,
    /// Off, whatever the configuration and the rules say.
    Off,
    /// Back to the value of the configuration or the rules.
    Reset,
    /// Off, because it blew. No person switches a fuse to that.
    Blown,
}

impl SwitchPosition {
    /// The value that it gives the fuse. `None` if the configuration or the rules decide.
    pub fn value(self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off | Self::Blown => Some(false),
            Self::Reset => None,
        }
    }

    /// Its name: `on`, `off`, `reset` or `blown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Reset => "reset",
            Self::Blown => "blown",
        }
    }
}

/// One change of a fuse at run time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FuseSwitch {
    /// What the fuse is switched to.
    pub to: SwitchPosition,
    /// When it was switched.
    pub at: Timestamp,
    /// The same in the runtime's steady time.
    pub since: Timestamp,
    /// The steady time at which it ends by itself. `None` if a person has to end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who switched it: the name of a token, or a user; `fuse` for a fuse that blew.
    pub by: String,
    /// The reason that this person gave, which may be empty; or why the fuse blew.
    pub reason: String,
    /// What blew the fuse, if it blew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blown_by: Option<BlownBy>,
}

/// What blew a fuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlownBy {
    /// The full name of the rule whose action or failure was one too many.
    pub rule: String,
    /// The clause that is reached, and what it counted.
    pub why: String,
}

impl FuseSwitch {
    /// How long it lasts, if it ends by itself.
    pub fn lasts(&self) -> Option<SignedDuration> {
        Some(self.until?.duration_since(self.since))
    }

    /// The value that it gives the fuse at this steady time. `None` if it is a reset, or has ended.
    fn value_at(&self, now: Timestamp) -> Option<bool> {
        self.to.value().filter(|_| self.until.is_none_or(|until| now < until))
    }
}

/// The last changes of one fuse, the newest last: at most [`MAX_FUSE_SWITCHES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FuseHistory {
    switches: Vec<FuseSwitch>,
}

/// The last changes of all fuses that were ever switched, by their names.
pub type FuseHistories = BTreeMap<String, FuseHistory>;

impl FuseHistory {
    /// The history of a fuse whose record cannot be read: it is off.
    pub(crate) fn damaged() -> Self {
        let at = Timestamp::UNIX_EPOCH;
        let switch = FuseSwitch {
            to: SwitchPosition::Off,
            at,
            since: at,
            until: None,
            by: "fuse".into(),
            reason: "the record of its switches is damaged; switch it again".into(),
            blown_by: None,
        };
        Self { switches: vec![switch] }
    }

    /// Adds a change, and forgets the oldest one if there are too many. Returns `false` if it equals the last
    /// one: a caller that got no answer may repeat it.
    pub fn record(&mut self, switch: FuseSwitch) -> bool {
        if self.switches.last() == Some(&switch) {
            return false;
        }
        self.switches.push(switch);
        let too_many = self.switches.len().saturating_sub(MAX_FUSE_SWITCHES);
        self.switches.drain(..too_many);
        true
    }

    /// The changes, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &FuseSwitch> {
        self.switches.iter().rev()
    }

    /// The change that decides the value of the fuse at this steady time, and that value. `None` if the fuse is not
    /// switched then.
    pub fn in_effect(&self, now: Timestamp) -> Option<(bool, &FuseSwitch)> {
        let last = self.switches.last()?;
        Some((last.value_at(now)?, last))
    }

    /// When the change in effect ends by itself, in steady time.
    pub(crate) fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.in_effect(now)?.1.until
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn switches() -> impl Strategy<Value = Vec<FuseSwitch>> {
        use SwitchPosition::{Blown, Off, On, Reset};
        let one = (
            prop::sample::select(vec![On, Off, Reset, Blown]),
            0_i64..50,
            prop::option::of(1_i64..50),
        );
        prop::collection::vec(one, 0..60).prop_map(|all| {
            let switch =
                |(index, (to, since, lasts)): (usize, (SwitchPosition, i64, Option<i64>))| {
                    FuseSwitch {
                        to,
                        at: at(since),
                        since: at(since),
                        until: lasts.map(|lasts| at(since + lasts)),
                        by: index.to_string(),
                        reason: String::new(),
                        blown_by: None,
                    }
                };
            all.into_iter().enumerate().map(switch).collect()
        })
    }

    proptest! {
        /// Only the last change counts, until it ends or is removed; an earlier one does not come back.
        #[test]
        fn the_last_change_decides_until_it_ends(all in switches(), now in 0_i64..120) {
            let mut history = FuseHistory::default();
            for switch in &all {
                prop_assert!(history.record(switch.clone()));
                prop_assert!(!history.record(switch.clone()));
            }
            let expected = all.last().and_then(|last| match last.to {
                _ if last.until.is_some_and(|until| until <= at(now)) => None,
                SwitchPosition::On => Some(true),
                SwitchPosition::Off | SwitchPosition::Blown => Some(false),
                SwitchPosition::Reset => None,
            });
            prop_assert_eq!(history.in_effect(at(now)).map(|(on, _)| on), expected);
            let kept: Vec<_> = history.newest_first().cloned().collect();
            let newest: Vec<_> = all.into_iter().rev().take(MAX_FUSE_SWITCHES).collect();
            prop_assert_eq!(kept, newest);
        }
    }
}
