//! Reloads a running runtime.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::watch::changed_files;
use super::{
    BoundSources, LoadAttempt, LoadedRules, ReloadError, ReloadReport, RuleChanges, RulesLoader,
    SourceHost,
};
use crate::clock::Clock;
use crate::engine::{Followers, watches};
use crate::files::FileStamps;
use crate::generation::{ActiveGeneration, Generation};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::triggers::Triggers;

/// Reloads the rules of a running runtime. Clones share it.
#[derive(Clone)]
pub struct Reloader {
    pub(crate) reload: Arc<Reload>,
}

/// What a reload works with.
pub(crate) struct Reload {
    pub(crate) active: ActiveGeneration,
    pub(crate) loader: Option<Arc<dyn RulesLoader>>,
    pub(crate) host: SourceHost,
    pub(crate) triggers: Triggers,
    pub(crate) followers: Followers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    /// Locked during a reload: there is one at a time.
    pub(crate) state: tokio::sync::Mutex<ReloadState>,
    /// Why the last reload failed, if it did.
    pub(crate) warning: Mutex<Option<String>>,
}

#[derive(Default)]
pub(crate) struct ReloadState {
    pub(crate) bound: BoundSources,
    /// What the files were when they were last read.
    pub(crate) files: FileStamps,
    /// Settings that were reported to take effect at the next start.
    pub(crate) at_next_start: Vec<String>,
}

impl ReloadState {
    pub(crate) fn new(bound: BoundSources, files: FileStamps) -> tokio::sync::Mutex<Self> {
        tokio::sync::Mutex::new(Self { bound, files, at_next_start: Vec::new() })
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    /// Loads the rules again, and uses them from now on.
    ///
    /// # Errors
    /// Why the rules in use stay. Nothing has changed then.
    pub async fn reload(&self) -> Result<ReloadReport, ReloadError> {
        // In a task of its own, so that it goes on if the caller does not wait.
        let reload = Arc::clone(&self.reload);
        let reloaded = tokio::spawn(async move { reload.load(None).await }).await;
        reloaded.unwrap_or(Err(ReloadError::Panicked))
    }

    /// Uses these rules from now on.
    ///
    /// # Errors
    /// Why the rules in use stay. Nothing has changed then.
    pub async fn apply(&self, rules: LoadedRules) -> Result<ReloadReport, ReloadError> {
        let reload = Arc::clone(&self.reload);
        let applied = tokio::spawn(async move {
            let mut state = reload.state.lock().await;
            let result = reload.apply(&mut state, Ok(rules)).await;
            reload.finish(result)
        });
        applied.await.unwrap_or(Err(ReloadError::Panicked))
    }

    /// Why the last reload failed and the rules in use may be old, in a sentence.
    pub fn warning(&self) -> Option<String> {
        self.reload.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Reload {
    /// Loads again. If it is because files have changed, these are the files as they were last read; nothing is done
    /// if somebody else has loaded them since.
    async fn load(&self, changed: Option<&FileStamps>) -> Result<ReloadReport, ReloadError> {
        let mut state = self.state.lock().await;
        let loader = self.loader.clone().ok_or(ReloadError::NoLoader)?;
        if changed.is_some_and(|known| *known != state.files) {
            return Ok(self.unchanged(&state));
        }
        let loaded = tokio::task::spawn_blocking(move || loader.load()).await;
        let result = match loaded {
            Ok(LoadAttempt { rules, files }) => {
                state.files = files;
                self.apply(&mut state, rules).await
            }
            Err(_panic) => Err(ReloadError::Panicked),
        };
        self.finish(result)
    }

    fn unchanged(&self, state: &ReloadState) -> ReloadReport {
        ReloadReport {
            hash: self.active.get().plan_hash.clone(),
            changes: RuleChanges::default(),
            at_next_start: state.at_next_start.clone(),
        }
    }

    /// Checks and prepares everything, and then changes it.
    async fn apply(
        &self,
        state: &mut ReloadState,
        rules: Result<LoadedRules, ReloadError>,
    ) -> Result<ReloadReport, ReloadError> {
        let LoadedRules { ruleset, fuses, at_next_start } = rules?;
        // Off the async threads: compiling takes long if there are many rules.
        let triggers = self.triggers.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let watches = watches(&ruleset, &triggers);
            (Generation::new(ruleset, fuses), watches)
        });
        let (next, watches) = compiled.await.map_err(|_panic| ReloadError::Panicked)?;
        let next = Arc::new(next);
        if let Some(kind) = unknown_trigger(&next, &self.triggers) {
            return Err(ReloadError::UnknownKind { what: "trigger", kind });
        }
        if self.host.stop.is_requested() {
            return Err(ReloadError::Stopping);
        }
        let sources = self.host.prepare(&state.bound, &next).await?;
        // From here on, nothing fails. Events of new routes are decided by the new rules, so these come first.
        let former = self.active.replace(Arc::clone(&next));
        let listened: BTreeSet<String> = state.bound.listening().into_iter().collect();
        self.host.commit(&mut state.bound, sources);
        let listening: BTreeSet<String> = state.bound.listening().into_iter().collect();
        self.metrics.rules_loaded(&next, self.clock.now());
        self.followers.follow(watches);
        let hash = next.plan_hash.clone();
        // The former generation is dropped there, too.
        let compared = tokio::task::spawn_blocking(move || {
            let count = next.ruleset.rules().count();
            let changes = RuleChanges::between((&former, &listened), (&next, &listening));
            (count, changes)
        });
        let (rules, changes) = compared.await.map_err(|_panic| ReloadError::Panicked)?;
        let what = if changes.is_empty() { "loaded again: nothing changed" } else { "reloaded" };
        tracing::info!(rules, hash, "{what}");
        changes.log();
        if at_next_start != state.at_next_start {
            if !at_next_start.is_empty() {
                let settings = at_next_start.join(", ");
                tracing::warn!(
                    settings,
                    "these settings have changed, and take effect at the next start"
                );
            }
            state.at_next_start.clone_from(&at_next_start);
        }
        Ok(ReloadReport { hash, changes, at_next_start })
    }

    /// Keeps what is reported of the result.
    fn finish(
        &self,
        result: Result<ReloadReport, ReloadError>,
    ) -> Result<ReloadReport, ReloadError> {
        let warning = match &result {
            Ok(_) | Err(ReloadError::Stopping) => None,
            Err(error) => {
                self.metrics.reload_failed();
                let why = error.line();
                tracing::error!(why, "cannot reload: the rules in use stay");
                Some(format!("the last reload failed, so the rules in use may be old: {why}"))
            }
        };
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = warning;
        result
    }

    /// Reloads when files change, until the shutdown.
    pub(crate) async fn watch(self: Arc<Self>, stop: Shutdown) {
        loop {
            let files = self.state.lock().await.files.clone();
            tokio::select! {
                () = stop.requested() => return,
                () = changed_files(&files) => {}
            }
            // What failed is logged, and the next change is a new attempt.
            let _reported = self.load(Some(&files)).await;
        }
    }
}

/// A kind of trigger that the rules use and that does not exist.
pub(crate) fn unknown_trigger(generation: &Generation, triggers: &Triggers) -> Option<String> {
    generation.used_triggers.iter().find(|kind| triggers.get(kind).is_none()).cloned()
}
