//! What is at the broker, for `fuse backend init`.

use super::connect::{self, Places};
use super::error::JetStreamError;
use super::snapshot;

/// The `max_payload` of the server that is enough for every event.
const MAX_PAYLOAD: usize = 8_000_000;

/// What is at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogReport {
    /// The version of the server.
    pub server: String,
    /// The stream of the log.
    pub stream: String,
    /// How many servers keep a copy of it.
    pub copies: usize,
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of its last message.
    pub last: u64,
    /// The newest snapshot, if there is one.
    pub snapshot: Option<String>,
    /// The largest message that the server takes, in bytes.
    pub max_payload: usize,
}

impl LogReport {
    /// What makes the state less safe than it could be.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.copies < 3 {
            warnings.push(format!(
                "the number of copies of the state is {}, not 3: if the disk of a server fails, the state can be lost; use three servers and three copies",
                self.copies
            ));
        }
        if self.max_payload < MAX_PAYLOAD {
            warnings.push(format!(
                "`max_payload` is {} bytes: events with larger bodies are refused; set it to 8MB",
                self.max_payload
            ));
        }
        warnings
    }
}

/// Reads what is at the broker.
pub(super) async fn read(places: Places) -> Result<LogReport, JetStreamError> {
    let Places { stream, snapshots, context, .. } = places;
    let info = connect::info(&stream).await?;
    let newest = snapshot::newest(&snapshots).await?;
    Ok(LogReport {
        server: context.client().server_info().version,
        stream: info.config.name,
        copies: info.config.num_replicas,
        bytes: info.state.bytes,
        last: info.state.last_sequence,
        snapshot: newest.map(|found| found.name),
        max_payload: context.client().max_payload(),
    })
}
