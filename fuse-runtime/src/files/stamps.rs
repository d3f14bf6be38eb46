//! What files are, without their content: enough to notice that they change.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fuse_rules::{LoadError, Loader};

use super::Disk;

/// What some files and folders were at a time.
///
/// ```
/// use fuse_runtime::TrackedDisk;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("a.rules"), "")?;
/// let disk = TrackedDisk::default();
/// disk.track_folder(folder.path(), "rules");
/// let before = disk.stamps();
/// assert_eq!(before.look_again(), before);
/// std::fs::write(folder.path().join("b.rules"), "")?;
/// assert_ne!(before.look_again(), before);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileStamps {
    files: BTreeMap<PathBuf, Option<FileStamp>>,
    /// Folders, with the ending of the files that count.
    folders: BTreeMap<(PathBuf, String), Vec<PathBuf>>,
}

/// The file that a path leads to, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds: of the content, and of the inode, which also changes if somebody sets the first one.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    fn new(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        if found.is_dir() {
            // Its size and times change with each file in it, also with those that do not count.
            let (device, inode) = (found.dev(), found.ino());
            return Some(Self { device, inode, size: 0, modified: (0, 0), changed: (0, 0) });
        }
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// The files of a folder that have this ending, sorted. A folder that cannot be read has none.
fn listed(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|own| own == ending)).collect();
    found.sort();
    found
}

impl FileStamps {
    /// What the same files and folders are now. Files that are new in a folder are included.
    #[must_use]
    pub fn look_again(&self) -> Self {
        let mut now = Self::default();
        for path in self.files.keys() {
            now.add_file(path);
        }
        for (folder, ending) in self.folders.keys() {
            now.add_folder(folder, ending);
        }
        now
    }

    fn add_file(&mut self, path: &Path) {
        self.files.entry(path.to_owned()).or_insert_with(|| FileStamp::new(path));
    }

    fn add_folder(&mut self, folder: &Path, ending: &str) {
        let listed = listed(folder, ending);
        for path in &listed {
            self.add_file(path);
        }
        self.folders.insert((folder.to_owned(), ending.to_owned()), listed);
    }
}

/// Reads files from disk like [`Disk`], and remembers what they were just before, so that no change is missed.
#[derive(Debug, Default)]
pub struct TrackedDisk {
    stamps: Mutex<FileStamps>,
}

impl TrackedDisk {
    fn locked(&self) -> MutexGuard<'_, FileStamps> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Also tracks a file that is about to be read in another way. Of a folder, only its identity is tracked.
    pub fn track_file(&self, path: impl AsRef<Path>) {
        self.locked().add_file(path.as_ref());
    }

    /// Also tracks the files of a folder that have this ending, and which there are.
    pub fn track_folder(&self, folder: impl AsRef<Path>, ending: &str) {
        self.locked().add_folder(folder.as_ref(), ending);
    }

    /// What everything that was read or tracked was then.
    pub fn stamps(&self) -> FileStamps {
        self.locked().clone()
    }
}

impl Loader for TrackedDisk {
    fn load(&self, name: &str) -> Result<String, LoadError> {
        self.track_file(name);
        Disk.load(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_kind_of_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // As Kubernetes mounts a ConfigMap: the files are links through a link that is swapped.
        for version in ["v1", "v2"] {
            std::fs::create_dir(path(version)).unwrap();
            std::fs::write(path(version).join("a.rules"), "fuse a default on").unwrap();
        }
        symlink("v1", path("..data")).unwrap();
        symlink("..data/a.rules", path("a.rules")).unwrap();
        std::fs::write(path("used.rules"), "fuse u default on").unwrap();
        let tracked = || {
            let disk = TrackedDisk::default();
            disk.track_file(folder.path());
            disk.track_folder(folder.path(), "rules");
            disk.load(path("a.rules").to_str().unwrap()).unwrap();
            disk.track_file(path("fuse.toml"));
            disk.stamps()
        };
        let changes: [(&str, &dyn Fn()); 6] = [
            ("a swapped link", &|| {
                symlink("v2", path("..new")).unwrap();
                std::fs::rename(path("..new"), path("..data")).unwrap();
            }),
            ("a renamed file", &|| {
                std::fs::write(path("a.tmp"), "fuse a default on").unwrap();
                std::fs::rename(path("a.tmp"), path("a.rules")).unwrap();
            }),
            ("an appended line", &|| {
                std::fs::write(path("used.rules"), "fuse u default off").unwrap()
            }),
            ("a new file", &|| std::fs::write(path("b.rules"), "").unwrap()),
            ("a removed file", &|| std::fs::remove_file(path("used.rules")).unwrap()),
            ("a configuration", &|| std::fs::write(path("fuse.toml"), "").unwrap()),
        ];
        for (what, change) in changes {
            let before = tracked();
            assert_eq!(before.look_again(), before, "{what}");
            change();
            assert_ne!(before.look_again(), before, "{what}");
        }
        let before = tracked();
        std::fs::write(path("notes.txt"), "").unwrap();
        assert_eq!(before.look_again(), before, "another ending");
    }
}
