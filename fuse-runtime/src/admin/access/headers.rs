//! What the head of a request shows about its sender.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, header};

use crate::http::Peer;

/// Headers that a proxy adds, whose client is not on this machine, and how the names of others begin.
pub(super) const FORWARDED: [&str; 5] =
    ["forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip"];
const FORWARDED_PREFIXES: [&str; 2] = ["x-forwarded-", "x-envoy-"];

/// The bearer token of a request.
pub(super) enum BearerToken<'h> {
    None,
    Token(&'h [u8]),
    Malformed,
}

pub(super) fn bearer(headers: &HeaderMap) -> BearerToken<'_> {
    const SCHEME: &str = "bearer ";
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (all.next(), all.next()) {
        (None, _) => return BearerToken::None,
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => return BearerToken::Malformed,
    };
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) => {
            BearerToken::Token(token.trim_ascii())
        }
        _ => BearerToken::Malformed,
    }
}

/// The host that a request names, without its port.
pub(super) fn host(request: &Request) -> String {
    let authority = request.uri().authority().cloned().or_else(|| {
        request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok())
    });
    authority.map(|authority| authority.host().to_owned()).unwrap_or_default()
}

pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Whether a connection does not leave this machine, as far as fuse can know. The proxy of a service mesh connects
/// from a loopback address, but to another one.
pub(super) fn is_local(peer: Peer, headers: &HeaderMap) -> bool {
    let is_forwarded = headers.keys().map(HeaderName::as_str).any(|name| {
        FORWARDED.contains(&name) || FORWARDED_PREFIXES.iter().any(|start| name.starts_with(start))
    });
    is_loopback(peer.remote) && is_loopback(peer.local) && !is_forwarded
}

pub(super) fn in_url(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

pub(super) fn is_ip(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bracketed.unwrap_or(host).parse::<IpAddr>().is_ok()
}
