//! What is at the broker, for `fuse backend init` and `fuse doctor`.

use std::time::Duration;

use async_nats::jetstream::stream::{ClusterInfo, Compression};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::connect::{self, Places};
use super::error::{JetStreamError, broker};
use super::snapshot;

/// The `max_payload` of the server that is enough for every event.
const MAX_PAYLOAD: usize = 8_000_000;
/// How far two clocks that are kept in sync can differ.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(2);
/// How many times the size of the log the account must be able to store: two snapshots, a third one while it is written,
/// and the log.
const ROOM_FACTOR: u64 = 5;
/// How many times, and how soon, the state of the copies is read again if they are not up to date.
const COPY_ATTEMPTS: usize = 6;
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What is at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogReport {
    /// The version of the server.
    pub server: String,
    /// The version of the API of JetStream. Servers before 2.11 do not report one.
    pub api_level: Option<u64>,
    /// The stream of the log.
    pub stream: String,
    /// How many servers keep a copy of it.
    pub copies: usize,
    /// The servers with a copy that are not up to date, each with what is wrong with it.
    pub behind: Vec<String>,
    /// Whether the servers compress it.
    pub is_compressed: bool,
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of its last message.
    pub last: u64,
    /// The newest snapshot, if there is one.
    pub snapshot: Option<String>,
    /// The largest message that the server takes, in bytes.
    pub max_payload: usize,
    /// How many further bytes the account may store. `None` is no limit other than the disks.
    pub room: Option<u64>,
    /// How far the clock of this machine is ahead of that of the server. An older server may not report its time.
    pub skew: Option<SignedDuration>,
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
        if self.is_compressed {
            warnings.push(
                "the servers compress the stream: a server that is killed can damage it and does not repair it; remove the compression with `nats stream edit`"
                    .to_owned(),
            );
        }
        for server in &self.behind {
            warnings
                .push(format!("{server}: until it is up to date, another failure can stop fuse"));
        }
        if self.max_payload < MAX_PAYLOAD {
            warnings.push(format!(
                "`max_payload` is {} bytes: events with larger bodies are refused; set it to 8MB",
                self.max_payload
            ));
        }
        if let Some(room) = self.room.filter(|room| *room < self.bytes.saturating_mul(ROOM_FACTOR))
        {
            warnings.push(format!(
                "the account may store {room} more bytes, and the log has {}: when the limit is reached, fuse answers 503; raise `max_file` of the account",
                self.bytes
            ));
        }
        if let Some(skew) = self.skew.filter(|skew| skew.abs() > MAX_SKEW) {
            let direction = if skew.is_negative() { "behind" } else { "ahead of" };
            warnings.push(format!(
                "the clock of this machine is {:.0} s {direction} that of the server: waits and windows shift by as much; synchronize the clocks (NTP)",
                skew.abs().as_secs_f64()
            ));
        }
        warnings
    }
}

/// A part of the answer of `$JS.API.INFO`.
#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    storage: u64,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    api: Api,
}

#[derive(Default, Deserialize)]
struct Limits {
    /// Negative if there is none.
    #[serde(default)]
    max_storage: i64,
}

#[derive(Default, Deserialize)]
struct Api {
    level: Option<u64>,
}

/// A part of the answer of `$JS.API.STREAM.INFO`.
#[derive(Deserialize)]
struct Times {
    /// The time of the server.
    ts: Option<Timestamp>,
}

/// Reads what is at the broker.
pub(super) async fn read(places: Places) -> Result<LogReport, JetStreamError> {
    let Places { stream, snapshots, context, .. } = places;
    let mut info = connect::info(&stream).await?;
    // A stream that was created a moment ago has no copies yet.
    for _ in 0..COPY_ATTEMPTS {
        if info.cluster.as_ref().is_none_or(|cluster| behind(cluster).is_empty()) {
            break;
        }
        tokio::time::sleep(RETRY_AFTER).await;
        info = connect::info(&stream).await?;
    }
    let newest = snapshot::newest(&snapshots).await?;
    let account: Account =
        context.request("INFO", &()).await.map_err(|error| broker("read the account", error))?;
    let before = Timestamp::now();
    let times: Times = context
        .request(format!("STREAM.INFO.{}", info.config.name), &())
        .await
        .map_err(|error| broker("read the time", error))?;
    let skew = times.ts.map(|server| skew(before, server, Timestamp::now()));
    let max_storage = u64::try_from(account.limits.max_storage).ok().filter(|max| *max > 0);
    Ok(LogReport {
        server: context.client().server_info().version,
        api_level: account.api.level,
        stream: info.config.name,
        copies: info.config.num_replicas,
        behind: info.cluster.as_ref().map(behind).unwrap_or_default(),
        is_compressed: !matches!(info.config.compression, None | Some(Compression::None)),
        bytes: info.state.bytes,
        last: info.state.last_sequence,
        snapshot: newest.map(|found| found.name),
        max_payload: context.client().max_payload(),
        room: max_storage.map(|max| max.saturating_sub(account.storage)),
        skew,
    })
}

/// How far this clock is ahead of that of the server, whose time was read between these two times.
fn skew(before: Timestamp, server: Timestamp, after: Timestamp) -> SignedDuration {
    // Within the time that the answer took, it is unknown.
    if server < before {
        before.duration_since(server)
    } else if server > after {
        -server.duration_since(after)
    } else {
        SignedDuration::ZERO
    }
}

/// The servers whose copies are not up to date.
fn behind(cluster: &ClusterInfo) -> Vec<String> {
    let wrong = cluster.replicas.iter().filter(|server| server.offline || !server.current);
    wrong
        .map(|server| {
            let what = if server.offline { "is offline" } else { "is behind" };
            format!("server `{}` {what}", server.name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_differ_by_what_the_time_of_the_answer_does_not_explain() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let seconds = SignedDuration::from_secs;
        assert_eq!(skew(at(10), at(11), at(12)), seconds(0));
        assert_eq!(skew(at(10), at(7), at(12)), seconds(3));
        assert_eq!(skew(at(10), at(20), at(12)), seconds(-8));
    }

    #[test]
    fn each_weakness_is_a_warning() {
        let fine = LogReport {
            server: "2.15.1".into(),
            api_level: Some(3),
            stream: "fuse_log".into(),
            copies: 3,
            behind: Vec::new(),
            is_compressed: false,
            bytes: 1_000,
            last: 7,
            snapshot: None,
            max_payload: 8_000_000,
            room: Some(5_000),
            skew: Some(MAX_SKEW),
        };
        assert_eq!(fine.warnings(), Vec::<String>::new());
        let weak = LogReport {
            copies: 1,
            behind: vec!["server `node2` is offline".into()],
            is_compressed: true,
            max_payload: 1_000_000,
            room: Some(4_999),
            skew: Some(SignedDuration::from_secs(-70)),
            ..fine
        };
        insta::assert_snapshot!(weak.warnings().join("\n"));
    }
}
