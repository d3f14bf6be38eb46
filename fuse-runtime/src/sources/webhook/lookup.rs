//! Finds what is at the path of a request.

use std::borrow::Cow;
use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use fuse_rules::schema::PathPattern;
use serde_json::json;

use super::Route;
use super::answers::refuse;
use super::request::WebhookPort;
use crate::http::shorten;

/// What probes and load balancers ask for, on each port.
const HEALTH_PATH: &str = "/healthz";

/// The form of a path in which it matches a pattern: as it is, or, if no pattern matches it, with a trailing slash
/// more or less. `None` if neither matches.
pub(super) fn matching<'r>(
    path: &'r str,
    patterns: impl Iterator<Item = &'r PathPattern> + Clone,
) -> Option<Cow<'r, str>> {
    let is_known = |path: &str| patterns.clone().any(|pattern| pattern.matches(path).is_some());
    if is_known(path) {
        return Some(Cow::Borrowed(path));
    }
    let other: Cow<'r, str> = match path.strip_suffix('/') {
        Some("") => return None,
        Some(shorter) => shorter.into(),
        None => format!("{path}/").into(),
    };
    is_known(&other).then_some(other)
}

/// The answer where no event is.
pub(super) fn nothing_here(port: &WebhookPort, request: &Request<Body>) -> Response {
    let path = request.uri().path();
    if path == HEALTH_PATH && matches!(*request.method(), Method::GET | Method::HEAD) {
        return axum::Json(json!({ "status": "ok" })).into_response();
    }
    if let Some(left_out) = port.unknown.pass() {
        // Several events may have the same path.
        let known: BTreeSet<&str> =
            port.routes.iter().map(|route| route.config.path.as_str()).collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        // The log omits the requested path, which may be somebody's secret.
        tracing::info!(left_out, known, "a request to a path that no event has");
    }
    refuse(StatusCode::NOT_FOUND, &format!("no event is sent to `{}` here", shorten(path)))
}

/// The methods of these routes, each once.
pub(super) fn methods(here: &[&Route]) -> String {
    let methods: BTreeSet<&str> = here.iter().map(|route| route.config.method.as_str()).collect();
    methods.into_iter().collect::<Vec<_>>().join(", ")
}

/// The answer where events have other methods.
pub(super) fn wrong_method(here: &[&Route], path: &str, method: &Method) -> Response {
    let methods = methods(here);
    let (mut response, allowed) = if method == Method::OPTIONS {
        (StatusCode::NO_CONTENT.into_response(), format!("{methods}, OPTIONS"))
    } else {
        let (path, method) = (shorten(path), shorten(method.as_str()));
        let why = format!(
            "`{path}` accepts {methods}, not {method}; set the sender's method to {methods}"
        );
        (refuse(StatusCode::METHOD_NOT_ALLOWED, &why), methods)
    };
    if let Ok(allow) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_makes_no_difference_unless_both_are_declared() {
        let find = |declared: &[&str], path: &str| {
            let patterns: Vec<_> =
                declared.iter().map(|text| PathPattern::parse(text).unwrap()).collect();
            matching(path, patterns.iter()).map(Cow::into_owned)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(find(&["/a"], "/a/"), some("/a"));
        assert_eq!(find(&["/a/"], "/a"), some("/a/"));
        assert_eq!(find(&["/a", "/a/"], "/a/"), some("/a/"));
        assert_eq!(find(&["/a/{x}"], "/a/b/"), some("/a/b"));
        assert_eq!(find(&["/"], "/"), some("/"));
        for path in ["/a//", "//a", "/", "", "/b"] {
            assert_eq!(find(&["/a"], path), None, "{path}");
        }
    }
}
