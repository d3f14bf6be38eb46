//! `Authorization: Bearer TOKEN`

use axum::http::HeaderMap;

use super::{Denied, credentials};
use crate::secrets::SecretTexts;

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
