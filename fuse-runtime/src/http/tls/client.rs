//! The certificate of a client, and its names.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// A certificate that an authority of the port's `client-ca` signed. An extension of each request of its connection.
///
/// Its names are those of the extension *subject alternative name*: DNS names, e-mail addresses, URIs and IP
/// addresses. Only a certificate without this extension is named by the common name of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    names: Vec<ClientName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ClientName {
    /// A DNS name, whose case does not count.
    Dns(String),
    /// Another name, which is compared as it is.
    Text(String),
    Address(IpAddr),
}

impl ClientCertificate {
    /// Reads a certificate that has been verified. One that cannot be read has no names.
    pub(super) fn from_der(der: &[u8]) -> Self {
        Self { names: names(der).unwrap_or_default() }
    }

    /// Whether it has one of these names. A wildcard matches only itself.
    pub(crate) fn has_name(&self, subjects: &[String]) -> bool {
        let is_one = |name: &ClientName| match name {
            ClientName::Dns(name) => subjects.iter().any(|one| one.eq_ignore_ascii_case(name)),
            ClientName::Text(name) => subjects.contains(name),
            ClientName::Address(address) => subjects.iter().any(|one| one.parse() == Ok(*address)),
        };
        self.names.iter().any(is_one)
    }
}

fn names(der: &[u8]) -> Option<Vec<ClientName>> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let Some(extension) = certificate.subject_alternative_name().ok()? else {
        let names = certificate.subject().iter_common_name();
        let texts = names.filter_map(|name| name.as_str().ok());
        return Some(texts.map(|name| ClientName::Text(name.to_owned())).collect());
    };
    let name = |name: &GeneralName<'_>| match name {
        // A text of one kind that looks like one of another kind must not be taken for it.
        GeneralName::DNSName(name) if !name.contains(['@', ':', '/']) => {
            Some(ClientName::Dns((*name).to_owned()))
        }
        GeneralName::RFC822Name(name) if name.contains('@') && !name.contains(':') => {
            Some(ClientName::Text((*name).to_owned()))
        }
        GeneralName::URI(name) if name.contains(':') => Some(ClientName::Text((*name).to_owned())),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|v4| ClientName::Address(v4.into())),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|v6| ClientName::Address(v6.into())),
            _ => None,
        },
        _ => None,
    };
    Some(extension.value.general_names.iter().filter_map(name).collect())
}
