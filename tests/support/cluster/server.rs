//! One server of the control plane.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server. Its process id is in a file as long as it runs, for the watchdog; killed
/// when dropped.
pub(super) struct Server {
    child: Child,
    pid: PathBuf,
    log: PathBuf,
}

impl Server {
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        folder: &Path,
    ) -> Result<Self, String> {
        let name = program.file_name().unwrap().to_str().unwrap();
        let log = folder.join(format!("{name}.log"));
        let pid = folder.join(format!("{name}.pid"));
        let to = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(to.try_clone().unwrap())
            .stderr(to)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        std::fs::write(&pid, child.id().to_string()).unwrap();
        Ok(Self { child, pid, log })
    }

    /// How it ended and its last words, if it did.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().unwrap()?;
        Some(format!("{status}\n{}", self.last_words()))
    }

    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(2_000);
        format!("{}: …{}", self.log.display(), String::from_utf8_lossy(&log[from..]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        let _removed = std::fs::remove_file(&self.pid);
    }
}
