//! The secrets of sources in memory, which are read again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::{AuthConfig, Checks};
use crate::secrets::Secrets;
use crate::sources::SourceContext;

/// How often the secrets are read again. A rotated secret counts within two seconds, and a file on a network may
/// take a while.
const REFRESH_AFTER: Duration = Duration::from_secs(1);

/// The authentication of one source.
pub(in super::super) struct SourceAuth {
    source: String,
    config: AuthConfig,
    state: RwLock<Arc<AuthState>>,
}

/// Whether the secrets of a source can be used.
pub(in super::super) enum AuthState {
    /// They are in these checks.
    Ready(Checks),
    /// They cannot; why, in phrases.
    NotReady(Vec<String>),
}

impl std::fmt::Debug for SourceAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceAuth").field("source", &self.source).finish_non_exhaustive()
    }
}

impl SourceAuth {
    /// Reads the secrets for the first time.
    pub(in super::super) async fn new(source: &str, config: AuthConfig, secrets: &Secrets) -> Self {
        let state = RwLock::new(Arc::new(AuthState::NotReady(Vec::new())));
        let auth = Self { source: source.to_owned(), config, state };
        auth.refresh(secrets).await;
        auth
    }

    pub(in super::super) fn config(&self) -> &AuthConfig {
        &self.config
    }

    /// The state as of the last refresh.
    pub(in super::super) fn state(&self) -> Arc<AuthState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the secrets again, and logs if the source becomes ready or stops being so.
    pub(super) async fn refresh(&self, secrets: &Secrets) {
        let new = match self.config.checks(secrets).await {
            Ok(checks) => AuthState::Ready(checks),
            Err(problems) => {
                AuthState::NotReady(problems.iter().map(ToString::to_string).collect())
            }
        };
        let source = self.source.as_str();
        match (&*self.state(), &new) {
            (AuthState::NotReady(old), AuthState::NotReady(new)) if old == new => {}
            (_, AuthState::NotReady(why)) => {
                let why = why.join("; ");
                tracing::warn!(source, why, "the source is not ready: its requests get 503");
            }
            (AuthState::NotReady(old), AuthState::Ready(_)) if !old.is_empty() => {
                tracing::info!(source, "the secrets can be read now: the source is ready");
            }
            (_, AuthState::Ready(_)) => {}
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// Why the source is not ready, in a sentence.
    fn problem(&self) -> Option<String> {
        match &*self.state() {
            AuthState::Ready(_) => None,
            AuthState::NotReady(why) => {
                let (source, why) = (&self.source, why.join("; "));
                Some(format!("`{source}` refuses its requests with 503: {why}"))
            }
        }
    }
}

/// Reads the secrets of all sources again until the shutdown, and reports those that are not ready.
pub(in super::super) async fn keep_fresh(sources: Vec<Arc<SourceAuth>>, context: SourceContext) {
    let mut was_failing = false;
    loop {
        let problems: Vec<String> = sources.iter().filter_map(|auth| auth.problem()).collect();
        if !problems.is_empty() {
            context.health().failing(problems.join("; "));
        } else if was_failing {
            context.health().ok();
        }
        was_failing = !problems.is_empty();
        tokio::select! {
            () = context.shutdown().requested() => return,
            () = tokio::time::sleep(REFRESH_AFTER) => {}
        }
        for auth in &sources {
            auth.refresh(context.secrets()).await;
        }
    }
}
