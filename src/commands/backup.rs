//! `fuse state backup`, `restore` and `verify`

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use fuse_runtime::backend::Backend as _;
use fuse_runtime::store::{FILE_NAME, StateReport, restore};
use serde_json::json;
use tempfile::NamedTempFile;

use super::target::Target;
use super::{Ended, async_runtime, counted};
use crate::cli::{BackupArgs, Format, RestoreArgs, VerifyArgs};
use crate::output::printable;
use crate::{Exit, output};

/// Where a running fuse gives a copy of its state.
const BACKUP_PATH: &str = "/state/backup";

/// Copies the state of a fuse into a new file, and checks the copy.
pub(crate) fn backup(arguments: &BackupArgs) -> Ended {
    let file = &arguments.file;
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write `{}`: {error}", file.display());
    if file.exists() {
        return Err(failed(&"there is such a file already"));
    }
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // It gets its name last, so that an interrupted run leaves no part of a backup. Only its owner can read it.
    let mut written = NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    async_runtime()?.block_on(async {
        match Target::new(&arguments.server).await? {
            Target::Running(server) => server.download(BACKUP_PATH, written.as_file_mut()).await,
            Target::Stopped(backend) => {
                let copy = backend.copy().await.map_err(|error| error.to_string())?;
                let mut copy = copy.ok_or("this backend has tools of its own for backups")?;
                io::copy(&mut copy, &mut written).map(drop).map_err(|error| failed(&error))
            }
        }
    })?;
    written.flush().and_then(|()| written.as_file().sync_all()).map_err(|error| failed(&error))?;
    let report = StateReport::of(written.path())
        .map_err(|error| format!("the copy is not whole, so it was not kept: {error}"))?;
    written.persist_noclobber(file).map_err(|error| failed(&error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))?;
    print_report(&file.display().to_string(), &report, arguments.server.format)
}

/// Puts a backup into a state folder.
pub(crate) fn restore_backup(arguments: &RestoreArgs) -> Ended {
    let RestoreArgs { file, state, format } = arguments;
    let report = restore(file, state).map_err(|error| error.to_string())?;
    print_report(&state.join(FILE_NAME).display().to_string(), &report, *format)
}

/// Reads every record of a backup, or of the state of a stopped fuse.
pub(crate) fn verify(arguments: &VerifyArgs) -> Ended {
    let VerifyArgs { path, format } = arguments;
    let file = if path.is_dir() { path.join(FILE_NAME) } else { path.clone() };
    let report = StateReport::of(&file).map_err(|error| error.to_string())?;
    print_report(&file.display().to_string(), &report, *format)
}

/// Prints what is in a state. Damage is a problem.
pub(super) fn print_report(file: &str, report: &StateReport, format: Format) -> Ended {
    let StateReport { layout, events, actions, unsettled, damaged, problems, .. } = report;
    output::print(&match format {
        Format::Json => {
            let report = json!({
                "file": file, "layout": layout, "events": events, "actions": actions,
                "unsettled": unsettled, "damaged": damaged, "problems": problems,
            });
            format!("{report}\n")
        }
        Format::Text => {
            let problems: String =
                problems.iter().map(|one| format!("{}\n", printable(one))).collect();
            format!(
                "{problems}{file}: layout {layout}, {}, {} ({unsettled} not settled), {}\n",
                counted(*events as usize, "event"),
                counted(*actions as usize, "action"),
                match damaged {
                    0 => "no damaged record".to_owned(),
                    _ => counted(*damaged as usize, "damaged record"),
                }
            )
        }
    });
    Ok(if *damaged == 0 { Exit::Clean } else { Exit::Problems })
}
