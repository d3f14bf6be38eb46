//! Body formats: how a source turns the bytes that it receives into the JSON body of an event.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fuse_rules::schema::FieldType;
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
/// # Ok::<(), fuse_runtime::sources::FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BodyFormat {
    /// JSON. It is left as it is; the [`Intake`](super::Intake) validates it.
    #[default]
    Json,
    /// UTF-8 text. It becomes one JSON string.
    Text,
    /// A form, `application/x-www-form-urlencoded`. It becomes an object of strings.
    Form,
}

/// Why a body does not have the format of its source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The body is not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// A query or form is not UTF-8 after percent-decoding.
    #[error("the {what} is not UTF-8 once it is percent-decoded")]
    NotUtf8Decoded {
        /// `query` or `form`.
        what: &'static str,
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
    #[error("the parameter `{name}` is given twice")]
    DuplicateParameter {
        /// The name, shortened.
        name: String,
    },
}

impl BodyFormat {
    /// The type of a field `format`, for the schema of a source.
    pub fn field_type() -> FieldType {
        FieldType::OneOf(vec!["json".into(), "text".into(), "form".into()])
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// The body does not have this format.
    pub fn to_json(self, body: Bytes) -> Result<Bytes, FormatError> {
        match self {
            Self::Json => Ok(body),
            Self::Form => parameters_to_json(&body, "form"),
            Self::Text => match std::str::from_utf8(&body) {
                Ok(text) => Ok(Value::from(text).to_string().into()),
                Err(_) => Err(FormatError::NotUtf8),
            },
        }
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
    if encoded.iter().filter(|byte| **byte == b'&').count() >= MAX_PARAMETERS {
        return Err(FormatError::TooManyParameters { what });
    }
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        parameters.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(parameters)
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
