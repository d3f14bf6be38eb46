//! Reloads a running runtime.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::MutexGuard;

use super::load::{Cause, LastLoad};
use super::{
    BoundSources, LoadedRules, ReloadError, ReloadReport, RuleChanges, RulesLoader, SourceHost,
};
use crate::admin::Approvers;
use crate::clock::Clock;
use crate::engine::{Followers, watches};
use crate::files::FileStamps;
use crate::generation::{ActiveGeneration, Generation};
use crate::metrics::Metrics;
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
    /// Who may approve what rules do.
    pub(crate) approvers: Approvers,
    pub(crate) followers: Followers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    /// Locked during a reload: there is one at a time.
    pub(crate) state: tokio::sync::Mutex<ReloadState>,
    /// How many loads have begun.
    pub(crate) begun: AtomicU64,
    /// Why the last reload failed, if it did.
    pub(crate) warning: Mutex<Option<String>>,
}

#[derive(Default)]
pub(crate) struct ReloadState {
    bound: BoundSources,
    /// What the files were when they were last read.
    pub(super) files: FileStamps,
    /// Settings that were reported to take effect at the next start.
    pub(super) at_next_start: Vec<String>,
    pub(super) last: Option<LastLoad>,
    /// Fuses that were switched off although the reload failed.
    pub(super) switched_off: BTreeSet<String>,
}

impl ReloadState {
    pub(crate) fn new(bound: BoundSources, files: FileStamps) -> tokio::sync::Mutex<Self> {
        tokio::sync::Mutex::new(Self { bound, files, ..Self::default() })
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    /// Loads the rules again, and uses them from now on. If another reload begins in the meantime, this one returns
    /// its result.
    ///
    /// # Errors
    /// Why the rules in use stay. Nothing has changed then, except that fuses that
    /// [must be off](crate::LoadAttempt::fuses_off) are off.
    pub async fn reload(&self) -> Result<ReloadReport, ReloadError> {
        let cause = Cause::Asked { begun: self.reload.begun.load(Ordering::SeqCst) };
        self.reload.load_in_task(cause).await
    }

    /// Uses these rules from now on.
    ///
    /// # Errors
    /// Why the rules in use stay. Nothing has changed then.
    pub async fn apply(&self, rules: LoadedRules) -> Result<ReloadReport, ReloadError> {
        let reload = Arc::clone(&self.reload);
        let applying = async move {
            let mut state = reload.locked().await?;
            let result = reload.apply(&mut state, Ok(rules), Instant::now()).await;
            reload.finish(&mut state, result)
        };
        self.reload.in_task(applying).await
    }

    /// Why the last reload failed and the rules in use may be old, in a sentence.
    pub fn warning(&self) -> Option<String> {
        self.reload.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Reload {
    /// Waits until no other reload runs.
    pub(super) async fn locked(&self) -> Result<MutexGuard<'_, ReloadState>, ReloadError> {
        tokio::select! {
            biased;
            () = self.host.stop.requested() => Err(ReloadError::Stopping),
            state = self.state.lock() => Ok(state),
        }
    }

    /// Runs work in a task of its own, which goes on if the caller stops waiting. The caller stops waiting once the
    /// shutdown is requested.
    pub(super) async fn in_task(
        &self,
        work: impl Future<Output = Result<ReloadReport, ReloadError>> + Send + 'static,
    ) -> Result<ReloadReport, ReloadError> {
        let task = tokio::spawn(work);
        tokio::select! {
            biased;
            result = task => match result {
                Ok(result) => result,
                Err(_panic) => {
                    self.warn(&ReloadError::Panicked, &BTreeSet::new());
                    Err(ReloadError::Panicked)
                }
            },
            () = self.host.stop.requested() => Err(ReloadError::Stopping),
        }
    }

    /// Checks and prepares everything, and then changes it. Logs how long that takes since the load began.
    pub(super) async fn apply(
        &self,
        state: &mut ReloadState,
        rules: Result<LoadedRules, ReloadError>,
        began: Instant,
    ) -> Result<ReloadReport, ReloadError> {
        let LoadedRules { ruleset, fuses, at_next_start } = rules?;
        let loaded = began.elapsed();
        // Off the async threads: compiling takes long if there are many rules.
        let triggers = self.triggers.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let watches = watches(&ruleset, &triggers);
            (Generation::new(ruleset, fuses), watches)
        });
        let (next, watches) = compiled.await.map_err(|_panic| ReloadError::Panicked)?;
        let compiled = began.elapsed();
        if let Some(kind) = unknown_trigger(&next, &self.triggers) {
            return Err(ReloadError::UnknownKind { what: "trigger", kind });
        }
        if let Some(missing) = self.approvers.missing(&next) {
            return Err(missing.into());
        }
        if self.host.stop.is_requested() {
            return Err(ReloadError::Stopping);
        }
        let sources = self.host.prepare(&state.bound, &next).await?;
        // Ports that are opened after the stop would not be served.
        if self.host.stop.is_requested() {
            return Err(ReloadError::Stopping);
        }
        // From here on, nothing fails. Events of new routes are decided by the new rules, so these come first.
        let (former, next) = self.active.replace(self.clock.steady(), |_| next);
        let listened: BTreeSet<String> = state.bound.listening().into_iter().collect();
        self.host.commit(&mut state.bound, sources);
        let listening: BTreeSet<String> = state.bound.listening().into_iter().collect();
        self.metrics.rules_loaded(&next, self.clock.now());
        self.followers.follow(watches).await;
        let took = began.elapsed();
        tracing::debug!(?loaded, ?compiled, ?took, "the times of a reload, from its beginning");
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let hash = next.plan_hash.clone();
        // The former generation is dropped there, too.
        let compared = tokio::task::spawn_blocking(move || {
            let count = next.ruleset.rules().count();
            let changes = RuleChanges::between((&former, &listened), (&next, &listening));
            (count, changes)
        });
        let changes = match compared.await {
            Ok((rules, changes)) => {
                let is_same = changes.is_empty();
                let what = if is_same { "loaded again: nothing changed" } else { "reloaded" };
                tracing::info!(rules, hash, took_ms, "{what}");
                changes.log();
                changes
            }
            Err(_panic) => {
                tracing::error!(
                    "reloaded; naming the changes failed inside fuse; please report it"
                );
                RuleChanges::default()
            }
        };
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

    /// Records the result for the log, the metrics and [`Reloader::warning`].
    pub(super) fn finish(
        &self,
        state: &mut ReloadState,
        result: Result<ReloadReport, ReloadError>,
    ) -> Result<ReloadReport, ReloadError> {
        match &result {
            Ok(_) => {
                state.switched_off.clear();
                state.last = None;
                *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Err(ReloadError::Stopping) => {}
            Err(error) => self.warn(error, &state.switched_off),
        }
        result
    }

    /// Reports a reload that failed.
    fn warn(&self, error: &ReloadError, switched_off: &BTreeSet<String>) {
        self.metrics.reload_failed();
        let why = error.line();
        let mut warning = format!("the last reload failed, so the rules in use may be old: {why}");
        if switched_off.is_empty() {
            tracing::error!(why, "cannot reload: the rules in use stay");
        } else {
            let fuses = switched_off.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::error!(
                why,
                switched_off = fuses,
                "cannot reload: the rules in use stay, with these fuses off"
            );
            let _infallible = write!(warning, "; switched off nevertheless: {fuses}");
        }
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(warning);
    }
}

/// A kind of trigger that the rules use and that does not exist.
pub(crate) fn unknown_trigger(generation: &Generation, triggers: &Triggers) -> Option<String> {
    generation.used_triggers.iter().find(|kind| triggers.get(kind).is_none()).cloned()
}
