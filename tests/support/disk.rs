//! A small disk of its own, which tests fill.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::skipped;

/// A file system in memory, mounted until it is dropped.
pub(crate) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// One of so many MiB. `None` where mounting is not permitted: the test is skipped, and says so.
    pub(crate) fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m,mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                skipped(&format!("no file system can be mounted here ({why})"));
                None
            }
            Err(error) => {
                skipped(&format!("`mount` cannot be run ({error})"));
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        let chunk = vec![0; 4096];
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        while std::io::Write::write(&mut file, &chunk).is_ok_and(|written| written > 0) {}
    }

    /// Gives it back.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as the process that uses it may be ending.
        let _gone = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
