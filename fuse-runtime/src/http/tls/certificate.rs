//! The certificate of a port, and how it changes while the port is served.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::pem::{PemTexts, server_config};
use crate::secrets::{ReadSecrets, Secret, SecretReader, SecretRef, Secrets};

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
    reader: SecretReader,
    state: Mutex<CertificateState>,
}

/// The certificate as of the last refresh.
#[derive(Default)]
struct CertificateState {
    in_use: Option<Arc<ServerConfig>>,
    /// A hash of the texts of `in_use`.
    hash: Option<[u8; 32]>,
    /// Why the texts that were read last cannot be used.
    problem: Option<String>,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate").field("place", &self.place).finish_non_exhaustive()
    }
}

impl ServerCertificate {
    /// Not ready until the first [`ServerCertificate::refresh`].
    pub(crate) fn new(place: String, config: TlsConfig) -> Self {
        Self { place, config, reader: SecretReader::default(), state: Mutex::default() }
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

    /// Reads the files again. If they cannot be used, what is in use stays.
    pub(crate) async fn refresh(&self, secrets: &Secrets) {
        let (read, problems) = self.reader.read(self.config.references().collect(), secrets).await;
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let result = match problems.is_empty() {
            true => self.load(&read),
            false => Err(problems.join("; ")),
        };
        self.apply(result);
    }

    /// The configuration with these texts, or `None` if they are in use.
    fn load(&self, read: &ReadSecrets) -> Result<Option<([u8; 32], ServerConfig)>, String> {
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
        server_config(&texts).map(|config| Some((hash, config))).map_err(|error| error.to_string())
    }

    fn apply(&self, result: Result<Option<([u8; 32], ServerConfig)>, String>) {
        let place = self.place.as_str();
        let mut state = self.state();
        let had_problem = state.problem.take();
        match result {
            Ok(Some((hash, config))) => {
                let is_first = state.in_use.is_none();
                state.in_use = Some(Arc::new(config));
                state.hash = Some(hash);
                if !is_first {
                    tracing::info!(place, "new connections use the new certificate");
                } else if had_problem.is_some() {
                    tracing::info!(place, "the certificate can be used: connections are accepted");
                }
            }
            Ok(None) if had_problem.is_some() => {
                tracing::info!(place, "the certificate can be used again, and is the same");
            }
            Ok(None) => {}
            Err(why) => {
                if had_problem.as_ref() != Some(&why) {
                    match state.in_use {
                        Some(_) => tracing::warn!(
                            place,
                            why,
                            "the certificate cannot be used: the former one stays in use"
                        ),
                        None => tracing::warn!(
                            place,
                            why,
                            "the certificate cannot be used: connections are refused"
                        ),
                    }
                }
                state.problem = Some(why);
            }
        }
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
