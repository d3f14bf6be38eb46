//! The address of an event: the fields of its source by which a request finds it.

use serde_json::{Map, Value as Json};

use crate::schema::PathPattern;

/// The address of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// All of its fields, for messages: `port 12000, path "/hooks"`.
    pub(crate) text: String,
    /// The fields other than the path.
    pub(crate) rest: String,
    pub(crate) path: Option<PathPattern>,
}

impl Address {
    /// The address in these fields; `None` if one is missing, or if there is no address.
    pub(crate) fn from_fields(
        names: &[String],
        fields: &Map<String, Json>,
        path: Option<PathPattern>,
    ) -> Option<Self> {
        let (mut all, mut rest) = (Vec::new(), Vec::new());
        for name in names {
            let value = fields.get(name)?;
            let text = format!("{name} {value}");
            let is_path = value.as_str().is_some_and(|text| text.starts_with('/'));
            if !(is_path && path.is_some()) {
                rest.push(text.clone());
            }
            all.push(text);
        }
        (!all.is_empty()).then(|| Self { text: all.join(", "), rest: rest.join(", "), path })
    }

    /// Whether a request can have both addresses.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.rest == other.rest
            && match (&self.path, &other.path) {
                (Some(one), Some(other)) => one.overlaps(other),
                _ => self.text == other.text,
            }
    }
}
