//! `fuse infer-type`

use std::path::{Path, PathBuf};

use fuse_rules::infer::TypeInference;
use fuse_runtime::files_with_ending;

use super::{Ended, read_event};
use crate::cli::InferType;
use crate::{Exit, output};

pub(crate) fn run(arguments: &InferType) -> Ended {
    let mut examples = TypeInference::new();
    for path in files(&arguments.events)? {
        let body = read_event(&path)?;
        let shown = path.display();
        examples.add(&body).map_err(|invalid| format!("`{shown}` is not an event: {invalid}"))?;
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

/// The given files; for a folder, the files in it whose names end in `.json`.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in given {
        if path == Path::new("-") {
            files.push(path.clone());
        } else {
            files.extend(
                files_with_ending(&[path], "json")
                    .map_err(|error| error.to_string())?
                    .into_iter()
                    .map(PathBuf::from),
            );
        }
    }
    Ok(files)
}
