//! The fuse that a subcommand asks: a running one over its admin port, or the state of a stopped one.

use std::path::Path;

use fuse_runtime::backend::Embedded;
use fuse_runtime::secrets::Secret;
use fuse_runtime::store::{FILE_NAME, Store, StoreError};
use serde_json::Value;

use crate::cli::{Format, Period, ServerArgs};
use crate::client::Server;
use crate::endpoint::Endpoint;

/// The environment variable with a token of the admin port.
const TOKEN_VARIABLE: &str = "FUSE_ADMIN_TOKEN";
/// The fuse whose environment variable would be [`TOKEN_VARIABLE`].
pub(crate) const TOKEN_FUSE: &str = "admin-token";
/// The state folders of a fuse that runs in the same folder.
const DEFAULT_STATES: [&str; 2] = [".fuse", ".fuse-local"];
/// The limit of the queue of a stopped fuse, which accepts nothing.
const MAX_BACKLOG: u64 = u64::MAX;

/// The fuse that a subcommand asks.
pub(super) enum Target {
    Running(Server),
    Stopped(Embedded),
}

impl Target {
    pub(super) async fn new(arguments: &ServerArgs) -> Result<Self, String> {
        let Some(state) = &arguments.state else {
            return Ok(Self::Running(Server::new(&arguments.server, token(arguments)?)));
        };
        if !state.join(FILE_NAME).exists() {
            return Err(format!("there is no state in `{}`", state.display()));
        }
        match Store::open(state) {
            Ok(store) => {
                let backend = Embedded::new(store, MAX_BACKLOG).await;
                backend.map(Self::Stopped).map_err(|error| error.to_string())
            }
            // A running fuse has it.
            Err(locked @ StoreError::Locked { .. }) => match read(state)? {
                Some(Endpoint { url, token }) => Ok(Self::Running(Server::new(&url, Some(token)))),
                None => Err(locked.to_string()),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    /// The running fuse.
    pub(super) async fn running(arguments: &ServerArgs, what: &str) -> Result<Server, String> {
        match Self::new(arguments).await? {
            Self::Running(server) => Ok(server),
            Self::Stopped(_) => {
                Err(format!("fuse is not running, so it cannot {what}: start it first"))
            }
        }
    }
}

/// The token for a server: the given one, or that of a fuse that runs in this folder at this address.
fn token(arguments: &ServerArgs) -> Result<Option<Secret>, String> {
    if let Some(path) = &arguments.token_file {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|error| fuse_runtime::read_error(path, &error))?;
        return Ok(Some(Secret::new(text.trim())));
    }
    if let Ok(token) = std::env::var(TOKEN_VARIABLE)
        && !token.trim().is_empty()
    {
        return Ok(Some(Secret::new(token.trim())));
    }
    let url = arguments.server.trim_end_matches('/');
    let own = DEFAULT_STATES.iter().filter_map(|state| read(Path::new(state)).ok().flatten());
    Ok(own.into_iter().find(|endpoint| endpoint.url == url).map(|endpoint| endpoint.token))
}

fn read(state: &Path) -> Result<Option<Endpoint>, String> {
    Endpoint::read(state).map_err(|error| {
        format!(
            "the address of the fuse with the state `{}` cannot be read: {error}",
            state.display()
        )
    })
}

/// A query with these parameters.
pub(super) fn path(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("{path}?{}", query.finish())
}

/// Up to `period.limit` items of a list that a server returns in pages, and whether there are more.
pub(super) async fn pages(
    server: &Server,
    list: &str,
    field: &str,
    mut parameters: Vec<(&str, Option<String>)>,
    period: &Period,
) -> Result<(Vec<Value>, bool), String> {
    const MAX_PAGE: usize = 500;
    let mut items = Vec::new();
    parameters.push(("since", period.since.map(|at| at.to_string())));
    parameters.push(("until", period.until.map(|at| at.to_string())));
    let mut after: Option<String> = None;
    loop {
        let wanted = period.limit.saturating_sub(items.len());
        if wanted == 0 {
            return Ok((items, true));
        }
        let mut asked = parameters.clone();
        asked.push(("limit", Some(wanted.min(MAX_PAGE).to_string())));
        asked.push(("after", after));
        let mut page = server.get(&path(list, &asked)).await?;
        if let Some(Value::Array(found)) = page.get_mut(field) {
            items.append(found);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok((items, false)),
        }
    }
}

/// A list in the format that was asked for.
pub(super) fn formatted(
    format: Format,
    items: &[Value],
    text: impl Fn(&[Value]) -> String,
) -> String {
    match format {
        Format::Json => items.iter().map(|item| format!("{item}\n")).collect(),
        Format::Text => text(items),
    }
}

/// The text in a field; empty if there is none.
pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A time to the second.
pub(super) fn seconds(value: &Value, field: &str) -> String {
    let at = text(value, field);
    match at.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => at.to_owned(),
    }
}

/// Columns, each as wide as its widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The beginning of an id, which is enough to find it.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// A note on the lines that are left out, if there are any.
pub(super) fn more(has_more: bool, limit: usize) -> String {
    match has_more {
        true => format!("these are the newest {limit}; `--limit` shows more\n"),
        false => String::new(),
    }
}
