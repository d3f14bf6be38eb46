//! Certificates of clients.

use super::Denied;
use crate::http::ClientCertificate;

/// Accepts a client whose certificate an authority of the port has signed.
pub(super) struct ClientNames {
    /// The names, one of which the certificate must have; `None` for any name.
    pub(super) subjects: Option<Vec<String>>,
}

impl ClientNames {
    pub(super) fn check(&self, certificate: Option<&ClientCertificate>) -> Result<(), Denied> {
        let Some(certificate) = certificate else {
            return Err(Denied::Credentials("the client has shown no certificate"));
        };
        match &self.subjects {
            Some(subjects) if !certificate.has_name(subjects) => {
                Err(Denied::Credentials("the client's certificate has another name"))
            }
            _ => Ok(()),
        }
    }
}
