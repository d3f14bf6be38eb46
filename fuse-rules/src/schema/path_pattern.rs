//! Paths of URLs with parameters: `/hooks/{tenant}`.

use std::borrow::Cow;
use std::fmt;

use crate::path::is_name;

/// The path of a URL. A segment in braces is a parameter: `/hooks/{tenant}` matches `/hooks/acme`, and `tenant` is
/// then `acme`. Percent-encoding makes no difference where it is not needed (RFC 3986, section 6.2.2): `/a%2Db` is
/// `/a-b`, and `%2f` is `%2F`, but not `/`.
///
/// ```
/// use fuse_rules::schema::PathPattern;
///
/// let pattern = PathPattern::parse("/hooks/{tenant}")?;
/// assert_eq!(pattern.parameters().collect::<Vec<_>>(), ["tenant"]);
/// assert_eq!(pattern.matches("/hooks/acme"), Some(vec![("tenant", "acme")]));
/// assert_eq!(pattern.matches("/hooks/acme/x"), None);
/// assert!(pattern.overlaps(&PathPattern::parse("/hooks/acme")?));
/// assert!(PathPattern::parse("/hooks/*").is_err());
/// # Ok::<(), fuse_rules::schema::PathPatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<PathSegment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathSegment {
    Text(String),
    Parameter(String),
}

/// Why a text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathPatternError {
    /// It does not start with `/`.
    Relative,
    /// It contains white space, `?`, `#`, or a character that is not printable ASCII.
    Character,
    /// It contains `*`.
    Wildcard,
    /// A brace is not around a whole segment that is a name.
    Brace,
    /// Two parameters have the same name.
    Repeated,
}

impl fmt::Display for PathPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relative => "must be a path that starts with `/`",
            Self::Character => "must be printable ASCII without white space, `?` and `#`",
            Self::Wildcard => {
                "has no wildcards: a `*` is not expanded; write `{name}` for one segment, \
                 which the rules read as `event.path.name`"
            }
            Self::Brace => {
                "has parameters that are whole segments, as in `/hooks/{tenant}`; \
                 a name has letters, digits, `_` and `-`"
            }
            Self::Repeated => "has two parameters with the same name",
        })
    }
}

impl std::error::Error for PathPatternError {}

impl PathPattern {
    /// Reads a path.
    ///
    /// # Errors
    /// The text is not a path.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        let Some(rest) = text.strip_prefix('/') else { return Err(PathPatternError::Relative) };
        if !text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#')) {
            return Err(PathPatternError::Character);
        }
        let mut segments: Vec<PathSegment> = Vec::new();
        for segment in rest.split('/') {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let segment = match name {
                Some(name) if is_name(name) => PathSegment::Parameter(name.to_owned()),
                _ if segment.contains('*') => return Err(PathPatternError::Wildcard),
                _ if segment.contains(['{', '}']) => return Err(PathPatternError::Brace),
                _ => PathSegment::Text(normalized(segment).into_owned()),
            };
            let is_parameter = matches!(segment, PathSegment::Parameter(_));
            if is_parameter && segments.contains(&segment) {
                return Err(PathPatternError::Repeated);
            }
            segments.push(segment);
        }
        Ok(Self { segments })
    }

    /// The names of its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            PathSegment::Parameter(name) => Some(name.as_str()),
            PathSegment::Text(_) => None,
        })
    }

    /// The parameters and their segments in the path of a request, if the path matches. A parameter is never empty.
    /// The segments are not percent-decoded.
    pub fn matches<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let mut parameters = Vec::new();
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                PathSegment::Text(text) if *text == normalized(part) => {}
                PathSegment::Parameter(name) if !part.is_empty() => {
                    parameters.push((name.as_str(), part))
                }
                _ => return None,
            }
        }
        parts.next().is_none().then_some(parameters)
    }

    /// Whether some path matches both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let meet = |pair: (&PathSegment, &PathSegment)| match pair {
            (PathSegment::Text(one), PathSegment::Text(other)) => one == other,
            (PathSegment::Text(text), PathSegment::Parameter(_))
            | (PathSegment::Parameter(_), PathSegment::Text(text)) => !text.is_empty(),
            (PathSegment::Parameter(_), PathSegment::Parameter(_)) => true,
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(meet)
    }
}

/// A segment in which letters, digits, `-`, `.`, `_` and `~` are not percent-encoded, and other escapes are in upper
/// case.
fn normalized(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut pieces = segment.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        let unreserved = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
        match (digits, byte.filter(unreserved)) {
            (Some(_), Some(byte)) => text.push(char::from(byte)),
            (Some(digits), None) => {
                text.push('%');
                text.push_str(&digits.to_ascii_uppercase());
            }
            (None, _) => text.push('%'),
        }
        text.push_str(if digits.is_some() { piece.get(2..).unwrap_or_default() } else { piece });
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_that_is_not_needed_makes_no_difference() {
        let pattern = PathPattern::parse("/%67it-hub/a%2fb/{x}").unwrap();
        for path in ["/git-hub/a%2Fb/1", "/%67%69t%2dhub/%61%2fb/1"] {
            assert_eq!(pattern.matches(path), Some(vec![("x", "1")]), "{path}");
        }
        for path in ["/git-hub/a/b/1", "/git-hub/a%252fb/1", "/Git-hub/a%2Fb/1", "/git-hub/a%/1"] {
            assert_eq!(pattern.matches(path), None, "{path}");
        }
        assert!(PathPattern::parse("/a%").unwrap().matches("/a%").is_some());
        assert!(PathPattern::parse("/%4").unwrap().matches("/%4").is_some());
        assert!(pattern.overlaps(&PathPattern::parse("/git-hub/a%2Fb/c").unwrap()));
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for (text, error) in [
            ("x", PathPatternError::Relative),
            ("/a b", PathPatternError::Character),
            ("/a?b=1", PathPatternError::Character),
            ("/a#b", PathPatternError::Character),
            ("/ü", PathPatternError::Character),
            ("/*", PathPatternError::Wildcard),
            ("/a/*.json", PathPatternError::Wildcard),
            ("/a/{x", PathPatternError::Brace),
            ("/a/x{y}", PathPatternError::Brace),
            ("/{}", PathPatternError::Brace),
            ("/{a.b}", PathPatternError::Brace),
            ("/{a--b}", PathPatternError::Brace),
            ("/{a}/{b}/{a}", PathPatternError::Repeated),
        ] {
            assert_eq!(PathPattern::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_parameter_is_one_whole_segment() {
        let pattern = PathPattern::parse("/{a}/x/{b}").unwrap();
        assert_eq!(pattern.matches("/1/x/2"), Some(vec![("a", "1"), ("b", "2")]));
        assert_eq!(pattern.matches("/%2f/x/ü"), Some(vec![("a", "%2f"), ("b", "ü")]));
        for path in ["/1/x/", "//x/2", "/1/y/2", "/1/x", "/1/x/2/", "/1/x/2/3", "1/x/2", ""] {
            assert_eq!(pattern.matches(path), None, "{path}");
        }
        let root = PathPattern::parse("/").unwrap();
        assert_eq!((root.matches("/"), root.matches("/a")), (Some(vec![]), None));
    }

    #[test]
    fn overlaps_have_a_common_path() {
        let paths =
            ["/", "/{a}", "/x", "/x/{b}", "/{a}/y", "/x/y", "/x/z", "/x/", "/{a}/{b}", "/{c}"];
        let requests = ["/", "/x", "/y", "/x/y", "/x/z", "/z/y", "/x/", "/z/z"];
        for one in paths {
            for other in paths {
                let [one, other] = [one, other].map(|path| PathPattern::parse(path).unwrap());
                let both =
                    |path: &str| one.matches(path).is_some() && other.matches(path).is_some();
                let common = requests.iter().find(|path| both(path));
                assert_eq!(one.overlaps(&other), common.is_some(), "{one:?} {other:?} {common:?}");
            }
        }
    }
}
