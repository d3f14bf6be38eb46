//! Headers and query parameters that usually contain secrets. Explanations show neither their
//! values nor what they are compared with.

use crate::path::{Root, Segment};

/// Explanations show this in place of a hidden value. It is not valid JSON, unlike the values of
/// events, so no value can look like it.
pub const HIDDEN: &str = "[hidden]";

/// Names of sensitive headers contain one of these, in lower case and with `-` for `_`.
const SENSITIVE_PARTS: [&str; 9] = [
    "authorization",
    "cookie",
    "token",
    "signature",
    "secret",
    "password",
    "passwd",
    "api-key",
    "apikey",
];

/// Whether a header or query parameter of this name usually contains a secret: `Authorization`,
/// `Proxy-Authorization`, `Cookie`, `Set-Cookie`, and every name that contains one of
/// `authorization`, `cookie`, `token`, `signature`, `secret`, `password`, `passwd`, `api-key` and
/// `apikey`. Case does not matter, and `_` is equivalent to `-`.
///
/// [Explanations](crate::Plan::explain) and [the smallest change](crate::Ruleset::counterfactual) show `[hidden]`
/// in place of the values of such a header or parameter, and of everything that it is compared with.
///
/// ```
/// use fuse_rules::explain::is_sensitive;
///
/// assert!(is_sensitive("Authorization"));
/// assert!(is_sensitive("X-Gitlab-Token"));
/// assert!(is_sensitive("x-hub-signature-256"));
/// assert!(is_sensitive("api_key"));
/// assert!(!is_sensitive("X-GitHub-Event"));
/// ```
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SENSITIVE_PARTS.iter().any(|part| name.contains(part))
}

/// Whether the value of this path is, or contains, the value of a sensitive header or parameter.
/// `None` for an element, because that depends on its list.
pub(crate) fn root_is_sensitive(root: Root, segments: &[Segment]) -> Option<bool> {
    match (root, segments.first()) {
        (Root::Element(_), _) => None,
        (Root::Body | Root::Event | Root::Outcome, _) => Some(false),
        (Root::Headers | Root::Query, Some(Segment::Key(name))) => Some(is_sensitive(name)),
        // This is the map of all headers or parameters.
        (Root::Headers | Root::Query, _) => Some(true),
    }
}
