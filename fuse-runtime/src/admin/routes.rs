//! The routes of the admin port, which `docs/admin-api.yaml` describes.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use super::{
    Admin, access, alive, backup, dead_letters, decisions, events, failed, fuses, held, metrics,
};
use super::{payload, ready, reload, replay, rule_files, rules, state, waiting};
use crate::ledger::WaitAnswer;

/// A path with its method and handler.
pub(super) struct AdminRoute {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    handler: MethodRouter<Arc<Admin>>,
}

/// All routes.
pub(super) fn routes() -> Vec<AdminRoute> {
    let read = |path, handler| AdminRoute { method: "get", path, handler };
    let change = |path, handler| AdminRoute { method: "post", path, handler };
    vec![
        read("/healthz", get(alive)),
        read("/readyz", get(ready)),
        read("/metrics", get(metrics)),
        read("/events", get(events::list)),
        read("/decisions", get(decisions::decisions)),
        read("/payload", get(payload::show)),
        read("/dead-letters", get(dead_letters::list)),
        read("/held", get(held::list)),
        read("/state", get(state::list)),
        read("/state/backup", get(backup::download)),
        change("/state/preview", post(state::preview)),
        read("/rules", get(rules::list)),
        read("/rules/files", get(rule_files::list)),
        read("/fuses", get(fuses::list)),
        change("/fuses/{fuse}/switch", post(fuses::switch)),
        change("/-/reload", post(reload::reload)),
        change("/replay", post(replay::replay)),
        change("/dead-letters/{id}/discard", post(dead_letters::discard)),
        change("/held/{id}/discard", post(held::discard)),
        read("/waiting", get(waiting::list)),
        change("/waiting/{id}/approve", waiting::answering(WaitAnswer::Approve)),
        change("/waiting/{id}/decline", waiting::answering(WaitAnswer::Decline)),
        change("/waiting/{id}/discard", waiting::answering(WaitAnswer::Discard)),
    ]
}

/// The router, which admits a request before its handler sees it.
pub(super) fn router(admin: Arc<Admin>) -> Router {
    let guard = Arc::clone(&admin.guard);
    let router = routes()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler));
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(guard, access::admit))
        .with_state(admin)
}

async fn no_route() -> Response {
    let known: Vec<String> = routes()
        .iter()
        .map(|route| format!("{} {}", route.method.to_uppercase(), route.path))
        .collect();
    failed(StatusCode::NOT_FOUND, &format!("the admin port has {}", known.join(", ")))
}

async fn no_method() -> Response {
    let why = "this path does not support this method; docs/admin-api.yaml lists them";
    failed(StatusCode::METHOD_NOT_ALLOWED, why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The description has exactly the routes of the router.
    #[test]
    fn the_description_has_every_route_and_no_other() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/admin-api.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let document: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let mut described = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                described.insert((method.clone(), path.clone()));
                let needs_token = operation["security"][0]["token"].is_array();
                let is_restricted = access::TOKEN_PATHS.contains(&path.as_str());
                assert_eq!(needs_token, method != "get" || is_restricted, "{method} {path}");
                let refused = operation["responses"]["401"].is_object();
                let is_open = ["/healthz", "/readyz", "/metrics"].contains(&path.as_str());
                assert_eq!(refused, !is_open, "{method} {path}");
                for status in ["403", "421", "503"] {
                    let is_described = operation["responses"][status].is_object();
                    assert!(is_open || is_described, "{method} {path} {status}");
                }
            }
        }
        let own: BTreeSet<_> =
            routes().iter().map(|one| (one.method.to_owned(), one.path.to_owned())).collect();
        assert_eq!(described, own);
    }
}
