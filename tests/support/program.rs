//! Programs of others that tests run.

use std::io::Write as _;
use std::path::PathBuf;

/// A program that a test needs: what the variable says, else the first of these on the path.
///
/// Where there is none the test is skipped, and says so past the test harness, which would keep it
/// to itself. Where `CI` is set it fails.
pub(crate) fn program(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).map(PathBuf::from) {
        assert!(path.is_file(), "{variable} is `{}`, which is no file", path.display());
        return Some(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        let why =
            format!("there is no {} on the path, and {variable} is not set", names.join(" or "));
        skipped(&why);
    }
    found
}

/// Says that a test is skipped, and why. Where `CI` is set it fails instead.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}, and in CI nothing is skipped");
    let _ok = writeln!(std::io::stderr(), "SKIPPED, since {why}");
}
