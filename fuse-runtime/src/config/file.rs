//! `fuse.toml` as a file: its content, and what a later version of it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Config, ConfigError};
use crate::files::in_words;

/// The sections that a reload applies, or that only other commands read. All others take effect at the next start.
const RELOADED: [&str; 3] = ["fuses", "rules", "lint"];

/// A configuration, with the text that it was read from.
///
/// ```
/// use fuse_runtime::ConfigFile;
///
/// let start: ConfigFile = "[state]\nkeep = '7d'\n[fuses]\na = true".parse()?;
/// let now: ConfigFile = "[listen]\nmax_buffered = '8MiB'\n[fuses]\na = false".parse()?;
/// assert_eq!(now.at_next_start(&start), ["listen.max_buffered", "state.keep"]);
/// # Ok::<(), fuse_runtime::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// The configuration.
    pub config: Config,
    text: String,
}

impl std::str::FromStr for ConfigFile {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Ok(Self { config: text.parse()?, text: text.to_owned() })
    }
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML, or has an unknown or mistyped field.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: shown.clone(),
            why: in_words(&error),
        })?;
        text.parse().map_err(|error| match error {
            ConfigError::Invalid(why) => ConfigError::Invalid(format!("{shown}: {why}")),
            other => other,
        })
    }

    /// The settings that differ from those of the start and take effect at the next start, sorted.
    pub fn at_next_start(&self, start: &Self) -> Vec<String> {
        let (was, is) = (start.settings(), self.settings());
        let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        names.into_iter().filter(|name| was.get(*name) != is.get(*name)).cloned().collect()
    }

    /// The settings by their full names.
    fn settings(&self) -> BTreeMap<String, toml::Value> {
        let mut found = BTreeMap::new();
        // It was valid when it was read.
        for (section, value) in self.text.parse::<toml::Table>().unwrap_or_default() {
            match value {
                _ if RELOADED.contains(&section.as_str()) => {}
                toml::Value::Table(fields) => {
                    found.extend(fields.into_iter().map(|(k, v)| (format!("{section}.{k}"), v)));
                }
                value => {
                    found.insert(section, value);
                }
            }
        }
        found
    }
}
