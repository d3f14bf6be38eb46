//! `fuse dead-letters`

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::ledger::{DeadLetter, DeadLetterQuery};
use serde_json::{Value, json};

use super::target::{Target, formatted, more, pages, seconds, short, text};
use super::{Ended, async_runtime, counted};
use crate::cli::{DeadLetters, Format};
use crate::{Exit, output};

pub(crate) fn list(arguments: &DeadLetters) -> Ended {
    let (letters, has_more) = async_runtime()?.block_on(letters(arguments))?;
    let format = arguments.server.format;
    output::print(&formatted(format, &letters, lines));
    if format == Format::Text {
        output::print(&more(has_more, arguments.filter.limit));
    }
    Ok(Exit::Clean)
}

async fn letters(arguments: &DeadLetters) -> Result<(Vec<Value>, bool), String> {
    let DeadLetters { filter, server } = arguments;
    match Target::new(server).await? {
        Target::Running(server) => {
            pages(&server, "/dead-letters", "letters", filter, Vec::new()).await
        }
        Target::Stopped(backend) => {
            let query = DeadLetterQuery {
                source: filter.source.clone(),
                name: filter.event.clone(),
                rule: filter.rule.clone(),
                since: filter.since,
                until: filter.until,
                ..DeadLetterQuery::newest(filter.limit)
            };
            let (letters, has_more) = stopped(&backend, query).await?;
            Ok((letters.iter().map(|letter| json!(letter.summary())).collect(), has_more))
        }
    }
}

/// The dead letters of a stopped fuse, and whether there are more.
pub(super) async fn stopped(
    backend: &Embedded,
    mut query: DeadLetterQuery,
) -> Result<(Vec<DeadLetter>, bool), String> {
    let (ledger, limit) = (backend.ledger(), query.limit);
    let mut letters = Vec::new();
    loop {
        let page = ledger.dead_letters(&query).await.map_err(|error| error.to_string())?;
        letters.extend(page.letters);
        query.limit = limit.saturating_sub(letters.len());
        query.after = page.next;
        if query.after.is_none() || query.limit == 0 {
            return Ok((letters, query.after.is_some()));
        }
    }
}

fn lines(letters: &[Value]) -> String {
    if letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let mut lines = String::new();
    for letter in letters {
        let (id, at, kind) = (text(letter, "id"), seconds(letter, "at"), text(letter, "kind"));
        let event = format!(
            "{}.{} {}",
            text(letter, "source"),
            text(letter, "name"),
            text(letter, "event")
        );
        let about = match &*text(letter, "rule") {
            "" => event,
            rule => format!("{rule}{} for {event}", element(letter)),
        };
        let reason = text(letter, "reason");
        lines.push_str(&format!("{}  {at}  {kind}\n  {about}\n  {reason}\n", short(&id)));
    }
    let count = counted(letters.len(), "dead letter");
    format!("{lines}{count}; `fuse replay ID` replays one, `fuse discard ID` removes it\n")
}

/// The element of a decision, as in `[2]`.
pub(super) fn element(value: &Value) -> String {
    match value.get("element") {
        Some(element @ Value::Array(_)) => format!(" {element}"),
        _ => String::new(),
    }
}
