//! Loads the rules again: when somebody asks for it, and when files change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::reloader::{Reload, ReloadState};
use super::watch::changed_files;
use super::{LoadAttempt, ReloadError, ReloadReport, RuleChanges};
use crate::files::FileStamps;
use crate::generation::Generation;
use crate::shutdown::Shutdown;

/// How often fuse repeats a reload that failed because of a port or a secret.
const RETRY_EVERY: Duration = Duration::from_secs(30);

/// The last time that the loader was used.
pub(super) struct LastLoad {
    /// Its number, counted from 1.
    pub(super) number: u64,
    pub(super) result: Result<ReloadReport, ReloadError>,
}

/// Why the rules are loaded.
pub(super) enum Cause {
    /// Somebody asked for it, when this many loads had begun.
    Asked { begun: u64 },
    /// Files changed.
    Changed {
        /// What they were when they were last read.
        known: FileStamps,
        seen: FileStamps,
    },
    /// The last reload failed, and may succeed now.
    Retry,
}

impl ReloadState {
    /// Whether the last reload failed, and may succeed without a change of the files: a port may be free by now, or
    /// a secret exist.
    fn may_recover(&self) -> bool {
        let last = self.last.as_ref();
        last.is_some_and(|last| matches!(last.result, Err(ReloadError::Source(_))))
    }
}

impl Reload {
    pub(super) async fn load_in_task(
        self: &Arc<Self>,
        cause: Cause,
    ) -> Result<ReloadReport, ReloadError> {
        let this = Arc::clone(self);
        self.in_task(async move { this.load(cause).await }).await
    }

    async fn load(&self, cause: Cause) -> Result<ReloadReport, ReloadError> {
        let mut state = self.locked().await?;
        let loader = self.loader.clone().ok_or(ReloadError::NoLoader)?;
        match cause {
            Cause::Asked { begun } => {
                if let Some(last) = state.last.as_ref().filter(|last| last.number > begun) {
                    return last.result.clone();
                }
            }
            // Another load has run since, and may have read these files.
            Cause::Changed { known, .. } if known != state.files => {
                return Ok(self.unchanged(&state));
            }
            // Kept before anything can fail, so that the same change is not tried again and again.
            Cause::Changed { seen, .. } => state.files = seen,
            Cause::Retry if !state.may_recover() => return Ok(self.unchanged(&state)),
            Cause::Retry => {}
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let began = Instant::now();
        let loaded = tokio::task::spawn_blocking(move || loader.load()).await;
        let result = match loaded {
            Ok(LoadAttempt { rules, files, fuses_off }) => {
                state.files = files;
                let result = self.apply(&mut state, rules, began).await;
                if !matches!(result, Ok(_) | Err(ReloadError::Stopping)) {
                    self.switch_off(&mut state, &fuses_off);
                }
                result
            }
            Err(_panic) => Err(ReloadError::Panicked),
        };
        let result = self.finish(&mut state, result);
        state.last = Some(LastLoad { number, result: result.clone() });
        result
    }

    fn unchanged(&self, state: &ReloadState) -> ReloadReport {
        ReloadReport {
            hash: self.active.get().plan_hash.clone(),
            changes: RuleChanges::default(),
            at_next_start: state.at_next_start.clone(),
        }
    }

    /// Switches fuses of the rules in use off.
    fn switch_off(&self, state: &mut ReloadState, fuses: &BTreeSet<String>) {
        let (former, next) =
            self.active.replace(self.clock.steady(), |current| current.configured_off(fuses));
        if former.states != next.states {
            self.metrics.fuse_values(&next);
        }
        // A fuse that is switched on at run time stays on.
        let is_off = |name: &&String| {
            let on = |generation: &Generation| generation.states.get(*name).map(|state| state.on);
            on(&former) == Some(true) && on(&next) == Some(false)
        };
        state.switched_off.extend(fuses.iter().filter(is_off).cloned());
    }

    /// Reloads when files change, until the shutdown. Repeats a reload that failed because of a port or a secret.
    pub(crate) async fn watch(self: Arc<Self>, stop: Shutdown) {
        let reloading = async {
            loop {
                let known = self.state.lock().await.files.clone();
                let cause = tokio::select! {
                    seen = changed_files(&known) => Cause::Changed { seen, known: known.clone() },
                    () = self.recoverable() => Cause::Retry,
                };
                // The result is in the log.
                let _reported = self.load_in_task(cause).await.is_ok();
            }
        };
        tokio::select! {
            () = stop.requested() => {}
            () = reloading => {}
        }
    }

    /// Waits until it is time to repeat a reload that failed.
    async fn recoverable(&self) {
        loop {
            tokio::time::sleep(RETRY_EVERY).await;
            if self.state.lock().await.may_recover() {
                return;
            }
        }
    }
}
