//! Which addresses requests may be sent to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;

/// `[http]` of fuse.toml: the networks to which HTTP triggers send nothing, and exceptions.
///
/// A name is resolved first, so that it cannot hide an address. What a proxy connects to is not known.
///
/// ```
/// let config: fuse_runtime::Config = r#"
///     [http]
///     deny = ["10.0.0.0/8", "169.254.0.0/16"]
///     allow = ["10.1.2.3"]
/// "#
/// .parse()?;
/// assert!(config.http.is_allowed("10.1.2.3".parse().unwrap()));
/// assert!(!config.http.is_allowed("10.1.2.4".parse().unwrap()));
/// # Ok::<(), fuse_runtime::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpAddresses {
    /// The networks that are refused. By default those of link-local addresses, at which clouds serve credentials.
    #[serde(deserialize_with = "crate::config::networks")]
    pub deny: Vec<IpNet>,
    /// The networks that are allowed nevertheless. By default, there are none.
    #[serde(deserialize_with = "crate::config::networks")]
    pub allow: Vec<IpNet>,
}

impl Default for HttpAddresses {
    fn default() -> Self {
        let networks = ["169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"];
        let deny = networks.iter().filter_map(|network| network.parse().ok()).collect();
        Self { deny, allow: Vec::new() }
    }
}

impl HttpAddresses {
    /// Whether requests may be sent to this address.
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let has = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        has(&self.allow) || !has(&self.deny)
    }
}

/// A host to which requests must not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} has the address {address}, which `deny` in `[http]` of fuse.toml refuses")]
pub(super) struct AddressDenied {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

/// Whether a URL is of this machine, or of a Kubernetes Service: its traffic stays inside.
pub(super) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            !host.contains('.') || [".svc", ".cluster.local"].iter().any(|end| host.ends_with(end))
        }
    }
}

/// Resolves names, and refuses those with an address that is denied.
pub(super) struct AllowedResolver(pub(super) Arc<HttpAddresses>);

impl Resolve for AllowedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            // One address of several is enough to refuse the name: the next attempt could use it.
            let denied =
                found.iter().map(SocketAddr::ip).find(|address| !rules.is_allowed(*address));
            match denied {
                Some(address) => Err(AddressDenied { host, address }.into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}
