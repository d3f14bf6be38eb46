//! `fuse state`

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::ledger::{StateEntry, StateQuery};
use serde_json::{Value, json};

use super::target::{Target, field, formatted, path, text};
use super::waiting::time;
use super::{Ended, async_runtime, backup, counted, export};
use crate::cli::{State, StateCommand};
use crate::client::Server;
use crate::output::printable;
use crate::{Exit, output};

/// The number of states per request.
const PAGE: usize = 500;

pub(crate) fn run(arguments: &State) -> Ended {
    match &arguments.command {
        None => list(arguments),
        Some(StateCommand::Backup(backup)) => backup::backup(backup),
        Some(StateCommand::Verify(verify)) => backup::verify(verify),
        Some(StateCommand::Restore(restore)) => backup::restore_backup(restore),
        Some(StateCommand::Compact(compact)) => export::compact(compact),
        Some(StateCommand::Export(arguments)) => export::export(arguments),
    }
}

fn list(arguments: &State) -> Ended {
    let query = StateQuery {
        rule: arguments.rule.clone(),
        limiter: arguments.limiter.clone(),
        fuse: arguments.fuse.clone(),
        clause: arguments.clause.clone(),
        key: arguments.key.clone(),
        after: None,
        limit: PAGE,
    };
    let (states, damaged) = async_runtime()?.block_on(async {
        match Target::new(&arguments.server).await? {
            Target::Running(server) => running(&server, query).await,
            Target::Stopped(backend) => stopped(&backend, query).await,
        }
    })?;
    output::print(&formatted(arguments.server.format, &states, lines));
    match damaged {
        0 => Ok(Exit::Clean),
        _ => Err(format!("{} cannot be read: they are damaged", counted(damaged, "state"))),
    }
}

/// The states of a running fuse, and how many cannot be read.
async fn running(server: &Server, mut query: StateQuery) -> Result<(Vec<Value>, usize), String> {
    let (mut states, mut damaged) = (Vec::new(), 0_u64);
    loop {
        let parameters = [
            ("rule", query.rule.clone()),
            ("limiter", query.limiter.clone()),
            ("fuse", query.fuse.clone()),
            ("clause", query.clause.clone()),
            ("key", query.key.clone()),
            ("limit", Some(query.limit.to_string())),
            ("after", query.after.take()),
        ];
        let mut page: Value = server.get(&path("/state", &parameters)).await?;
        if let Some(Value::Array(found)) = page.get_mut("states") {
            states.append(found);
        }
        damaged += page.get("damaged").and_then(Value::as_u64).unwrap_or_default();
        match page.get("next").and_then(Value::as_str) {
            Some(next) => query.after = Some(next.to_owned()),
            None => return Ok((states, damaged as usize)),
        }
    }
}

/// The same of a stopped one.
async fn stopped(backend: &Embedded, mut query: StateQuery) -> Result<(Vec<Value>, usize), String> {
    let (ledger, time) = (backend.ledger(), time(backend).await?);
    let (mut states, mut damaged) = (Vec::new(), 0_u64);
    loop {
        let page = ledger.states(&query, time).await.map_err(|error| error.to_string())?;
        states.extend(page.states.iter().map(StateEntry::summary).map(|one| json!(one)));
        damaged += page.damaged;
        query.after = page.next;
        if query.after.is_none() {
            return Ok((states, damaged as usize));
        }
    }
}

fn lines(states: &[Value]) -> String {
    if states.is_empty() {
        return "no state of flow control\n".to_owned();
    }
    let (mut lines, mut last) = (String::new(), String::new());
    for state in states {
        let clause = format!("{}: {}\n", holder(state), text(state, "clause"));
        if clause != last {
            lines.push_str(&clause);
            last = clause;
        }
        let (holds, frees) = (text(state, "state"), text(state, "frees"));
        lines.push_str(&format!("  {}{holds}; {frees}\n", key(state)));
        let in_progress = state.get("in_progress").and_then(Value::as_array);
        for action in in_progress.into_iter().flatten() {
            lines.push_str(&in_progress_line(action));
        }
    }
    format!("{lines}{}\n", counted(states.len(), "state"))
}

/// The rule, limiter or fuse that a state belongs to.
fn holder(state: &Value) -> String {
    match (field(state, "limiter"), field(state, "fuse")) {
        ("", "") => text(state, "rule"),
        (_, "") => format!("limiter {}", text(state, "limiter")),
        _ => format!("fuse {}", text(state, "fuse")),
    }
}

/// The values of its key before the rest of a line. Empty if the clause has no keys.
fn key(state: &Value) -> String {
    match state.get("values") {
        Some(Value::Array(values)) if values.is_empty() => String::new(),
        Some(Value::Array(values)) => {
            let values: Vec<_> = values.iter().filter_map(Value::as_str).map(printable).collect();
            format!("{}: ", values.join(", "))
        }
        _ => "[hidden]: ".to_owned(),
    }
}

fn in_progress_line(action: &Value) -> String {
    let object = match &*text(action, "object") {
        "" => "the action is not performed yet".to_owned(),
        object => object.to_owned(),
    };
    format!(
        "    {} for {}.{} {}: {object}\n",
        text(action, "rule"),
        text(action, "source"),
        text(action, "name"),
        text(action, "event"),
    )
}
