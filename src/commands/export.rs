//! `fuse state export` and `compact`: the state of a stopped fuse.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::event::EventKey;
use fuse_runtime::ledger::{EventOverview, EventQuery, EventRecord};
use fuse_runtime::store::{self, Compacted, FILE_NAME};
use serde_json::{Value, json};

use super::{Ended, async_runtime, counted};
use crate::cli::{CompactArgs, ExportArgs, Format};
use crate::{Exit, output};

/// The number of events per page.
const PAGE: usize = 500;

/// Prints every event with its record.
pub(crate) fn export(arguments: &ExportArgs) -> Ended {
    let damaged = async_runtime()?.block_on(async {
        exists(&arguments.state)?;
        let backend = Embedded::open(&arguments.state).await.map_err(|error| error.to_string())?;
        let ledger = backend.ledger();
        let mut to = BufWriter::new(io::stdout().lock());
        let mut query = EventQuery { limit: PAGE, ..EventQuery::default() };
        let mut damaged = 0;
        loop {
            let page = ledger.events(&query).await.map_err(|error| error.to_string())?;
            damaged += page.damaged;
            for overview in page.events {
                let EventOverview { source, name, id, .. } = overview;
                let key = EventKey { source, name, id };
                let found = ledger.event(&key).await.map_err(|error| error.to_string())?;
                let Some(record) = found else { continue };
                match writeln!(to, "{}", line(&record)) {
                    Ok(()) => {}
                    // The reader has closed the pipe.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(damaged),
                    Err(error) => return Err(format!("cannot write: {error}")),
                }
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        match to.flush() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(format!("cannot write: {error}"))
            }
            _ => Ok(damaged),
        }
    })?;
    if damaged > 0 {
        let damaged = counted(damaged as usize, "event");
        output::print_aside(&format!("{damaged} are damaged and were left out\n"));
        return Ok(Exit::Problems);
    }
    Ok(Exit::Clean)
}

/// An event with its record, as one line.
fn line(record: &EventRecord) -> Value {
    let mut line = json!(record);
    if let Some(event) = line.get_mut("event").and_then(Value::as_object_mut) {
        event.remove("body");
        match std::str::from_utf8(&record.event.body) {
            Ok(text) => event.insert("body".to_owned(), json!(text)),
            Err(_) => {
                let text = data_encoding::BASE64.encode(&record.event.body);
                event.insert("body_base64".to_owned(), json!(text))
            }
        };
    }
    line
}

/// Makes the database of a state as small as possible.
pub(crate) fn compact(arguments: &CompactArgs) -> Ended {
    let CompactArgs { state, format } = arguments;
    exists(state)?;
    let Compacted { before, after } = store::compact(state).map_err(|error| error.to_string())?;
    output::print(&match format {
        Format::Json => format!("{}\n", json!({ "before": before, "after": after })),
        Format::Text => format!("compacted from {before} to {after} bytes\n"),
    });
    Ok(Exit::Clean)
}

/// Refuses a folder without a state, which opening would create.
fn exists(folder: &Path) -> Result<(), String> {
    match folder.join(FILE_NAME).exists() {
        true => Ok(()),
        false => Err(format!("`{}` contains no fuse state", folder.display())),
    }
}
