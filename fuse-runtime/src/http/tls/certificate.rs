//! The certificate of a port, and how it changes while the port is served.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::ServerConfig;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::pem::{PemTexts, expires_at, server_config};
use crate::secrets::{ReadSecrets, Secret, SecretRef, Secrets};

/// How long before a certificate expires fuse warns.
const WARN_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where the certificate of a port, its key, and the authorities of clients are kept, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TlsConfig {
    /// The certificate, followed by those of its intermediate authorities.
    pub(crate) cert: SecretRef,
    /// The private key of the certificate.
    pub(crate) key: SecretRef,
    /// The authorities that sign the certificates of clients.
    pub(crate) client_ca: Option<SecretRef>,
}

impl TlsConfig {
    fn references(&self) -> impl Iterator<Item = &SecretRef> {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten()
    }
}

/// The certificate of a port.
pub(crate) struct ServerCertificate {
    /// What it is for, as in `port 12000`.
    place: String,
    config: TlsConfig,
    state: Mutex<CertificateState>,
    /// Whether connections use it. A reload prepares it before, and may fail.
    is_served: AtomicBool,
}

/// The certificate as of the last refresh.
#[derive(Default)]
struct CertificateState {
    in_use: Option<Arc<ServerConfig>>,
    /// A hash of the texts of `in_use`.
    hash: Option<[u8; 32]>,
    /// When `in_use` expires.
    expires: Option<Timestamp>,
    /// How much of its life was left when that was last logged.
    logged: Life,
    /// Why the texts that were read last cannot be used.
    problem: Option<String>,
}

/// How much of the life of a certificate is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Long,
    /// It expires soon.
    Short,
    /// It has expired.
    Over,
}

impl Life {
    fn new(expires: Timestamp, now: Timestamp) -> Self {
        match expires.duration_since(now) {
            left if left.is_negative() || left.is_zero() => Self::Over,
            left if left.unsigned_abs() <= WARN_WITHIN => Self::Short,
            _ => Self::Long,
        }
    }
}

/// A certificate that was loaded.
struct Loaded {
    hash: [u8; 32],
    config: ServerConfig,
    expires: Option<Timestamp>,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate").field("place", &self.place).finish_non_exhaustive()
    }
}

impl ServerCertificate {
    /// Not ready until the first [`ServerCertificate::refresh`].
    pub(crate) fn new(place: String, config: TlsConfig) -> Self {
        Self { place, config, state: Mutex::default(), is_served: AtomicBool::new(false) }
    }

    /// Whether this is the certificate of this place with these files.
    pub(crate) fn is_for(&self, place: &str, config: &TlsConfig) -> bool {
        self.place == place && self.config == *config
    }

    fn state(&self) -> MutexGuard<'_, CertificateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What new connections use; `None` if there was no usable certificate yet.
    pub(super) fn in_use(&self) -> Option<Arc<ServerConfig>> {
        self.state().in_use.clone()
    }

    /// Whether connections can be accepted with it.
    pub(crate) fn is_ready(&self) -> bool {
        self.state().in_use.is_some()
    }

    /// From now on, connections use it. Logs what is wrong with it.
    pub(crate) fn serve(&self) {
        if !self.is_served.swap(true, Ordering::Relaxed) {
            let state = self.state();
            if let Some(why) = &state.problem {
                self.log_problem(&state, why);
            }
        }
    }

    /// Reads the files again. If they cannot be used, what is in use stays.
    pub(crate) async fn refresh(&self, secrets: &Secrets) {
        let (read, problems) = secrets.read_all(self.config.references().collect()).await;
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let result = match problems.is_empty() {
            true => self.load(&read),
            false => Err(problems.join("; ")),
        };
        self.apply(result);
    }

    /// The configuration with these texts, or `None` if they are in use.
    fn load(&self, read: &ReadSecrets) -> Result<Option<Loaded>, String> {
        let text = |reference: &SecretRef| read.get(reference).map_or("", Secret::expose);
        let texts = PemTexts {
            cert: text(&self.config.cert),
            key: text(&self.config.key),
            client_ca: self.config.client_ca.as_ref().map(text),
        };
        let hash = hash(&texts);
        if self.state().hash == Some(hash) {
            return Ok(None);
        }
        let config = server_config(&texts).map_err(|error| error.to_string())?;
        Ok(Some(Loaded { hash, config, expires: expires_at(texts.cert) }))
    }

    fn apply(&self, result: Result<Option<Loaded>, String>) {
        let place = self.place.as_str();
        let is_served = self.is_served.load(Ordering::Relaxed);
        let mut state = self.state();
        let had_problem = state.problem.take();
        match result {
            Ok(Some(Loaded { hash, config, expires })) => {
                let is_first = state.in_use.is_none();
                state.in_use = Some(Arc::new(config));
                state.hash = Some(hash);
                state.expires = expires;
                state.logged = Life::Long;
                if !is_served {
                    // Nothing was logged about it before.
                } else if !is_first {
                    tracing::info!(place, "new connections use the new certificate");
                } else if had_problem.is_some() {
                    tracing::info!(place, "the certificate can be used: connections are accepted");
                }
            }
            Ok(None) if had_problem.is_some() && is_served => {
                tracing::info!(place, "the certificate can be used again, and is the same");
            }
            Ok(None) => {}
            Err(why) => {
                if had_problem.as_ref() != Some(&why) && is_served {
                    self.log_problem(&state, &why);
                }
                state.problem = Some(why);
            }
        }
    }

    fn log_problem(&self, state: &CertificateState, why: &str) {
        let place = self.place.as_str();
        let what = match state.in_use {
            Some(_) => "the certificate cannot be used: the former one stays in use",
            None => "the certificate cannot be used: connections are refused",
        };
        tracing::warn!(place, why, "{what}");
    }

    /// That the certificate in use has expired or expires within a week, in a sentence. Also logs it, once each.
    pub(crate) fn expiry_warning(&self, now: Timestamp) -> Option<String> {
        let mut state = self.state();
        let (expires, place) = (state.expires?, self.place.as_str());
        let life = Life::new(expires, now);
        let is_new = std::mem::replace(&mut state.logged, life) != life;
        let what = match life {
            Life::Long => return None,
            Life::Short => "expires soon",
            Life::Over => "has expired",
        };
        if is_new {
            tracing::warn!(place, %expires, "the certificate {what}: renew it");
        }
        let verb = if life == Life::Over { "expired" } else { "expires" };
        Some(format!("the certificate of {place} {verb} at {expires}: renew it"))
    }

    /// What is wrong with the files now, in a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let state = self.state();
        let (place, why) = (&self.place, state.problem.as_ref()?);
        Some(match state.in_use {
            Some(_) => format!("TLS of {place} uses a former certificate: {why}"),
            None => format!("TLS of {place} refuses connections: {why}"),
        })
    }
}

fn hash(texts: &PemTexts<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in [texts.cert, texts.key, texts.client_ca.unwrap_or_default()] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}
