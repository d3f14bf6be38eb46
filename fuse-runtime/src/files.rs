//! Files of rules on disk.

mod stamps;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fuse_rules::{LoadError, Loader};

pub use stamps::{FileStamps, TrackedDisk};

/// Reads files of rules from disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

/// The largest file that is read as rules.
const MAX_FILE_BYTES: u64 = 64 << 20;

impl Loader for Disk {
    fn load(&self, name: &str) -> Result<String, LoadError> {
        let failed = |error| LoadError::with_source(in_words(&error), error);
        let size = std::fs::metadata(name).map_err(failed)?;
        if size.is_dir() {
            return Err(LoadError::new("it is a folder"));
        }
        if size.len() > MAX_FILE_BYTES {
            return Err(LoadError::new(format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20)));
        }
        let bytes = std::fs::read(name).map_err(failed)?;
        String::from_utf8(bytes).map_err(|error| {
            let from = error.utf8_error().valid_up_to();
            LoadError::with_source(format!("it is not UTF-8 from byte {from} on"), error)
        })
    }
}

/// The message that a file or folder cannot be read.
///
/// ```
/// let path = std::path::Path::new("/no/such.rules");
/// let error = std::fs::read(path).unwrap_err();
/// let message = fuse_runtime::read_error(path, &error);
/// assert_eq!(message, "`/no/such.rules` cannot be read: there is no such file");
/// ```
pub fn read_error(path: &Path, error: &std::io::Error) -> String {
    format!("`{}` cannot be read: {}", path.display(), in_words(error))
}

/// Why a file cannot be read.
pub(crate) fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "it may not be read".into(),
        _ => error.to_string(),
    }
}

/// Why the files of some paths cannot be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A path cannot be read.
    #[error("{}", read_error(path, source))]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A folder has no file of the kind.
    #[error("there is no `.{ending}` file in `{}`", folder.display())]
    Empty {
        /// The ending, as in `rules`.
        ending: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A file's name is not UTF-8.
    #[error("`{}` is not a name in UTF-8", path.display())]
    NotUtf8 {
        /// The file's path.
        path: PathBuf,
    },
}

/// The rule files at these paths. A path is a file, or a folder, which means the `.rules` files in it
/// (not in its subfolders), sorted.
///
/// # Errors
/// A path that cannot be read, or a folder without rules.
pub fn rule_files<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<String>, FilesError> {
    files_with_ending(paths, "rules")
}

/// The same for files with another ending, as in `json`. A file that several paths name is listed once.
///
/// # Errors
/// A path that cannot be read, or a folder without such files.
pub fn files_with_ending<P: AsRef<Path>>(
    paths: &[P],
    ending: &str,
) -> Result<Vec<String>, FilesError> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    let mut is_new = |path: &Path| match path.canonicalize() {
        Ok(whole) => seen.insert(whole),
        // Reading it says why.
        Err(_) => true,
    };
    for path in paths {
        let path = path.as_ref();
        let failed = |source| FilesError::Unreadable { path: path.to_owned(), source };
        if !std::fs::metadata(path).map_err(failed)?.is_dir() {
            if is_new(path) {
                files.push(name_of(path)?);
            }
            continue;
        }
        let mut inside: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            if entry.extension().is_some_and(|own| own == ending) && is_file(&entry)? {
                inside.push(entry);
            }
        }
        if inside.is_empty() {
            return Err(FilesError::Empty { ending: ending.to_owned(), folder: path.to_owned() });
        }
        inside.sort();
        for file in inside.iter().filter(|file| is_new(file)) {
            files.push(name_of(file)?);
        }
    }
    Ok(files)
}

/// Whether an entry of a folder is a file, and not a subfolder. A link that leads nowhere is an error: a
/// volume that is not mounted yet must not look like a folder without these rules.
fn is_file(path: &Path) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Unreadable { path: path.to_owned(), source };
    let what = std::fs::metadata(path).map_err(failed)?;
    if what.is_file() || what.is_dir() {
        return Ok(what.is_file());
    }
    // Reading a pipe would wait forever.
    Err(failed(std::io::Error::other("it is neither a file nor a folder")))
}

fn name_of(path: &Path) -> Result<String, FilesError> {
    match path.to_str() {
        Some(name) => Ok(name.to_owned()),
        None => Err(FilesError::NotUtf8 { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_the_rules_in_it_and_not_in_its_subfolders() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        for name in ["b.rules", "a.rules", "notes.txt", "sub/c.rules"] {
            std::fs::write(at(name), "").unwrap();
        }
        let files = rule_files(&[folder.path()]).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.rules", "b.rules"]);
        let twice = [folder.path().to_owned(), at("sub/../a.rules"), at("a.rules")];
        assert_eq!(rule_files(&twice).unwrap(), files);
        assert!(
            rule_files(&[at("none")]).unwrap_err().to_string().contains("there is no such file")
        );
    }

    #[test]
    fn what_a_folder_cannot_deliver_is_an_error_as_if_it_were_named() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub.rules")).unwrap();
        std::fs::write(at("a.rules"), "").unwrap();
        symlink(at("a.rules"), at("b.rules")).unwrap();
        symlink(at("sub.rules"), at("c.rules")).unwrap();
        symlink("nowhere", at("notes.txt")).unwrap();
        let listed = |path: &Path| rule_files(&[path]).map_err(|error| error.to_string());
        assert_eq!(listed(folder.path()).unwrap().len(), 1, "one file, by two names");
        symlink("nowhere", at("d.rules")).unwrap();
        let why = listed(&at("d.rules")).unwrap_err();
        assert!(why.ends_with("d.rules` cannot be read: there is no such file"), "{why}");
        assert_eq!(listed(folder.path()), Err(why));
        std::fs::remove_file(at("d.rules")).unwrap();
        symlink("d.rules", at("d.rules")).unwrap();
        assert_eq!(listed(folder.path()), listed(&at("d.rules")));
        std::fs::remove_file(at("d.rules")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("d.rules")).unwrap();
        let why = listed(folder.path()).unwrap_err();
        assert!(
            why.ends_with("d.rules` cannot be read: it is neither a file nor a folder"),
            "{why}"
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.rules");
        std::fs::write(&file, b"fuse \xff").unwrap();
        assert_eq!(
            Disk.load(file.to_str().unwrap()).unwrap_err().to_string(),
            "it is not UTF-8 from byte 5 on"
        );
    }
}
