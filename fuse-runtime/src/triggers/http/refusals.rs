//! Servers that refused credentials. A person has to fix these, so fuse asks again only now and then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::call::HttpCall;
use crate::secrets::{ReadSecrets, Secret};

/// How long to wait after the first refusal. Each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const MAX_WAIT: Duration = Duration::from_secs(10 * 60);

/// The most refusals that are remembered.
const MAX_KNOWN: usize = 1000;

/// The method, URL and secrets of a request. A secret that changes makes another target.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CallTarget([u8; 32]);

impl CallTarget {
    pub(super) fn new(call: &HttpCall, url: &Url, secrets: &ReadSecrets) -> Self {
        let mut hash = Sha256::new();
        let (method, host) = (call.method.as_str(), url.origin().ascii_serialization());
        let secrets = secrets.values().map(Secret::expose);
        for text in [method, &host, url.path()].into_iter().chain(secrets) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        Self(hash.finalize().into())
    }
}

/// A target that refused its credentials.
struct Refused {
    why: String,
    /// When one request may be sent again.
    again_at: Instant,
    wait: Duration,
}

/// The targets that refused their credentials.
#[derive(Default)]
pub(super) struct Refusals {
    known: Mutex<HashMap<CallTarget, Refused>>,
}

impl Refusals {
    fn known(&self) -> MutexGuard<'_, HashMap<CallTarget, Refused>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no request should be sent now.
    pub(super) fn reason(&self, target: CallTarget) -> Option<String> {
        let known = self.known();
        let refused = known.get(&target)?;
        (Instant::now() < refused.again_at).then(|| refused.why.clone())
    }

    /// The same; if there is no reason, others wait for the answer to this request.
    pub(super) fn take_turn(&self, target: CallTarget) -> Result<(), String> {
        let mut known = self.known();
        let Some(refused) = known.get_mut(&target) else { return Ok(()) };
        let now = Instant::now();
        if now < refused.again_at {
            return Err(refused.why.clone());
        }
        refused.again_at = now + refused.wait;
        Ok(())
    }

    pub(super) fn refused(&self, target: CallTarget, why: &str) {
        let mut known = self.known();
        if known.len() >= MAX_KNOWN && !known.contains_key(&target) {
            known.clear();
        }
        let wait = known.get(&target).map_or(FIRST_WAIT, |last| (last.wait * 2).min(MAX_WAIT));
        let again_at = Instant::now() + wait;
        known.insert(target, Refused { why: why.to_owned(), again_at, wait });
    }

    pub(super) fn accepted(&self, target: CallTarget) {
        self.known().remove(&target);
    }
}
