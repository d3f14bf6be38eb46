//! `fuse held`

use fuse_runtime::backend::{Backend as _, Embedded};
use serde_json::{Value, json};

use super::target::{Target, formatted, text};
use super::{Ended, async_runtime, counted};
use crate::cli::Held;
use crate::client::Server;
use crate::{Exit, output};

/// The number of actions per request.
const PAGE: usize = 500;

pub(crate) fn list(arguments: &Held) -> Ended {
    let actions = async_runtime()?.block_on(async {
        match Target::new(&arguments.server).await? {
            Target::Running(server) => running(&server).await,
            Target::Stopped(backend) => stopped(&backend).await,
        }
    })?;
    output::print(&formatted(arguments.server.format, &actions, lines));
    Ok(Exit::Clean)
}

/// All actions of a running fuse that are held or wait.
pub(super) async fn running(server: &Server) -> Result<Vec<Value>, String> {
    let (mut actions, mut after) = (Vec::new(), String::new());
    loop {
        let mut page: Value = server.get(&format!("/held?limit={PAGE}{after}")).await?;
        if let Some(Value::Array(found)) = page.get_mut("actions") {
            actions.append(found);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(actions),
        }
    }
}

/// The same of a stopped one.
pub(super) async fn stopped(backend: &Embedded) -> Result<Vec<Value>, String> {
    let ledger = backend.ledger();
    let (mut actions, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = ledger.held(after.as_deref(), PAGE).await.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else { return Ok(actions) };
        after = Some(last.action.id.clone());
        actions.extend(page.iter().map(|action| json!(action.summary())));
    }
}

fn lines(actions: &[Value]) -> String {
    if actions.is_empty() {
        return "nothing is held or waits\n".to_owned();
    }
    let mut lines = String::new();
    for action in actions {
        let when = match &*text(action, "state") {
            "held" => format!("held since {}", text(action, "since")),
            "waiting" => format!("retried at {}", text(action, "until")),
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
    format!("{lines}{}\n", counted(actions.len(), "action"))
}
