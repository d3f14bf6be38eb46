//! `fuse.toml`, and the values of fuses by the environment and the file.

mod admin;
mod backend;
mod file;
mod listen;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fuse_rules::Ruleset;
use fuse_rules::lint::{Level, Lint, Lints};
use fuse_rules::literals::{parse_duration, parse_size, parse_switch};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

pub use admin::{AdminConfig, AdminToken, TokenReviewConfig};
pub use backend::{BackendConfig, BackendKind};
pub use file::ConfigFile;
pub use listen::ListenConfig;

use crate::fuses::ConfiguredFuses;
use crate::secrets::LocalSecrets;
use crate::store::SizeLimits;
use crate::triggers::HttpAddresses;

/// The content of `fuse.toml`. Every field is optional.
///
/// ```
/// let config: fuse_runtime::Config = r#"
///     [fuses]
///     cicd = "on"
///
///     [state]
///     dir = "/var/lib/fuse"
///     keep = "7d"
/// "#
/// .parse()?;
/// assert_eq!(config.state.keep.as_secs(), 7 * 24 * 3600);
/// # Ok::<(), fuse_runtime::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Values of fuses, by name.
    pub fuses: BTreeMap<String, SwitchValue>,
    /// Where to listen.
    pub listen: ListenConfig,
    /// Who may use the admin port.
    pub admin: AdminConfig,
    /// Where the state is kept, and for how long.
    pub state: StateConfig,
    /// Where several replicas share the state.
    pub backend: BackendConfig,
    /// The cluster to act on.
    pub cluster: ClusterConfig,
    /// How long and how many actions are held that cannot be performed yet.
    pub held: HeldConfig,
    /// Where `--local` writes actions.
    pub local: LocalConfig,
    /// Where secrets are kept.
    pub secrets: SecretsConfig,
    /// Where HTTP triggers may send requests.
    pub http: HttpAddresses,
    /// Limits on rules.
    pub rules: RulesConfig,
    /// The levels of lints, by name, for `fuse lint` and `fuse check`.
    pub lint: BTreeMap<LintName, Level>,
}

/// The name of a lint, as `[lint]` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LintName(pub &'static Lint);

/// Networks and addresses, as in `10.0.0.0/8` and `192.0.2.1`.
pub(crate) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: &String| {
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        network.ok().filter(|network| network.trunc() == *network).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not a network; write one as in `10.0.0.0/8`, or an address"
            ))
        })
    };
    texts.iter().map(network).collect()
}

impl<'de> Deserialize<'de> for LintName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Lint::find(&name).map(Self).map_err(serde::de::Error::custom)
    }
}

/// `[rules]`: limits on rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesConfig {
    /// The cost that [`Ruleset::costs`] computes from assumed lengths: 10 billion. Rules above are not loaded.
    pub max_cost: u64,
    /// The same with the real lengths of the event's lists: 50,000,000. Above, the rule is rejected for this event.
    pub max_work: u64,
}

impl Default for RulesConfig {
    fn default() -> Self {
        // Three lists of any length in each other, but not four; `max_work` limits what they really cost.
        Self { max_cost: 10_000_000_000, max_work: 50_000_000 }
    }
}

/// `[cluster]`: the cluster to act on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// The kubeconfig. The default is `KUBECONFIG`, then `~/.kube/config`, then the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context. The default is its current one.
    pub context: Option<String>,
}

/// `[held]`: actions that are held until something missing exists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeldConfig {
    /// How long an action waits before it is a dead letter: `24h`.
    #[serde(deserialize_with = "duration")]
    pub keep: Duration,
    /// How many actions of one trigger are held or wait; further ones become dead letters: 10,000.
    pub max: usize,
}

impl Default for HeldConfig {
    fn default() -> Self {
        Self { keep: Duration::from_secs(24 * 3600), max: 10_000 }
    }
}

/// `[state]`: where the state is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// The state folder. The default is `.fuse`, or `.fuse-local` with `--local`.
    pub dir: Option<PathBuf>,
    /// How long settled events are kept in the ledger: `7d`. An event that a sender repeats after that counts as
    /// new.
    #[serde(deserialize_with = "duration")]
    pub keep: Duration,
    /// How many events may wait before senders get 503: 100,000.
    pub max_backlog: u64,
    /// The largest size of the database `fuse.redb`, as in `4GiB`; senders get 503 before it is reached. The default is no
    /// limit.
    #[serde(deserialize_with = "size_or_none")]
    pub max_size: Option<u64>,
    /// How much of the disk stays free; below it senders get 503: `32MiB`.
    #[serde(deserialize_with = "size")]
    pub min_free: u64,
    /// The memory for pages of the database: `32MiB`, and at least `1MiB`.
    #[serde(deserialize_with = "cache_size")]
    pub cache: u64,
}

impl Default for StateConfig {
    fn default() -> Self {
        let SizeLimits { max_size, min_free, cache } = SizeLimits::default();
        let keep = Duration::from_secs(7 * 24 * 3600);
        Self { dir: None, keep, max_backlog: 100_000, max_size, min_free, cache }
    }
}

impl StateConfig {
    /// The limits of the state as a whole.
    pub fn limits(&self) -> SizeLimits {
        SizeLimits { max_size: self.max_size, min_free: self.min_free, cache: self.cache }
    }
}

/// `[secrets]`: where secrets are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsConfig {
    /// The folder of named secrets: `secret("NAME", "KEY")` is the file `NAME/KEY` in it. The default is none.
    pub dir: Option<PathBuf>,
}

impl SecretsConfig {
    /// The secrets of this machine that rules can refer to.
    pub fn store(&self) -> LocalSecrets {
        self.dir.iter().fold(LocalSecrets::new(), LocalSecrets::dir)
    }
}

/// `[local]`: where `--local` writes actions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalConfig {
    /// The folder: `manifests`.
    pub out: PathBuf,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self { out: "manifests".into() }
    }
}

/// A fuse's value in TOML.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SwitchValue {
    /// `true`
    Bool(bool),
    /// `1`
    Number(i64),
    /// `"on"`
    Text(String),
}

impl SwitchValue {
    fn value(&self) -> Option<bool> {
        match self {
            Self::Bool(on) => Some(*on),
            Self::Number(number) => parse_switch(&number.to_string()),
            Self::Text(text) => parse_switch(text),
        }
    }
}

impl std::fmt::Display for SwitchValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("`{path}` cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The file was read before, and does not exist any more.
    #[error(
        "`{path}` is gone, and with it the values of fuses: restore it, or create an empty one to use the defaults"
    )]
    Gone {
        /// The file.
        path: String,
    },
    /// The file is not valid; the message shows where.
    #[error("{0}")]
    Invalid(String),
    /// A fuse's value is neither on nor off.
    #[error("{place} is `{value}`, but a fuse is `on`, `off`, `true`, `false`, `1` or `0`")]
    NotASwitch {
        /// The environment variable or the key.
        place: String,
        /// The value.
        value: String,
    },
    /// The file sets a fuse that the rules do not declare.
    #[error("`[fuses]` sets `{name}`, but no rule file declares that fuse{known}")]
    UnknownFuse {
        /// The name.
        name: String,
        /// The declared ones, for people.
        known: String,
    },
}

impl std::str::FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        admin::check_inline(text)?;
        let config: Self =
            toml::from_str(text).map_err(|error| ConfigError::Invalid(in_place(text, &error)))?;
        match config.backend.problem() {
            Some(problem) => Err(ConfigError::Invalid(format!("`[backend]`: {problem}"))),
            None => Ok(config),
        }
    }
}

/// The message of an error with its place. It does not quote the line, as the error does: the line may contain a token
/// that does not belong there, and the message is logged, and shown by `/readyz`.
fn in_place(text: &str, error: &toml::de::Error) -> String {
    let message = without_value(error.message().trim());
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: {message}")
        }
        None => message,
    }
}

/// A message without the text that is in place of another type: it may be a secret.
fn without_value(message: &str) -> String {
    for kind in ["invalid type: string ", "invalid value: string "] {
        if let Some(rest) = message.strip_prefix(kind)
            && let Some((_, expected)) = rest.rsplit_once(", expected ")
        {
            return format!("{}, expected {expected}", kind.trim_end());
        }
    }
    message.to_owned()
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML, or has an unknown or mistyped field.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Ok(ConfigFile::read(path)?.config)
    }

    /// The lints at the levels that `[lint]` gives them.
    pub fn lints(&self) -> Lints {
        let levels = self.lint.iter();
        levels.fold(Lints::default(), |lints, (name, level)| lints.level(name.0, *level))
    }

    /// The values of the fuses that the rules declare: from `FUSE_<NAME>` in the environment, which fixes them, then
    /// `[fuses]`. The others keep the rules' defaults. Only declared fuses are looked up.
    ///
    /// # Errors
    /// A value is neither on nor off, or the file sets a fuse that no rules declare.
    pub fn fuses(
        &self,
        ruleset: &Ruleset,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ConfiguredFuses, ConfigError> {
        let declared: Vec<&str> = ruleset.fuses().map(|fuse| fuse.name).collect();
        if let Some(name) = self.fuses.keys().find(|name| !declared.contains(&name.as_str())) {
            let known = match declared.as_slice() {
                [] => String::new(),
                all => format!("; declared are {}", all.join(", ")),
            };
            return Err(ConfigError::UnknownFuse { name: name.clone(), known });
        }
        let mut fuses = ConfiguredFuses::default();
        for name in declared {
            let variable = variable(name);
            if let Some(text) = environment(&variable) {
                let Some(on) = parse_switch(&text) else {
                    let place = format!("`{variable}`");
                    return Err(ConfigError::NotASwitch { place, value: text });
                };
                fuses = fuses.fix(name, on);
            } else if let Some(value) = self.fuses.get(name) {
                let Some(on) = value.value() else {
                    let place = format!("fuse `{name}` in `[fuses]`");
                    return Err(ConfigError::NotASwitch { place, value: value.to_string() });
                };
                fuses = fuses.set(name, on);
            }
        }
        Ok(fuses)
    }

    /// The fuses that are off by `[fuses]`, and that no `FUSE_<NAME>` in the environment sets. Unlike
    /// [`Config::fuses`], this needs no rules.
    ///
    /// ```
    /// let config: fuse_runtime::Config = "[fuses]\na = 'off'\nb = false\nc = true".parse()?;
    /// let environment = |name: &str| (name == "FUSE_B").then(|| "on".to_owned());
    /// assert_eq!(config.fuses_off(&environment), ["a".to_owned()].into());
    /// # Ok::<(), fuse_runtime::ConfigError>(())
    /// ```
    pub fn fuses_off(&self, environment: &dyn Fn(&str) -> Option<String>) -> BTreeSet<String> {
        let off = self.fuses.iter().filter(|(name, value)| {
            value.value() == Some(false) && environment(&variable(name)).is_none()
        });
        off.map(|(name, _)| name.clone()).collect()
    }
}

/// The environment variable of a fuse: `FUSE_` and the name in capitals, `-` as `_`.
pub fn variable(fuse: &str) -> String {
    format!("FUSE_{}", fuse.to_ascii_uppercase().replace('-', "_"))
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_size(&text).ok_or_else(|| {
        serde::de::Error::custom(format!("`{text}` is not a size; write one as in `64MiB`"))
    })
}

/// The smallest cache that is of use.
const MIN_CACHE: u64 = 1 << 20;

fn cache_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let cache = size(deserializer)?;
    match cache >= MIN_CACHE {
        true => Ok(cache),
        false => Err(serde::de::Error::custom("`cache` must be at least `1MiB`")),
    }
}

fn size_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size(deserializer).map(Some)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).and_then(|duration| duration.try_into().ok()).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is not a duration; write one as in `7d` or `1h30m`"
        ))
    })
}

#[cfg(test)]
mod tests;
