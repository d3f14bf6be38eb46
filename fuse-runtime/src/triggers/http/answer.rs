//! The answer to a request.

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::outcome::http_outcome;
use crate::triggers::Failure;

/// The most bytes of a body that are read.
pub(super) const MAX_BODY: usize = 64 << 10;

/// An answer, with the start of its body. Neither contains a secret of the request: servers repeat URLs.
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// Where it redirects to.
    pub(super) location: Option<String>,
}

impl HttpAnswer {
    /// An answer, with these texts replaced.
    pub(super) fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: &[u8],
        hidden: &[String],
    ) -> Self {
        let hide = |text: &str| {
            hidden.iter().fold(text.to_owned(), |shown, text| shown.replace(text, "[hidden]"))
        };
        let location = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).map(hide);
        Self { status, body: hide(&String::from_utf8_lossy(body)), headers, location }
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
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
            let to = self.location.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
            return Err(Failure::Permanent(format!(
                "{status}: fuse does not follow redirects{to}"
            )));
        }
        http_outcome(*status, headers, &self.body)
    }
}
