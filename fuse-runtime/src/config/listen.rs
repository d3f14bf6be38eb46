//! `[listen]`: where to listen, and which pages and proxies to trust.

use std::net::{IpAddr, SocketAddr};

use axum::http::Uri;
use fuse_rules::literals::parse_size;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::http::Limits;

/// The smallest buffer: a few bodies of the default limit fit.
const MIN_BUFFER_BYTES: usize = 4 << 20;

/// `[listen]`: where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// The address of sources. The default is 127.0.0.1 with `--local`, otherwise all addresses.
    pub address: Option<IpAddr>,
    /// The address and port of the admin server: `127.0.0.1:12080`. Another address than loopback needs a token in
    /// `[admin]`.
    pub admin: Option<SocketAddr>,
    /// How many bytes of requests may be in memory, for all ports together: `64MiB`.
    #[serde(deserialize_with = "buffer_size")]
    pub max_buffered: usize,
    /// The origins whose pages may send events, as in `https://portal.example`: none.
    #[serde(deserialize_with = "origins")]
    pub allow_origins: Vec<String>,
    /// The networks of the proxies whose `X-Forwarded-For` is believed, as in `10.0.0.0/8`: none.
    #[serde(deserialize_with = "super::networks")]
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for ListenConfig {
    fn default() -> Self {
        let max_buffered = Limits::default().max_buffered;
        Self {
            address: None,
            admin: None,
            max_buffered,
            allow_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

fn buffer_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    let size = parse_size(&text).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| *size >= MIN_BUFFER_BYTES).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is not a size of at least `4MiB`, as in `64MiB`"
        ))
    })
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(deserializer)?;
    match origins.iter().find(|origin| !is_origin(origin)) {
        None => Ok(origins),
        Some(other) => Err(serde::de::Error::custom(format!(
            "`{other}` is not an origin as browsers send it; write a scheme, a host and perhaps a \
             port in lower case, as in `https://portal.example`"
        ))),
    }
}

fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    text == format!("{scheme}://{authority}")
        && !text.contains(|c: char| c == '@' || c.is_uppercase())
}
