//! `fuse connect argocd`

use std::fmt::Write as _;

use super::body::{self, Node};
use super::{Door, yaml};

/// A notification that rules usually need.
struct Notification {
    name: &'static str,
    /// The kind in its body.
    kind: &'static str,
    when: &'static str,
    /// A Go template pipeline for a readable message.
    message: &'static str,
}

const NOTIFICATIONS: [Notification; 2] = [
    Notification {
        name: "fuse-sync-failed",
        kind: "argocd.app.sync.failed",
        when: "app.status?.operationState?.phase in ['Error', 'Failed']",
        message: ".app.status.operationState.message",
    },
    Notification {
        name: "fuse-health-degraded",
        kind: "argocd.app.health.degraded",
        when: "app.status?.health?.status == 'Degraded'",
        message: r#"printf "%v, %v" .app.status.health.status .app.status.sync.status"#,
    },
];

/// The usual meaning of fields with these names.
const KNOWN: [(&str, &str); 12] = [
    ("app", ".app.metadata.name"),
    ("appName", ".app.metadata.name"),
    ("application", ".app.metadata.name"),
    ("name", ".app.metadata.name"),
    ("namespace", ".app.spec.destination.namespace"),
    ("appNamespace", ".app.metadata.namespace"),
    ("project", ".app.spec.project"),
    ("server", ".app.spec.destination.server"),
    ("health", ".app.status.health.status"),
    ("sync", ".app.status.sync.status"),
    ("phase", ".app.status.operationState.phase"),
    ("revision", ".app.status.sync.revision"),
];

pub(super) fn text(door: &Door) -> String {
    let fields = body::tree(&door.fields);
    let kind = fields.iter().find(|node| node.is_kind());
    let asked = kind.map_or(&[][..], |node| node.strings);
    let mut chosen: Vec<&Notification> =
        NOTIFICATIONS.iter().filter(|known| asked.iter().any(|kind| kind == known.kind)).collect();
    if chosen.is_empty() {
        chosen = NOTIFICATIONS.iter().collect();
    }
    let kind = kind.map_or("eventType", |node| node.key);
    let read: Vec<_> =
        fields.iter().filter(|node| node.key != kind && node.key != "message").collect();

    let mut unknown = Vec::new();
    let values: Vec<_> = read
        .iter()
        .map(|node| format!("{}: {}", literal(node.key), value(node, &[], &mut unknown)))
        .collect();
    let templates: String =
        chosen.iter().map(|known| template(known, &door.method, kind, &values)).collect();
    let others: Vec<_> = asked
        .iter()
        .filter(|asked| !chosen.iter().any(|known| known.kind == **asked))
        .map(|kind| yaml::quoted(kind))
        .collect();
    let mut notes = String::new();
    // Writing to a string cannot fail.
    if !others.is_empty() {
        let _ok = writeln!(
            notes,
            "# The rules also ask `{kind}` to be one of these, for which you write templates and\n\
             # triggers yourself: {}.",
            others.join(", ")
        );
    }
    if !unknown.is_empty() {
        let _ok = writeln!(
            notes,
            "# Put a Go template in the place of each `null`: {} could be anything.",
            unknown.join(", ")
        );
    }
    let (event, url) = (&door.event, yaml::quoted(&door.url()));
    let names: Vec<_> = chosen.iter().map(|known| known.name).collect();
    let names = names.join(", ");
    format!(
        r#"# Argo CD's notifications send `{event}` to fuse.
# Merge the keys under `data` into the ConfigMap that you have. `subscriptions` is one key: where it
# is there already, add the item to its list.
{notes}
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-notifications-cm
  namespace: argocd
data:
  service.webhook.fuse: |
    url: {url}
    headers:
      - name: content-type
        value: application/json
    # Some 17 s in all, so that a short restart of fuse goes unnoticed.
    retryMax: 5

  # `toJson` escapes the values, so that a quote or a line end cannot break the body. Do not add
  # `oncePer`: Argo CD would count a notification that it could not deliver as sent. To suppress
  # repeated notifications, use `once per` in a rule.
{templates}
  subscriptions: |
    - recipients: [fuse]
      triggers: [{names}]
"#
    )
}

/// A template and its trigger. The body contains the kind, these values and the message.
fn template(known: &Notification, method: &str, kind: &str, values: &[String]) -> String {
    let Notification { name, when, message, .. } = known;
    let first = format!("{}: {}", literal(kind), literal(known.kind));
    let last = format!("\"message\": {{{{ {message} | toJson }}}}");
    let lines: Vec<_> =
        [&first].into_iter().chain(values).chain([&last]).map(String::as_str).collect();
    let lines = lines.join(",\n            ");
    format!(
        r"
  template.{name}: |
    webhook:
      fuse:
        # Left out, it is GET.
        method: {method}
        body: |
          {{
            {lines}
          }}
  trigger.{name}: |
    - when: {when}
      send: [{name}]
"
    )
}

/// The value of a key: a template, or an object of templates.
fn value(node: &Node<'_>, above: &[&str], unknown: &mut Vec<String>) -> String {
    let keys: Vec<&str> = above.iter().copied().chain([node.key]).collect();
    if !node.children.is_empty() {
        let inner: Vec<_> = node
            .children
            .iter()
            .map(|child| format!("{}: {}", literal(child.key), value(child, &keys, unknown)))
            .collect();
        // The spaces separate the braces of objects from those of templates.
        return format!("{{ {} }}", inner.join(", "));
    }
    let pipeline = match keys.as_slice() {
        [key] => KNOWN.iter().find(|(name, _)| name == key).map(|(_, path)| (*path).to_owned()),
        // The field as in the Application.
        ["app", path @ ..] if path.iter().all(|key| yaml::is_name(key)) => {
            Some(format!(".app.{}", path.join(".")))
        }
        ["app", path @ ..] => {
            let path: Vec<_> = path.iter().map(|key| literal(key)).collect();
            Some(format!("dig {} nil .app", path.join(" ")))
        }
        _ => None,
    };
    match pipeline {
        Some(pipeline) => format!("{{{{ {pipeline} | toJson }}}}"),
        None => {
            unknown.push(yaml::quoted(&keys.join(".")));
            "null".into()
        }
    }
}

/// A string in JSON inside a Go template, where two braces would start an action.
fn literal(text: &str) -> String {
    yaml::quoted(text).replace('{', "\\u007b")
}
