//! Requests that fuse itself sends, except for those to the Kubernetes API: their TLS, and small downloads.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::error_causes::with_causes;
use crate::http::{PemError, certificates};

/// How long a request may take, with its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The certificates for a request, in PEM.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct ClientPem {
    /// The authorities of the server; those of the system if `None`.
    pub(crate) ca: Option<String>,
    /// The certificate of the client, and its key.
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
}

/// The TLS of requests with these certificates.
pub(crate) fn client_tls(pem: &ClientPem) -> Result<ClientConfig, PemError> {
    let unusable = |what| move |source| PemError::Unusable { what, source };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable("TLS"))?;
    let builder = match &pem.ca {
        None => builder.with_platform_verifier().map_err(unusable("TLS"))?,
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(ca, "`ca`")? {
                roots.add(root).map_err(unusable("`ca`"))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let (Some(cert), Some(key)) = (&pem.cert, &pem.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| PemError::NoKey)?;
    let config = builder.with_client_auth_cert(certificates(cert, "`cert`")?, key);
    config.map_err(unusable("the client's certificate"))
}

/// A client that follows no redirects. It trusts the certificate authorities of the system, or those in the file
/// `SSL_CERT_FILE`, and uses the proxy in `HTTPS_PROXY`.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: Client,
}

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpClientError {
    /// The certificates cannot be used, or the system has no certificate authorities.
    #[error(transparent)]
    Certificates(#[from] PemError),
    /// The client cannot be made for another reason.
    #[error("cannot send requests: {0}")]
    Client(String),
    /// The server does not answer.
    #[error("{host} does not answer: {reason}")]
    NoAnswer {
        /// The host of the URL.
        host: String,
        /// Why, with all causes.
        reason: String,
    },
    /// The answer is not a success.
    #[error("{host} answers {status}")]
    Status {
        /// The host of the URL.
        host: String,
        /// The status of the answer.
        status: StatusCode,
    },
    /// The answer is too large.
    #[error("{host} answers with more than {limit} bytes")]
    TooLarge {
        /// The host of the URL.
        host: String,
        /// The most bytes that are read.
        limit: usize,
    },
}

impl HttpClient {
    pub(crate) fn new() -> Result<Self, HttpClientError> {
        let client = Client::builder()
            .tls_backend_preconfigured(client_tls(&ClientPem::default())?)
            .https_only(true)
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| HttpClientError::Client(with_causes(&error)))?;
        Ok(Self { client })
    }

    /// The body of a successful answer, of at most `limit` bytes.
    pub(crate) async fn get(&self, url: Url, limit: usize) -> Result<Bytes, HttpClientError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let no_answer = |error: reqwest::Error| HttpClientError::NoAnswer {
            host: host.clone(),
            reason: with_causes(&error.without_url()),
        };
        let mut response = self.client.get(url).send().await.map_err(no_answer)?;
        let status = response.status();
        if !status.is_success() {
            return Err(HttpClientError::Status { host, status });
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(HttpClientError::TooLarge { host, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}
