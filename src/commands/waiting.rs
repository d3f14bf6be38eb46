//! `fuse waiting`, `fuse approve` and `fuse decline`

use fuse_rules::flow::{Approval, FlowTime};
use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::clock::Clock;
use fuse_runtime::ledger::{WaitAnswer, WaitingDecision};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::target::{LOCAL, Target, field, formatted, only, seconds, text};
use super::{Ended, async_runtime, counted};
use crate::cli::{Answer, Waiting};
use crate::client::Server;
use crate::{Exit, output};

/// The number of decisions per request.
const PAGE: usize = 500;

pub(crate) fn list(arguments: &Waiting) -> Ended {
    let mut waiting = async_runtime()?.block_on(async {
        match Target::new(&arguments.server).await? {
            Target::Running(server) => running(&server).await,
            Target::Stopped(backend) => {
                let time = time(&backend).await?;
                let all = stopped(&backend).await?;
                Ok::<Vec<Value>, String>(all.iter().map(|one| json!(one.summary(time))).collect())
            }
        }
    })?;
    waiting.retain(|one| !arguments.approval || needs_approval(one));
    waiting.sort_by_cached_key(|one| field(one, "until").parse::<Timestamp>().ok());
    output::print(&formatted(arguments.server.format, &waiting, lines));
    Ok(Exit::Clean)
}

/// Approves or declines something.
pub(crate) fn answer(arguments: &Answer, answer: WaitAnswer) -> Ended {
    let Answer { id, reason, server } = arguments;
    let id = async_runtime()?.block_on(async {
        match Target::new(server).await? {
            Target::Running(server) => {
                let all = running(&server).await?;
                let asked = all.iter().filter(|one| needs_approval(one));
                let id = only(id, asked.map(|one| field(one, "id")), unknown)?;
                let verb = verb(answer);
                server.post(&format!("/waiting/{id}/{verb}"), json!({ "reason": reason })).await?;
                Ok::<_, String>(id)
            }
            Target::Stopped(backend) => {
                let all = stopped(&backend).await?;
                let asked = all.iter().filter(|one| one.record.wait.open_approval().is_some());
                let id = only(id, asked.filter_map(|one| one.record.id()), unknown)?;
                let one = all.iter().find(|one| one.record.id() == Some(&id));
                // Who asks is known to a running fuse only.
                if one.is_some_and(|one| !one.record.wait.approvers().is_empty()) {
                    return Err(format!(
                        "the rule names who may {}: start fuse, which knows who you are",
                        verb(answer)
                    ));
                }
                record(&backend, &id, answer, reason).await?;
                backend.close().await.map_err(|error| error.to_string())?;
                Ok(id)
            }
        }
    })?;
    output::print(&format!("{} {id}\n", answer.as_str()));
    Ok(Exit::Clean)
}

fn verb(answer: WaitAnswer) -> &'static str {
    match answer {
        WaitAnswer::Approve => "approve",
        WaitAnswer::Decline => "decline",
        WaitAnswer::Discard => "discard",
    }
}

/// Records an answer in the state of a stopped fuse, which continues with it at the start.
pub(super) async fn record(
    backend: &Embedded,
    id: &str,
    answer: WaitAnswer,
    reason: &str,
) -> Result<(), String> {
    let time = time(backend).await?;
    let reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let by = Approval { by: LOCAL.to_owned(), at: time.wall, reason };
    let recorded = backend.ledger().answer(id, answer, &by, time).await;
    recorded.map(drop).map_err(|error| error.to_string())
}

/// The time of a stopped fuse.
pub(super) async fn time(backend: &Embedded) -> Result<FlowTime, String> {
    let clock = backend.resume_clock(&Clock::system()).await.map_err(|error| error.to_string())?;
    Ok(FlowTime { steady: clock.steady(), wall: clock.now() })
}

/// All decisions of a running fuse that wait.
pub(super) async fn running(server: &Server) -> Result<Vec<Value>, String> {
    let (mut waiting, mut after) = (Vec::new(), String::new());
    loop {
        let mut page: Value = server.get(&format!("/waiting?limit={PAGE}{after}")).await?;
        if let Some(Value::Array(found)) = page.get_mut("waiting") {
            waiting.append(found);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(waiting),
        }
    }
}

/// The same of a stopped one.
pub(super) async fn stopped(backend: &Embedded) -> Result<Vec<WaitingDecision>, String> {
    let ledger = backend.ledger();
    let (mut waiting, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = ledger.waiting(after.as_deref(), PAGE).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(last) = page.last().and_then(|one| one.record.id()) else { return Ok(waiting) };
        after = Some(last.to_owned());
        waiting.extend(page);
    }
}

fn needs_approval(waiting: &Value) -> bool {
    waiting.get("needs_approval").and_then(Value::as_bool) == Some(true)
}

fn unknown(start: &str) -> String {
    format!(
        "nothing that waits for approval has an id that starts with `{start}`; see `fuse waiting --approval`"
    )
}

fn lines(waiting: &[Value]) -> String {
    if waiting.is_empty() {
        return "nothing waits\n".to_owned();
    }
    let mut lines = String::new();
    for one in waiting {
        let until = seconds(one, "until");
        let when = match needs_approval(one) {
            true => format!("waits for approval, and expires at {until}"),
            false => format!("due at {until}"),
        };
        lines.push_str(&format!(
            "{}\n  {} for {}.{} {}\n  {when}: {}\n",
            text(one, "id"),
            text(one, "rule"),
            text(one, "source"),
            text(one, "name"),
            text(one, "event"),
            text(one, "reason"),
        ));
    }
    format!("{lines}{}\n", counted(waiting.len(), "decision"))
}
