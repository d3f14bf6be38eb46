//! Networks: `cidr-contains`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Call, CallResult, Function, ResultSize, Returns, string};
use crate::value::{Kinds, Value, cut};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "cidr-contains",
    params: &[("network", Kinds::STRING), ("address", Kinds::STRING)],
    returns: Returns::Of(Kinds::BOOL),
    size: ResultSize::AtMost(1),
    doc: "Whether a network such as `10.0.0.0/8` contains an IP address or another network.",
    examples: &[
        (r#"cidr-contains("10.0.0.0/8", "10.1.2.3")"#, Some("true")),
        (r#"cidr-contains("2001:db8::/32", "10.1.2.3")"#, Some("false")),
        (r#"cidr-contains("10.0.0.0/8", "10.1.0.0/16")"#, Some("true")),
        (r#"cidr-contains("10.0.0.0/8", "::ffff:10.1.2.3")"#, Some("true")),
        (r#"cidr-contains("10.0.0.0", "10.1.2.3")"#, None),
        (r#"cidr-contains("10.0.0.0/8", "node-1")"#, None),
    ],
    call: Call::Pure(cidr_contains),
}];

fn cidr_contains(arguments: &[Value<'_>]) -> CallResult {
    let (network, address) = (network(string(arguments, 0))?, string(arguments, 1));
    let contains = if let Ok(address) = address.parse::<IpAddr>() {
        // An IPv4 address also matches in its IPv6-mapped form.
        network.contains(&address) || network.contains(&address.to_canonical())
    } else if let Ok(inner) = address.parse::<IpNet>() {
        network.contains(&inner)
    } else {
        return Err(format!("`{}` is neither an IP address nor a network", cut(address)).into());
    };
    Ok(Value::Bool(contains))
}

/// Parses a network.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| format!("`{}` is not a network such as `10.0.0.0/8`", cut(text)))
}
