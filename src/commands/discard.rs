//! `fuse discard`

use std::collections::BTreeSet;

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::engine::{discard_dead_letter, discarded};
use fuse_runtime::ledger::{ActionState, DeadLetterKind, DeadLetterQuery};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::target::{Target, field, pages};
use super::{Ended, async_runtime, dead_letters, held};
use crate::cli::{Discard, Filter};
use crate::client::Server;
use crate::{Exit, output};

/// Who discards something without a running fuse.
const LOCAL: &str = "local";
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
    let filter = Filter { limit: MAX_FOUND, ..Filter::default() };
    let asked = vec![("id", Some(arguments.id.clone()))];
    let (letters, _) = pages(server, "/dead-letters", "letters", &filter, asked).await?;
    let id = only(&arguments.id, held.iter().chain(&letters).map(|one| field(one, "id")))?;
    let list = if is_held(&held, &id) { "held" } else { "dead-letters" };
    let body = json!({ "reason": arguments.reason });
    server.post(&format!("/{list}/{id}/discard"), body).await?;
    Ok(id)
}

async fn stopped(backend: &Embedded, arguments: &Discard) -> Result<String, String> {
    let (start, ledger, at) = (&arguments.id, backend.ledger(), Timestamp::now());
    let held = held::stopped(backend).await?;
    let query = DeadLetterQuery { id: Some(start.clone()), ..DeadLetterQuery::newest(MAX_FOUND) };
    let (letters, _) = dead_letters::stopped(backend, query).await?;
    let ids = held.iter().map(|action| field(action, "id"));
    let id = only(start, ids.chain(letters.iter().map(|letter| letter.id.as_str())))?;
    if is_held(&held, &id) {
        let (kind, reason) = (DeadLetterKind::Discarded, discarded(LOCAL, &arguments.reason));
        let action = ledger.find_action(&id).await.map_err(|error| error.to_string())?;
        let permit = action.ok_or_else(|| unknown(&id))?.permit();
        let end = ActionState::DeadLettered { at, kind, reason };
        ledger.settle(&permit, end).await.map_err(|error| error.to_string())?;
        return Ok(id);
    }
    discard_dead_letter(ledger.as_ref(), at, &id, LOCAL, &arguments.reason)
        .await
        .map_err(|error| error.to_string())?;
    Ok(id)
}

fn is_held(held: &[Value], id: &str) -> bool {
    held.iter().any(|action| field(action, "id") == id)
}

/// The only one of these ids that starts like this. An action that becomes a dead letter meanwhile has its id twice.
fn only<'i>(start: &str, ids: impl Iterator<Item = &'i str>) -> Result<String, String> {
    let matching: BTreeSet<&str> = ids.filter(|id| id.starts_with(start)).collect();
    let mut matching = matching.into_iter();
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id.to_owned()),
        (Some(_), Some(_)) => Err(format!("several ids start with `{start}`; give more of the id")),
        (None, _) => Err(unknown(start)),
    }
}

fn unknown(id: &str) -> String {
    format!(
        "no held or waiting action and no dead letter has an id that starts with `{id}`; see `fuse held` and `fuse \
         dead-letters`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_selects_one_of_all_ids() {
        let found = |start: &str| only(start, ["5f0c1", "5f0c2", "9a3b7", "9a3b7"].into_iter());
        assert_eq!(found("9a3b").unwrap(), "9a3b7");
        assert!(found("5f0c").unwrap_err().contains("several ids start with `5f0c`"));
        assert!(found("beef").unwrap_err().contains("no dead letter has an id that starts with"));
    }
}
