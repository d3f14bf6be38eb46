//! TLS for ports: certificates that are read again while a port is served, and the handshake of a connection.

mod certificate;
mod client;
mod handshake;
mod pem;
mod stream;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use certificate::{ServerCertificate, TlsConfig};
pub(crate) use client::ClientCertificate;
pub(super) use handshake::{Secured, secure};
pub(crate) use pem::{PemError, certificates};
pub(super) use stream::ConnectionStream;

/// How the connections of a port are encrypted. Clones share it, and it may change while the port is served: a
/// connection uses what is set when it is accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortTls {
    certificate: Arc<RwLock<Option<Arc<ServerCertificate>>>>,
}

impl PortTls {
    /// A port with this certificate, or without TLS.
    pub(crate) fn new(certificate: Option<Arc<ServerCertificate>>) -> Self {
        Self { certificate: Arc::new(RwLock::new(certificate)) }
    }

    /// Sets the certificate for new connections; `None` is no TLS.
    pub(crate) fn set(&self, certificate: Option<Arc<ServerCertificate>>) {
        *self.certificate.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// The certificate that is set now.
    pub(crate) fn get(&self) -> Option<Arc<ServerCertificate>> {
        self.certificate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
