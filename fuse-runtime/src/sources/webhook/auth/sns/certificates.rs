//! The certificates with which AWS signs messages of SNS. They are downloaded once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{StatusCode, Url};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

use super::message::SignatureHash;
use crate::http_client::{HttpClient, HttpClientError};
use crate::log_limit::LogLimit;

/// The most bytes of a certificate.
const MAX_CERTIFICATE: usize = 64 << 10;

/// The most URLs that are remembered. AWS uses one at a time in each region.
const MAX_KNOWN: usize = 64;

/// How long a URL is not tried again after a failure, so that made-up URLs cost little.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How long a request waits for the download of another certificate.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A certificate whose signatures are accepted while it is valid.
#[derive(Debug)]
pub(super) struct SigningCertificate {
    /// An RSA public key in DER.
    key: Vec<u8>,
    not_before: i64,
    not_after: i64,
}

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateError {
    /// It cannot be downloaded now.
    Unavailable,
    /// There is none at the URL, or it cannot be used.
    Invalid,
}

/// What is known of a URL.
#[derive(Clone, Debug)]
enum KnownCertificate {
    Certificate(Arc<SigningCertificate>),
    Failed(CertificateError, Instant),
}

/// The certificates that have been downloaded.
#[derive(Debug)]
pub(super) struct SigningCertificates {
    client: OnceLock<HttpClient>,
    known: Mutex<HashMap<Url, KnownCertificate>>,
    downloads: Semaphore,
    failures: LogLimit,
}

impl Default for SigningCertificates {
    fn default() -> Self {
        Self {
            client: OnceLock::new(),
            known: Mutex::default(),
            downloads: Semaphore::new(1),
            failures: LogLimit::new(),
        }
    }
}

impl SigningCertificates {
    pub(super) fn client(&self) -> Result<&HttpClient, HttpClientError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = HttpClient::new()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Adds a certificate as if it had been downloaded.
    #[cfg(test)]
    pub(super) fn add(&self, url: Url, certificate: SigningCertificate) {
        self.known().insert(url, KnownCertificate::Certificate(Arc::new(certificate)));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Url, KnownCertificate>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate at a URL. One certificate is downloaded at a time.
    pub(super) async fn get(
        &self,
        url: Url,
        now: Timestamp,
    ) -> Result<Arc<SigningCertificate>, CertificateError> {
        if let Some(known) = self.find(&url) {
            return known.and_then(|certificate| certificate.valid_at(now));
        }
        let turn = timeout(MAX_WAIT, self.downloads.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(CertificateError::Unavailable) };
        // Another request may have downloaded it.
        if let Some(known) = self.find(&url) {
            return known.and_then(|certificate| certificate.valid_at(now));
        }
        let downloaded = self.download(url.clone()).await;
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.retain(|_, one| matches!(one, KnownCertificate::Certificate(_)));
        }
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        let entry = match &downloaded {
            Ok(certificate) => KnownCertificate::Certificate(Arc::clone(certificate)),
            Err(why) => KnownCertificate::Failed(*why, Instant::now()),
        };
        known.insert(url, entry);
        downloaded.and_then(|certificate| certificate.valid_at(now))
    }

    /// What is known of a URL now.
    fn find(&self, url: &Url) -> Option<Result<Arc<SigningCertificate>, CertificateError>> {
        match self.known().get(url)? {
            KnownCertificate::Certificate(certificate) => Some(Ok(Arc::clone(certificate))),
            KnownCertificate::Failed(why, at) if at.elapsed() < RETRY_AFTER => Some(Err(*why)),
            KnownCertificate::Failed(..) => None,
        }
    }

    async fn download(&self, url: Url) -> Result<Arc<SigningCertificate>, CertificateError> {
        let failed = |error: HttpClientError| {
            if let Some(left_out) = self.failures.pass() {
                tracing::warn!(left_out, %error, "the certificate of SNS cannot be downloaded");
            }
            match error {
                HttpClientError::Status { status, .. }
                    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
                {
                    CertificateError::Invalid
                }
                HttpClientError::TooLarge { .. } => CertificateError::Invalid,
                _ => CertificateError::Unavailable,
            }
        };
        let client = self.client().map_err(failed)?;
        let pem = client.get(url, MAX_CERTIFICATE).await.map_err(failed)?;
        SigningCertificate::from_pem(&pem).map(Arc::new).ok_or(CertificateError::Invalid)
    }
}

impl SigningCertificate {
    pub(super) fn from_pem(pem: &[u8]) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem).ok()?;
        let (_, certificate) = parse_x509_certificate(&der).ok()?;
        let key = certificate.public_key();
        if key.algorithm.algorithm != OID_PKCS1_RSAENCRYPTION {
            return None;
        }
        let seconds = |time: ASN1Time| time.timestamp();
        let validity = certificate.validity();
        Some(Self {
            key: key.subject_public_key.data.to_vec(),
            not_before: seconds(validity.not_before),
            not_after: seconds(validity.not_after),
        })
    }

    fn valid_at(self: Arc<Self>, now: Timestamp) -> Result<Arc<Self>, CertificateError> {
        match (self.not_before..=self.not_after).contains(&now.as_second()) {
            true => Ok(self),
            false => Err(CertificateError::Invalid),
        }
    }

    pub(super) fn has_signed(&self, hash: SignatureHash, text: &[u8], signature: &[u8]) -> bool {
        let algorithm = match hash {
            SignatureHash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            SignatureHash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &self.key).verify(text, signature).is_ok()
    }
}
