//! `/decisions`: the decision of every rule on an event, page by page.
//!
//! The number of decisions, parts of conditions and bytes of an answer is bounded for every event. Only a few
//! answers are computed at once, which bounds their memory.

mod bounds;
mod lines;
mod report;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use form_urlencoded::Serializer;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Requester;
use super::find_event::find_event;
use super::{Admin, READINESS_TIMEOUT, failed};
use crate::ledger::EventRecord;

/// How many answers are computed at once.
pub(crate) const MAX_ANSWERS: usize = 2;
/// How many decisions an answer has by default, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct DecisionsQuery {
    event: Option<String>,
    source: Option<String>,
    rule: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

/// A validated query.
#[derive(Debug)]
struct Question {
    event: String,
    source: Option<String>,
    rule: Option<String>,
    /// The limit of the query, if it has one.
    limit: Option<usize>,
    after: Cursor,
    /// Whether the answer contains rendered actions.
    payloads: bool,
}

/// Where a page begins: the index of the explained decision, and the index of the recorded decision within its
/// position.
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
            // At most half of the range, so that additions do not overflow.
            text.parse().ok().filter(|number| is_digits && *number < usize::MAX / 2)
        };
        let (decision, recorded) = text.split_once('.').unwrap_or((text, "0"));
        Some(Self { decision: number(decision)?, recorded: number(recorded)? })
    }
}

impl Question {
    /// # Errors
    /// The query is not valid; why, in a sentence.
    fn new(asked: DecisionsQuery, payloads: bool) -> Result<Self, String> {
        let Some(event) = asked.event else {
            return Err("say which event, as in /decisions?event=ID".into());
        };
        let limit = asked.limit.map(|text| match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(format!("`limit` is a whole number from 1 to {MAX_LIMIT}, not `{text}`")),
        });
        let after = asked.after.map(|text| {
            Cursor::parse(&text).ok_or_else(|| {
                format!("`after` comes from `next` of the previous answer; it is not `{text}`")
            })
        });
        Ok(Self {
            event,
            source: asked.source,
            rule: asked.rule,
            limit: limit.transpose()?,
            after: after.transpose()?.unwrap_or_default(),
            payloads,
        })
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// The same query starting at another decision, as a path.
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
    Extension(caller): Extension<Requester>,
    Query(asked): Query<DecisionsQuery>,
) -> Response {
    let question = match Question::new(asked, caller.sees_actions()) {
        Ok(question) => question,
        Err(why) => return failed(StatusCode::BAD_REQUEST, &why),
    };
    // Reading the record takes memory, too.
    let Some(turn) = turn(&admin.explaining).await else { return busy() };
    let found = find_event(&admin, &question.event, question.source.as_deref()).await;
    match found {
        Ok(record) => explained(&admin, record, question, turn).await,
        Err(error) => error.answer(),
    }
}

/// Waits for a turn, but not for long.
pub(super) async fn turn(turns: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let turn = Arc::clone(turns).acquire_owned();
    tokio::time::timeout(READINESS_TIMEOUT, turn).await.ok().and_then(Result::ok)
}

pub(super) fn busy() -> Response {
    let why = format!("{MAX_ANSWERS} other requests are being answered: ask again in a second");
    let mut response = failed(StatusCode::SERVICE_UNAVAILABLE, &why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The report on one event. It keeps its turn until its text is complete, even if the client has gone.
async fn explained(
    admin: &Arc<Admin>,
    record: EventRecord,
    question: Question,
    turn: OwnedSemaphorePermit,
) -> Response {
    const FAILED: &str = "explaining this event failed inside fuse; please report it";
    let fault = || failed(StatusCode::INTERNAL_SERVER_ERROR, FAILED);
    // Off the async threads, like deciding.
    let rules = admin.active.get();
    let (on, shown) = (Arc::clone(admin), Arc::clone(&rules));
    let lines = tokio::task::spawn_blocking(move || {
        let lines = lines::lines(&on, &shown, &record, &question);
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
    let text = tokio::task::spawn_blocking(move || {
        let report = report::report(&rules, &record, &question, lines, looking.is_some());
        drop(looking);
        // Indented, since people read it as often as programs.
        let text = serde_json::to_string_pretty(&report);
        drop((report, record, turn));
        text
    });
    match text.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Ok(Err(_)) | Err(_) => fault(),
    }
}
