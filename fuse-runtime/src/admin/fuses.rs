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
    let values = values(&admin);
    let rules: Vec<_> = admin.ruleset.rules().collect();
    let lines: Vec<_> = admin
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

/// Whether each fuse is on.
pub(super) fn values(admin: &Admin) -> BTreeMap<&str, bool> {
    let value = |name: &str, default| admin.fuses.get(name).unwrap_or(default);
    admin.ruleset.fuses().map(|fuse| (fuse.name, value(fuse.name, fuse.default_on))).collect()
}
