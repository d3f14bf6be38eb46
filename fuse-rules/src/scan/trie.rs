//! The paths that rules read, as a trie: it determines which values of a body are extracted and
//! which are skipped.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

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

/// The maximum number of keys for a linear search.
const MAX_LINEAR_SEARCH: usize = 8;

/// The keys of a node, with the nodes that they lead to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    all: Vec<(Box<str>, usize)>,
    /// The same, if there are many.
    by_name: FxHashMap<Box<[u8]>, usize>,
}

impl Keys {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<usize> {
        if self.by_name.is_empty() {
            let found = self.all.iter().find(|(name, _)| name.as_bytes() == key);
            return found.map(|(_, node)| *node);
        }
        self.by_name.get(key).copied()
    }

    fn insert(&mut self, key: &str, node: usize) {
        self.all.push((key.into(), node));
        if self.all.len() > MAX_LINEAR_SEARCH {
            let by_name = |(name, node): &(Box<str>, usize)| (name.as_bytes().into(), *node);
            self.by_name = self.all.iter().map(by_name).collect();
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.all.iter().map(|(key, node)| (&**key, *node))
    }
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
