//! How severe the findings of a lint are.

use serde::Deserialize;

use super::Severity;

/// How severe the findings of a lint are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The lint does not run.
    Allow,
    /// Findings are warnings.
    Warn,
    /// Findings are errors, also for `fuse check`.
    Deny,
}

impl Level {
    /// The name of the level, as in `fuse.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }

    /// The severity of the findings; `None` if the lint does not run.
    pub(crate) fn severity(self) -> Option<Severity> {
        match self {
            Self::Allow => None,
            Self::Warn => Some(Severity::Warning),
            Self::Deny => Some(Severity::Error),
        }
    }
}
