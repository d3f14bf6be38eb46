//! Sees to it that no server and no folder outlives the tests, however they end.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Waits until the other end of its standard input is closed, which the system does for a process
/// that is killed, too; kills what has a `.pid` file in the folder; removes the folder. That may
/// take more than one go, as a killed process may still be writing.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r nothing
for file in "$1"/*.pid; do
  [ -f "$file" ] && kill -KILL "$(cat "$file")"
done
for try in 1 2 3 4 5; do
  rm -rf "$1" && exit
  sleep 1
done
"#;

/// A temporary folder, and the process that cleans up after it.
pub(super) struct Watchdog {
    folder: PathBuf,
    child: Child,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("fuse-cluster-").tempdir().unwrap().keep();
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(&folder)
            // Of a group of its own: what ends the tests does not end it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, child }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _done = self.child.wait();
    }
}
