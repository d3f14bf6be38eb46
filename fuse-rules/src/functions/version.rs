//! Versions: `semver`.

use semver::Version;

use super::{Call, CallResult, Function, ResultSize, Returns};
use crate::value::{Kinds, Value, cut};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "semver",
    params: &[("value", Kinds::STRING.or(Kinds::VERSION))],
    returns: Returns::Of(Kinds::VERSION),
    size: ResultSize::Arguments,
    doc: "The semantic version in a text, with or without a leading `v`; versions compare by precedence.",
    examples: &[
        (r#"semver("v1.10.0") > semver("1.9.3")"#, Some("true")),
        (r#"semver("2.0.0-rc.1") < semver("2.0.0")"#, Some("true")),
        (r#"string(semver("v1.2.3+build.5"))"#, Some(r#""1.2.3+build.5""#)),
        (r#"semver("1.4")"#, None),
        (r#"semver("latest")"#, None),
    ],
    call: Call::Pure(semver),
}];

fn semver(arguments: &[Value<'_>]) -> CallResult {
    match arguments.first() {
        Some(Value::Version(version)) => Ok(Value::Version(version.clone())),
        Some(Value::String(text)) => Version::parse(text.strip_prefix('v').unwrap_or(text))
            .map(|version| Value::Version(Box::new(version)))
            .map_err(|_| format!("`{}` is not a version such as `1.4.0`", cut(text)).into()),
        _ => Err("it is not a version".into()),
    }
}
