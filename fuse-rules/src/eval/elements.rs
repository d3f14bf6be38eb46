//! What goes through lists element by element: the elements of a binder, and the values that
//! `filter`, `map` and `first` make of them.

use std::borrow::Cow;

use super::frame::Frame;
use super::ops::{self, Fault, name};
use super::stack::{Stack, absent};
use crate::check::typed::{Expr, ExprKind};
use crate::plan::{FrameSpec, Slot};
use crate::value::{DuplicateKey, Kinds, Value, read_list};

/// The elements of a list, before they are looked into.
pub(super) enum List<'v, 'e> {
    Raw(Vec<&'e str>),
    Values(Cow<'v, Value<'e>>),
}

impl<'e> List<'_, 'e> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Raw(items) => items.len(),
            Self::Values(value) => match value.as_ref() {
                Value::List(values) => values.len(),
                _ => 0,
            },
        }
    }

    /// The element at `index` as a value.
    fn value(&self, index: usize) -> Option<Value<'e>> {
        match self {
            // Duplicate keys have refused the event when its frame was made.
            Self::Raw(items) => items.get(index).map(|raw| Value::read_lenient(raw)),
            Self::Values(value) => value.index(i64::try_from(index).ok()?).cloned(),
        }
    }

    /// The frame of the element at `index`.
    pub(super) fn frame<'p>(
        &self,
        index: usize,
        spec: &'p FrameSpec,
    ) -> Result<Option<Frame<'p, 'e>>, DuplicateKey> {
        match self {
            Self::Raw(items) => items.get(index).map(|raw| Frame::of_json(spec, raw)).transpose(),
            Self::Values(value) => match value.as_ref() {
                Value::List(values) => {
                    Ok(values.get(index).map(|value| Frame::of_value(spec, value)))
                }
                _ => Ok(None),
            },
        }
    }
}

impl<'e> Stack<'_, '_, 'e> {
    /// The elements that a binder goes through.
    pub(super) fn list<'v>(
        &'v self,
        expr: &'v Expr<Slot>,
        what: &str,
    ) -> Result<List<'v, 'e>, Fault> {
        let not_a_list = |kind: Kinds| {
            ops::mismatch(format!("`{what}` goes through a list, but {} is {kind}", name(expr)))
        };
        if let ExprKind::Path(slot) = &expr.kind {
            let frame = self.frames.get(slot.frame);
            if let Some(raw) = frame.and_then(|frame| frame.raw(slot.index)) {
                return match raw.as_bytes().first() {
                    Some(b'[') => {
                        self.work.spend(0, raw.len())?;
                        let items = read_list(raw);
                        self.work.spend(items.len(), 0)?;
                        Ok(List::Raw(items))
                    }
                    Some(b'{') => not_a_list(Kinds::MAP),
                    _ => not_a_list(Value::read_scalar(raw).kind()),
                };
            }
        }
        let value = self.value(expr)?;
        match value.as_ref() {
            Value::List(items) => {
                self.work.spend(items.len(), 0)?;
                Ok(List::Values(value))
            }
            other => not_a_list(other.kind()),
        }
    }

    /// Whether a condition holds for an element; unknown is no absence.
    pub(super) fn holds(
        &self,
        list: &List<'_, 'e>,
        index: usize,
        frame: &FrameSpec,
        body: &Expr<Slot>,
    ) -> Result<bool, Fault> {
        match list.frame(index, frame) {
            Ok(Some(element)) => self.with(&element).truth(body).map_err(Fault::of_condition),
            _ => Ok(false),
        }
    }

    /// `filter`: the elements for which the body is true.
    pub(super) fn filtered(
        &self,
        list: &List<'_, 'e>,
        frame: &FrameSpec,
        body: &Expr<Slot>,
    ) -> Result<Value<'e>, Fault> {
        let mut kept = Vec::new();
        for i in 0..list.len() {
            if self.holds(list, i, frame, body)? {
                kept.extend(self.element(list, i)?);
            }
        }
        Ok(Value::List(kept))
    }

    /// `first`: the first element for which the body is true.
    pub(super) fn first(
        &self,
        expr: &Expr<Slot>,
        list: &List<'_, 'e>,
        frame: &FrameSpec,
        body: &Expr<Slot>,
    ) -> Result<Value<'e>, Fault> {
        for i in 0..list.len() {
            if self.holds(list, i, frame, body)? {
                return self.element(list, i)?.ok_or_else(|| absent(expr));
            }
        }
        Err(absent(expr))
    }

    /// `map`: the body's value for each element.
    pub(super) fn mapped(
        &self,
        list: &List<'_, 'e>,
        frame: &FrameSpec,
        body: &Expr<Slot>,
    ) -> Result<Value<'e>, Fault> {
        let mut values = Vec::with_capacity(list.len());
        for i in 0..list.len() {
            if let Ok(Some(element)) = list.frame(i, frame) {
                let stack = self.with(&element);
                let value = stack.value(body)?;
                self.work.spend_on(&value)?;
                values.push(value.into_owned());
            }
        }
        Ok(Value::List(values))
    }

    /// An element as a value of its own.
    fn element(&self, list: &List<'_, 'e>, index: usize) -> Result<Option<Value<'e>>, Fault> {
        let element = list.value(index);
        if let Some(value) = &element {
            self.work.spend_on(value)?;
        }
        Ok(element)
    }
}
