//! `POST /-/reload`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::Admin;
use crate::reload::ReloadError;

/// Loads the rules again. 200 with the changes, or 422 with the problem, which leaves the rules in use as they are.
pub(super) async fn reload(State(admin): State<Arc<Admin>>) -> Response {
    let error = match admin.reloader.reload().await {
        Ok(report) => {
            let answer = json!({
                "reloaded": true,
                "rules": report.hash,
                "changes": report.changes,
                "at_next_start": report.at_next_start,
            });
            return Json(answer).into_response();
        }
        Err(error) => error,
    };
    let status = match error {
        ReloadError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        ReloadError::NoLoader => StatusCode::NOT_IMPLEMENTED,
        ReloadError::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let answer = json!({ "reloaded": false, "error": error.line(), "details": error.to_string() });
    (status, Json(answer)).into_response()
}
