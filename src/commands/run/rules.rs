//! Reads the rules and the configuration of `fuse run`: at the start, and for each reload.

use std::path::PathBuf;

use fuse_rules::{Fuses, Registry, Ruleset};
use fuse_runtime::{
    ConfigFile, FileStamps, LoadAttempt, LoadedRules, ReloadError, RulesLoader, TrackedDisk,
    rule_files,
};

use super::super::{accept, known_kinds};
use crate::cli::RulePaths;

/// Where the rules and the configuration are.
pub(super) struct RunRules {
    paths: Vec<PathBuf>,
    config: Option<PathBuf>,
    kinds: Registry,
}

/// What was read at the start.
pub(super) struct Started {
    pub(super) config: ConfigFile,
    pub(super) ruleset: Ruleset,
    pub(super) fuses: Fuses,
}

impl RunRules {
    pub(super) fn new(rules: RulePaths) -> Self {
        Self { paths: rules.paths, config: rules.config, kinds: known_kinds() }
    }

    /// Reads everything, and what the files were then.
    pub(super) fn read(&self) -> (Result<Started, ReloadError>, FileStamps) {
        let disk = TrackedDisk::default();
        let read = self.read_from(&disk);
        (read, disk.stamps())
    }

    fn read_from(&self, disk: &TrackedDisk) -> Result<Started, ReloadError> {
        // All of it is tracked first, so that each cause of a failure can be fixed.
        for path in &self.paths {
            disk.track_file(path);
            disk.track_folder(path, "rules");
        }
        let config = self.config.clone().unwrap_or_else(|| PathBuf::from("fuse.toml"));
        disk.track_file(&config);
        let config = match self.config.is_some() || config.exists() {
            true => ConfigFile::read(&config)?,
            false => ConfigFile::default(),
        };
        let ruleset = Ruleset::load(&rule_files(&self.paths)?, disk, &self.kinds)?;
        let ruleset = accept(ruleset, &config.config)?;
        let environment = |name: &str| std::env::var(name).ok();
        let fuses = config.config.fuses(&ruleset, &environment)?;
        Ok(Started { config, ruleset, fuses })
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
        let (read, files) = self.rules.read();
        let rules = read.map(|Started { config, ruleset, fuses }| {
            LoadedRules::new(ruleset, fuses).at_next_start(config.at_next_start(&self.start))
        });
        LoadAttempt { rules, files }
    }
}
