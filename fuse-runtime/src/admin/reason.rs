//! The reason that a person gives for discarding something. The reason for switching a fuse has the same limit.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::failed;

/// The longest reason that is recorded, in characters.
pub(super) const MAX_REASON: usize = 500;

/// The reason in the body of a request, empty if there is no body.
pub(super) struct Reason(pub(super) String);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
}

impl<S: Send + Sync> FromRequest<S> for Reason {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|rejection| rejection.into_response())?;
        let body: Body = match bytes.is_empty() {
            true => Body::default(),
            false => serde_json::from_slice(&bytes).map_err(|error| {
                let why = format!("the body is not a reason as in {{\"reason\": \"…\"}}: {error}");
                failed(StatusCode::BAD_REQUEST, &why)
            })?,
        };
        Ok(Self(body.reason.chars().take(MAX_REASON).collect()))
    }
}
