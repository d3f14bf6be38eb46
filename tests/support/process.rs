//! The process, and what it says.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A running `fuse run rules`; killed when dropped.
pub(super) struct Process {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// What a process uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// Open files, sockets included.
    pub(crate) files: usize,
    /// Memory, in KiB.
    pub(crate) kibibytes: usize,
}

/// What a process acts on.
#[derive(Clone, Debug, Default)]
pub(crate) enum ActsOn {
    /// Files, with `--local`.
    #[default]
    Files,
    /// The cluster that this kubeconfig names.
    Cluster(PathBuf),
    /// Everything but a cluster, of which there is none.
    NoCluster,
}

/// Who reads the log of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The test.
    #[default]
    Reads,
    /// Nobody, after the first lines: as with `fuse run 2>&1 | head -3`.
    Leaves,
    /// Nobody, but the pipe is open.
    Stalls,
}

impl Process {
    pub(super) fn start(
        folder: &Path,
        (admin, arguments): (u16, &[String]),
        variables: &BTreeMap<String, String>,
        acts_on: &ActsOn,
        how: Reader,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fuse"));
        command.args(["run", "rules", "--listen", "127.0.0.1", "--admin"]);
        command.arg(format!("127.0.0.1:{admin}")).args(arguments);
        match acts_on {
            ActsOn::Files => command.arg("--local"),
            ActsOn::Cluster(kubeconfig) => command.arg("--kubeconfig").arg(kubeconfig),
            ActsOn::NoCluster => command.env_remove("KUBECONFIG").env("HOME", folder),
        };
        let mut child = command
            .current_dir(folder)
            .env_remove("FUSE_CICD")
            .env_remove("FUSE_LOG")
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut from = child.stderr.take().unwrap();
        let to = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut chunk) {
                to.lock().unwrap().extend_from_slice(&chunk[..count]);
                match how {
                    Reader::Reads => {}
                    Reader::Leaves => return,
                    // It is closed when the process has ended, which nobody waits for here.
                    Reader::Stalls => return std::mem::forget(from),
                }
            }
        });
        Self { child, said, reader: Some(reader) }
    }

    /// What it said so far.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }

    /// The exit code, if it ended; none inside where a signal ended it.
    pub(super) fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// SIGKILL, and waits until the process is gone.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, as in `TERM`.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
        assert!(status.success());
    }

    /// What the process uses now.
    pub(super) fn resources(&self) -> Resources {
        let folder = Path::new("/proc").join(self.child.id().to_string());
        let files = std::fs::read_dir(folder.join("fd")).unwrap().count();
        let status = std::fs::read_to_string(folder.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes = line.trim().trim_end_matches(" kB").parse().unwrap();
        Resources { files, kibibytes }
    }

    /// All that a process said that has ended.
    pub(super) fn finish(mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.said()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
