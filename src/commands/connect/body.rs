//! The body that rules want, as a tree.

use fuse_rules::BodyField;

/// The keys that say what kind of event a body is, so that its sender fixes their value.
const KINDS: [&str; 6] = ["eventType", "event_type", "event-type", "event", "type", "kind"];

/// A key of the body, with what the rules read below it.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) key: &'a str,
    /// The strings that rules ask it to be.
    pub(super) strings: &'a [String],
    pub(super) children: Vec<Node<'a>>,
}

/// The fields in the order of their first keys.
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

/// The node with this key, made where it is not there yet.
fn at<'n, 'a>(level: &'n mut Vec<Node<'a>>, key: &'a str) -> Option<&'n mut Node<'a>> {
    let found = level.iter().position(|node| node.key == key).unwrap_or_else(|| {
        level.push(Node { key, ..Node::default() });
        level.len() - 1
    });
    level.get_mut(found)
}

impl Node<'_> {
    /// Whether it says what kind of event this is.
    pub(super) fn is_kind(&self) -> bool {
        KINDS.contains(&self.key) && self.children.is_empty()
    }
}
