//! Where the texts of rule files come from, and how their names are resolved.

use std::collections::BTreeMap;

/// Where the texts of files come from. The library itself reads nothing.
///
/// Names are as the caller gives them, with `/` between folders; a `use` is resolved against the
/// name of the file it stands in. Any `Fn(&str) -> Result<String, String>` is a loader.
pub trait Loader {
    /// The text of a file.
    ///
    /// # Errors
    /// Why there is none, in a few lower-case words.
    fn load(&self, name: &str) -> Result<String, String>;
}

impl<F: Fn(&str) -> Result<String, String>> Loader for F {
    fn load(&self, name: &str) -> Result<String, String> {
        self(name)
    }
}

/// Files in memory, by name.
impl Loader for BTreeMap<&str, &str> {
    fn load(&self, name: &str) -> Result<String, String> {
        self.get(name).map(|text| (*text).to_owned()).ok_or_else(|| "there is no such file".into())
    }
}

/// A used file's name, from the name of the file that uses it.
pub(crate) fn resolved(from: &str, used: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    match used.strip_prefix('/') {
        Some(_) => used.to_owned(),
        None if folder.is_empty() && !from.starts_with('/') => normalized(used),
        None => normalized(&format!("{folder}/{used}")),
    }
}

/// The name without `.` and `..` where they can be taken out.
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
