//! `fuse discard`

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::engine::discarded;
use fuse_runtime::ledger::{
    ActionState, DeadLetterKind, DeadLetterQuery, EventOperation, OperationKind,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::target::{Target, path, text};
use super::{Ended, async_runtime, dead_letters, held};
use crate::cli::Discard;
use crate::client::Server;
use crate::{Exit, output};

/// Who discards something without a running fuse.
const LOCAL: &str = "local";

pub(crate) fn run(arguments: &Discard) -> Ended {
    let id = async_runtime()?.block_on(async {
        match Target::new(&arguments.server).await? {
            Target::Running(server) => running(&server, arguments).await,
            Target::Stopped(backend) => {
                let id = stopped(&backend, arguments).await?;
                backend.close().await.map_err(|error| error.to_string())?;
                Ok(id)
            }
        }
    })?;
    output::print(&format!("discarded {id}\n"));
    Ok(Exit::Clean)
}

async fn running(server: &Server, arguments: &Discard) -> Result<String, String> {
    let start = &arguments.id;
    let body = json!({ "reason": arguments.reason });
    let held = held::running(server).await?;
    if let Some(id) = only(start, held.iter().map(|action| text(action, "id")))? {
        server.post(&format!("/held/{id}/discard"), body).await?;
        return Ok(id);
    }
    let asked = [("id", Some(start.clone())), ("limit", Some("2".to_owned()))];
    let found = server.get(&path("/dead-letters", &asked)).await?;
    let letters = found.get("letters").and_then(Value::as_array);
    let ids = letters.into_iter().flatten().map(|letter| text(letter, "id"));
    let id = only(start, ids)?.ok_or_else(|| unknown(start))?;
    server.post(&format!("/dead-letters/{id}/discard"), body).await?;
    Ok(id)
}

async fn stopped(backend: &Embedded, arguments: &Discard) -> Result<String, String> {
    let (start, ledger, at) = (&arguments.id, backend.ledger(), Timestamp::now());
    let held = held::stopped(backend).await?;
    if let Some(id) = only(start, held.iter().map(|action| text(action, "id")))? {
        let (kind, reason) = (DeadLetterKind::Discarded, discarded(LOCAL, &arguments.reason));
        let action = ledger.find_action(&id).await.map_err(|error| error.to_string())?;
        let permit = action.ok_or_else(|| unknown(&id))?.permit();
        let end = ActionState::DeadLettered { at, kind, reason };
        ledger.settle(&permit, end).await.map_err(|error| error.to_string())?;
        return Ok(id);
    }
    let query = DeadLetterQuery { id: Some(start.clone()), ..DeadLetterQuery::newest(2) };
    let (letters, _) = dead_letters::stopped(backend, query).await?;
    let id = only(start, letters.iter().map(|letter| letter.id.as_str()))?;
    let letter = letters.into_iter().find(|letter| Some(&letter.id) == id.as_ref());
    let letter = letter.ok_or_else(|| unknown(start))?;
    let record = ledger.event(&letter.event).await.map_err(|error| error.to_string())?;
    let before = record.map_or(0, |record| record.operations.len());
    let operation = EventOperation {
        number: u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1),
        at,
        by: LOCAL.to_owned(),
        letter: Some(letter.id.clone()),
        kind: OperationKind::Discarded { reason: arguments.reason.clone() },
    };
    ledger.operate(&letter.event, operation).await.map_err(|error| error.to_string())?;
    Ok(letter.id)
}

/// The only id that starts like this.
fn only<'i>(start: &str, ids: impl Iterator<Item = &'i str>) -> Result<Option<String>, String> {
    let mut matching = ids.filter(|id| id.starts_with(start));
    match (matching.next(), matching.next()) {
        (Some(_), Some(_)) => Err(format!("several ids start with `{start}`; give more of the id")),
        (found, _) => Ok(found.map(str::to_owned)),
    }
}

fn unknown(id: &str) -> String {
    format!(
        "no action with the id `{id}` is held or waits, and no dead letter has it; see `fuse held` and `fuse dead-letters`"
    )
}
