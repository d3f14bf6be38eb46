//! What a process knows of the others that share its ledger.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

/// A ledger that several processes share.
#[derive(Debug)]
pub struct Sharing {
    /// Whether this process is the keeper: it wakes what waits, retries what is held, follows objects, and removes what is
    /// old. One process is, sooner or later.
    pub is_keeper: watch::Receiver<bool>,
    /// What the others change.
    pub changes: broadcast::Receiver<Arc<OthersChanges>>,
}

/// What other processes changed, so that the engine looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OthersChanges {
    /// Decisions wait, or may go on.
    pub waits: bool,
    /// Actions may have to be stopped, because newer ones replace them.
    pub stops: bool,
    /// Fuses were switched, or blew.
    pub fuses: bool,
    /// The ids of the actions whose records changed.
    pub actions: Vec<String>,
}

impl OthersChanges {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
