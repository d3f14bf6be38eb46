//! The paths that rules read, as a trie: it determines which values of a body are extracted and
//! which are skipped.

use std::collections::BTreeMap;

use super::Keys;
use crate::path::Segment;
use crate::value::Value;

/// All paths of an event's rules. The first node is the body. Each group of elements has its own
/// node, below the node of the list.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    nodes: Vec<TrieNode>,
}

/// One node of the trie.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrieNode {
    /// The slot of the frame for the value here.
    pub(crate) slot: Option<u32>,
    /// Whether the value is used as a whole, so that all its keys are read.
    pub(crate) whole: bool,
    pub(crate) keys: Keys,
    /// Elements by index; negative indices count from the end.
    pub(crate) indices: BTreeMap<i64, usize>,
    /// The group of the elements of the list here, and the node at which their paths start.
    pub(crate) elements: Option<(usize, usize)>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![TrieNode::default()] }
    }
}

impl Trie {
    /// The node of the body.
    pub(crate) const BODY: usize = 0;

    pub(crate) fn node(&self, node: usize) -> Option<&TrieNode> {
        self.nodes.get(node)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node without a parent: the start of elements.
    pub(crate) fn start(&mut self) -> usize {
        self.nodes.push(TrieNode::default());
        self.nodes.len() - 1
    }

    /// The node at the end of these segments. It is created if it does not exist.
    pub(crate) fn at(&mut self, from: usize, segments: &[Segment]) -> usize {
        segments.iter().fold(from, |at, segment| self.step(at, segment))
    }

    fn step(&mut self, from: usize, segment: &Segment) -> usize {
        let found = self.nodes.get(from).and_then(|node| match segment {
            Segment::Key(key) => node.keys.get(key.as_bytes()),
            Segment::Index(index) => node.indices.get(index).copied(),
        });
        found.unwrap_or_else(|| {
            let to = self.start();
            if let Some(node) = self.nodes.get_mut(from) {
                match segment {
                    Segment::Key(key) => node.keys.insert(key, to),
                    Segment::Index(index) => drop(node.indices.insert(*index, to)),
                }
            }
            to
        })
    }

    pub(crate) fn change(&mut self, node: usize, change: impl FnOnce(&mut TrieNode)) {
        if let Some(node) = self.nodes.get_mut(node) {
            change(node);
        }
    }

    /// Extracts the values from a computed value, such as the elements of `split(…)`.
    pub(crate) fn fill<'v, 'e>(
        &self,
        node: usize,
        value: &'v Value<'e>,
        put: &mut dyn FnMut(u32, &'v Value<'e>),
    ) {
        let Some(node) = self.nodes.get(node) else { return };
        if let Some(slot) = node.slot {
            put(slot, value);
        }
        if let Value::Map(_) = value {
            for (key, child) in node.keys.iter() {
                if let Ok(Some(part)) = value.step(&Segment::Key(key.to_owned())) {
                    self.fill(child, part, put);
                }
            }
        }
        for (index, child) in &node.indices {
            if let Some(part) = value.index(*index) {
                self.fill(*child, part, put);
            }
        }
    }
}
