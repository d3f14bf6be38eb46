//! What is run and how: the real binary, in the repository's root.

mod agree;
mod check;
mod connect;
mod doc;
mod edits;
mod explain;
mod explain_code;
mod fix;
mod fmt;
mod fuzz;
mod help;
mod hostile;
mod infer_type;
mod lint;
mod plan;
mod test;
mod tutorial;

use std::path::Path;
use std::process::{Command, Output};

/// Runs `fuse` with these arguments, in the repository's root.
fn fuse(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fuse"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .unwrap()
}

/// The exit code, standard output and standard error, for snapshots.
fn ran(arguments: &[&str]) -> String {
    shown(&fuse(arguments))
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut out = format!("exit {}\n{}", output.status.code().unwrap(), text(&output.stdout));
    if !output.stderr.is_empty() {
        out.push_str(&format!("--- stderr\n{}", text(&output.stderr)));
    }
    out
}

/// The same in another folder.
fn ran_in(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fuse"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    shown(&output)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
