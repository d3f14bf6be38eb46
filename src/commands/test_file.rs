//! Adds tests to files of rules.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use fuse_rules::literals::quoted;
use fuse_rules::{Loader as _, Ruleset};
use fuse_runtime::{Disk, read_error};

use super::known_kinds;
use super::replace::replace;

/// Adds tests to a file, which is created if it does not exist. Tests that it already has are left out. Returns how
/// many were added. `files` are those that the rules were loaded from.
pub(super) fn add_tests(
    path: &Path,
    ruleset: &Ruleset,
    files: &[String],
    tests: &[&str],
) -> Result<usize, String> {
    let failed = |error: std::io::Error| format!("`{}` cannot be written: {error}", path.display());
    let (before, exists) = match std::fs::read_to_string(path) {
        Ok(text) => (text, true),
        Err(error) if error.kind() == ErrorKind::NotFound => (String::new(), false),
        Err(error) => return Err(read_error(path, &error)),
    };
    let loaded = ruleset.files().iter().map(|file| file.name()).find(|name| is_same(name, path));
    let mut text = before.clone();
    // A file of the rules sees what its own tests need, or names it itself.
    if loaded.is_none() {
        add_uses(&mut text, path, ruleset)?;
    }
    let mut added = 0;
    for test in tests {
        let head = test.lines().next().unwrap_or_default();
        if !text.contains(head) {
            text.push('\n');
            text.push_str(test);
            added += 1;
        }
    }
    if added == 0 {
        return Ok(0);
    }
    let shown = path.to_string_lossy();
    let name = loaded.unwrap_or(&shown);
    let text = fuse_rules::format(name, &text)
        .map_err(|problems| format!("the tests cannot be added to `{shown}`: {problems}"))?;
    let overlay = |asked: &str| if asked == name { Ok(text.clone()) } else { Disk.load(asked) };
    let names: Vec<&str> = files.iter().map(String::as_str).chain([name]).collect();
    if let Err(problems) = Ruleset::load_in_detail(&names, &overlay, &known_kinds()) {
        return Err(format!("the tests cannot be added to `{shown}`:\n\n{problems}"));
    }
    if exists {
        replace(path, &text).map_err(failed)?;
    } else {
        std::fs::write(path, &text).map_err(failed)?;
    }
    Ok(added)
}

/// Whether two paths lead to one file.
fn is_same(name: &str, path: &Path) -> bool {
    let (name, path) = (Path::new(name).canonicalize(), path.canonicalize());
    name.is_ok_and(|name| path.is_ok_and(|path| name == path))
}

/// Adds a `use` for each file of the rules that a file does not import yet.
pub(super) fn add_uses(text: &mut String, path: &Path, ruleset: &Ruleset) -> Result<(), String> {
    let mut uses = String::new();
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    for file in ruleset.files().iter().map(|file| file.name()) {
        if !file.ends_with(".rules") || !Path::new(file).exists() || is_same(file, path) {
            continue;
        }
        let name = relative(folder.unwrap_or(Path::new(".")), Path::new(file))?;
        let line = format!("use {}\n", quoted(&name));
        if !text.contains(&line) {
            uses.push_str(&line);
        }
    }
    let before = text.find("\ntest ").map_or(text.len(), |at| at + 1);
    text.insert_str(before, &uses);
    Ok(())
}

/// The path of a file relative to a folder.
fn relative(folder: &Path, file: &Path) -> Result<String, String> {
    let whole = |path: &Path| path.canonicalize().map_err(|error| read_error(path, &error));
    let (folder, file) = (whole(folder)?, whole(file)?);
    let shared = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(file.components().skip(shared)).collect();
    Ok(path.to_string_lossy().into_owned())
}
