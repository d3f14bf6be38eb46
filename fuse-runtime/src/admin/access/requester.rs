//! Who sends requests to the admin port.

use std::collections::BTreeSet;

use super::{AdminRights, LOCAL_TOKEN};

/// The holder of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// The name to record.
    pub(super) name: String,
    pub(super) rights: AdminRights,
    pub(super) groups: BTreeSet<String>,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Requester {
    /// A program on this machine without a token, which reads.
    Local,
    /// The holder of the token with this name, or a user whose token was reviewed.
    Token {
        /// The name to record.
        name: String,
        /// The groups that the holder is a member of.
        groups: BTreeSet<String>,
    },
}

impl Requester {
    /// Whether answers may contain rendered actions.
    pub(in crate::admin) fn sees_actions(&self) -> bool {
        matches!(self, Self::Token { .. })
    }

    /// The name to record.
    pub(in crate::admin) fn name(&self) -> &str {
        match self {
            Self::Local => LOCAL_TOKEN,
            Self::Token { name, .. } => name,
        }
    }

    /// Whether the sender is a member of one of these groups.
    pub(in crate::admin) fn is_in(&self, groups: &[String]) -> bool {
        match self {
            Self::Local => false,
            Self::Token { groups: own, .. } => groups.iter().any(|group| own.contains(group)),
        }
    }
}
