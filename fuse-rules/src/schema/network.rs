//! Networks of IP addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// Why a text is not accepted as a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NetworkError {
    /// It is not an IP network.
    Syntax,
    /// Its address has bits outside of the prefix.
    HostBits { given: IpNet, network: IpNet },
    /// It is the IPv4-mapped form of this network. It contains no peer, because fuse sees IPv4 addresses.
    Mapped(IpNet),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("is not an IP network"),
            Self::HostBits { given, network } => {
                write!(
                    f,
                    "is \"{given}\", an address inside a network; write \"{network}\" for the network"
                )
            }
            Self::Mapped(v4) => {
                write!(f, "is an IPv4 network in the form of IPv6; write \"{v4}\"")
            }
        }
    }
}

/// Checks that a text is an IP address or an IP network.
pub(super) fn check_network(text: &str) -> Result<(), NetworkError> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| NetworkError::Syntax)?,
    };
    if let IpNet::V6(v6) = network
        && let Some(length) = v6.prefix_len().checked_sub(96)
        && let Some(address) = Ipv6Addr::to_ipv4_mapped(&v6.addr())
        && let Ok(v4) = Ipv4Net::new(address, length)
    {
        return Err(NetworkError::Mapped(v4.trunc().into()));
    }
    match network.trunc() {
        whole if whole == network => Ok(()),
        whole => Err(NetworkError::HostBits { given: network, network: whole }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_mean_something_else_are_refused() {
        for network in
            ["10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "::1", "2001:db8::/32", "0.0.0.0/0", "::/0"]
        {
            assert_eq!(check_network(network), Ok(()), "{network}");
        }
        for (network, why) in [
            ("10.0.0.0/33", "is not an IP network"),
            ("10.0", "is not an IP network"),
            (
                "10.1.2.3/8",
                "is \"10.1.2.3/8\", an address inside a network; write \"10.0.0.0/8\" for the network",
            ),
            (
                "2001:db8::1/32",
                "is \"2001:db8::1/32\", an address inside a network; write \"2001:db8::/32\" for the network",
            ),
            ("::ffff:10.0.0.0/104", "is an IPv4 network in the form of IPv6; write \"10.0.0.0/8\""),
            ("::ffff:10.0.0.1", "is an IPv4 network in the form of IPv6; write \"10.0.0.1/32\""),
        ] {
            assert_eq!(check_network(network).unwrap_err().to_string(), why);
        }
    }
}
