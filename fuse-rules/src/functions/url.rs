//! URLs: `url`, `url-encode`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use super::{Call, CallResult, Function, ResultSize, Returns, fits, string};
use crate::number::Number;
use crate::value::{Kinds, Value, cut};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "url",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Record(&[
            ("scheme", Kinds::STRING, false),
            ("host", Kinds::STRING, true),
            ("port", Kinds::NUMBER, true),
            ("path", Kinds::STRING, false),
            ("query", Kinds::MAP, false),
            ("fragment", Kinds::STRING, true),
        ]),
        size: ResultSize::Bytes,
        doc: "The parts of an absolute URL: `scheme`, `path`, `query` (a map of strings with the first value of each name), and if present, `host` (in lower case), `port` (or the default port of the scheme) and `fragment`.",
        examples: &[
            (r#"url("https://git.acme.dev/pay/api?ref=main").host"#, Some(r#""git.acme.dev""#)),
            (r#"url("ssh://git@Git.Acme.dev/pay").host"#, Some(r#""git.acme.dev""#)),
            (r#"url("https://git.acme.dev/pay/api?ref=main").path"#, Some(r#""/pay/api""#)),
            (r#"url("https://git.acme.dev/pay/api?ref=main").query.ref"#, Some(r#""main""#)),
            (r#"url("https://acme.dev").port"#, Some("443")),
            (r#"url("/pay/api")"#, None),
        ],
        call: Call::Pure(url),
    },
    Function {
        name: "url-encode",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(3),
        doc: "The text percent-encoded for use in a URL: everything except letters, digits and `-_.~`.",
        examples: &[
            (r#"url-encode("a b/ç&d")"#, Some(r#""a%20b%2F%C3%A7%26d""#)),
            (r#"url-encode("pay-api_1.0~x")"#, Some(r#""pay-api_1.0~x""#)),
        ],
        call: Call::Pure(url_encode),
    },
];

fn url(arguments: &[Value<'_>]) -> CallResult {
    let text = string(arguments, 0);
    let Ok(url) = Url::parse(text) else {
        return Err(format!("`{}` is not a URL with a scheme", cut(text)).into());
    };
    let mut query: Vec<(Cow<'_, str>, Value<'_>)> = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    for (name, value) in url.query_pairs() {
        if seen.insert(name.clone()) {
            query.push((name, Value::String(value)));
        }
    }
    // An IPv6 address without brackets is accepted by `cidr-contains`. The parser lowers the host
    // of the schemes that it knows, but not that of `ssh` or `git`.
    let host = url.host().map(|host| match host {
        Host::Ipv6(address) => address.to_string(),
        other => other.to_string().to_ascii_lowercase(),
    });
    let text = |text: &str| Value::text(text.to_owned());
    let port = url.port_or_known_default();
    let parts = [
        ("scheme", Some(text(url.scheme()))),
        ("host", host.map(Value::text)),
        ("port", port.map(|port| Value::Number(Number::from(i64::from(port))))),
        ("path", Some(text(url.path()))),
        ("query", Some(Value::Map(query).into_owned())),
        ("fragment", url.fragment().map(text)),
    ];
    let there = parts.into_iter().filter_map(|(name, part)| Some((name.into(), part?)));
    Ok(Value::Map(there.collect()))
}

fn url_encode(arguments: &[Value<'_>]) -> CallResult {
    /// Everything except the unreserved characters of RFC 3986.
    const RESERVED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let text = string(arguments, 0);
    fits(text.len().saturating_mul(3))?;
    Ok(Value::text(utf8_percent_encode(text, RESERVED).to_string()))
}
