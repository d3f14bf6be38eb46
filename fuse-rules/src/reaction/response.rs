//! What is kept of the response to an action.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::number::Number;
use crate::value::Value;

/// The field of `outcome` with the response.
pub(crate) const RESPONSE: &str = "response";
/// The field of the response with its status.
pub(crate) const RESPONSE_STATUS: &str = "status";

/// What is kept of the response to an action: its status, and the values that the rule names.
///
/// ```
/// use fuse_rules::ActionResponse;
///
/// let response = ActionResponse::new(201).with("ticket", "OPS-7");
/// let json = serde_json::to_string(&response)?;
/// assert_eq!(json, r#"{"status":201,"ticket":"OPS-7"}"#);
/// assert_eq!(serde_json::from_str::<ActionResponse>(&json)?, response);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResponse {
    /// Its status, such as 201.
    pub status: u16,
    /// The values, by the names that the rule gives them: strings, numbers and booleans.
    #[serde(flatten)]
    pub kept: BTreeMap<String, Json>,
}

impl ActionResponse {
    /// A response with this status, of which nothing else is kept.
    pub fn new(status: u16) -> Self {
        Self { status, kept: BTreeMap::new() }
    }

    /// The same, with one more value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.kept.insert(name.to_owned(), value.into());
        self
    }

    /// The value that a reaction reads.
    pub(crate) fn to_value(&self) -> Value<'static> {
        let status = Value::Number(Number::from(i64::from(self.status)));
        let kept = self.kept.iter();
        let kept = kept.map(|(name, value)| {
            let text = value.to_string();
            (name.clone().into(), Value::read_scalar(&text).into_owned())
        });
        Value::Map(std::iter::once((RESPONSE_STATUS.into(), status)).chain(kept).collect())
    }
}
