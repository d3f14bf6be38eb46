//! Clients by their certificates. Connections are kept for the next request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::addresses::{AllowedResolver, HttpAddresses};
use crate::error_causes::with_causes;

/// The most clients that are kept. Rules have few certificates, but these are renewed.
const MAX_CLIENTS: usize = 32;

/// How long a connection may take. Without one, the server certainly got nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The texts of certificates, in PEM.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct ClientPem {
    pub(super) ca: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
}

/// The clients.
pub(super) struct HttpClients {
    addresses: Arc<HttpAddresses>,
    by_pem: Mutex<HashMap<ClientPem, Client>>,
}

/// Certificates that cannot be used, in a phrase without any part of them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ClientPemError(String);

impl HttpClients {
    pub(super) fn new(addresses: HttpAddresses) -> Self {
        Self { addresses: Arc::new(addresses), by_pem: Mutex::default() }
    }

    pub(super) fn addresses(&self) -> &HttpAddresses {
        &self.addresses
    }

    /// The client with these certificates.
    pub(super) fn get(&self, pem: ClientPem) -> Result<Client, ClientPemError> {
        let mut by_pem = self.by_pem.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = by_pem.get(&pem) {
            return Ok(client.clone());
        }
        let client = self.build(&pem)?;
        if by_pem.len() >= MAX_CLIENTS {
            by_pem.clear();
        }
        by_pem.insert(pem, client.clone());
        Ok(client)
    }

    fn build(&self, pem: &ClientPem) -> Result<Client, ClientPemError> {
        Client::builder()
            .tls_backend_preconfigured(tls(pem)?)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Arc::new(AllowedResolver(Arc::clone(&self.addresses))))
            .user_agent(concat!("fuse/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ClientPemError(with_causes(&error)))
    }
}

fn tls(pem: &ClientPem) -> Result<ClientConfig, ClientPemError> {
    let refused = |error: rustls::Error| ClientPemError(with_causes(&error));
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match &pem.ca {
        None => builder.with_platform_verifier().map_err(refused)?,
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for der in certificates("ca", ca)? {
                roots.add(der).map_err(refused)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    match (&pem.cert, &pem.key) {
        (Some(cert), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
            let key =
                key.map_err(|_| ClientPemError("`key` contains no private key in PEM".to_owned()))?;
            builder.with_client_auth_cert(certificates("cert", cert)?, key).map_err(refused)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(field: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, ClientPemError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(ClientPemError(format!("`{field}` contains no certificate in PEM"))),
    }
}
