//! The addresses from which requests may come.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Denied;

/// Accepts peers of these networks.
pub(super) struct Networks(pub(super) Vec<IpNet>);

impl Networks {
    pub(super) fn check(&self, peer: IpAddr) -> Result<(), Denied> {
        // A socket for both families shows an IPv4 peer as `::ffff:10.0.0.1`.
        let peer = peer.to_canonical();
        match self.0.iter().any(|network| network.contains(&peer)) {
            true => Ok(()),
            false => Err(Denied::Address),
        }
    }
}
