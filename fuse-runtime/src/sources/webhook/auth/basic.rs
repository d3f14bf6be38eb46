//! `Authorization: Basic BASE64(USERNAME:PASSWORD)`

use axum::http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::{Denied, credentials};
use crate::secrets::SecretTexts;

/// Accepts a user with a password.
pub(super) struct Basic {
    pub(super) username: String,
    pub(super) passwords: SecretTexts,
}

impl Basic {
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let malformed = Denied::Credentials("`Authorization` is not `Basic BASE64`");
        let given = credentials(headers, "Basic")?;
        let given = data_encoding::BASE64.decode(given).map_err(|_| malformed)?;
        let colon = given.iter().position(|byte| *byte == b':').ok_or(malformed)?;
        let (username, password) = given.split_at(colon);
        let password = password.strip_prefix(b":").ok_or(malformed)?;
        let username = username.ct_eq(self.username.as_bytes());
        match (username & self.passwords.contains(password)).into() {
            true => Ok(()),
            false => Err(Denied::Credentials("the username or password is wrong")),
        }
    }
}
