//! Iterates over lists: the elements of a binder, and the results of `filter`, `map` and `first`.

use std::borrow::Cow;

use super::frame::Frame;
use super::stack::{Stack, absent};
use crate::plan::Slot;
use crate::scan::{EntryKind, Extract};
use crate::semantics::ops::{self, Fault, name};
use crate::typed::{Expr, ExprKind};
use crate::value::{Kinds, Value};

/// The elements of a list, before they are read.
pub(super) enum List<'v, 'e> {
    /// The elements have frames, starting at this one.
    Rows {
        extract: &'e Extract,
        body: &'e str,
        raw: &'e str,
        first: usize,
        len: usize,
    },
    Values(Cow<'v, Value<'e>>),
}

impl<'e> List<'_, 'e> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Rows { len, .. } => *len,
            Self::Values(value) => match value.as_ref() {
                Value::List(values) => values.len(),
                _ => 0,
            },
        }
    }

    /// The elements as values.
    fn values(&self) -> Vec<Cow<'_, Value<'e>>> {
        match self {
            // If there were duplicate keys, the event was refused when it was read.
            Self::Rows { raw, .. } => match Value::read_lenient(raw) {
                Value::List(values) => values.into_iter().map(Cow::Owned).collect(),
                _ => Vec::new(),
            },
            Self::Values(value) => match value.as_ref() {
                Value::List(values) => values.iter().map(Cow::Borrowed).collect(),
                _ => Vec::new(),
            },
        }
    }

    /// The frame of the element at `index` for this group.
    pub(super) fn frame(&self, stack: &Stack<'_, 'e>, index: usize, group: usize) -> Frame<'e> {
        match self {
            Self::Rows { extract, body, first, .. } => {
                Frame::from_row(extract, body, group, first + index)
            }
            Self::Values(value) => match value.as_ref() {
                Value::List(values) => match values.get(index) {
                    Some(value) => Frame::from_value(stack.frames, group, value),
                    None => Frame::without_values(),
                },
                _ => Frame::without_values(),
            },
        }
    }
}

impl<'e> Stack<'_, 'e> {
    /// The elements over which a binder iterates.
    pub(super) fn list<'v>(
        &'v self,
        expr: &'v Expr<Slot>,
        what: &str,
    ) -> Result<List<'v, 'e>, Fault> {
        let not_a_list = |kind: Kinds| {
            ops::mismatch(format!("`{what}` iterates over a list, but {} is {kind}", name(expr)))
        };
        if let ExprKind::Path(slot) = &expr.kind
            && let Some(frame) = self.level(slot.level)
            && let Some((extract, body)) = frame.extract()
            && let Some(entry) = frame.entry(slot.index)
            && entry.kind == EntryKind::List
        {
            let raw = extract.text(entry, body);
            self.work.spend(0, raw.len())?;
            if let Some((first, len)) = entry.elements() {
                self.work.spend(len, 0)?;
                return Ok(List::Rows { extract, body, raw, first, len });
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

    /// Whether a condition holds for an element. Unknown does not become an absence.
    pub(super) fn holds(
        &self,
        list: &List<'_, 'e>,
        index: usize,
        group: usize,
        body: &Expr<Slot>,
    ) -> Result<bool, Fault> {
        let element = list.frame(self, index, group);
        self.with(&element).truth(body).map_err(Fault::of_condition)
    }

    /// `filter`: the elements for which the body is true.
    pub(super) fn filtered(
        &self,
        list: &List<'_, 'e>,
        group: usize,
        body: &Expr<Slot>,
    ) -> Result<Value<'e>, Fault> {
        let mut kept = Vec::new();
        for (i, element) in list.values().into_iter().enumerate() {
            if self.holds(list, i, group, body)? {
                self.work.spend_on(&element)?;
                kept.push(element.into_owned());
            }
        }
        Ok(Value::List(kept))
    }

    /// `first`: the first element for which the body is true.
    pub(super) fn first(
        &self,
        expr: &Expr<Slot>,
        list: &List<'_, 'e>,
        group: usize,
        body: &Expr<Slot>,
    ) -> Result<Value<'e>, Fault> {
        for (i, element) in list.values().into_iter().enumerate() {
            if self.holds(list, i, group, body)? {
                self.work.spend_on(&element)?;
                return Ok(element.into_owned());
            }
        }
        Err(absent(expr))
    }

    /// `map`: the value of the body for each element.
    pub(super) fn mapped(
        &self,
        list: &List<'_, 'e>,
        group: usize,
        body: &Expr<Slot>,
    ) -> Result<Value<'e>, Fault> {
        let mut values = Vec::with_capacity(list.len());
        for i in 0..list.len() {
            let element = list.frame(self, i, group);
            let stack = self.with(&element);
            let value = stack.value(body)?;
            self.work.spend_on(&value)?;
            values.push(value.into_owned());
        }
        Ok(Value::List(values))
    }
}
