//! The body that the rules read, as a tree.

use fuse_rules::inventory::BodyField;

/// Keys whose value identifies the kind of event, so that the sender sets it to a constant.
const KINDS: [&str; 6] = ["eventType", "event_type", "event-type", "event", "type", "kind"];

/// A key of the body, with the values that the rules read below it.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) key: &'a str,
    /// The strings that rules compare it with.
    pub(super) strings: &'a [String],
    pub(super) children: Vec<Node<'a>>,
}

/// The fields in the order in which their first key appears.
pub(super) fn tree(fields: &[BodyField]) -> Vec<Node<'_>> {
    let mut roots = Vec::new();
    for field in fields {
        let mut level = &mut roots;
        for (index, key) in field.keys.iter().enumerate() {
            let Some(node) = at(level, key) else { break };
            if index + 1 == field.keys.len() {
                node.strings = &field.strings;
            }
            level = &mut node.children;
        }
    }
    roots
}

/// The node with this key, created if it does not exist.
fn at<'n, 'a>(level: &'n mut Vec<Node<'a>>, key: &'a str) -> Option<&'n mut Node<'a>> {
    let found = level.iter().position(|node| node.key == key).unwrap_or_else(|| {
        level.push(Node { key, ..Node::default() });
        level.len() - 1
    });
    level.get_mut(found)
}

impl Node<'_> {
    /// Whether the value identifies the kind of event.
    pub(super) fn is_kind(&self) -> bool {
        KINDS.contains(&self.key) && self.children.is_empty()
    }
}
