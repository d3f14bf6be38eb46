//! The fuse that a subcommand asks: a running one over its admin port, or the state of a stopped one.

use std::collections::BTreeSet;
use std::path::Path;

use fuse_runtime::backend::Embedded;
use fuse_runtime::secrets::Secret;
use fuse_runtime::store::{FILE_NAME, Store, StoreError};
use serde_json::Value;

use crate::cli::{Credentials, Filter, Format, ServerArgs};
use crate::client::{Server, Trust};
use crate::endpoint::Endpoint;
use crate::output::{printable, printable_json};

/// The environment variable with a token of the admin port.
const TOKEN_VARIABLE: &str = "FUSE_ADMIN_TOKEN";
/// The fuse whose environment variable would be [`TOKEN_VARIABLE`].
pub(crate) const TOKEN_FUSE: &str = "admin-token";
/// The state folders of a fuse that runs in the same folder.
const DEFAULT_STATES: [&str; 2] = [".fuse", ".fuse-local"];
/// The limit of the queue of a stopped fuse, which accepts nothing.
const MAX_BACKLOG: u64 = u64::MAX;

/// Who does something without a running fuse, on record.
pub(super) const LOCAL: &str = "local";

/// The fuse that a subcommand asks.
pub(super) enum Target {
    Running(Server),
    Stopped(Embedded),
}

impl Target {
    pub(super) async fn new(arguments: &ServerArgs) -> Result<Self, String> {
        let ServerArgs { server, credentials, .. } = arguments;
        let Some(state) = &arguments.state else {
            return Ok(Self::Running(server_at(server, credentials)?));
        };
        if !state.join(FILE_NAME).exists() {
            return Err(format!("`{}` contains no state of fuse", state.display()));
        }
        match Store::open(state) {
            Ok(store) => {
                let backend = Embedded::new(store, MAX_BACKLOG).await;
                backend.map(Self::Stopped).map_err(|error| error.to_string())
            }
            // A running fuse has it.
            Err(locked @ StoreError::Locked { .. }) => match read(state)? {
                Some(Endpoint { url, token }) => {
                    let server = Server::new(&url, Some(token), &own(credentials))?;
                    Ok(Self::Running(server))
                }
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

/// The server at a URL, with the given token, or with that of a fuse that runs in this folder at this address.
pub(super) fn server_at(url: &str, credentials: &Credentials) -> Result<Server, String> {
    let Credentials { token_file, ca_file, client_cert } = credentials;
    let trust =
        Trust { authorities: ca_file.clone(), certificate: client_cert.clone(), any: false };
    if let Some(path) = token_file {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|error| fuse_runtime::read_error(path, &error))?;
        return Server::new(url, Some(Secret::new(text.trim())), &trust);
    }
    if let Ok(token) = std::env::var(TOKEN_VARIABLE)
        && !token.trim().is_empty()
    {
        return Server::new(url, Some(Secret::new(token.trim())), &trust);
    }
    match newest(&DEFAULT_STATES.map(Path::new), url.trim_end_matches('/')) {
        // A file in the folder must not make another machine trusted.
        Some(token) if is_loopback(url) => Server::new(url, Some(token), &own(credentials)),
        Some(token) => Server::new(url, Some(token), &trust),
        None => Server::new(url, None, &trust),
    }
}

/// Whether the host of a URL is this machine.
fn is_loopback(url: &str) -> bool {
    let host = url.parse::<http::Uri>().ok().and_then(|url| url.host().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// Trusts any certificate: the address is from the state folder of a fuse on this machine.
fn own(Credentials { ca_file, client_cert, .. }: &Credentials) -> Trust {
    Trust { authorities: ca_file.clone(), certificate: client_cert.clone(), any: true }
}

/// The token of the fuse at this address that was started last. A fuse that was killed leaves its file behind.
fn newest(states: &[&Path], url: &str) -> Option<Secret> {
    let own = states.iter().filter_map(|state| {
        let endpoint = read(state).ok().flatten().filter(|endpoint| endpoint.url == url)?;
        Some((Endpoint::written(state), endpoint.token))
    });
    own.max_by_key(|(written, _)| *written).map(|(_, token)| token)
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

/// Up to `filter.limit` items of a list that a server returns in pages, and whether there are more.
pub(super) async fn pages(
    server: &Server,
    list: &str,
    field: &str,
    filter: &Filter,
    mut parameters: Vec<(&str, Option<String>)>,
) -> Result<(Vec<Value>, bool), String> {
    const MAX_PAGE: usize = 500;
    let mut items = Vec::new();
    parameters.extend([
        ("source", filter.source.clone()),
        ("event", filter.event.clone()),
        ("rule", filter.rule.clone()),
        ("since", filter.since.map(|at| at.to_string())),
        ("until", filter.until.map(|at| at.to_string())),
    ]);
    let mut after: Option<String> = None;
    loop {
        let wanted = filter.limit.saturating_sub(items.len());
        if wanted == 0 {
            return Ok((items, true));
        }
        let mut asked = parameters.clone();
        asked.push(("limit", Some(wanted.min(MAX_PAGE).to_string())));
        asked.push(("after", after));
        let mut page: Value = server.get(&path(list, &asked)).await?;
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
        Format::Json => items.iter().map(|item| printable_json(&format!("{item}\n"))).collect(),
        Format::Text => text(items),
    }
}

/// The text in a field as it is; empty if there is none.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The text in a field to print, because senders choose ids and reasons; empty if there is none.
pub(super) fn text(value: &Value, name: &str) -> String {
    printable(field(value, name))
}

/// At most so many characters of a text.
pub(super) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A time to the second.
pub(super) fn seconds(value: &Value, field: &str) -> String {
    let at = text(value, field);
    match at.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => at,
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

/// The only one of these ids that starts like this. An action that becomes a dead letter meanwhile has its id twice.
pub(super) fn only<'i>(
    start: &str,
    ids: impl Iterator<Item = &'i str>,
    unknown: fn(&str) -> String,
) -> Result<String, String> {
    let matching: BTreeSet<&str> = ids.filter(|id| id.starts_with(start)).collect();
    let mut matching = matching.into_iter();
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id.to_owned()),
        (Some(_), Some(_)) => Err(format!("several ids start with `{start}`; give more of the id")),
        (None, _) => Err(unknown(start)),
    }
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn ids_and_reasons_cannot_forge_lines() {
        let event = serde_json::json!({ "id": "1\n2026 \u{1b}[2J" });
        assert_eq!(text(&event, "id"), "1\\u{a}2026 \\u{1b}[2J");
        assert_eq!(cut("müller", 2), "mü…");
    }

    #[test]
    fn a_prefix_selects_one_of_all_ids() {
        let found = |start: &str| {
            let ids = ["5f0c1", "5f0c2", "9a3b7", "9a3b7"].into_iter();
            only(start, ids, |start| format!("there is no `{start}`"))
        };
        assert_eq!(found("9a3b").unwrap(), "9a3b7");
        assert!(found("5f0c").unwrap_err().contains("several ids start with `5f0c`"));
        assert_eq!(found("beef").unwrap_err(), "there is no `beef`");
    }

    #[test]
    fn the_file_of_a_fuse_that_was_killed_does_not_hide_a_newer_one() {
        let states = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths = [states[0].path(), states[1].path()];
        for newer in 0..2 {
            for (index, path) in paths.iter().enumerate() {
                let file = path.join("admin.json");
                let content =
                    format!("{{\"url\": \"http://127.0.0.1:1\", \"token\": \"{index}\"}}");
                std::fs::write(&file, content).unwrap();
                let age = Duration::from_secs(if index == newer { 0 } else { 60 });
                File::options()
                    .write(true)
                    .open(&file)
                    .unwrap()
                    .set_modified(SystemTime::now() - age)
                    .unwrap();
            }
            let found = newest(&paths, "http://127.0.0.1:1").unwrap();
            assert_eq!(found.expose(), newer.to_string());
        }
        assert!(newest(&paths, "http://127.0.0.1:2").is_none());
    }
}
