//! Headers and query parameters that usually carry secrets. Explanations show neither their values nor
//! what they are compared with.

use crate::syntax::ast::Segment;
use crate::typed::{Expr, ExprKind, Path, Root};

/// What explanations show in place of a value that they hide. It is not JSON, as values are, so that no
/// value of an event looks like it.
pub const HIDDEN: &str = "[hidden]";

/// What the name of a sensitive header contains, in lower case and with `-` for `_`.
const PARTS: [&str; 9] = [
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

/// Whether a header or query parameter of this name usually carries a secret: `Authorization`,
/// `Proxy-Authorization`, `Cookie`, `Set-Cookie`, and every name that contains one of `authorization`,
/// `cookie`, `token`, `signature`, `secret`, `password`, `passwd`, `api-key` and `apikey`. Case does not
/// matter, and `_` is the same as `-`.
///
/// [Explanations](crate::Plan::explain) and [the smallest change](crate::Ruleset::closest) show `[hidden]`
/// in place of the values of such a header or parameter, and of everything that it is compared with.
///
/// ```
/// use fuse_rules::is_sensitive;
///
/// assert!(is_sensitive("Authorization"));
/// assert!(is_sensitive("X-Gitlab-Token"));
/// assert!(is_sensitive("x-hub-signature-256"));
/// assert!(is_sensitive("api_key"));
/// assert!(!is_sensitive("X-GitHub-Event"));
/// ```
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    PARTS.iter().any(|part| name.contains(part))
}

/// Whether a value that starts at this root is, or contains, that of a sensitive header or parameter.
/// `None` for an element, since that depends on its list.
pub(crate) fn root_is_sensitive(root: Root, segments: &[Segment]) -> Option<bool> {
    match (root, segments.first()) {
        (Root::Element(_), _) => None,
        (Root::Body | Root::Event, _) => Some(false),
        (Root::Headers | Root::Query, Some(Segment::Key(name))) => Some(is_sensitive(name)),
        // All of them together.
        (Root::Headers | Root::Query, _) => Some(true),
    }
}

/// What an expression reads.
#[derive(Clone, Copy, Default)]
struct Reads {
    /// Values of sensitive headers or parameters.
    sensitive: bool,
    /// Other values of the event.
    other: bool,
}

impl Reads {
    fn and(self, other: Self) -> Self {
        Self { sensitive: self.sensitive || other.sensitive, other: self.other || other.other }
    }
}

/// Whether one of the conditions compares a sensitive header with another value of the event, which then
/// tells what the header is. `lists` are those of the `each`s, and with each condition is given how many of
/// them are around it.
pub(crate) fn is_compared_with_others<'r>(
    lists: impl IntoIterator<Item = &'r Expr>,
    conditions: impl IntoIterator<Item = (usize, &'r Expr)>,
) -> bool {
    let mut bound = Vec::new();
    for list in lists {
        let list = reads(list, &mut bound);
        if list.sensitive && list.other {
            return true;
        }
        bound.push(list.sensitive);
    }
    conditions.into_iter().any(|(around, condition)| {
        compares(condition, &mut bound.iter().copied().take(around).collect())
    })
}

/// Whether an elementary condition reads both. `bound` says of each binder around it whether its
/// elements are of a sensitive value.
fn compares(expr: &Expr, bound: &mut Vec<bool>) -> bool {
    match &expr.kind {
        ExprKind::Not(inner) => compares(inner, bound),
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            parts.iter().any(|part| compares(part, bound))
        }
        ExprKind::Quantifier { kind, list, body, .. } if kind.is_condition() => {
            let list = reads(list, bound);
            bound.push(list.sensitive);
            let body = compares(body, bound);
            bound.pop();
            body || list.sensitive && list.other
        }
        _ => {
            let reads = reads(expr, bound);
            reads.sensitive && reads.other
        }
    }
}

fn reads(expr: &Expr, bound: &mut Vec<bool>) -> Reads {
    match &expr.kind {
        ExprKind::Path(path) => {
            let sensitive = is_sensitive_path(path, bound);
            Reads { sensitive, other: !sensitive }
        }
        ExprKind::Quantifier { list, body, .. } => {
            let list = reads(list, bound);
            bound.push(list.sensitive);
            let body = reads(body, bound);
            bound.pop();
            list.and(body)
        }
        _ => {
            let children = expr.children().into_iter();
            children.fold(Reads::default(), |all, child| all.and(reads(child, bound)))
        }
    }
}

fn is_sensitive_path(path: &Path, bound: &[bool]) -> bool {
    root_is_sensitive(path.root, &path.segments).unwrap_or_else(|| match path.root {
        Root::Element(level) => bound.get(level as usize).copied().unwrap_or(false),
        _ => false,
    })
}
