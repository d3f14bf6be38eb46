//! Requests that fuse itself sends over HTTPS, except for those to the Kubernetes API.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::error_causes::with_causes;

/// How long a request may take, with its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client that follows no redirects. It trusts the certificate authorities of the system, or those in the file
/// `SSL_CERT_FILE`, and uses the proxy in `HTTPS_PROXY`.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: Client,
}

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpClientError {
    /// There is no TLS, for example because the system has no certificate authorities.
    #[error("cannot use TLS: {0}")]
    Tls(String),
    /// There is no answer.
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
        let tls = |error: rustls::Error| HttpClientError::Tls(with_causes(&error));
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_platform_verifier())
            .map_err(tls)?
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| HttpClientError::Tls(with_causes(&error)))?;
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
