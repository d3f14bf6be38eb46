//! The values of fuses, and where each value comes from: the environment, a switch at run time or a blow, the
//! configuration, or the default of the rules. The first of these that sets a fuse decides.

use std::collections::BTreeMap;

use fuse_rules::{Fuses, Ruleset};
use jiff::Timestamp;

use crate::config::variable;
use crate::ledger::{FuseHistories, FuseSwitch, SwitchPosition};

/// The values of fuses that do not come from the rules, nor from switches at run time.
///
/// ```
/// use fuse_rules::Fuses;
/// use fuse_runtime::ConfiguredFuses;
///
/// let fuses = ConfiguredFuses::from(Fuses::default().set("cicd", true)).fix("new-dc", false);
/// assert_eq!(fuses.get("cicd"), Some(true));
/// assert_eq!((fuses.is_fixed("cicd"), fuses.is_fixed("new-dc")), (false, true));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredFuses {
    values: BTreeMap<String, ConfiguredValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ConfiguredValue {
    on: bool,
    is_fixed: bool,
}

impl ConfiguredFuses {
    /// Sets a fuse, unless it is switched at run time.
    #[must_use]
    pub fn set(mut self, name: &str, on: bool) -> Self {
        self.values.insert(name.to_owned(), ConfiguredValue { on, is_fixed: false });
        self
    }

    /// Sets a fuse that cannot be switched at run time, as the environment does.
    #[must_use]
    pub fn fix(mut self, name: &str, on: bool) -> Self {
        self.values.insert(name.to_owned(), ConfiguredValue { on, is_fixed: true });
        self
    }

    /// The value of a fuse, if it is set.
    pub fn get(&self, name: &str) -> Option<bool> {
        self.values.get(name).map(|value| value.on)
    }

    /// Whether a fuse cannot be switched at run time.
    pub fn is_fixed(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| value.is_fixed)
    }
}

impl From<Fuses> for ConfiguredFuses {
    fn from(fuses: Fuses) -> Self {
        fuses.iter().fold(Self::default(), |configured, (name, on)| configured.set(name, on))
    }
}

/// Where the value of a fuse comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FuseOrigin {
    Environment,
    Switched(FuseSwitch),
    Configuration,
    Rules,
}

impl FuseOrigin {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Switched(switch) if switch.to == SwitchPosition::Blown => "blown",
            Self::Switched(_) => "switched",
            Self::Configuration => "configuration",
            Self::Rules => "default",
        }
    }
}

/// The value of a fuse, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FuseState {
    pub(crate) on: bool,
    pub(crate) origin: FuseOrigin,
}

impl FuseState {
    /// The value of the fuse with this name and where it comes from, for people.
    pub(crate) fn describe(&self, fuse: &str) -> String {
        let is = format!("the fuse `{fuse}` is {}", on_or_off(self.on));
        match &self.origin {
            FuseOrigin::Environment => format!("{is}, as `{}` sets it", variable(fuse)),
            FuseOrigin::Switched(FuseSwitch { to: SwitchPosition::Blown, at, reason, .. }) => {
                format!("{is}, because it blew at {at:.0}: {reason}")
            }
            FuseOrigin::Switched(FuseSwitch { at, by, reason, .. }) => {
                let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                format!("{is}, switched by `{by}` at {at:.0}{reason}")
            }
            FuseOrigin::Configuration => format!("{is} in the configuration"),
            FuseOrigin::Rules => format!("{is} by default"),
        }
    }
}

/// `on` or `off`.
pub(crate) fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// The states of all fuses that the rules declare, at this steady time.
pub(crate) fn states(
    ruleset: &Ruleset,
    configured: &ConfiguredFuses,
    histories: &FuseHistories,
    now: Timestamp,
) -> BTreeMap<String, FuseState> {
    let state = |name: &str, default_on: bool| {
        let set = configured.values.get(name);
        if let Some(ConfiguredValue { on, is_fixed: true }) = set {
            return FuseState { on: *on, origin: FuseOrigin::Environment };
        }
        if let Some((on, switch)) = histories.get(name).and_then(|history| history.in_effect(now)) {
            return FuseState { on, origin: FuseOrigin::Switched(switch.clone()) };
        }
        match set {
            Some(value) => FuseState { on: value.on, origin: FuseOrigin::Configuration },
            None => FuseState { on: default_on, origin: FuseOrigin::Rules },
        }
    };
    ruleset.fuses().map(|fuse| (fuse.name.to_owned(), state(fuse.name, fuse.default_on))).collect()
}
