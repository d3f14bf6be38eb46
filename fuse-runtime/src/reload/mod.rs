//! Reloading: replaces the rules and fuses of a running runtime, all at once or not at all.
//!
//! ```text
//! load -> check the kinds -> compile -> prepare every source (open new ports)
//!      -> replace the generation -> serve the new events -> close old ports
//! ```
//! Everything that can fail comes before the first thing that changes. Work in progress goes on: an event that is
//! accepted and not decided is decided by the new rules, and an action keeps the decision that it comes from.

mod bound;
mod changes;
mod load;
mod reloader;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;

use fuse_rules::diagnostic::{Diagnostic, Severity};
use fuse_rules::{Diagnostics, Ruleset};

use crate::admin::NoApprover;
use crate::config::ConfigError;
use crate::files::{FileStamps, FilesError};
use crate::fuses::ConfiguredFuses;
use crate::sources::SourceError;

pub(crate) use bound::{BoundSources, PrepareError, SourceHost};
pub use changes::{FuseChange, RuleChanges};
pub use reloader::Reloader;
pub(crate) use reloader::{Reload, ReloadState, unknown_trigger};

/// Reads rules again for a reload: from files, or wherever an embedder keeps them.
///
/// ```no_run
/// use fuse_rules::{Fuses, Ruleset};
/// use fuse_runtime::sources::{Sources, Webhook};
/// use fuse_runtime::triggers::{ActionFiles, Triggers};
/// use fuse_runtime::{
///     LoadAttempt, LoadedRules, ReloadError, RulesLoader, TrackedDisk, registry, rule_files,
/// };
///
/// struct Folder {
///     sources: Sources,
///     triggers: Triggers,
/// }
///
/// impl RulesLoader for Folder {
///     fn load(&self) -> LoadAttempt {
///         let disk = TrackedDisk::default();
///         disk.track_folder("rules", "rules");
///         let rules = || -> Result<LoadedRules, ReloadError> {
///             let kinds = registry(&self.sources, &self.triggers);
///             let ruleset = Ruleset::load(&rule_files(&["rules"])?, &disk, &kinds)?;
///             Ok(LoadedRules::new(ruleset, Fuses::default()))
///         };
///         LoadAttempt::new(rules(), disk.stamps())
///     }
/// }
/// ```
pub trait RulesLoader: Send + Sync + 'static {
    /// Reads everything again. It may block.
    fn load(&self) -> LoadAttempt;
}

/// What a loader read.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoadAttempt {
    /// The rules, or why they cannot be used.
    pub rules: Result<LoadedRules, ReloadError>,
    /// What the files were when they were read. Once one of them changes, the runtime loads again.
    pub files: FileStamps,
    /// Fuses that must be off whatever else is wrong. If the reload fails, those of the rules in use are switched
    /// off; nothing switches a fuse on then.
    pub fuses_off: BTreeSet<String>,
}

impl LoadAttempt {
    /// Rules, or why they cannot be used, and what the files were.
    pub fn new(rules: Result<LoadedRules, ReloadError>, files: FileStamps) -> Self {
        Self { rules, files, fuses_off: BTreeSet::new() }
    }

    /// The same with fuses that must be off whatever else is wrong.
    #[must_use]
    pub fn with_fuses_off(self, fuses: BTreeSet<String>) -> Self {
        Self { fuses_off: fuses, ..self }
    }
}

/// Rules that can be used, with the values of their fuses.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoadedRules {
    /// The rules.
    pub ruleset: Ruleset,
    /// The values of their fuses.
    pub fuses: ConfiguredFuses,
    /// Settings that differ from those of the start, as in `state.keep`, and take effect at the next start.
    pub at_next_start: Vec<String>,
}

impl LoadedRules {
    /// Rules and the values of their fuses.
    pub fn new(ruleset: Ruleset, fuses: impl Into<ConfiguredFuses>) -> Self {
        Self { ruleset, fuses: fuses.into(), at_next_start: Vec::new() }
    }

    /// The same with settings that take effect at the next start.
    #[must_use]
    pub fn at_next_start(self, settings: Vec<String>) -> Self {
        Self { at_next_start: settings, ..self }
    }
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadReport {
    /// The hash of the rules in use from now on.
    pub hash: String,
    /// What is different.
    pub changes: RuleChanges,
    /// Settings that differ from those of the start, and take effect at the next start.
    pub at_next_start: Vec<String>,
}

/// Why a reload kept the rules in use.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The rules have problems.
    #[error("the rules have problems\n\n{0}")]
    Rules(Diagnostics),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The files of the rules cannot be listed.
    #[error(transparent)]
    Files(Arc<FilesError>),
    /// A source cannot be bound, for example because its port is in use.
    #[error(transparent)]
    Source(Arc<SourceError>),
    /// The rules use a source or trigger that is not part of the runtime.
    #[error("the rules use the {what} `{kind}`, which is not part of this runtime")]
    UnknownKind {
        /// `source` or `trigger`.
        what: &'static str,
        /// The kind.
        kind: String,
    },
    /// Nobody could approve what a rule does.
    #[error(transparent)]
    NoApprover(#[from] NoApprover),
    /// The runtime was started without a loader.
    #[error("this runtime has no loader of rules: start it with `Runtime::loader`")]
    NoLoader,
    /// The runtime is stopping.
    #[error("the runtime is stopping")]
    Stopping,
    /// Loading failed inside fuse.
    #[error("loading the rules failed inside fuse; please report it")]
    Panicked,
}

impl From<Diagnostics> for ReloadError {
    fn from(problems: Diagnostics) -> Self {
        Self::Rules(problems)
    }
}

impl From<FilesError> for ReloadError {
    fn from(error: FilesError) -> Self {
        Self::Files(Arc::new(error))
    }
}

impl From<SourceError> for ReloadError {
    fn from(error: SourceError) -> Self {
        Self::Source(Arc::new(error))
    }
}

impl ReloadError {
    /// The problem in one line, for logs and `/readyz`.
    pub(crate) fn line(&self) -> String {
        let Self::Rules(problems) = self else { return self.to_string() };
        let errors: Vec<&Diagnostic> =
            problems.iter().filter(|one| one.severity == Severity::Error).collect();
        let Some(first) = errors.first() else { return "the rules have problems".to_owned() };
        let place = first.label.as_ref().map(|label| problems.files().locate(label.span));
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        let more = match errors.len() {
            1 => String::new(),
            2 => "; one more problem".to_owned(),
            count => format!("; {} more problems", count - 1),
        };
        format!("{place}{} ({}){more}", first.message, first.topic)
    }
}
