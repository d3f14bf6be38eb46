//! Which fuses are on.

use std::collections::BTreeMap;

/// The values of fuses. A fuse that is not set has the default of its rules.
///
/// ```
/// use fuse_rules::Fuses;
///
/// let fuses = Fuses::default().set("cicd", true);
/// assert_eq!(fuses.get("cicd"), Some(true));
/// assert_eq!(fuses.get("other"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fuses {
    values: BTreeMap<String, bool>,
}

impl Fuses {
    /// Sets a fuse.
    #[must_use]
    pub fn set(mut self, name: &str, on: bool) -> Self {
        self.values.insert(name.to_owned(), on);
        self
    }

    /// The value of a fuse, if it is set.
    pub fn get(&self, name: &str) -> Option<bool> {
        self.values.get(name).copied()
    }

    /// The fuses that are set, and their values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.values.iter().map(|(name, on)| (name.as_str(), *on))
    }
}

/// What becomes of the actions of a fuse's rules that are decided and not performed when the fuse is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PendingActions {
    /// They are held until it is on.
    #[default]
    Hold,
    /// They are given up.
    Drop,
}

impl PendingActions {
    /// The names, as in `pending = drop`.
    pub(crate) const NAMES: [&'static str; 2] = ["hold", "drop"];

    /// The name, as in `pending = drop`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Drop => "drop",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Hold, Self::Drop].into_iter().find(|pending| pending.as_str() == text)
    }
}

/// Parses the value of a fuse: `on`, `off`, `true`, `false`, `1` or `0`.
///
/// ```
/// assert_eq!(fuse_rules::literals::parse_switch("on"), Some(true));
/// assert_eq!(fuse_rules::literals::parse_switch("yes"), None);
/// ```
pub fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    }
}
