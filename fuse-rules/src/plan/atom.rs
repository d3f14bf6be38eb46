//! Atoms: tests of single values of an event.

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::Slot;
use crate::number::Number;
use crate::typed::{CompareOp, Expr, ExprKind, IsTest, Pattern, TextOp};
use crate::value::Value;

/// A value of the event: the level of its frame, and the slot in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SlotRef {
    pub(crate) level: u32,
    pub(crate) slot: u32,
}

/// A constant that values are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Number(Box<Number>),
    Text(Box<str>),
}

/// An atom. Atoms that compare one value with constants have their own variants: evaluating them
/// allocates no memory, and the index can find most of them.
#[derive(Debug)]
pub(crate) enum AtomTest {
    Equal(SlotRef, Constant),
    Less(SlotRef, Box<Number>),
    Greater(SlotRef, Box<Number>),
    OneOf(SlotRef, Box<[Constant]>),
    Text(SlotRef, TextOp, Box<str>),
    Pattern(SlotRef, Arc<Pattern>),
    Is(SlotRef, IsTest),
    /// Any other expression, with the level of the innermost frame around it.
    Expr(u32, Box<Expr<Slot>>),
}

impl Constant {
    pub(crate) fn from_value(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(Box::new(*number)),
            Value::String(text) => Self::Text(text.as_ref().into()),
            _ => return None,
        })
    }

    /// A hash that is the same for equal constants, and different for almost all others.
    pub(crate) fn hash(&self) -> u64 {
        match self {
            Self::Null => 1,
            Self::Bool(false) => 2,
            Self::Bool(true) => 3,
            Self::Number(number) => number_hash(number),
            Self::Text(text) => text_hash(text),
        }
    }
}

/// The same for a number.
pub(crate) fn number_hash(number: &Number) -> u64 {
    FxBuildHasher.hash_one(number)
}

/// The same for a text.
#[inline]
pub(crate) fn text_hash(text: &str) -> u64 {
    FxBuildHasher.hash_one(text)
}

impl AtomTest {
    /// Converts an expression to an atom, and returns whether it is negated. `level` is the level
    /// of the innermost frame around it.
    pub(super) fn from_expr(expr: &Expr<Slot>, level: u32) -> (Self, bool) {
        spelled(&expr.kind).unwrap_or_else(|| (Self::Expr(level, Box::new(expr.clone())), false))
    }

    /// The value that is tested; `None` for an expression.
    pub(crate) fn at(&self) -> Option<SlotRef> {
        match self {
            Self::Equal(at, _)
            | Self::Less(at, _)
            | Self::Greater(at, _)
            | Self::OneOf(at, _)
            | Self::Text(at, ..)
            | Self::Pattern(at, _)
            | Self::Is(at, _) => Some(*at),
            Self::Expr(..) => None,
        }
    }
}

fn spelled(kind: &ExprKind<Slot>) -> Option<(AtomTest, bool)> {
    Some(match kind {
        ExprKind::Compare { op, left, right } => {
            let (at, value, op) = match (place(left), place(right)) {
                (Some(at), None) => (at, constant(right)?, *op),
                (None, Some(at)) => (at, constant(left)?, op.turned()),
                _ => return None,
            };
            let number = || match value {
                Value::Number(number) => Some(Box::new(*number)),
                _ => None,
            };
            match op {
                CompareOp::Eq => (AtomTest::Equal(at, Constant::from_value(value)?), false),
                CompareOp::Ne => (AtomTest::Equal(at, Constant::from_value(value)?), true),
                CompareOp::Lt => (AtomTest::Less(at, number()?), false),
                CompareOp::Ge => (AtomTest::Less(at, number()?), true),
                CompareOp::Gt => (AtomTest::Greater(at, number()?), false),
                CompareOp::Le => (AtomTest::Greater(at, number()?), true),
            }
        }
        ExprKind::In { item, list } => {
            let items: Option<Vec<Constant>> = match &list.kind {
                ExprKind::Const(Value::List(items)) => {
                    items.iter().map(Constant::from_value).collect()
                }
                ExprKind::List(items) => {
                    items.iter().map(|item| Constant::from_value(constant(item)?)).collect()
                }
                _ => None,
            };
            (AtomTest::OneOf(place(item)?, items?.into()), false)
        }
        ExprKind::TextTest { op, left, right } => match constant(right)? {
            Value::String(text) => (AtomTest::Text(place(left)?, *op, text.as_ref().into()), false),
            _ => return None,
        },
        ExprKind::Pattern { value, pattern } => {
            (AtomTest::Pattern(place(value)?, pattern.clone()), false)
        }
        ExprKind::Is { value, negated, test } => (AtomTest::Is(place(value)?, *test), *negated),
        // A path used as a condition: the value must be true.
        ExprKind::Path(slot) => (
            AtomTest::Equal(SlotRef { level: slot.level, slot: slot.index }, Constant::Bool(true)),
            false,
        ),
        _ => return None,
    })
}

fn place(expr: &Expr<Slot>) -> Option<SlotRef> {
    match &expr.kind {
        ExprKind::Path(slot) => Some(SlotRef { level: slot.level, slot: slot.index }),
        _ => None,
    }
}

fn constant(expr: &Expr<Slot>) -> Option<&Value<'static>> {
    match &expr.kind {
        ExprKind::Const(value) => Some(value),
        _ => None,
    }
}
