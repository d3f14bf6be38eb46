//! `/decisions`: what every rule decided on an event, page by page.
//!
//! An answer is bounded, whatever the event: in decisions, parts of conditions and bytes. No more than a
//! few are made at once, so that neither is the memory of all of them together.

mod bounds;
mod lines;
mod report;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use form_urlencoded::Serializer;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Admin, PATIENCE, failed};
use crate::ledger::EventRecord;

/// How many answers are made at once.
pub(crate) const MAX_ANSWERS: usize = 2;
/// How many decisions an answer has, where the question does not say, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct Asked {
    event: Option<String>,
    source: Option<String>,
    rule: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

/// What is asked, checked.
#[derive(Debug)]
struct Question {
    event: String,
    source: Option<String>,
    rule: Option<String>,
    /// Where the question says it.
    limit: Option<usize>,
    after: Cursor,
}

/// Where a page begins: at which of the explained decisions, and at which of the recorded ones that stand
/// in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    decision: usize,
    recorded: usize,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.decision)?;
        if self.recorded > 0 { write!(f, ".{}", self.recorded) } else { Ok(()) }
    }
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // Half of what there is, so that nothing that is added overflows.
            text.parse().ok().filter(|number| is_digits && *number < usize::MAX / 2)
        };
        let (decision, recorded) = text.split_once('.').unwrap_or((text, "0"));
        Some(Self { decision: number(decision)?, recorded: number(recorded)? })
    }
}

impl Question {
    /// # Errors
    /// What is wrong with it, in a sentence.
    fn new(asked: Asked) -> Result<Self, String> {
        let Some(event) = asked.event else {
            return Err("say which event, as in /decisions?event=ID".into());
        };
        let limit = asked.limit.map(|text| match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(format!("`limit` is a whole number from 1 to {MAX_LIMIT}, not `{text}`")),
        });
        let after = asked.after.map(|text| {
            Cursor::parse(&text).ok_or_else(|| {
                format!("`after` is taken from `next` of the answer before, and is not `{text}`")
            })
        });
        Ok(Self {
            event,
            source: asked.source,
            rule: asked.rule,
            limit: limit.transpose()?,
            after: after.transpose()?.unwrap_or_default(),
        })
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// The same question from another decision on, as a path with its query.
    fn from(&self, after: Cursor) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("event", &self.event);
        for (name, value) in [("source", &self.source), ("rule", &self.rule)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        format!("/decisions?{}", query.append_pair("after", &after.to_string()).finish())
    }
}

pub(super) async fn decisions(
    State(admin): State<Arc<Admin>>,
    Query(asked): Query<Asked>,
) -> Response {
    let question = match Question::new(asked) {
        Ok(question) => question,
        Err(why) => return failed(StatusCode::BAD_REQUEST, &why),
    };
    // Reading the record takes memory, too.
    let Some(turn) = turn(&admin.explaining).await else { return busy() };
    let id = &question.event;
    let mut found = match admin.ledger.find(id).await {
        Ok(found) => found,
        Err(error) => return failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    if let Some(source) = &question.source {
        found.retain(|record| {
            record.event.source == *source || record.event.key().full_name() == *source
        });
    }
    if found.len() > 1 {
        let events: Vec<_> = found.iter().map(|r| r.event.key().full_name()).collect();
        let why = format!(
            "each of {} has an event `{id}`; add &source=NAME or &source=NAME.EVENT",
            events.join(", ")
        );
        return failed(StatusCode::CONFLICT, &why);
    }
    match found.pop() {
        None => failed(StatusCode::NOT_FOUND, &format!("no event `{id}` is known")),
        Some(record) => explained(&admin, record, question, turn).await,
    }
}

/// A turn, for which an answer waits, but not for long.
async fn turn(turns: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let turn = Arc::clone(turns).acquire_owned();
    tokio::time::timeout(PATIENCE, turn).await.ok().and_then(Result::ok)
}

fn busy() -> Response {
    let why = format!("{MAX_ANSWERS} other answers are being made: ask again in a second");
    let mut response = failed(StatusCode::SERVICE_UNAVAILABLE, &why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The report on one event. It keeps its turn until its text is made, though nobody may wait for it any
/// more.
async fn explained(
    admin: &Arc<Admin>,
    record: EventRecord,
    question: Question,
    turn: OwnedSemaphorePermit,
) -> Response {
    const FAILED: &str = "explaining this event failed inside fuse; please report it";
    let fault = || failed(StatusCode::INTERNAL_SERVER_ERROR, FAILED);
    // Off the async threads, as deciding is.
    let on = Arc::clone(admin);
    let lines = tokio::task::spawn_blocking(move || {
        let lines = lines::lines(&on, &record, &question);
        (lines, record, question, turn)
    });
    let (lines, record, question, turn) = match lines.await {
        Ok((Ok(lines), record, question, turn)) => (lines, record, question, turn),
        Ok((Err(why), ..)) => return failed(StatusCode::NOT_FOUND, &why),
        Err(_) => return fault(),
    };
    let looking = match lines.missed.is_empty() {
        true => None,
        false => self::turn(&admin.looking).await,
    };
    let on = Arc::clone(admin);
    let text = tokio::task::spawn_blocking(move || {
        let report = report::report(&on, &record, &question, lines, looking.is_some());
        drop(looking);
        // Read by people as often as by programs.
        let text = serde_json::to_string_pretty(&report);
        drop((report, record, turn));
        text
    });
    match text.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Ok(Err(_)) | Err(_) => fault(),
    }
}
