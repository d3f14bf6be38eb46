//! The answer to a request.

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::outcome::http_outcome;
use crate::triggers::Failure;

/// The most bytes of a body that are read.
pub(super) const MAX_BODY: usize = 64 << 10;

/// An answer, with the start of its body.
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl HttpAnswer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the action was performed, if this is so for these statuses, or for 2xx if there are none.
    pub(super) fn outcome(&self, success: &[u16]) -> Result<(), Failure> {
        let Self { status, headers, .. } = self;
        if success.contains(&status.as_u16()) {
            return Ok(());
        }
        if status.is_success() && !success.is_empty() {
            return Err(Failure::Permanent(format!("{status}, which is not in `success`")));
        }
        if status.is_redirection() {
            let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
            let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
            return Err(Failure::Permanent(format!(
                "{status}: fuse does not follow redirects{to}"
            )));
        }
        http_outcome(*status, headers, &self.text())
    }
}
