//! What a process knows of the others that share its ledger.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

/// A ledger that several processes share.
#[derive(Debug)]
pub struct Sharing {
    /// Whether this process is the keeper: it resumes decisions that wait, retries held actions, observes objects, and prunes
    /// old events. One process is.
    pub is_keeper: watch::Receiver<bool>,
    /// What the others change.
    pub changes: broadcast::Receiver<Arc<OthersChanges>>,
    /// Numbers for metrics.
    pub stats: SharingStats,
}

/// Numbers about a shared ledger, as one process sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharingStats {
    /// How many processes share it now.
    pub replicas: u64,
    /// The position in the log up to which this process applied it.
    pub position: u64,
    /// How many batches of changes this process committed.
    pub batches: u64,
    /// How many changes they had.
    pub changes: u64,
    /// How many attempts to send a batch failed or took too long.
    pub retries: u64,
    /// How many times the others took this process for dead.
    pub expirations: u64,
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
