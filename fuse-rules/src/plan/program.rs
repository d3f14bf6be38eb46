//! Conditions as programs: negations pushed down to the atoms, which Kleene's logic allows, what
//! several rules share once, cheap parts first.

use rustc_hash::FxHashMap;

use super::Slot;
use super::atom::{At, Const, Test};
use crate::typed::Shown;
use crate::typed::{Expr, TextOp};

/// A part of a program, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ref {
    pub(crate) node: u32,
    pub(crate) negated: bool,
}

/// The conditions of all rules of an event.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    nodes: Vec<Node>,
    /// How many truths are kept.
    pub(crate) memos: u32,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// The level of the innermost frame that it reads.
    pub(crate) level: u32,
    /// Where its truth is kept while the frames stay: of what several places share.
    pub(crate) memo: Option<u32>,
    /// What it costs to decide, in no particular unit.
    cost: u32,
    shared: bool,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    All(Box<[Ref]>),
    Any(Box<[Ref]>),
    Test(Test),
    Among(Box<Among>),
}

/// Whether a part is true for any element of a list. What asks about all or none of them is this, or its
/// negation.
#[derive(Debug)]
pub(crate) struct Among {
    pub(crate) list: At,
    /// The group of the elements' frames.
    pub(crate) group: usize,
    /// The level of the elements.
    pub(crate) level: u32,
    pub(crate) part: Ref,
    /// The same as an expression, for lists of which the frames were not taken out; or its negation.
    pub(crate) whole: Test,
    pub(crate) whole_negated: bool,
}

impl Programs {
    pub(crate) fn node(&self, node: u32) -> Option<&Node> {
        self.nodes.get(node as usize)
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

/// Puts programs together.
#[derive(Default)]
pub(super) struct Builder {
    programs: Programs,
    known: FxHashMap<Known, u32>,
}

/// The elements that a quantifier goes through, and what it asks of any of them.
pub(super) struct Elements {
    pub(super) list: At,
    pub(super) group: usize,
    pub(super) part: Ref,
    pub(super) negated: bool,
}

/// What going through elements costs, beside other parts.
const ELEMENTS: u32 = 60;

/// What nodes are told apart by. The frames are those of the levels that they read.
#[derive(PartialEq, Eq, Hash)]
enum Known {
    All(Box<[Ref]>),
    Any(Box<[Ref]>),
    Equal(Box<[u32]>, At, Const),
    /// By text, and what its names mean.
    Atom(Box<[u32]>, String, Vec<(u32, u32)>),
}

impl Builder {
    /// The program of an atom that reads these frames.
    pub(super) fn atom(&mut self, expr: &Expr<Slot>, frames: &[u32]) -> Ref {
        let (level, known, (test, negated)) = self.read(expr, frames);
        let cost = cost(&test);
        Ref { node: self.node(known, NodeKind::Test(test), level, cost), negated }
    }

    /// The innermost level that an atom reads, what tells it apart, and what it asks, or the negation.
    fn read(&self, expr: &Expr<Slot>, frames: &[u32]) -> (u32, Known, (Test, bool)) {
        let mut level = 0;
        let mut slots = Vec::new();
        let depth = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        expr.references(&mut |slot| {
            // Elements bound inside of the atom itself are none of these frames.
            if slot.level < depth {
                level = level.max(slot.level);
            }
            slots.push((slot.level, slot.index));
        });
        let frames: Box<[u32]> = frames.get(..=level as usize).unwrap_or(frames).into();
        let (test, negated) = Test::of(expr, depth.saturating_sub(1));
        let text = Shown(expr);
        let known = match &test {
            Test::Equal(at, value) => Known::Equal(frames, *at, value.clone()),
            // How deep it stands numbers the frames of what it binds itself.
            Test::Expr(..) => Known::Atom(frames, format!("{depth} {text}"), slots),
            _ => Known::Atom(frames, text.to_string(), slots),
        };
        (level, known, (test, negated))
    }

    /// The program of a quantifier that reads these frames. Its expression tells it apart.
    pub(super) fn among(&mut self, expr: &Expr<Slot>, frames: &[u32], of: Elements) -> Ref {
        let (level, known, whole) = self.read(expr, frames);
        let kind = NodeKind::Among(Box::new(Among {
            list: of.list,
            group: of.group,
            level: u32::try_from(frames.len()).unwrap_or(u32::MAX),
            part: of.part,
            whole: whole.0,
            whole_negated: of.negated != whole.1,
        }));
        Ref { node: self.node(known, kind, level, ELEMENTS), negated: of.negated }
    }

    /// All of these, or any: what is inside of the same is taken out, and one alone stands for
    /// itself.
    pub(super) fn join(&mut self, all: bool, parts: impl IntoIterator<Item = Ref>) -> Ref {
        let mut flat: Vec<Ref> = Vec::new();
        for part in parts {
            let inner = match (self.programs.node(part.node).map(|node| &node.kind), all) {
                (Some(NodeKind::All(inner)), true) | (Some(NodeKind::Any(inner)), false) => {
                    Some(inner.clone())
                }
                _ => None,
            };
            match inner {
                Some(inner) if !part.negated => flat.extend(inner),
                _ => flat.push(part),
            }
        }
        // Cheap parts decide first; which of them is looked at first changes no truth.
        flat.sort_by_key(|part| (self.cost_of(*part), part.node, part.negated));
        flat.dedup();
        if let [one] = flat.as_slice() {
            return *one;
        }
        let level = flat.iter().filter_map(|part| self.programs.node(part.node));
        let level = level.map(|node| node.level).max().unwrap_or(0);
        let cost = flat.iter().map(|part| self.cost_of(*part)).fold(1, u32::saturating_add);
        let parts: Box<[Ref]> = flat.into();
        let (known, kind) = if all {
            (Known::All(parts.clone()), NodeKind::All(parts))
        } else {
            (Known::Any(parts.clone()), NodeKind::Any(parts))
        };
        Ref { node: self.node(known, kind, level, cost), negated: false }
    }

    fn cost_of(&self, part: Ref) -> u32 {
        self.programs.node(part.node).map_or(0, |node| node.cost)
    }

    fn node(&mut self, known: Known, kind: NodeKind, level: u32, cost: u32) -> u32 {
        let next = u32::try_from(self.programs.nodes.len()).unwrap_or(u32::MAX);
        let node = *self.known.entry(known).or_insert(next);
        if node == next {
            self.programs.nodes.push(Node { kind, level, memo: None, cost, shared: false });
        } else {
            self.share(node);
        }
        node
    }

    /// A part that stands at several places.
    pub(super) fn share(&mut self, node: u32) {
        if let Some(node) = self.programs.nodes.get_mut(node as usize) {
            node.shared = true;
        }
    }

    pub(super) fn finish(mut self) -> Programs {
        let mut memos = 0;
        for node in &mut self.programs.nodes {
            // What is as cheap as looking its truth up is decided again.
            let cheap = matches!(&node.kind, NodeKind::Test(Test::Equal(..) | Test::Is(..)));
            if node.shared && !cheap {
                node.memo = Some(memos);
                memos += 1;
            }
        }
        self.programs.memos = memos;
        self.programs.nodes.shrink_to_fit();
        self.programs
    }
}

fn cost(test: &Test) -> u32 {
    match test {
        Test::Is(..) => 1,
        Test::Equal(..) => 2,
        Test::Less(..) | Test::Greater(..) => 4,
        Test::OneOf(_, list) => 2 + u32::try_from(list.len()).unwrap_or(u32::MAX / 4),
        Test::Text(_, TextOp::Contains, _) => 8,
        Test::Text(..) => 3,
        Test::Pattern(..) => 30,
        Test::Expr(..) => 100,
    }
}
