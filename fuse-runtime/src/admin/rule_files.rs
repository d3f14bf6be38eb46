//! `/rules/files`: the texts of the rules in use. They need a token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Admin, failed};

#[derive(Serialize)]
struct RuleFiles {
    /// The hash of the rules.
    plan: String,
    files: Vec<RuleFile>,
}

#[derive(Serialize)]
struct RuleFile {
    name: String,
    /// Whether the configuration names it, or its folder. Other files are used by these.
    named: bool,
    text: String,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Response {
    let generation = admin.active.get();
    // Off the async threads: there may be many megabytes.
    let listed = tokio::task::spawn_blocking(move || {
        let files = generation.ruleset.loaded_files().map(|(file, named)| RuleFile {
            name: file.name().to_owned(),
            named,
            text: file.text().to_owned(),
        });
        let all = RuleFiles { plan: generation.plan_hash.clone(), files: files.collect() };
        Json(all).into_response()
    });
    match listed.await {
        Ok(answer) => answer,
        Err(_panic) => {
            failed(StatusCode::INTERNAL_SERVER_ERROR, "listing the rules failed inside fuse")
        }
    }
}
