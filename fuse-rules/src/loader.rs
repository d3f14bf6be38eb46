//! Loads the texts of rule files, and resolves their names.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// Why the text of a file cannot be loaded.
#[derive(Debug)]
pub struct LoadError {
    reason: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl LoadError {
    /// An error with its reason, as a few words in lower case, such as `there is no such file`.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), source: None }
    }

    /// An error with the error that caused it.
    pub fn with_source(
        reason: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { reason: reason.into(), source: Some(source.into()) }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

/// Loads the texts of files. The library itself reads no files.
///
/// Names are passed as the caller wrote them, with `/` between folders. A `use` is resolved
/// relative to the file that contains it. Any `Fn(&str) -> Result<String, LoadError>` is a loader,
/// and so is a map from names to texts:
///
/// ```
/// use std::collections::BTreeMap;
///
/// use fuse_rules::{LoadError, Loader, Registry, Ruleset};
///
/// let files = BTreeMap::from([
///     ("main.rules", "use \"teams.rules\""),
///     ("teams.rules", "const on-call = \"db\""),
/// ]);
/// Ruleset::load(&["main.rules"], &files, &Registry::new())?;
///
/// let nothing = |_: &str| Err(LoadError::new("the archive is closed"));
/// assert_eq!(nothing.load("main.rules").unwrap_err().to_string(), "the archive is closed");
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
pub trait Loader {
    /// The text of a file.
    ///
    /// # Errors
    /// The reason why the file cannot be loaded.
    fn load(&self, name: &str) -> Result<String, LoadError>;
}

impl<F: Fn(&str) -> Result<String, LoadError>> Loader for F {
    fn load(&self, name: &str) -> Result<String, LoadError> {
        self(name)
    }
}

/// Files in memory, by name.
impl Loader for BTreeMap<&str, &str> {
    fn load(&self, name: &str) -> Result<String, LoadError> {
        let text = self.get(name).map(|text| (*text).to_owned());
        text.ok_or_else(|| LoadError::new("there is no such file"))
    }
}

/// The name of a used file, relative to the file that uses it.
pub(crate) fn resolved(from: &str, used: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    match used.strip_prefix('/') {
        Some(_) => used.to_owned(),
        None if folder.is_empty() && !from.starts_with('/') => normalized(used),
        None => normalized(&format!("{folder}/{used}")),
    }
}

/// The name without `.` and `..`, where these can be resolved.
pub(crate) fn normalized(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "." => {}
            "" if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "")) => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_against_the_using_file() {
        assert_eq!(resolved("rules/a.rules", "b.rules"), "rules/b.rules");
        assert_eq!(resolved("rules/a.rules", "../x/./b.rules"), "x/b.rules");
        assert_eq!(resolved("a.rules", "b.rules"), "b.rules");
        assert_eq!(resolved("a.rules", "../b.rules"), "../b.rules");
        assert_eq!(resolved("/etc/a.rules", "b.rules"), "/etc/b.rules");
        assert_eq!(normalized("./rules//a.rules"), "rules/a.rules");
    }
}
