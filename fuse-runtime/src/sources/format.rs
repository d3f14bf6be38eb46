//! Body formats: how a source turns the bytes that it receives into the JSON body of an event.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fuse_rules::media_type::{essence, is_json};
use fuse_rules::schema::{FieldType, PathPattern};
use fuse_rules::{foreign_encoding, without_bom};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::shorten;

/// The most parameters of a query or a form.
const MAX_PARAMETERS: usize = 1_000;

/// How a body is read.
///
/// ```
/// use fuse_runtime::sources::BodyFormat;
///
/// assert_eq!(BodyFormat::Form.to_json("a=1&b=x+y".into())?, r#"{"a":"1","b":"x y"}"#);
/// assert_eq!(BodyFormat::Text.to_json("hello".into())?, r#""hello""#);
/// assert!(BodyFormat::Form.to_json("a=1&a=2".into()).is_err());
/// assert_eq!(BodyFormat::FormLists.to_json("a=1&b=&a=2".into())?, r#"{"a":["1","2"],"b":[""]}"#);
/// assert!(BodyFormat::Form.accepts("application/json").is_err());
/// # Ok::<(), fuse_runtime::sources::FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BodyFormat {
    /// JSON. It is left as it is; the [`Intake`](super::Intake) validates it.
    #[default]
    Json,
    /// UTF-8 text. It becomes one JSON string.
    Text,
    /// A form, `application/x-www-form-urlencoded`. It becomes an object of strings.
    Form,
    /// A form that becomes an object of lists of strings, because names may be repeated.
    FormLists,
}

/// Why a body does not have the format of its source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The body is not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The body is in another encoding, or compressed.
    #[error("the body is {encoding}, not UTF-8")]
    Encoding {
        /// The encoding, as in `UTF-16`.
        encoding: &'static str,
    },
    /// The sender declares a content type that is not a form's.
    #[error(
        "the source takes forms (`{FORM_TYPE}`), but the content type is `{given}`; {}",
        other_format(.given)
    )]
    ContentType {
        /// The content type, shortened.
        given: String,
    },
    /// A query or form is not UTF-8 after percent-decoding.
    #[error("the {what} is not UTF-8 once it is percent-decoded")]
    NotUtf8Decoded {
        /// `query`, `form` or `path`.
        what: &'static str,
    },
    /// A parameter of the path has a control character after percent-decoding.
    #[error("the parameter `{name}` of the path contains a control character")]
    Control {
        /// The name of the parameter.
        name: String,
    },
    /// The body is larger than its source accepts.
    #[error("the body is larger than {limit} bytes, which is this source's `body-limit`")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A query or form has too many parameters.
    #[error("the {what} has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters {
        /// `query` or `form`.
        what: &'static str,
    },
    /// A query or form has two parameters of one name.
    #[error(
        "the parameter `{name}` is given twice; in a form, `format = \"form-lists\"` of the source reads both"
    )]
    DuplicateParameter {
        /// The name, shortened.
        name: String,
    },
}

/// The content type of a form.
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// What to do about a content type that is not a form's.
fn other_format(given: &str) -> String {
    let sender = format!("let the sender send `{FORM_TYPE}`");
    let format = match &*essence(given) {
        "multipart/form-data" => return format!("fuse does not read multipart bodies: {sender}"),
        ty if is_json(ty) => "json",
        ty if ty.starts_with("text/") => "text",
        _ => return sender,
    };
    format!("{sender}, or set `format = \"{format}\"` in the source")
}

impl BodyFormat {
    /// The type of a field `format`, for the schema of a source.
    pub fn field_type() -> FieldType {
        FieldType::OneOf(vec!["json".into(), "text".into(), "form".into(), "form-lists".into()])
    }

    /// Checks the content type that a sender declares. Only forms need theirs: almost every text is a form in some
    /// way, so a wrong body would not be noticed.
    ///
    /// # Errors
    /// The format is a form, and the content type is another one.
    pub fn accepts(self, content_type: &str) -> Result<(), FormatError> {
        let is_form = matches!(self, Self::Form | Self::FormLists);
        match is_form && essence(content_type) != FORM_TYPE {
            true => Err(FormatError::ContentType { given: shorten(content_type).to_string() }),
            false => Ok(()),
        }
    }

    /// What to set if a body of this content type does not have the format.
    pub(super) fn hint(self, content_type: &str) -> Option<String> {
        let given = essence(content_type);
        let setting = match &*given {
            _ if self != Self::Json || given.is_empty() || is_json(&given) => return None,
            FORM_TYPE => "set `format = \"form\"` in the source, or let the sender send JSON",
            ty if ty.starts_with("text/") => {
                "let the sender send JSON, or set `format = \"text\"` in the source"
            }
            _ => "let the sender send JSON",
        };
        Some(format!("the content type is `{}`: {setting}", shorten(content_type)))
    }

    /// The body as JSON. A byte order mark before a text or form is dropped.
    ///
    /// # Errors
    /// The body does not have this format.
    pub fn to_json(self, body: Bytes) -> Result<Bytes, FormatError> {
        match self {
            Self::Json => Ok(body),
            Self::Form => parameters_to_json(utf8(&body)?.as_bytes(), "form"),
            Self::FormLists => lists_to_json(utf8(&body)?.as_bytes()),
            Self::Text => Ok(Value::from(utf8(&body)?).to_string().into()),
        }
    }
}

fn utf8(body: &[u8]) -> Result<&str, FormatError> {
    // ASCII in UTF-16 is also UTF-8, with zero bytes.
    match foreign_encoding(body) {
        Some(encoding) => Err(FormatError::Encoding { encoding }),
        None => std::str::from_utf8(without_bom(body)).map_err(|_| FormatError::NotUtf8),
    }
}

/// The parameters of a query or a form, `what`. Of several with one name the first one counts.
pub(super) fn parameters(
    encoded: &[u8],
    what: &'static str,
) -> Result<BTreeMap<String, String>, FormatError> {
    // `&` and `=` are ASCII, so all of it is UTF-8 exactly if each part is.
    if percent_encoding::percent_decode(encoded).decode_utf8().is_err() {
        return Err(FormatError::NotUtf8Decoded { what });
    }
    first_of_each(form_urlencoded::parse(encoded), what)
}

/// Decoded parameters by name. Of several with one name the first one counts.
fn first_of_each<'a>(
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    what: &'static str,
) -> Result<BTreeMap<String, String>, FormatError> {
    let mut parameters = BTreeMap::new();
    for (at, (name, value)) in pairs.enumerate() {
        if at >= MAX_PARAMETERS {
            return Err(FormatError::TooManyParameters { what });
        }
        parameters.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(parameters)
}

/// The parameters of a query, given as names and decoded values, as rules see them. Of several with one name, the
/// first one counts.
///
/// ```
/// use fuse_runtime::sources::read_query;
///
/// assert_eq!(read_query([("tenant", "a b"), ("tenant", "c")])?["tenant"], "a b");
/// # Ok::<(), fuse_runtime::sources::FormatError>(())
/// ```
///
/// # Errors
/// There are too many.
pub fn read_query<'a>(
    given: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<BTreeMap<String, String>, FormatError> {
    let pairs = given.into_iter().map(|(name, value)| (name.into(), value.into()));
    first_of_each(pairs, "query")
}

/// The parameters of the path of a request, percent-decoded; `None` if the path does not match.
///
/// ```
/// use fuse_rules::schema::PathPattern;
///
/// let pattern = PathPattern::parse("/hooks/{tenant}")?;
/// let parameters = fuse_runtime::sources::path_parameters(&pattern, "/hooks/a%20b")?;
/// assert_eq!(parameters.unwrap()["tenant"], "a b");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Once it is decoded, a parameter is not UTF-8, or contains a control character.
pub fn path_parameters(
    pattern: &PathPattern,
    path: &str,
) -> Result<Option<BTreeMap<String, String>>, FormatError> {
    let Some(found) = pattern.matches(path) else { return Ok(None) };
    let decoded = |(name, text): (&str, &str)| {
        let text = percent_encoding::percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| FormatError::NotUtf8Decoded { what: "path" })?;
        if text.contains(char::is_control) {
            return Err(FormatError::Control { name: name.to_owned() });
        }
        Ok((name.to_owned(), text.into_owned()))
    };
    found.into_iter().map(decoded).collect::<Result<_, _>>().map(Some)
}

/// A query or form as a body. Two parameters of one name are refused: rules and sender could each
/// read another one.
pub(super) fn parameters_to_json(encoded: &[u8], what: &'static str) -> Result<Bytes, FormatError> {
    let parameters = parameters(encoded, what)?;
    let mut seen = BTreeSet::new();
    for (name, _) in form_urlencoded::parse(encoded) {
        if !seen.insert(name.clone()) {
            return Err(FormatError::DuplicateParameter { name: shorten(&name).to_string() });
        }
    }
    Ok(json!(parameters).to_string().into())
}

/// A form as a body whose values are lists.
fn lists_to_json(encoded: &[u8]) -> Result<Bytes, FormatError> {
    // For its checks.
    parameters(encoded, "form")?;
    let mut lists: BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        lists.entry(name).or_default().push(value);
    }
    Ok(json!(lists).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_from_a_request() {
        let pairs = [("a", "1 &2=é"), ("a", "3"), ("b c", "")];
        let read = read_query(pairs).unwrap();
        assert_eq!(
            read,
            BTreeMap::from([("a".into(), "1 &2=é".into()), ("b c".into(), String::new())])
        );
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        assert_eq!(parameters(encoded.as_bytes(), "query").unwrap(), read);
        assert!(read_query(std::iter::repeat_n(("a", "b"), 1_000)).is_ok());
        assert!(read_query(std::iter::repeat_n(("a", "b"), 1_001)).is_err());
        assert_eq!(read_query([]).unwrap(), BTreeMap::new());
    }
}
