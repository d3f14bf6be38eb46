//! `fuse events`

use clap::ValueEnum as _;
use fuse_runtime::backend::{Backend as _, Embedded};
use fuse_runtime::ledger::EventQuery;
use serde_json::{Value, json};

use super::target::{Target, formatted, more, pages, seconds, table, text};
use super::{Ended, async_runtime, counted};
use crate::cli::{Events, Format};
use crate::{Exit, output};

pub(crate) fn list(arguments: &Events) -> Ended {
    let (events, has_more) = async_runtime()?.block_on(events(arguments))?;
    let format = arguments.server.format;
    output::print(&formatted(format, &events, lines));
    if format == Format::Text {
        output::print(&more(has_more, arguments.period.limit));
    }
    Ok(Exit::Clean)
}

async fn events(arguments: &Events) -> Result<(Vec<Value>, bool), String> {
    let result = arguments.result.as_ref().and_then(|result| result.to_possible_value());
    let result = result.map(|result| result.get_name().to_owned());
    match Target::new(&arguments.server).await? {
        Target::Running(server) => {
            let parameters = vec![
                ("source", arguments.source.clone()),
                ("event", arguments.event.clone()),
                ("rule", arguments.rule.clone()),
                ("result", result),
            ];
            pages(&server, "/events", "events", parameters, &arguments.period).await
        }
        Target::Stopped(backend) => stopped(&backend, arguments, result).await,
    }
}

async fn stopped(
    backend: &Embedded,
    arguments: &Events,
    result: Option<String>,
) -> Result<(Vec<Value>, bool), String> {
    let mut query = EventQuery {
        source: arguments.source.clone(),
        name: arguments.event.clone(),
        rule: arguments.rule.clone(),
        result: result.and_then(|result| result.parse().ok()),
        since: arguments.period.since,
        until: arguments.period.until,
        after: None,
        limit: arguments.period.limit,
    };
    let ledger = backend.ledger();
    let mut events = Vec::new();
    loop {
        let page = ledger.events(&query).await.map_err(|error| error.to_string())?;
        events.extend(page.events.iter().map(|event| json!(event)));
        query.limit = arguments.period.limit.saturating_sub(events.len());
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
            match (event.get("decided").is_some_and(Value::is_string), text(event, "rejected")) {
                (false, _) => "waiting".to_owned(),
                (true, "") => counts(event, "decisions", "none"),
                (true, why) => format!("rejected: {why}"),
            };
        vec![
            seconds(event, "received"),
            format!("{}.{}", text(event, "source"), text(event, "name")),
            text(event, "id").to_owned(),
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
