//! `fuse connect backstage`

use std::fmt::Write as _;

use super::body::{self, Node};
use super::{Door, yaml};

pub(super) fn text(door: &Door) -> String {
    let Door { event, base, method, .. } = door;
    let target = yaml::quoted(base);
    let path = yaml::quoted(&format!("/proxy/fuse{}", door.path));
    let mut out = format!(
        r#"# Backstage sends `{event}` to fuse. Two parts, for two files.

# 1. For app-config.yaml: the way from Backstage's backend to fuse.
proxy:
  endpoints:
    /fuse:
      target: {target}
      allowedMethods: [{method}]
      # The proxy drops headers that are not named here, but for `content-type` and a few more.
      allowedHeaders: [ce-id, ce-source]
      # Only for callers that Backstage knows, and their token is not passed on. The default; the
      # others are `forward` and `dangerously-allow-unauthenticated`.
      credentials: require
---
# 2. For a software template, under `spec`. The action comes with the backend module
# `@roadiehq/scaffolder-backend-module-http-request`.
steps:
  - id: fuse
    name: Hand over to fuse
    action: http:backstage:request
    input:
      method: {method}
      path: {path}
      # fuse answers once the event is on disk, so that the default, 60 s, is plenty.
      # timeout: 60000
      headers:
        # Without it the body is not sent as JSON.
        content-type: application/json
        # The event's id. A task that is tried again sends the same one, and nothing is done twice.
        # A second step of this template needs another: ${{{{ context.task.id }}}}-2.
        ce-source: backstage
        ce-id: ${{{{ context.task.id }}}}
"#
    );
    let fields = body::tree(&door.fields);
    if fields.is_empty() {
        out.push_str("      # The rules read no field of the body.\n      body: {}\n");
    } else {
        out.push_str(
            "      # The fields that the rules read. Use the parameter names of your template.\n",
        );
        out.push_str("      body:\n");
        write(&mut out, &fields, "parameters", 8);
    }
    out
}

fn write(out: &mut String, nodes: &[Node<'_>], from: &str, indent: usize) {
    for node in nodes {
        let key = yaml::scalar(node.key);
        let value = if yaml::is_name(node.key) {
            format!("{from}.{}", node.key)
        } else {
            format!("{from}[{}]", yaml::quoted(node.key))
        };
        // Writing to a string cannot fail.
        if !node.children.is_empty() {
            let _ok = writeln!(out, "{:indent$}{key}:", "");
            write(out, &node.children, &value, indent + 2);
            continue;
        }
        // Backstage would evaluate braces as an expression.
        let usable = node.strings.iter().filter(|text| !text.contains('{'));
        let asked: Vec<_> = usable.map(String::as_str).collect();
        let (value, others, lead) = match asked.as_slice() {
            [first, others @ ..] if node.is_kind() => (yaml::scalar(first), others, "or"),
            asked => (expression(&value), asked, "the rules ask for"),
        };
        let others: Vec<_> = others.iter().map(|text| yaml::quoted(text)).collect();
        let others = others.join(", ");
        let comment =
            if others.is_empty() { String::new() } else { format!("    # {lead} {others}") };
        let _ok = writeln!(out, "{:indent$}{key}: {value}{comment}", "");
    }
}

/// A Backstage expression, quoted if YAML would not parse it as one string.
fn expression(value: &str) -> String {
    let text = format!("${{{{ {value} }}}}");
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"${}_. ".contains(&byte));
    if plain { text } else { yaml::quoted(&text) }
}
