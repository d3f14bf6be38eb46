//! `fuse events`

use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::clock::Clock;
use fuse_runtime::ledger::{EventContent, EventQuery, EventRecord, EventResult};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::target::{Target, cut, formatted, more, pages, path, seconds, table, text};
use super::{Ended, async_runtime, counted};
use crate::cli::{Events, Filter, Format};
use crate::{Exit, output};

/// How many characters of the reason why an event is rejected a line has.
const MAX_REASON: usize = 60;

pub(crate) fn list(arguments: &Events) -> Ended {
    if let Some(id) = &arguments.payload {
        let content = async_runtime()?.block_on(payload(id, arguments))?;
        let text = serde_json::to_string_pretty(&content).map_err(|error| error.to_string())?;
        output::print_json(&format!("{text}\n"));
        return Ok(Exit::Clean);
    }
    let (events, has_more) = async_runtime()?.block_on(events(arguments))?;
    let format = arguments.server.format;
    output::print(&formatted(format, &events, lines));
    if format == Format::Text {
        output::print(&more(has_more, arguments.filter.limit));
    }
    Ok(Exit::Clean)
}

/// An event as it arrived.
async fn payload(id: &str, arguments: &Events) -> Result<EventContent, String> {
    let Filter { source, event, .. } = &arguments.filter;
    let source = source.as_ref().map(|source| match event {
        Some(event) => format!("{source}.{event}"),
        None => source.clone(),
    });
    match Target::new(&arguments.server).await? {
        Target::Running(server) => {
            let asked = [("event", Some(id.to_owned())), ("source", source)];
            server.get(&path("/payload", &asked)).await
        }
        Target::Stopped(backend) => {
            let found = backend.ledger().find(id).await.map_err(|error| error.to_string())?;
            let is_asked = |record: &&EventRecord| {
                source.as_ref().is_none_or(|source| record.event.key().is_from(source))
            };
            let mut found = found.iter().filter(is_asked);
            match (found.next(), found.next()) {
                (None, _) => Err(format!("no event has the id `{id}`")),
                (Some(_), Some(_)) => Err(format!(
                    "several sources have an event `{id}`; select one with `--source` and `--event`"
                )),
                (Some(record), None) => Ok(EventContent::new(&record.event)),
            }
        }
    }
}

async fn events(arguments: &Events) -> Result<(Vec<Value>, bool), String> {
    let Events { result, filter, server, .. } = arguments;
    match Target::new(server).await? {
        Target::Running(server) => {
            let result = result.map(|result| result.as_str().to_owned());
            pages(&server, "/events", "events", filter, vec![("result", result)]).await
        }
        Target::Stopped(backend) => stopped(&backend, *result, filter).await,
    }
}

async fn stopped(
    backend: &Embedded,
    result: Option<EventResult>,
    filter: &Filter,
) -> Result<(Vec<Value>, bool), String> {
    let clock = backend.resume_clock(&Clock::system()).await.map_err(|error| error.to_string())?;
    let steady = |at: Timestamp| clock.steady_at(at);
    let mut query = EventQuery {
        source: filter.source.clone(),
        name: filter.event.clone(),
        rule: filter.rule.clone(),
        result,
        since: filter.since.map(steady),
        until: filter.until.map(steady),
        after: None,
        limit: filter.limit,
    };
    let ledger = backend.ledger();
    let mut events = Vec::new();
    loop {
        let page = ledger.events(&query).await.map_err(|error| error.to_string())?;
        events.extend(page.events.iter().map(|event| json!(event)));
        query.limit = filter.limit.saturating_sub(events.len());
        query.after = page.next;
        if query.after.is_none() || query.limit == 0 {
            return Ok((events, query.after.is_some()));
        }
    }
}

fn lines(events: &[Value]) -> String {
    if events.is_empty() {
        return "no events\n".to_owned();
    }
    let mut rows =
        vec![["RECEIVED", "EVENT", "ID", "DECISIONS", "ACTIONS"].map(str::to_owned).into()];
    rows.extend(events.iter().map(|event| {
        let decisions =
            match (event.get("decided").is_some_and(Value::is_string), &*text(event, "rejected")) {
                (false, _) => "queued".to_owned(),
                (true, "") => counts(event, "decisions", "none"),
                (true, why) => format!("rejected: {}", cut(why, MAX_REASON)),
            };
        vec![
            seconds(event, "received"),
            format!("{}.{}", text(event, "source"), text(event, "name")),
            text(event, "id"),
            decisions,
            counts(event, "actions", ""),
        ]
    }));
    format!("{}{}\n", table(&rows), counted(events.len(), "event"))
}

/// The counts that are not zero, as in `fired 2, gated 1`.
fn counts(event: &Value, field: &str, none: &str) -> String {
    let counts = event.get(field).and_then(Value::as_object);
    let shown: Vec<String> = counts
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if shown.is_empty() { none.to_owned() } else { shown.join(", ") }
}
