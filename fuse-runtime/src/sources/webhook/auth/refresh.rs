//! Keeps the secrets of sources in memory, and reads them again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::{AuthConfig, Checks};
use crate::secrets::{SecretError, Secrets};

/// How long the checks stay in use while a secret cannot be read, unless it is missing or empty.
const KEEP_CHECKS_FOR: Duration = Duration::from_secs(10);

/// The authentication of one source.
pub(in super::super) struct SourceAuth {
    source: String,
    /// The block as it is written, with defaults.
    written: Option<serde_json::Value>,
    config: AuthConfig,
    state: RwLock<Arc<AuthState>>,
    /// Whether requests are checked by it. A reload prepares it before, and may fail.
    is_served: AtomicBool,
}

/// The checks of a source as of the last refresh.
pub(in super::super) struct AuthState {
    /// `None` if the secrets that can be read are not enough.
    checks: Option<Arc<Checks>>,
    /// Why secrets cannot be used, in phrases.
    problems: Vec<String>,
    /// The last time at which no read failed or timed out.
    sound_at: Instant,
}

impl AuthState {
    /// The checks, if the source is ready.
    pub(in super::super) fn checks(&self) -> Option<&Checks> {
        self.checks.as_deref()
    }

    /// The state after a refresh.
    fn next(&self, checks: Option<Checks>, problems: &[SecretError]) -> Self {
        let is_io = |problem: &SecretError| matches!(problem, SecretError::Io { .. });
        let is_known = |problem: &SecretError| self.problems.contains(&problem.to_string());
        let now = Instant::now();
        let has_failed = problems.iter().any(is_io);
        // Somebody removed a secret that is now missing or empty.
        let is_kept = has_failed
            && problems.iter().all(|problem| is_io(problem) || is_known(problem))
            && now.duration_since(self.sound_at) <= KEEP_CHECKS_FOR;
        Self {
            checks: match &self.checks {
                Some(in_use) if is_kept => Some(Arc::clone(in_use)),
                _ => checks.map(Arc::new),
            },
            problems: problems.iter().map(ToString::to_string).collect(),
            sound_at: if has_failed { self.sound_at } else { now },
        }
    }
}

impl std::fmt::Debug for SourceAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceAuth").field("source", &self.source).finish_non_exhaustive()
    }
}

impl SourceAuth {
    /// Not ready until the first [`SourceAuth::refresh`].
    pub(in super::super) fn new(
        source: &str,
        config: AuthConfig,
        written: Option<serde_json::Value>,
    ) -> Self {
        let state = AuthState { checks: None, problems: Vec::new(), sound_at: Instant::now() };
        Self {
            source: source.to_owned(),
            written,
            config,
            state: RwLock::new(Arc::new(state)),
            is_served: AtomicBool::new(false),
        }
    }

    /// Whether this is what the source of this name needs with this block.
    pub(in super::super) fn is_for(
        &self,
        source: &str,
        written: Option<&serde_json::Value>,
    ) -> bool {
        self.source == source && self.written.as_ref() == written
    }

    pub(in super::super) fn config(&self) -> &AuthConfig {
        &self.config
    }

    /// The state as of the last refresh.
    pub(in super::super) fn state(&self) -> Arc<AuthState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the secrets again, and logs what changes for the source.
    pub(in super::super) async fn refresh(&self, secrets: &Secrets) {
        let (read, mut problems) = secrets.read_all(self.config.references()).await;
        let checks = self.config.checks(&read, &mut problems);
        let old = self.state();
        let new = old.next(checks, &problems);
        if self.is_served.load(Ordering::Relaxed) {
            self.log(&old, &new);
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// From now on, requests are checked by it. Logs what is wrong with it.
    pub(in super::super) fn serve(&self) {
        if !self.is_served.swap(true, Ordering::Relaxed) {
            let new = self.state();
            let (checks, sound_at) = (new.checks.clone(), new.sound_at);
            let sound = AuthState { checks, problems: Vec::new(), sound_at };
            self.log(&sound, &new);
        }
    }

    fn log(&self, old: &AuthState, new: &AuthState) {
        let (source, why) = (self.source.as_str(), new.problems.join("; "));
        if old.problems == new.problems && old.checks.is_some() == new.checks.is_some() {
            // Nothing changes.
        } else if new.checks.is_none() {
            tracing::warn!(source, why, "the source is not ready: its requests get 503");
        } else if !new.problems.is_empty() {
            tracing::warn!(source, why, "the source is ready, but has a problem with a secret");
        } else if !old.problems.is_empty() {
            tracing::info!(source, "the source is ready: all secrets can be read");
        }
    }

    /// Which secrets of the source cannot be used, in a sentence.
    pub(in super::super) fn problem(&self) -> Option<String> {
        let state = self.state();
        let (source, why) = (&self.source, state.problems.join("; "));
        match (&state.checks, state.problems.is_empty()) {
            (None, _) => Some(format!("`{source}` refuses its requests with 503: {why}")),
            (Some(_), false) => {
                Some(format!("`{source}` is ready, but has a problem with a secret: {why}"))
            }
            (Some(_), true) => None,
        }
    }
}
