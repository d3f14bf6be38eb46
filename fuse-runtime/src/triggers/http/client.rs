//! Clients by their certificates. Connections are kept for the next request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

use super::addresses::{AllowedResolver, HttpAddresses};
use crate::error_causes::with_causes;
use crate::http_client::{ClientPem, HttpClientError, client_tls};

/// The most clients that are kept. Rules have few certificates, but these are renewed.
const MAX_CLIENTS: usize = 32;

/// How long a connection may take. Without one, the server certainly got nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The clients.
pub(super) struct HttpClients {
    addresses: Arc<HttpAddresses>,
    by_pem: Mutex<HashMap<ClientPem, Client>>,
}

impl HttpClients {
    pub(super) fn new(addresses: HttpAddresses) -> Self {
        Self { addresses: Arc::new(addresses), by_pem: Mutex::default() }
    }

    pub(super) fn addresses(&self) -> &HttpAddresses {
        &self.addresses
    }

    /// The client with these certificates.
    pub(super) fn get(&self, pem: ClientPem) -> Result<Client, HttpClientError> {
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

    fn build(&self, pem: &ClientPem) -> Result<Client, HttpClientError> {
        Client::builder()
            .tls_backend_preconfigured(client_tls(pem)?)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Arc::new(AllowedResolver(Arc::clone(&self.addresses))))
            .user_agent(concat!("fuse/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| HttpClientError::Client(with_causes(&error)))
    }
}
