//! Builds the TLS configuration of a port from PEM texts.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

/// The texts of a port's files.
pub(super) struct PemTexts<'t> {
    pub(super) cert: &'t str,
    pub(super) key: &'t str,
    pub(super) client_ca: Option<&'t str>,
}

/// Why these texts cannot be used. The message never contains a part of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PemError {
    /// A text has no certificate.
    #[error("{0} contains no certificate in PEM")]
    NoCertificate(&'static str),
    /// The text of the key has no private key.
    #[error("`key` contains no private key in PEM")]
    NoKey,
    /// The key belongs to another certificate.
    #[error("`key` does not belong to the first certificate of `cert`")]
    Mismatch,
    /// A text cannot be used for another reason.
    #[error("{what} cannot be used: {source}")]
    Unusable {
        /// Which one.
        what: &'static str,
        /// Why.
        source: rustls::Error,
    },
}

/// The protocols over TLS, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS 1.2 and 1.3 with these texts. With `client_ca`, a client may show a certificate, which must then be valid.
pub(super) fn server_config(texts: &PemTexts<'_>) -> Result<ServerConfig, PemError> {
    let provider = Arc::new(ring::default_provider());
    let unusable = |what| move |source| PemError::Unusable { what, source };
    let verifier: Arc<dyn ClientCertVerifier> = match texts.client_ca {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(text) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(text, "`client-ca`")? {
                roots.add(root).map_err(unusable("`client-ca`"))?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                // Probes have no certificate. Sources demand one.
                .allow_unauthenticated()
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))
                .map_err(unusable("`client-ca`"))?
        }
    };
    let chain = certificates(texts.cert, "`cert`")?;
    let key = PrivateKeyDer::from_pem_slice(texts.key.as_bytes()).map_err(|_| PemError::NoKey)?;
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable("TLS"))?;
    let config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => PemError::Mismatch,
        source => PemError::Unusable { what: "the certificate", source },
    })?;
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    if texts.client_ca.is_some() {
        // A resumed session would skip the check of the client's certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// When the first of these certificates expires: clients refuse a chain with an expired certificate.
pub(super) fn expires_at(text: &str) -> Option<Timestamp> {
    let ends = certificates(text, "`cert`").ok()?.into_iter().filter_map(|der| {
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
        Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
    });
    ends.min()
}

pub(crate) fn certificates(
    text: &str,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    found.ok().filter(|found| !found.is_empty()).ok_or(PemError::NoCertificate(what))
}
