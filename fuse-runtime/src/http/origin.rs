//! Checks the target of a request and the page that sent it: `Host`, `Origin` and `Sec-Fetch-Site`. No I/O.

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Version};

/// Why a request is refused: the status and the message.
pub(super) type HttpRefusal = (StatusCode, String);

/// The authority of a request.
///
/// # Errors
/// It is missing, there are two, or it is not a host with an optional port.
pub(super) fn authority(parts: &Parts) -> Result<Option<Authority>, HttpRefusal> {
    let refused = |why: &str| Err((StatusCode::BAD_REQUEST, why.to_owned()));
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return refused("the request has more than one `Host` header"),
        (Some(host), None) => match Authority::try_from(host.as_bytes()) {
            Ok(host) if !host.as_str().contains('@') => Some(host),
            _ => return refused("the `Host` header is not a host name with an optional port"),
        },
        (None, _) => None,
    };
    match (parts.uri.authority(), host) {
        (Some(target), Some(host)) if *target != host => {
            refused("the request's target and its `Host` header name different hosts")
        }
        // The absolute form of the target, as for a proxy, does not replace the header.
        (Some(target), host) if host.is_some() || parts.version >= Version::HTTP_2 => {
            match target.as_str().contains('@') {
                true => refused("the request's authority carries a user name"),
                false => Ok(Some(target.clone())),
            }
        }
        (None, Some(host)) => Ok(Some(host)),
        (_, None) if parts.version < Version::HTTP_11 => Ok(None),
        _ => refused("the request has no `Host` header"),
    }
}

/// Checks that no page of another site sent the request to a source, except from an allowed origin.
pub(super) fn check_source(headers: &HeaderMap, allowed: &[String]) -> Result<(), HttpRefusal> {
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    if origins.peek().is_some() {
        let is_allowed = |origin: &[u8]| allowed.iter().any(|other| other.as_bytes() == origin);
        return match origins.all(|origin| is_allowed(origin.as_bytes())) {
            true => Ok(()),
            false => Err((
                StatusCode::FORBIDDEN,
                "a page in a browser sent this request, and its origin is not among \
                 `allow_origins` of `[listen]`"
                    .into(),
            )),
        };
    }
    check_site(headers)
}

/// Checks that no page of another site sent the request to the admin port. Reads pass: the browser does not show
/// a page the answer of another site.
pub(super) fn check_admin(
    method: &Method,
    headers: &HeaderMap,
    authority: Option<&Authority>,
) -> Result<(), HttpRefusal> {
    if [Method::GET, Method::HEAD].contains(method) {
        return Ok(());
    }
    let own = authority.map(|authority| format!("http://{authority}").to_ascii_lowercase());
    let is_own = |origin: &[u8]| {
        own.as_deref().is_some_and(|own| origin.eq_ignore_ascii_case(own.as_bytes()))
    };
    match headers.get_all(ORIGIN).iter().all(|origin| is_own(origin.as_bytes())) {
        true => check_site(headers),
        false => Err(cross_site()),
    }
}

fn check_site(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let sites = headers.get_all("sec-fetch-site").iter();
    match sites.into_iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
        true => Ok(()),
        false => Err(cross_site()),
    }
}

fn cross_site() -> HttpRefusal {
    (StatusCode::FORBIDDEN, "a page of another site sent this request".into())
}

/// At most 200 characters of a peer's text.
pub(crate) fn shorten(text: &str) -> String {
    const MAX_CHARACTERS: usize = 200;
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(version: Version, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_names_one_host() {
        let ask = |version, target: &str, headers: &[(&str, &str)]| {
            authority(&parts(version, target, headers))
                .map(|found| found.map(|found| found.to_string()))
                .map_err(|(status, _)| status.as_u16())
        };
        let v1 = Version::HTTP_11;
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(ask(v1, "/", &[("host", "a:1")]), some("a:1"));
        assert_eq!(ask(v1, "/", &[]), Err(400));
        assert_eq!(ask(v1, "/", &[("host", "a"), ("host", "a")]), Err(400));
        assert_eq!(ask(v1, "/", &[("host", "")]), Err(400));
        assert_eq!(ask(v1, "/", &[("host", "u@a")]), Err(400));
        assert_eq!(ask(v1, "/", &[("host", "a b")]), Err(400));
        assert_eq!(ask(v1, "http://a/", &[("host", "a")]), some("a"));
        assert_eq!(ask(v1, "http://b/", &[("host", "a")]), Err(400));
        assert_eq!(ask(v1, "http://b/", &[]), Err(400));
        assert_eq!(ask(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(ask(Version::HTTP_2, "http://a/", &[]), some("a"));
        assert_eq!(ask(Version::HTTP_2, "http://a/", &[("host", "b")]), Err(400));
        assert_eq!(ask(Version::HTTP_2, "/", &[]), Err(400));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (axum::http::HeaderName::from_static(name), value.parse().unwrap())
            });
            pairs.collect::<HeaderMap>()
        };
        let allowed = ["https://portal.example".to_owned()];
        let source =
            |pairs: &[(&'static str, &str)]| check_source(&headers(pairs), &allowed).is_ok();
        assert!(source(&[]));
        assert!(source(&[("sec-fetch-site", "none")]));
        assert!(source(&[("origin", "https://portal.example"), ("sec-fetch-site", "cross-site")]));
        assert!(!source(&[("origin", "https://evil.example")]));
        assert!(!source(&[("origin", "null")]));
        assert!(!source(&[("sec-fetch-site", "cross-site")]));
        assert!(!source(&[("sec-fetch-site", "same-site")]));

        let own: Authority = "localhost:12080".parse().unwrap();
        let admin = |method: Method, pairs: &[(&'static str, &str)]| {
            check_admin(&method, &headers(pairs), Some(&own)).is_ok()
        };
        assert!(admin(Method::GET, &[("sec-fetch-site", "cross-site")]));
        assert!(admin(Method::POST, &[("origin", "http://localhost:12080")]));
        assert!(!admin(Method::POST, &[("origin", "http://localhost:3000")]));
        assert!(!admin(Method::POST, &[("sec-fetch-site", "same-site")]));
        assert!(!admin(Method::DELETE, &[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shorten("é"), "é");
        assert_eq!(shorten(&"é".repeat(300)).chars().count(), 201);
    }
}
