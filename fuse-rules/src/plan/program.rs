//! Conditions as programs: negations are pushed down to the atoms (Kleene logic allows this), parts
//! that rules share occur once, and cheap parts come first.

use rustc_hash::FxHashMap;

use super::Slot;
use super::atom::{AtomTest, Constant, SlotRef};
use crate::typed::Shown;
use crate::typed::{Expr, TextOp};

/// A part of a program, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PartRef {
    pub(crate) node: u32,
    pub(crate) negated: bool,
}

/// The conditions of all rules of an event.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    nodes: Vec<ProgramNode>,
    /// The number of truths to memoize.
    pub(crate) memos: u32,
}

#[derive(Debug)]
pub(crate) struct ProgramNode {
    pub(crate) kind: NodeKind,
    /// The level of the innermost frame that it reads.
    pub(crate) level: u32,
    /// Where its truth is memoized while the frames stay the same, if several sites share it.
    pub(crate) memo: Option<u32>,
    /// The estimated cost of its evaluation, without a unit.
    cost: u32,
    shared: bool,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    All(Box<[PartRef]>),
    Any(Box<[PartRef]>),
    Choice(Box<Choice>),
    Test(AtomTest),
    Among(Box<Among>),
}

/// A conditional: `chosen` if the condition is true, `otherwise` if it is false, and unknown if it is
/// unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Choice {
    pub(crate) condition: PartRef,
    /// The condition's negation, by which the index finds rules.
    pub(crate) negation: PartRef,
    pub(crate) chosen: PartRef,
    pub(crate) otherwise: PartRef,
}

/// Whether a part is true for any element of a list. `any`, `all` and `none` are this, or its
/// negation.
#[derive(Debug)]
pub(crate) struct Among {
    pub(crate) list: SlotRef,
    /// The group of the elements' frames.
    pub(crate) group: usize,
    /// The level of the elements.
    pub(crate) level: u32,
    pub(crate) part: PartRef,
    /// The same as an expression (or its negation), for lists whose frames were not extracted.
    pub(crate) whole: AtomTest,
    pub(crate) whole_negated: bool,
}

impl Programs {
    pub(crate) fn node(&self, node: u32) -> Option<&ProgramNode> {
        self.nodes.get(node as usize)
    }

    pub(crate) fn nodes(&self) -> &[ProgramNode] {
        &self.nodes
    }
}

/// Builds programs.
#[derive(Default)]
pub(super) struct ProgramBuilder {
    programs: Programs,
    known: FxHashMap<Known, u32>,
}

/// The elements that a quantifier iterates over, and the condition on them.
pub(super) struct QuantifiedElements {
    pub(super) list: SlotRef,
    pub(super) group: usize,
    pub(super) part: PartRef,
    pub(super) negated: bool,
}

/// The cost of iterating over elements, relative to other parts.
const ELEMENTS_COST: u32 = 60;

/// The identity of a node. The frames are those of the levels that it reads.
#[derive(PartialEq, Eq, Hash)]
enum Known {
    All(Box<[PartRef]>),
    Any(Box<[PartRef]>),
    Choice(Choice),
    Equal(Box<[u32]>, SlotRef, Constant),
    /// The text, and the slots that its names refer to.
    Atom(Box<[u32]>, String, Vec<(u32, u32)>),
}

impl ProgramBuilder {
    /// The program of an atom that reads these frames.
    pub(super) fn atom(&mut self, expr: &Expr<Slot>, frames: &[u32]) -> PartRef {
        let (level, known, (test, negated)) = self.read(expr, frames);
        let cost = cost(&test);
        PartRef { node: self.node(known, NodeKind::Test(test), level, cost), negated }
    }

    /// The innermost level that an atom reads, its identity, and its test or the negation.
    fn read(&self, expr: &Expr<Slot>, frames: &[u32]) -> (u32, Known, (AtomTest, bool)) {
        let mut level = 0;
        let mut slots = Vec::new();
        let depth = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        expr.references(&mut |slot| {
            // QuantifiedElements that the atom itself binds are in none of these frames.
            if slot.level < depth {
                level = level.max(slot.level);
            }
            slots.push((slot.level, slot.index));
        });
        let frames: Box<[u32]> = frames.get(..=level as usize).unwrap_or(frames).into();
        let (test, negated) = AtomTest::from_expr(expr, depth.saturating_sub(1));
        let text = Shown(expr);
        let known = match &test {
            AtomTest::Equal(at, value) => Known::Equal(frames, *at, value.clone()),
            // The depth is part of the identity, since it numbers the frames that the atom binds
            // itself.
            AtomTest::Expr(..) => Known::Atom(frames, format!("{depth} {text}"), slots),
            _ => Known::Atom(frames, text.to_string(), slots),
        };
        (level, known, (test, negated))
    }

    /// The program of a quantifier that reads these frames. Its expression identifies it.
    pub(super) fn among(
        &mut self,
        expr: &Expr<Slot>,
        frames: &[u32],
        of: QuantifiedElements,
    ) -> PartRef {
        let (level, known, whole) = self.read(expr, frames);
        let kind = NodeKind::Among(Box::new(Among {
            list: of.list,
            group: of.group,
            level: u32::try_from(frames.len()).unwrap_or(u32::MAX),
            part: of.part,
            whole: whole.0,
            whole_negated: of.negated != whole.1,
        }));
        PartRef { node: self.node(known, kind, level, ELEMENTS_COST), negated: of.negated }
    }

    /// The conjunction or disjunction of parts. Nested ones are flattened, and a single part stays
    /// as it is.
    pub(super) fn join(&mut self, all: bool, parts: impl IntoIterator<Item = PartRef>) -> PartRef {
        let mut flat: Vec<PartRef> = Vec::new();
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
        // Cheap parts come first; the order does not change the truth.
        flat.sort_by_key(|part| (self.cost_of(*part), part.node, part.negated));
        flat.dedup();
        if let [one] = flat.as_slice() {
            return *one;
        }
        let level = flat.iter().filter_map(|part| self.programs.node(part.node));
        let level = level.map(|node| node.level).max().unwrap_or(0);
        let cost = flat.iter().map(|part| self.cost_of(*part)).fold(1, u32::saturating_add);
        let parts: Box<[PartRef]> = flat.into();
        let (known, kind) = if all {
            (Known::All(parts.clone()), NodeKind::All(parts))
        } else {
            (Known::Any(parts.clone()), NodeKind::Any(parts))
        };
        PartRef { node: self.node(known, kind, level, cost), negated: false }
    }

    /// A conditional.
    pub(super) fn choice(&mut self, choice: Choice) -> PartRef {
        let parts = [choice.condition, choice.chosen, choice.otherwise];
        let levels = parts.iter().filter_map(|part| self.programs.node(part.node));
        let level = levels.map(|node| node.level).max().unwrap_or(0);
        let [condition, chosen, otherwise] = parts.map(|part| self.cost_of(part));
        let cost = condition.saturating_add(chosen.max(otherwise)).saturating_add(1);
        let kind = NodeKind::Choice(Box::new(choice));
        PartRef { node: self.node(Known::Choice(choice), kind, level, cost), negated: false }
    }

    fn cost_of(&self, part: PartRef) -> u32 {
        self.programs.node(part.node).map_or(0, |node| node.cost)
    }

    fn node(&mut self, known: Known, kind: NodeKind, level: u32, cost: u32) -> u32 {
        let next = u32::try_from(self.programs.nodes.len()).unwrap_or(u32::MAX);
        let node = *self.known.entry(known).or_insert(next);
        if node == next {
            self.programs.nodes.push(ProgramNode { kind, level, memo: None, cost, shared: false });
        } else {
            self.share(node);
        }
        node
    }

    /// Marks a part that occurs at several sites.
    pub(super) fn share(&mut self, node: u32) {
        if let Some(node) = self.programs.nodes.get_mut(node as usize) {
            node.shared = true;
        }
    }

    pub(super) fn finish(mut self) -> Programs {
        let mut memos = 0;
        for node in &mut self.programs.nodes {
            // Evaluating a part that is as cheap as a lookup needs no memo.
            let cheap =
                matches!(&node.kind, NodeKind::Test(AtomTest::Equal(..) | AtomTest::Is(..)));
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

fn cost(test: &AtomTest) -> u32 {
    match test {
        AtomTest::Is(..) => 1,
        AtomTest::Equal(..) => 2,
        AtomTest::Less(..) | AtomTest::Greater(..) => 4,
        AtomTest::OneOf(_, list) => 2 + u32::try_from(list.len()).unwrap_or(u32::MAX / 4),
        AtomTest::Text(_, TextOp::Contains, _) => 8,
        AtomTest::Text(..) => 3,
        AtomTest::Pattern(..) => 30,
        AtomTest::Expr(..) => 100,
    }
}
