//! `Authorization: Bearer TOKEN`

use axum::http::HeaderMap;

use super::secret_text::SecretTexts;
use super::{Denied, credentials};

/// Accepts a token.
pub(super) struct Bearer {
    pub(super) tokens: SecretTexts,
}

impl Bearer {
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        match self.tokens.contains(credentials(headers, "Bearer")?).into() {
            true => Ok(()),
            false => Err(Denied::Credentials("the bearer token is wrong")),
        }
    }
}
