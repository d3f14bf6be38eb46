//! The event that a request names by its id.

use axum::http::StatusCode;
use axum::response::Response;

use super::{Admin, failed, ledger_failed};
use crate::ledger::{EventRecord, LedgerError};

/// Why there is no event to answer with.
#[derive(Debug, thiserror::Error)]
pub(super) enum FindEventError {
    #[error("no event has the id `{0}`")]
    Unknown(String),
    #[error(
        "several sources have an event `{id}`: {events}; add &source=NAME or &source=NAME.EVENT"
    )]
    Ambiguous { id: String, events: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl FindEventError {
    pub(super) fn answer(&self) -> Response {
        let status = match self {
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Ambiguous { .. } => StatusCode::CONFLICT,
            Self::Ledger(error) => return ledger_failed(error),
        };
        failed(status, &self.to_string())
    }
}

/// The event with this id, perhaps of one source: `SOURCE` or `SOURCE.EVENT`.
pub(super) async fn find_event(
    admin: &Admin,
    id: &str,
    source: Option<&str>,
) -> Result<EventRecord, FindEventError> {
    let mut found = admin.ledger.find(id).await?;
    if let Some(source) = source {
        found.retain(|record| record.event.key().is_from(source));
    }
    if found.len() > 1 {
        let events: Vec<_> = found.iter().map(|one| one.event.key().full_name()).collect();
        return Err(FindEventError::Ambiguous { id: id.to_owned(), events: events.join(", ") });
    }
    found.pop().ok_or_else(|| FindEventError::Unknown(id.to_owned()))
}
