//! The keys of states.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::FlowRequest;

/// How many bytes of each value are part of the key of a state.
const MAX_KEY_PART: usize = 256;

impl FlowRequest {
    /// The key of its state among those of all rules: different states have different keys. It contains the values of the
    /// keys, and the hashes of those that are long. A ledger stores it, so it first replaces values that are
    /// [sensitive](FlowRequest::is_sensitive).
    ///
    /// ```
    /// use fuse_rules::flow::{Flow, FlowRequest};
    /// use jiff::SignedDuration;
    ///
    /// let flow = Flow::Once { within: SignedDuration::from_hours(4) };
    /// let request = FlowRequest::new("once per body.app", flow, vec!["\"web\"".into()]);
    /// assert_eq!(request.state_key("sensor/rule"), r#"sensor/rule once per body.app ["\"web\""]"#);
    /// ```
    pub fn state_key(&self, rule: &str) -> String {
        let values: Vec<_> = self.values.iter().map(|value| key_part(value)).collect();
        let values = serde_json::json!(values);
        format!("{} {values}", state_name(rule, &self.clause, self.limiter.as_deref()))
    }
}

/// The name of the states of a clause, which they have in common whatever the values of its keys are.
pub(super) fn state_name(rule: &str, clause: &str, limiter: Option<&str>) -> String {
    match limiter {
        // No rule has this name, because names of rules contain a slash.
        Some(name) => format!("limiter {name}"),
        None => format!("{rule} {clause}"),
    }
}

/// A value, or its hash if it is long, so that keys are short. The hash is not JSON, so no value is equal to it.
fn key_part(value: &str) -> Cow<'_, str> {
    match value.len() > MAX_KEY_PART {
        true => format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(value.as_bytes()))).into(),
        false => value.into(),
    }
}
