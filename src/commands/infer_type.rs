//! `fuse infer-type`

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use fuse_rules::TypeInference;

use super::{Ended, read_event};
use crate::cli::InferType;
use crate::{Exit, output};

pub(crate) fn run(arguments: &InferType) -> Ended {
    let mut examples = TypeInference::new();
    for path in files(&arguments.events)? {
        let body = read_event(&path)?;
        let shown = path.display();
        examples.add(&body).map_err(|invalid| format!("`{shown}` is no event: {invalid}"))?;
    }
    let name = &arguments.name;
    let Some(text) = examples.declaration(name) else {
        return Err(format!(
            "a type cannot be called `{name}`; write a name as in `--name order-placed`"
        ));
    };
    output::print(&text);
    Ok(Exit::Clean)
}

/// The files that are meant: for a folder, those in it whose names end in `.json`.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = in_folder(path)
            .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
        if found.is_empty() {
            return Err(format!("`{}` has no `.json` files in it", path.display()));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("json")) && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}
