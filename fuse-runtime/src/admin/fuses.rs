//! `/fuses`: the switches of the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::Admin;
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
    let generation = admin.active.get();
    let values: BTreeMap<&str, bool> = generation.fuse_values().collect();
    let rules: Vec<_> = generation.ruleset.rules().collect();
    let lines: Vec<_> = generation
        .ruleset
        .fuses()
        .map(|fuse| FuseLine {
            fuse: fuse.name,
            on: values.get(fuse.name).copied().unwrap_or(fuse.default_on),
            default: fuse.default_on,
            variable: variable(fuse.name),
            doc: fuse.doc,
            rules: rules
                .iter()
                .filter(|rule| rule.requires.contains(&fuse.name))
                .map(|rule| rule.name)
                .collect(),
        })
        .collect();
    Json(json!({ "fuses": lines })).into_response()
}
