//! What an occurrence asks of a clause.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Flow, Hours, Occurrence, Owner, approval, requires};
use crate::sensitive::HIDDEN;

/// How many characters of each value of a key are shown.
const MAX_SHOWN_CHARS: usize = 64;

/// A clause that an occurrence has to pass, with the values of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRequest {
    /// Identifies the clause among those of its rule: its word and its keys as in the rules.
    pub clause: String,
    /// The clause.
    pub flow: Flow,
    /// The limiter that has its state, which all rules that use the limiter share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limiter: Option<String>,
    /// The hours of `during`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Box<Hours>>,
    /// The fuses of `requires … else hold`, and whether each is on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fuses: BTreeMap<String, bool>,
    /// The groups of which an approver is a member of one, for `approval`. Empty if anyone may approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// The values of its keys as canonical JSON.
    pub values: Vec<String>,
    /// Whether a value must not be shown, because it contains a sensitive header or query parameter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_sensitive: bool,
}

impl FlowRequest {
    /// A clause with these values of its keys, of no limiter, without hours, fuses or approvers, and not sensitive.
    pub fn new(clause: impl Into<String>, flow: Flow, values: Vec<String>) -> Self {
        Self {
            clause: clause.into(),
            flow,
            limiter: None,
            hours: None,
            fuses: BTreeMap::new(),
            approvers: Vec::new(),
            values,
            is_sensitive: false,
        }
    }

    /// Whether the clause has a state. The others decide by the time of day or by fuses, or a person decides.
    pub(crate) fn has_state(&self) -> bool {
        self.hours.is_none() && !self.flow.is_approval() && !self.flow.is_requires()
    }

    /// Who asks it for a place.
    pub(crate) fn owner_in_state(&self, occurrence: &Occurrence) -> Owner {
        match &self.limiter {
            // Rules that share a limiter may be about the same event. The state of `concurrency` contains the rule.
            Some(_) if !self.flow.holds_places() => occurrence.owner.of_rule(&occurrence.rule),
            _ => occurrence.owner.clone(),
        }
    }
}

/// A value of a key for people, cut if it is long.
pub(super) fn shown_value(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

/// Formats the clause with the values of its keys: `once per "web" within 4h`.
impl fmt::Display for FlowRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &String| match self.is_sensitive {
            true => HIDDEN.to_owned(),
            false => shown_value(value),
        };
        let values: Vec<_> = self.values.iter().map(shown).collect();
        match &self.hours {
            Some(hours) => write!(f, "during {hours}"),
            None if self.flow.is_approval() => {
                f.write_str(&approval::text(self.flow, &self.approvers))
            }
            None if self.flow.is_requires() => {
                f.write_str(&requires::text(self.flow, self.fuses.keys()))
            }
            None => f.write_str(&self.flow.text_with(self.limiter.as_deref(), &values)),
        }
    }
}
