//! Removes sensitive values from a verdict before it is recorded.

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use data_encoding::HEXLOWER;
use fuse_rules::flow::FlowRequest;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Verdict;

/// How many bytes of a hash are kept.
const HASH_BYTES: usize = 16;

/// Replaces the sensitive values of keys of flow control with hashes. Equal values have equal hashes, so that the clauses
/// still know them.
///
/// The secret is random and part of the ledger: a hash by itself, in a cursor or a message, does not help to guess the
/// value. Somebody who can read the whole ledger can guess short values, and can read the events anyway.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct KeySecret([u8; 32]);

impl std::fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeySecret").finish_non_exhaustive()
    }
}

impl KeySecret {
    /// A new secret.
    pub(crate) fn random() -> Result<Self, String> {
        let mut bytes = [0; 32];
        match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err("the system has no random numbers".to_owned()),
        }
    }

    /// Whether a verdict has sensitive values.
    pub(crate) fn is_needed(verdict: &Verdict) -> bool {
        let asked = verdict.flow.iter().flat_map(|occurrence| &occurrence.requests);
        let mut requests = asked.chain(verdict.cancels.iter().map(|one| &one.request));
        requests.any(|request| request.is_sensitive)
    }

    /// The verdict with hashes instead of sensitive values.
    pub(crate) fn conceal(&self, verdict: &Verdict) -> Verdict {
        let mut verdict = verdict.clone();
        let asked = verdict.flow.iter_mut().flat_map(|occurrence| &mut occurrence.requests);
        let requests = asked.chain(verdict.cancels.iter_mut().map(|one| &mut one.request));
        for request in requests.filter(|request| request.is_sensitive) {
            self.conceal_values(request);
        }
        verdict
    }

    fn conceal_values(&self, request: &mut FlowRequest) {
        for value in &mut request.values {
            // A hash is not JSON, so it differs from every value that is not concealed.
            *value = match Hmac::<Sha256>::new_from_slice(&self.0) {
                Ok(mut mac) => {
                    mac.update(value.as_bytes());
                    let hash = mac.finalize().into_bytes();
                    let hash = hash.get(..HASH_BYTES).unwrap_or_default();
                    format!("hmac:{}", HEXLOWER.encode(hash))
                }
                // An HMAC takes keys of any length.
                Err(_) => "hmac".to_owned(),
            };
        }
    }
}
