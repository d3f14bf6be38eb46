//! `/fuses`: the switches of the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Admin, failed};
use crate::config::variable;

#[derive(Serialize)]
struct FuseLine<'r> {
    fuse: &'r str,
    on: bool,
    /// The value in the rules.
    default: bool,
    /// The environment variable that sets it.
    variable: String,
    doc: Option<&'r str>,
    /// The rules that require it.
    rules: Vec<&'r str>,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Response {
    // Off the async threads: there may be thousands of rules.
    match tokio::task::spawn_blocking(move || fuses(&admin)).await {
        Ok(fuses) => Json(fuses).into_response(),
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "listing the fuses failed inside fuse"),
    }
}

fn fuses(admin: &Admin) -> Value {
    let generation = admin.active.get();
    let values: BTreeMap<&str, bool> = generation.fuse_values().collect();
    let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in generation.ruleset.rules() {
        for fuse in rule.requires {
            rules.entry(fuse).or_default().push(rule.name);
        }
    }
    let lines: Vec<_> = generation
        .ruleset
        .fuses()
        .map(|fuse| FuseLine {
            fuse: fuse.name,
            on: values.get(fuse.name).copied().unwrap_or(fuse.default_on),
            default: fuse.default_on,
            variable: variable(fuse.name),
            doc: fuse.doc,
            rules: rules.remove(fuse.name).unwrap_or_default(),
        })
        .collect();
    json!({ "fuses": lines })
}
