//! Finds what is at the path of a request.

use std::borrow::Cow;

use fuse_rules::schema::PathPattern;

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
