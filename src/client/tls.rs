//! Which certificates the admin port may have.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Which certificates the admin port may have, and the one that is shown to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    /// The file with the authorities; those of the system if `None`.
    pub(crate) authorities: Option<PathBuf>,
    /// The file with the client's certificate and key.
    pub(crate) certificate: Option<PathBuf>,
    /// Accept any certificate: the address is of this machine, and from the state folder of fuse.
    pub(crate) any: bool,
}

/// The configuration of TLS.
pub(super) fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let unusable = |error: Error| format!("cannot use TLS: {error}");
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match (&trust.authorities, trust.any) {
        (Some(path), _) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                let unusable = |error: Error| format!("`{}`: {error}", path.display());
                roots.add(root).map_err(unusable)?;
            }
            builder.with_root_certificates(roots)
        }
        (None, true) => {
            let any = AnyCertificate { provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(any))
        }
        (None, false) => builder.with_platform_verifier().map_err(unusable)?,
    };
    let Some(path) = &trust.certificate else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_file(path)
        .map_err(|_| format!("`{}` contains no private key in PEM", path.display()))?;
    builder.with_client_auth_cert(certificates(path)?, key).map_err(unusable)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = std::fs::read(path).map_err(|error| fuse_runtime::read_error(path, &error))?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| format!("`{}` contains no certificate in PEM", path.display()))
}

/// Accepts any certificate, for a port of this machine: the name in the certificate is not that of this machine.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
