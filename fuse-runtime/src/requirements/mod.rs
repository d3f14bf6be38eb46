//! What triggers need before they can act, as far as it is known before any event.
//!
//! A trigger states its [`Requirement`]s for each block of the rules
//! ([`Trigger::requirements`](crate::triggers::Trigger::requirements)). Of those on a Kubernetes cluster,
//! `fuse doctor` checks all, and `fuse rbac` prints the permissions.

mod kubernetes;

pub use kubernetes::{Need, Permission, Place};

use crate::secrets::SecretRef;

/// Something that a trigger block needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// Something on the Kubernetes cluster.
    Kubernetes(Need),
    /// A secret that can be read.
    Secret(SecretRef),
    /// A server that can be reached at this URL.
    Url(String),
}

impl From<Need> for Requirement {
    fn from(need: Need) -> Self {
        Self::Kubernetes(need)
    }
}

/// A requirement, and which rule has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRequirement {
    /// The rule's full name, `sensor/rule`.
    pub rule: String,
    /// What it needs.
    pub requirement: Requirement,
}
