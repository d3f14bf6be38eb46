//! `fuse discard`

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::engine::{discard_dead_letter, discarded};
use fuse_runtime::ledger::{ActionState, DeadLetterKind, DeadLetterQuery, WaitAnswer};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::target::{LOCAL, Target, field, only, pages};
use super::{Ended, async_runtime, dead_letters, held, waiting};
use crate::cli::{Discard, Filter};
use crate::client::Server;
use crate::{Exit, output};

/// How many dead letters are looked for: a second one shows that the id is ambiguous.
const MAX_FOUND: usize = 2;

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
    let held = held::running(server).await?;
    let waiting = waiting::running(server).await?;
    let filter = Filter { limit: MAX_FOUND, ..Filter::default() };
    let asked = vec![("id", Some(arguments.id.clone()))];
    let (letters, _) = pages(server, "/dead-letters", "letters", &filter, asked).await?;
    let all = held.iter().chain(&waiting).chain(&letters).map(|one| field(one, "id"));
    let id = only(&arguments.id, all, unknown)?;
    let list = match id.as_str() {
        id if contains(&held, id) => "held",
        id if contains(&waiting, id) => "waiting",
        _ => "dead-letters",
    };
    let body = json!({ "reason": arguments.reason });
    server.post(&format!("/{list}/{id}/discard"), body).await?;
    Ok(id)
}

async fn stopped(backend: &Embedded, arguments: &Discard) -> Result<String, String> {
    let (start, ledger, at) = (&arguments.id, backend.ledger(), Timestamp::now());
    let held = held::stopped(backend).await?;
    let waiting = waiting::stopped(backend).await?;
    let waiting: Vec<&str> = waiting.iter().filter_map(|one| one.record.id()).collect();
    let query = DeadLetterQuery { id: Some(start.clone()), ..DeadLetterQuery::newest(MAX_FOUND) };
    let (letters, _) = dead_letters::stopped(backend, query).await?;
    let ids = held.iter().map(|action| field(action, "id"));
    let ids = ids.chain(waiting.iter().copied());
    let id = only(start, ids.chain(letters.iter().map(|letter| letter.id.as_str())), unknown)?;
    if waiting.contains(&id.as_str()) {
        waiting::record(backend, &id, WaitAnswer::Discard, &arguments.reason).await?;
        return Ok(id);
    }
    if contains(&held, &id) {
        let (kind, reason) = (DeadLetterKind::Discarded, discarded(LOCAL, &arguments.reason));
        let action = ledger.find_action(&id).await.map_err(|error| error.to_string())?;
        let permit = action.ok_or_else(|| unknown(&id))?.permit();
        let end = ActionState::DeadLettered { at, kind, reason, response: None };
        ledger.settle(&permit, end).await.map_err(|error| error.to_string())?;
        return Ok(id);
    }
    discard_dead_letter(ledger.as_ref(), at, &id, LOCAL, &arguments.reason)
        .await
        .map_err(|error| error.to_string())?;
    Ok(id)
}

fn contains(list: &[Value], id: &str) -> bool {
    list.iter().any(|action| field(action, "id") == id)
}

fn unknown(start: &str) -> String {
    format!(
        "no held or waiting action, no decision that waits, and no dead letter has an id that starts with `{start}`; see \
         `fuse held`, `fuse waiting` and `fuse dead-letters`"
    )
}
