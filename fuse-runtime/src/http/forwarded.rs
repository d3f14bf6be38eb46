//! The address of a client behind trusted proxies.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The client that proxies report in `X-Forwarded-For`, with port 0: the right-most address that is not that of a
/// trusted proxy. `None` if the peer itself is not a trusted proxy, or reports nothing.
///
/// Each proxy appends the address of its own peer, so everything to the left of an address that is not trusted may
/// be made up. An entry that is not an address ends the search: the client is then the proxy that reported it.
pub(super) fn client_address(
    peer: SocketAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<SocketAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = peer.ip().to_canonical();
    if !is_trusted(client) {
        return None;
    }
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let entries = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut is_reported = false;
    for entry in entries {
        let Some(address) = address(entry) else { break };
        client = address;
        is_reported = true;
        if !is_trusted(address) {
            break;
        }
    }
    is_reported.then(|| SocketAddr::new(client, 0))
}

/// An address as proxies write it: with or without a port, and with or without brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|full| full.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, lines: &[&str], trusted: &[&str]) -> Option<String> {
        let headers = lines.iter().map(|line| {
            (axum::http::HeaderName::from_static("x-forwarded-for"), line.parse().unwrap())
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &map, &trusted).map(|found| found.ip().to_string())
    }

    #[test]
    fn the_right_most_untrusted_address_is_the_client() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        let found = |peer: &str, lines: &[&str]| client(peer, lines, &proxies);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found("10.0.0.1:1", &["203.0.113.9"]), some("203.0.113.9"));
        assert_eq!(found("[::ffff:10.0.0.1]:1", &["203.0.113.9"]), some("203.0.113.9"));
        assert_eq!(found("10.0.0.1:1", &["1.1.1.1, 203.0.113.9,10.0.0.2"]), some("203.0.113.9"));
        assert_eq!(
            found("10.0.0.1:1", &["1.1.1.1", "203.0.113.9", "10.0.0.2"]),
            some("203.0.113.9")
        );
        assert_eq!(found("10.0.0.1:1", &["203.0.113.9:4711"]), some("203.0.113.9"));
        assert_eq!(found("[fd00::1]:1", &["[2001:db8::9]:4711, [fd00::2]"]), some("2001:db8::9"));
        // Only proxies report: the first of them is the client.
        assert_eq!(found("10.0.0.1:1", &["10.0.0.3, 10.0.0.2"]), some("10.0.0.3"));
        // What cannot be read is not skipped.
        assert_eq!(found("10.0.0.1:1", &["1.1.1.1, unknown, 10.0.0.2"]), some("10.0.0.2"));
        for (peer, lines) in [
            ("203.0.113.9:1", &["10.0.0.1"][..]),
            ("10.0.0.1:1", &[]),
            ("10.0.0.1:1", &["unknown"]),
            ("10.0.0.1:1", &[""]),
        ] {
            assert_eq!(found(peer, lines), None, "{peer} {lines:?}");
        }
        assert_eq!(client("127.0.0.1:1", &["1.1.1.1"], &[]), None);
    }

    proptest! {
        /// What a client writes itself never changes who it is.
        #[test]
        fn a_client_cannot_choose_its_address(forged in "[ -~]{0,60}") {
            let line = format!("{forged}, 203.0.113.9");
            prop_assert_eq!(
                client("10.0.0.1:1", &[&line], &["10.0.0.0/8"]),
                Some("203.0.113.9".to_owned())
            );
        }
    }
}
