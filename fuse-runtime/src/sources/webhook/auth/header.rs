//! A header whose value is a secret, such as GitLab's `X-Gitlab-Token`.

use axum::http::HeaderMap;

use super::{Denied, only};
use crate::secrets::SecretTexts;

/// Accepts a value of a header.
pub(super) struct HeaderSecret {
    pub(super) name: String,
    pub(super) values: SecretTexts,
}

impl HeaderSecret {
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        match self.values.contains(only(headers, &self.name)?).into() {
            true => Ok(()),
            false => Err(Denied::Credentials("the value of the header is wrong")),
        }
    }
}
