//! `fuse held` and `fuse discard`

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::engine::discarded;
use fuse_runtime::ledger::{ActionState, DeadLetterKind};
use fuse_runtime::store::FILE_NAME;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Ended, async_runtime};
use crate::cli::{Discard, Format, Held, Whose};
use crate::client::Server;
use crate::{Exit, output};

/// The number of actions per request.
const PAGE: usize = 500;

pub(crate) fn list(arguments: &Held) -> Ended {
    let actions = async_runtime()?.block_on(held(&arguments.whose))?;
    output::print(&match arguments.format {
        Format::Json => actions.iter().map(|action| format!("{action}\n")).collect(),
        Format::Text => table(&actions),
    });
    Ok(Exit::Clean)
}

pub(crate) fn discard(arguments: &Discard) -> Ended {
    let id = async_runtime()?.block_on(async {
        let id = whole_id(&arguments.whose, &arguments.id).await?;
        match &arguments.whose.state {
            None => {
                let path = format!("/held/{id}/discard");
                let body = json!({ "reason": arguments.reason });
                Server::new(&arguments.whose.server).post(&path, body).await?;
            }
            Some(_) => {
                let backend = open(&arguments.whose).await?;
                let reason = discarded(&arguments.reason);
                let (at, kind) = (Timestamp::now(), DeadLetterKind::Discarded);
                let end = ActionState::DeadLettered { at, kind, reason };
                let ledger = backend.ledger();
                let action = ledger.find_action(&id).await.map_err(|error| error.to_string())?;
                let permit = action.ok_or_else(|| not_held(&id))?.permit();
                ledger.settle(&permit, end).await.map_err(|error| error.to_string())?;
                backend.close().await.map_err(|error| error.to_string())?;
            }
        }
        Ok::<_, String>(id)
    })?;
    output::print(&format!("discarded {id}\n"));
    Ok(Exit::Clean)
}

/// The complete id of an action.
async fn whole_id(whose: &Whose, start: &str) -> Result<String, String> {
    let ids = held(whose).await?;
    let ids = ids.iter().map(|action| text(action, "id"));
    let mut matching = ids.filter(|id| id.starts_with(start));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(format!("several actions have ids that start with `{start}`")),
        (None, _) => Err(not_held(start)),
    }
}

fn not_held(id: &str) -> String {
    format!("no action with the id `{id}` is held or waits; see `fuse held`")
}

async fn open(whose: &Whose) -> Result<Embedded, String> {
    let dir = whose.state.clone().unwrap_or_default();
    if !dir.join(FILE_NAME).exists() {
        return Err(format!("there is no state in `{}`", dir.display()));
    }
    Embedded::open(&dir).await.map_err(|error| error.to_string())
}

/// All actions that are held or wait, as returned by `/held`.
async fn held(whose: &Whose) -> Result<Vec<Value>, String> {
    let mut actions = Vec::new();
    if whose.state.is_some() {
        let backend = open(whose).await?;
        let ledger = backend.ledger();
        let mut after: Option<String> = None;
        loop {
            let page =
                ledger.held(after.as_deref(), PAGE).await.map_err(|error| error.to_string())?;
            let Some(last) = page.last() else { return Ok(actions) };
            after = Some(last.action.id.clone());
            actions.extend(page.iter().map(|action| json!(action.summary())));
        }
    }
    let server = Server::new(&whose.server);
    let mut after = String::new();
    loop {
        let mut page = server.get(&format!("/held?limit={PAGE}{after}")).await?;
        if let Some(Value::Array(found)) = page.get_mut("actions") {
            actions.append(found);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(actions),
        }
    }
}

fn text(action: &Value, field: &str) -> String {
    action.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn table(actions: &[Value]) -> String {
    if actions.is_empty() {
        return "nothing is held or waits\n".to_owned();
    }
    let mut lines = String::new();
    for action in actions {
        let when = match text(action, "state").as_str() {
            "held" => format!("held since {}", text(action, "since")),
            "waiting" => format!("tried again at {}", text(action, "until")),
            other => other.to_owned(),
        };
        lines.push_str(&format!(
            "{}\n  {} for {}.{} {}\n  {when}: {}\n",
            text(action, "id"),
            text(action, "rule"),
            text(action, "source"),
            text(action, "name"),
            text(action, "event"),
            text(action, "reason"),
        ));
    }
    let s = if actions.len() == 1 { "" } else { "s" };
    lines.push_str(&format!("{} action{s}\n", actions.len()));
    lines
}
