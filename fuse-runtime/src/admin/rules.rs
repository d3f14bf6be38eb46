//! `/rules`: the rules that are in use, what arms them, and what they have decided since the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fuse_rules::Outcome;
use serde::Serialize;
use serde_json::{Value, json};

use super::query::limit_and_after;
use super::{Admin, failed};

/// How many rules a page has by default, and at most.
const PAGE: usize = 1_000;
const MAX_PAGE: usize = 5_000;

/// Why there is no next page.
const RELOADED: &str =
    "`after` is not the `next` of a page of the rules in use; if they were reloaded, begin again";

/// The outcomes that are counted.
const COUNTED: [Outcome; 11] = [
    Outcome::Fired,
    Outcome::Gated,
    Outcome::Counted,
    Outcome::Suppressed,
    Outcome::Waiting,
    Outcome::Cancelled,
    Outcome::Superseded,
    Outcome::Declined,
    Outcome::Expired,
    Outcome::Shadow,
    Outcome::Rejected,
];

#[derive(Serialize)]
struct RuleLine<'r> {
    rule: &'r str,
    doc: Option<&'r str>,
    /// `file:line:column` of its name.
    place: String,
    events: Vec<String>,
    triggers: Vec<&'r str>,
    /// What it reacts to.
    reacts_to: Vec<&'r str>,
    /// The fuses that it requires.
    requires: &'r [&'r str],
    /// Whether all of them are on.
    armed: bool,
    /// How many decisions since the start had each outcome, without those that are zero.
    decisions: BTreeMap<&'static str, u64>,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let (limit, after) = match limit_and_after(query.as_deref(), PAGE, MAX_PAGE) {
        Ok(asked) => asked,
        Err(error) => return error.answer(),
    };
    // Off the async threads: there may be thousands of rules.
    let listed = tokio::task::spawn_blocking(move || page(&admin, after.as_deref(), limit));
    match listed.await {
        Ok(Some(page)) => Json(page).into_response(),
        Ok(None) => failed(StatusCode::CONFLICT, RELOADED),
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "listing the rules failed inside fuse"),
    }
}

/// The rules that come after the last one of a page, in the order of the files. `None` if that page is not of the rules
/// in use.
fn page(admin: &Admin, after: Option<&str>, limit: usize) -> Option<Value> {
    let generation = admin.active.get();
    let fuses: BTreeMap<&str, bool> = generation.fuse_values().collect();
    let mut rules = generation.ruleset.rules();
    if let Some(after) = after {
        let (plan, name) = after.split_once(' ')?;
        if plan != generation.plan_hash {
            return None;
        }
        rules.by_ref().find(|rule| rule.name == name)?;
    }
    let page: Vec<_> = rules.by_ref().take(limit).collect();
    let has_more = rules.next().is_some();
    let next = page
        .last()
        .filter(|_| has_more)
        .map(|rule| format!("{} {}", generation.plan_hash, rule.name));
    let lines: Vec<_> = page
        .iter()
        .map(|rule| RuleLine {
            rule: rule.name,
            doc: rule.doc,
            place: generation.ruleset.files().locate(rule.span),
            events: rule.events.iter().map(ToString::to_string).collect(),
            triggers: rule.triggers.iter().map(|trigger| trigger.kind.as_str()).collect(),
            reacts_to: rule.reactions.iter().map(|reaction| reaction.kind.as_str()).collect(),
            requires: &rule.requires,
            armed: rule.requires.iter().all(|fuse| fuses.get(fuse).is_none_or(|on| *on)),
            decisions: COUNTED
                .into_iter()
                .map(|outcome| outcome.as_str())
                .map(|outcome| (outcome, admin.metrics.decisions_of(rule.name, outcome)))
                .filter(|(_, count)| *count > 0)
                .collect(),
        })
        .collect();
    Some(json!({ "plan": generation.plan_hash, "rules": lines, "next": next }))
}
