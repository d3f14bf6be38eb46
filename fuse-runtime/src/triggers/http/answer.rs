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
    /// The secrets of the request.
    hidden: Vec<String>,
}

impl HttpAnswer {
    /// An answer, with these texts replaced.
    pub(super) fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: &[u8],
        hidden: &[String],
    ) -> Self {
        let hidden = hidden.to_vec();
        let mut answer = Self { status, headers, body: String::new(), location: None, hidden };
        answer.body = answer.hide(&String::from_utf8_lossy(body));
        let location = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
        answer.location = location.map(|to| answer.hide(to));
        answer
    }

    /// The text without the secrets of the request.
    pub(super) fn hide(&self, text: &str) -> String {
        let hidden = self.hidden.iter();
        hidden.fold(text.to_owned(), |shown, text| shown.replace(text, "[hidden]"))
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
