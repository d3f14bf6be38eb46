//! Where etcd and kube-apiserver come from, and what happens where they are missing.

use std::io::Write as _;
use std::path::PathBuf;

const VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The folder with `etcd` and `kube-apiserver`. Without one the test is skipped, which is said
/// aloud; in CI it fails, as nothing is skipped there.
#[track_caller]
pub(super) fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        return Some(folder.into());
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let why = format!(
        "`{VARIABLE}` is not set; it names a folder with etcd and kube-apiserver, as \
         `setup-envtest use -p path` prints it"
    );
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    assert!(!ci, "nothing is skipped in CI, but {why}");
    // Not `eprintln`: what a passing test prints with it is not shown.
    let line = format!("skipped {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}
