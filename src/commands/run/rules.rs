//! Reads the rules and the configuration of `fuse run`: at the start, and for each reload.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use fuse_rules::{LoadCache, Registry, Ruleset};
use fuse_runtime::{
    ConfigError, ConfigFile, ConfiguredFuses, FileStamps, LoadAttempt, LoadedRules, ReloadError,
    RulesLoader, TrackedDisk, rule_files,
};

use super::super::{accept, known_kinds};
use crate::cli::RulePaths;

/// Where the rules and the configuration are.
pub(super) struct RunRules {
    paths: Vec<PathBuf>,
    config: Option<PathBuf>,
    kinds: Registry,
    /// Whether the configuration was read from its file at least once.
    has_config: AtomicBool,
    /// What the last load knows about the files, so that a reload checks only those that changed.
    cache: Mutex<LoadCache>,
}

/// What was read, and what the files were then.
pub(super) struct Reading {
    pub(super) started: Result<Started, ReloadError>,
    pub(super) files: FileStamps,
    /// The fuses that the configuration switches off, whatever the rules are.
    fuses_off: BTreeSet<String>,
}

/// What was read at the start.
pub(super) struct Started {
    pub(super) config: ConfigFile,
    pub(super) ruleset: Ruleset,
    pub(super) fuses: ConfiguredFuses,
}

impl RunRules {
    pub(super) fn new(rules: RulePaths) -> Self {
        Self {
            paths: rules.paths,
            config: rules.config,
            kinds: known_kinds(),
            has_config: AtomicBool::new(false),
            cache: Mutex::default(),
        }
    }

    /// Reads everything.
    pub(super) fn read(&self) -> Reading {
        let disk = TrackedDisk::default();
        let mut fuses_off = BTreeSet::new();
        let started = self.read_from(&disk, &mut fuses_off);
        Reading { started, files: disk.stamps(), fuses_off }
    }

    fn read_from(
        &self,
        disk: &TrackedDisk,
        fuses_off: &mut BTreeSet<String>,
    ) -> Result<Started, ReloadError> {
        // All of it is tracked first, so that each cause of a failure can be fixed.
        for path in &self.paths {
            disk.track_file(path);
            disk.track_folder(path, "rules");
        }
        let config = self.config(disk)?;
        let environment = |name: &str| std::env::var(name).ok();
        *fuses_off = config.config.fuses_off(&environment);
        let files = rule_files(&self.paths)?;
        let ruleset = {
            // A load changes it at its end only.
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            Ruleset::load_with(&files, disk, &self.kinds, &mut cache)?
        };
        let ruleset = accept(ruleset, &config.config)?;
        let fuses = config.config.fuses(&ruleset, &environment)?;
        Ok(Started { config, ruleset, fuses })
    }

    /// The configuration. A file that was there before is not optional: without it, fuses would be at their defaults
    /// while somebody replaces it.
    fn config(&self, disk: &TrackedDisk) -> Result<ConfigFile, ConfigError> {
        let path = self.config.clone().unwrap_or_else(|| PathBuf::from("fuse.toml"));
        disk.track_file(&path);
        let exists = path.exists();
        if !exists && self.has_config.load(Ordering::Relaxed) {
            return Err(ConfigError::Gone { path: path.display().to_string() });
        }
        if !exists && self.config.is_none() {
            return Ok(ConfigFile::default());
        }
        let config = ConfigFile::read(&path)?;
        self.has_config.store(true, Ordering::Relaxed);
        Ok(config)
    }

    /// The loader for reloads.
    pub(super) fn loader(self, start: ConfigFile) -> impl RulesLoader {
        ReloadRules { rules: self, start }
    }
}

struct ReloadRules {
    rules: RunRules,
    /// The configuration of the start.
    start: ConfigFile,
}

impl RulesLoader for ReloadRules {
    fn load(&self) -> LoadAttempt {
        let Reading { started, files, fuses_off } = self.rules.read();
        let rules = started.map(|Started { config, ruleset, fuses }| {
            LoadedRules::new(ruleset, fuses).at_next_start(config.at_next_start(&self.start))
        });
        LoadAttempt::new(rules, files).with_fuses_off(fuses_off)
    }
}
