//! Authenticates the senders of a webhook.
//!
//! A request is checked twice: its head before any byte of its body is read, and the signature of its body after.
//! The secrets are in memory, and [`SourceAuth::refresh`] reads them again.

mod basic;
mod bearer;
mod config;
mod header;
mod hmac;
mod mtls;
mod network;
mod query;
mod refresh;
mod schema;
mod sns;
mod template;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use axum::http::HeaderMap;
use jiff::Timestamp;

pub(super) use config::{AuthConfig, present};
pub(super) use query::without_parameters;
pub(super) use refresh::SourceAuth;
pub(super) use schema::{auth_field, verify_event};
pub(super) use sns::{SnsConfig, SnsRequest};

use self::hmac::SignatureClaim;
use self::sns::SnsClaim;
use crate::http::ClientCertificate;
use crate::secrets::SecretTexts;

/// What is known about a request before its body arrives.
pub(super) struct Head<'r> {
    pub(super) headers: &'r HeaderMap,
    /// The query, as it is written in the URL.
    pub(super) query: &'r str,
    pub(super) peer: IpAddr,
    /// The certificate that the client has shown.
    pub(super) certificate: Option<&'r ClientCertificate>,
    pub(super) now: Timestamp,
}

/// Why a request is refused. The reason is for the log and never contains a value of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The peer's address is not allowed.
    Address,
    /// A credential is missing or wrong.
    Credentials(&'static str),
    /// It cannot be decided now whether a credential is right.
    NotReady(&'static str),
}

impl Denied {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Address => "the address is not in `allow-from`",
            Self::Credentials(reason) | Self::NotReady(reason) => reason,
        }
    }
}

/// A check of a request, with the secrets that it needs.
enum Check {
    AllowFrom(network::Networks),
    Mtls(mtls::ClientNames),
    Bearer(bearer::Bearer),
    Basic(basic::Basic),
    Header(header::HeaderSecret),
    Query(query::QuerySecret),
    Hmac(hmac::Signature),
    Sns(sns::Sns),
}

impl Check {
    /// Checks the head. A signature results in a claim, which is checked against the body.
    fn head(&self, head: &Head<'_>) -> Result<Option<BodyClaim>, Denied> {
        match self {
            Self::AllowFrom(networks) => networks.check(head.peer),
            Self::Mtls(names) => names.check(head.certificate),
            Self::Bearer(bearer) => bearer.check(head.headers),
            Self::Basic(basic) => basic.check(head.headers),
            Self::Header(header) => header.check(head.headers),
            Self::Query(query) => query.check(head),
            Self::Hmac(signature) => {
                return signature.claim(head).map(|claim| Some(BodyClaim::Hmac(claim)));
            }
            Self::Sns(sns) => return sns.check(head).map(|claim| Some(BodyClaim::Sns(claim))),
        }
        .map(|()| None)
    }
}

/// The checks of a source.
pub(super) struct Checks {
    /// All of them must succeed.
    all: Vec<Check>,
    /// One of them must succeed, if there are any.
    any: Vec<Check>,
    /// What the sender sends when it verifies the URL.
    verify_token: Option<SecretTexts>,
}

/// A signature that is checked against the body.
enum BodyClaim {
    Hmac(SignatureClaim),
    Sns(SnsClaim),
}

impl BodyClaim {
    async fn check(&self, body: &[u8]) -> Result<(), Denied> {
        match self {
            Self::Hmac(claim) if claim.is_proven_by(body) => Ok(()),
            Self::Hmac(_) => Err(Denied::Credentials("the signature is wrong")),
            Self::Sns(claim) => claim.check(body).await,
        }
    }
}

/// What is checked against the body after the head has passed.
#[derive(Default)]
pub(super) struct Claims {
    all: Vec<BodyClaim>,
    /// One of them, if there are any.
    any: Vec<BodyClaim>,
}

impl Checks {
    /// Checks only the address and the query: for a sender that asks whether it may send events, and may have no other
    /// credentials yet.
    pub(super) fn address_and_url(&self, head: &Head<'_>) -> Result<(), Denied> {
        let mut checks =
            self.all.iter().filter(|c| matches!(c, Check::AllowFrom(_) | Check::Query(_)));
        checks.try_for_each(|check| check.head(head).map(drop))
    }

    /// Whether this is the token with which the sender verifies the URL.
    pub(super) fn is_verify_token(&self, token: &str) -> bool {
        self.verify_token.as_ref().is_some_and(|known| known.contains(token.as_bytes()).into())
    }

    /// Checks what the head of a request shows.
    pub(super) fn head(&self, head: &Head<'_>) -> Result<Claims, Denied> {
        let mut claims = Claims::default();
        for check in &self.all {
            claims.all.extend(check.head(head)?);
        }
        let mut denied = None;
        for check in &self.any {
            match check.head(head) {
                Ok(None) => return Ok(Claims { any: Vec::new(), ..claims }),
                Ok(Some(claim)) => claims.any.push(claim),
                Err(_) => denied = Some(Denied::Credentials("no alternative of `any` succeeds")),
            }
        }
        match denied {
            Some(denied) if claims.any.is_empty() => Err(denied),
            _ => Ok(claims),
        }
    }
}

impl Claims {
    /// Whether the head has proven everything, so that nothing is checked against the body.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// Checks the signatures against the bytes of the body as they arrived. Without a body, no signature is valid.
    pub(super) async fn body(&self, body: Option<&[u8]>) -> Result<(), Denied> {
        if self.is_empty() {
            return Ok(());
        }
        let body = body.ok_or(Denied::Credentials("the request has no body that is signed"))?;
        for claim in &self.all {
            claim.check(body).await?;
        }
        let mut denied = Ok(());
        for claim in &self.any {
            denied = claim.check(body).await;
            if denied.is_ok() {
                break;
            }
        }
        denied
    }
}

/// The only value of a header. A header that is repeated is ambiguous.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h [u8], Denied> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        (None, _) => Err(Denied::Credentials("a header is missing")),
        (Some(_), Some(_)) => Err(Denied::Credentials("a header is repeated")),
    }
}

/// The credentials of the `Authorization` header, if it has this scheme.
fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Result<&'h [u8], Denied> {
    let value = only(headers, "authorization")?;
    let other = Denied::Credentials("`Authorization` has another scheme");
    let (given, rest) = value.split_at_checked(scheme.len()).ok_or(other)?;
    match rest.strip_prefix(b" ") {
        Some(rest) if given.eq_ignore_ascii_case(scheme.as_bytes()) => Ok(rest.trim_ascii()),
        _ => Err(other),
    }
}
