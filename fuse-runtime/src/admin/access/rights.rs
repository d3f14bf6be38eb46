//! What a token of the admin port permits, and what a request needs.

use std::collections::BTreeSet;
use std::fmt;

use axum::http::Method;
use serde::Deserialize;

/// What probes and Prometheus ask for. They have no token.
pub(super) const OPEN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// Reads that need a token also within this machine.
pub(crate) const TOKEN_PATHS: [&str; 4] =
    ["/rules/files", "/payload", "/state/backup", "/state/preview"];
/// Reads of the bodies of events.
const PAYLOAD_PATHS: [&str; 2] = ["/payload", "/state/backup"];

/// What is asked with a body, and changes nothing.
const QUESTIONS: [&str; 1] = ["/state/preview"];
/// Where people answer what waits for approval.
const APPROVALS: &str = "/waiting/";

/// Something that a token of the admin port can permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AdminRight {
    /// Reading everything except the bodies of events.
    Read,
    /// Replaying, discarding and reloading.
    Change,
    /// Reading the bodies of events.
    Payloads,
    /// Approving and declining what rules do.
    Approve,
}

impl fmt::Display for AdminRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Change => "change",
            Self::Payloads => "payloads",
            Self::Approve => "approve",
        })
    }
}

/// What a token of the admin port permits: by default, reading and changing, but neither reading the bodies
/// of events nor approving.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct AdminRights(BTreeSet<AdminRight>);

impl Default for AdminRights {
    fn default() -> Self {
        Self::new([AdminRight::Read, AdminRight::Change])
    }
}

impl AdminRights {
    /// These rights.
    pub fn new(rights: impl IntoIterator<Item = AdminRight>) -> Self {
        Self(rights.into_iter().collect())
    }

    /// All rights.
    pub fn all() -> Self {
        Self::new([AdminRight::Read, AdminRight::Change, AdminRight::Payloads, AdminRight::Approve])
    }

    /// Whether it permits nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has this right.
    pub fn permits(&self, right: AdminRight) -> bool {
        self.0.contains(&right)
    }

    /// Adds the rights of others.
    pub(super) fn extend(&mut self, others: &Self) {
        self.0.extend(&others.0);
    }
}

/// The right that a request needs. `None` if anyone may send it.
pub(super) fn needed(method: &Method, path: &str) -> Option<AdminRight> {
    let is_read = [Method::GET, Method::HEAD].contains(method);
    match is_read {
        true if OPEN_PATHS.contains(&path) => None,
        true if PAYLOAD_PATHS.contains(&path) => Some(AdminRight::Payloads),
        true => Some(AdminRight::Read),
        false if path.starts_with(APPROVALS) && !path.ends_with("/discard") => {
            Some(AdminRight::Approve)
        }
        false if QUESTIONS.contains(&path) => Some(AdminRight::Read),
        false => Some(AdminRight::Change),
    }
}
