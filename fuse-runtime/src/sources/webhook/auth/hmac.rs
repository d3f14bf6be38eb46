//! Signatures: a MAC of the body, and often of a timestamp.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use super::template::{SignedTemplate, TemplatePart};
use super::{Denied, Head, only};

/// The most signatures of one header that are compared.
const MAX_SIGNATURES: usize = 16;

/// The hash function of a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

/// How a MAC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    Hex,
    Base64,
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        let text = text.as_bytes();
        match self {
            Self::Hex => data_encoding::HEXLOWER
                .decode(text)
                .or_else(|_| data_encoding::HEXUPPER.decode(text))
                .ok(),
            Self::Base64 => data_encoding::BASE64.decode(text).ok(),
        }
    }
}

/// A key with its algorithm.
#[derive(Clone)]
pub(super) enum MacKey {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl MacKey {
    /// `None` is impossible: keys of all lengths are allowed.
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Sha1 => Self::Sha1(Hmac::new_from_slice(key).ok()?),
            Algorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(key).ok()?),
            Algorithm::Sha512 => Self::Sha512(Hmac::new_from_slice(key).ok()?),
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(mac) => mac.update(bytes),
            Self::Sha256(mac) => mac.update(bytes),
            Self::Sha512(mac) => mac.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha1(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }
}

/// How a sender signs, except for its secrets.
#[derive(Clone, Debug)]
pub(super) struct SignatureFormat {
    pub(super) header: String,
    /// Separates the items of the header; without it, the header is one signature.
    pub(super) separator: Option<String>,
    /// The start of each item that is a signature.
    pub(super) prefix: String,
    pub(super) encoding: Encoding,
    pub(super) signed: SignedTemplate,
    pub(super) timestamp: Option<TimestampPlace>,
    pub(super) tolerance: Duration,
    pub(super) id_header: Option<String>,
}

/// Where a sender writes the time of a request.
#[derive(Clone, Debug)]
pub(super) enum TimestampPlace {
    Header(String),
    /// The item of the signature's header that starts with this.
    Prefix(String),
}

/// Accepts signed bodies.
pub(super) struct Signature {
    pub(super) format: Arc<SignatureFormat>,
    pub(super) keys: Arc<[MacKey]>,
}

/// The signatures of a request, which are checked against its body.
pub(super) struct SignatureClaim {
    format: Arc<SignatureFormat>,
    keys: Arc<[MacKey]>,
    signatures: Vec<Vec<u8>>,
    timestamp: String,
    id: String,
}

impl Signature {
    /// Reads the signatures of a request, and checks its time.
    pub(super) fn claim(&self, head: &Head<'_>) -> Result<SignatureClaim, Denied> {
        let format = &self.format;
        let value = text(only(head.headers, &format.header)?)?;
        let items: Vec<&str> = match &format.separator {
            None => vec![value],
            Some(separator) => value.split(separator.as_str()).map(str::trim).collect(),
        };
        let timestamp = match &format.timestamp {
            None => "",
            Some(TimestampPlace::Header(name)) => text(only(head.headers, name)?)?,
            Some(TimestampPlace::Prefix(prefix)) => {
                let mut times = items.iter().filter_map(|item| item.strip_prefix(prefix.as_str()));
                match (times.next(), times.next()) {
                    (Some(time), None) => time,
                    _ => {
                        return Err(Denied::Credentials(
                            "the header does not contain exactly one timestamp",
                        ));
                    }
                }
            }
        };
        if format.timestamp.is_some() {
            check_time(timestamp, head.now, format.tolerance)?;
        }
        let id = match &format.id_header {
            None => "",
            Some(name) => text(only(head.headers, name)?)?,
        };
        if !format.signed.separates(id) {
            return Err(Denied::Credentials("the signed id contains the text beside it"));
        }
        let signatures = items.iter().filter_map(|item| item.strip_prefix(format.prefix.as_str()));
        let signatures = signatures.take(MAX_SIGNATURES);
        let signatures: Vec<_> =
            signatures.filter_map(|signature| format.encoding.decode(signature)).collect();
        if signatures.is_empty() {
            return Err(Denied::Credentials("the signature does not have the configured form"));
        }
        Ok(SignatureClaim {
            format: Arc::clone(format),
            keys: Arc::clone(&self.keys),
            signatures,
            timestamp: timestamp.to_owned(),
            id: id.to_owned(),
        })
    }
}

impl SignatureClaim {
    /// Whether one of the signatures is that of this body by one of the keys.
    pub(super) fn is_proven_by(&self, body: &[u8]) -> bool {
        let mut is_proven = Choice::from(0);
        for key in self.keys.iter() {
            let mut mac = key.clone();
            for part in self.format.signed.parts() {
                mac.update(match part {
                    TemplatePart::Literal(text) => text.as_bytes(),
                    TemplatePart::Body => body,
                    TemplatePart::Timestamp => self.timestamp.as_bytes(),
                    TemplatePart::Id => self.id.as_bytes(),
                });
            }
            let mac = mac.finish();
            for signature in &self.signatures {
                is_proven |= mac.as_slice().ct_eq(signature);
            }
        }
        is_proven.into()
    }
}

fn text(value: &[u8]) -> Result<&str, Denied> {
    std::str::from_utf8(value).map_err(|_| Denied::Credentials("a header is not text"))
}

/// Checks a time, in seconds since 1970, in digits.
fn check_time(text: &str, now: Timestamp, tolerance: Duration) -> Result<(), Denied> {
    let malformed = Denied::Credentials("the timestamp is not in seconds since 1970");
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed);
    }
    let seconds = i64::from_str(text).map_err(|_| malformed)?;
    let time = Timestamp::from_second(seconds).map_err(|_| malformed)?;
    match now.duration_since(time).unsigned_abs() <= tolerance {
        true => Ok(()),
        false => Err(Denied::Credentials("the timestamp is outside the tolerance")),
    }
}
