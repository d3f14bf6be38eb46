//! The URL at which a sender reaches fuse.

/// A base URL.
#[derive(Debug)]
pub(super) struct Base {
    /// The scheme and host, with the port and path if there are any, and without a trailing slash.
    text: String,
    /// Whether the port of the event must be added.
    bare: bool,
}

impl Base {
    /// Parses the value of `--url`.
    pub(super) fn parse(given: &str) -> Result<Self, String> {
        let refused = |why: &str| {
            Err(format!("`--url {given}` {why}; write it as in `--url http://fuse.fuse.svc`"))
        };
        let lower = given.to_ascii_lowercase();
        let Some(scheme) = ["http://", "https://"].iter().find(|s| lower.starts_with(**s)) else {
            return refused("does not start with `http://` or `https://`");
        };
        let rest = given.get(scheme.len()..).unwrap_or_default();
        // This includes braces, which senders would expand as templates.
        if let Some(bad) = rest.chars().find(|c| !legal(*c)) {
            return refused(&format!("has {bad:?}, which must be escaped in a URL"));
        }
        if rest.contains(['?', '#']) {
            return refused("has a query or a fragment, after which no path can follow");
        }
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return refused("contains a user name, but must not contain credentials");
        }
        // The colons of an IPv6 address are in brackets.
        let after = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let port = authority.get(after..).unwrap_or_default().split_once(':');
        let host = port.map_or(authority, |(_, port)| {
            authority.get(..authority.len() - port.len() - 1).unwrap_or_default()
        });
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let named = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '[', ']']),
        };
        if !named {
            return refused("has no host");
        }
        if let Some((_, port)) = port
            && !(port.parse::<u16>().is_ok_and(|port| port > 0)
                && port.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return refused("has a port that is not from 1 to 65535");
        }
        let prefix = prefix.trim_end_matches('/');
        let bare = port.is_none() && prefix.is_empty();
        Ok(Self { text: format!("{scheme}{authority}{prefix}"), bare })
    }

    /// The base URL of an event that arrives at this port.
    pub(super) fn at(&self, port: u64) -> String {
        if self.bare { format!("{}:{port}", self.text) } else { self.text.clone() }
    }
}

/// Whether RFC 3986 allows a character in a URL.
fn legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::Base;

    #[test]
    fn the_port_is_added_where_neither_port_nor_path_is_given() {
        for (given, at) in [
            ("http://fuse.fuse.svc", "http://fuse.fuse.svc:12000"),
            ("http://fuse.fuse.svc/", "http://fuse.fuse.svc:12000"),
            ("HTTPS://fuse", "https://fuse:12000"),
            ("http://[::1]", "http://[::1]:12000"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("http://10.0.0.7:8080/", "http://10.0.0.7:8080"),
            ("https://fuse.example.com:443", "https://fuse.example.com:443"),
            ("https://fuse.example.com/hooks/", "https://fuse.example.com/hooks"),
            ("https://fuse.example.com:1/a/b", "https://fuse.example.com:1/a/b"),
        ] {
            assert_eq!(Base::parse(given).unwrap().at(12_000), at);
        }
    }

    #[test]
    fn what_is_no_base_says_why() {
        for (given, why) in [
            ("fuse.fuse.svc", "does not start with `http://` or `https://`"),
            ("ftp://fuse", "does not start with `http://` or `https://`"),
            ("http://", "has no host"),
            ("http:///hooks", "has no host"),
            ("http://:80", "has no host"),
            ("http://[::1", "has no host"),
            ("http://[x]", "has no host"),
            ("http://a:80:90", "has a port that is not from 1 to 65535"),
            ("http://a:", "has a port that is not from 1 to 65535"),
            ("http://a:0", "has a port that is not from 1 to 65535"),
            ("http://a:+80", "has a port that is not from 1 to 65535"),
            ("http://a:65536", "has a port that is not from 1 to 65535"),
            ("http://u:p@a", "contains a user name, but must not contain credentials"),
            ("http://a/b?c", "has a query or a fragment, after which no path can follow"),
            ("http://a/${X}", "has '{', which must be escaped in a URL"),
            ("http://a/\n", "has '\\n', which must be escaped in a URL"),
        ] {
            let said = Base::parse(given).unwrap_err();
            assert!(said.starts_with(&format!("`--url {given}` {why}; ")), "{said}");
        }
    }
}
