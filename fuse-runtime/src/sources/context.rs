//! What the runtime gives to a source: where events go, when to stop, and how to report its health.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuse_rules::Plan;

use super::Intake;
use crate::http::Server;
use crate::secrets::Secrets;
use crate::shutdown::Shutdown;

/// What a source works with. Clones share everything.
#[derive(Clone)]
pub struct SourceContext {
    pub(crate) intake: Intake,
    pub(crate) shutdown: Shutdown,
    pub(crate) health: SourceHealth,
    pub(crate) secrets: Secrets,
    pub(crate) server: Server,
    /// The plan of the events that are being bound, which may not be in use yet.
    pub(crate) plan: Option<Plan>,
}

impl SourceContext {
    /// Where the source hands in its events.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The signal on which [`BoundSource::serve`](super::BoundSource::serve) finishes and returns.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Where the source reports whether it works.
    pub fn health(&self) -> &SourceHealth {
        &self.health
    }

    /// The secrets that its configuration refers to.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The intake by the rules of the events that are being bound, whatever a later reload does.
    pub(super) fn pinned_intake(&self) -> Intake {
        match &self.plan {
            Some(plan) => self.intake.with_plan(plan.clone()),
            None => self.intake.pinned(),
        }
    }

    /// The server of sources that listen over HTTP.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }
}

impl fmt::Debug for SourceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceContext").field("health", &self.health).finish_non_exhaustive()
    }
}

/// Whether a source works, for `/readyz`. Clones share it.
#[derive(Clone, Debug)]
pub struct SourceHealth {
    kind: Arc<str>,
    problems: Arc<Mutex<Problems>>,
}

#[derive(Debug, Default)]
struct Problems {
    /// Why it is being restarted.
    failed: Option<String>,
    /// What the source itself reported while it served.
    reported: Option<String>,
    /// What does not keep it from working now.
    warnings: Vec<String>,
}

impl SourceHealth {
    pub(crate) fn new(kind: &str) -> Self {
        Self { kind: kind.into(), problems: Arc::default() }
    }

    fn problems(&self) -> MutexGuard<'_, Problems> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports that the source works. Until it reports something else, it is taken to work.
    pub fn ok(&self) {
        *self.problems() = Problems::default();
    }

    /// Reports a problem of a source that keeps serving, in a sentence, as in `the broker does not answer`.
    pub fn failing(&self, reason: impl Into<String>) {
        self.problems().reported = Some(reason.into());
    }

    /// Forgets what the source itself reported.
    pub(crate) fn clear_report(&self) {
        self.problems().reported = None;
    }

    /// Sets what does not keep the source from working now, in sentences.
    pub(crate) fn warn(&self, warnings: Vec<String>) {
        self.problems().warnings = warnings;
    }

    /// What does not keep the source from working now.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.problems().warnings.clone()
    }

    /// The kind of the source.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    /// The source failed, and is restarted after a while.
    pub(crate) fn failed(&self, reason: &str) {
        let mut problems = self.problems();
        problems.failed = Some(reason.to_owned());
        problems.reported = None;
    }

    /// Whether both are the health of the same source.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.problems, &other.problems)
    }

    /// The source serves again.
    pub(crate) fn recovered(&self) {
        self.problems().failed = None;
    }

    /// What is wrong with the source now, in a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let problems = self.problems();
        let reported =
            || problems.reported.as_ref().map(|why| format!("source `{}`: {why}", self.kind));
        match &problems.failed {
            Some(why) => Some(format!("source `{}` failed, and is restarted: {why}", self.kind)),
            None => reported(),
        }
    }
}
