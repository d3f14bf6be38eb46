//! `tls { … }` of a source: the fields, and the certificate of each port.

use std::collections::BTreeMap;
use std::sync::Arc;

use fuse_rules::schema::{Field, FieldType, Schema};
use serde_json::{Map, Value as Json};

use crate::http::{ServerCertificate, TlsConfig};
use crate::sources::SourceError;

/// The field `tls` of a source.
pub(super) fn tls_field() -> Field {
    let tls = Schema::new("tls", "The certificate of the port.")
        .field(Field::required(
            "cert",
            FieldType::Secret,
            "The certificate in PEM, followed by those of its intermediate authorities.",
        ))
        .field(Field::required("key", FieldType::Secret, "The private key of `cert` in PEM."))
        .field(Field::optional(
            "client-ca",
            FieldType::Secret,
            "The authorities of client certificates, for `mtls` in `auth`.",
        ))
        .whole();
    Field::optional(
        "tls",
        FieldType::Block(Box::new(tls)),
        "The certificate with which the port serves HTTPS; all sources of a port have the same.",
    )
}

/// Checks that `client-ca` of an event's source and `mtls` in its `auth` go together.
pub(super) fn verify_tls(fields: &Map<String, Json>) -> Result<(), String> {
    let auth = fields.get("auth");
    let has = |block: Option<&Json>| block.is_some_and(|block| block.get("mtls").is_some());
    let is_checked = has(auth) || has(auth.and_then(|auth| auth.get("any")));
    let has_authority = fields.get("tls").is_some_and(|tls| tls.get("client-ca").is_some());
    match (has_authority, is_checked) {
        (false, true) => {
            Err("has `mtls`, which needs the authorities of client certificates; add \
             `client-ca` to the `tls` of its source"
                .to_owned())
        }
        (true, false) => {
            Err("has `client-ca`, but nothing requires a client certificate; add `mtls {}` to the \
             `auth` of its source, or remove `client-ca`"
                .to_owned())
        }
        _ => Ok(()),
    }
}

/// The certificates of ports, by port.
pub(super) type PortCertificates = BTreeMap<u16, Option<Arc<ServerCertificate>>>;

/// Adds the certificate of a source to its port. A certificate whose configuration does not change is kept.
///
/// # Errors
/// Another source of the port has another one. The check of the rules refuses this, too.
pub(super) fn add_certificate(
    ports: &mut PortCertificates,
    port: u16,
    config: Option<TlsConfig>,
    former: &[Arc<ServerCertificate>],
) -> Result<(), SourceError> {
    let place = format!("port {port}");
    if let Some(known) = ports.get(&port) {
        let is_same = match (known, &config) {
            (Some(known), Some(config)) => known.is_for(&place, config),
            (None, None) => true,
            _ => false,
        };
        return match is_same {
            true => Ok(()),
            false => Err(SourceError::new(format!("the sources of {place} have different `tls`"))),
        };
    }
    let certificate = config.map(|config| {
        let kept = former.iter().find(|former| former.is_for(&place, &config));
        kept.map_or_else(|| Arc::new(ServerCertificate::new(place, config)), Arc::clone)
    });
    ports.insert(port, certificate);
    Ok(())
}
