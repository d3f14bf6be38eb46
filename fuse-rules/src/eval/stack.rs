//! The frames at one site of the rules, and the values and truths of expressions there.

use std::borrow::Cow;

use super::frame::Frame;
use crate::plan::{Frames, Slot};
use crate::semantics::Work;
use crate::semantics::ops::{self, Fault, Truth, Valued, name};
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind, QuantifierKind};
use crate::value::Value;

/// How many keys of a map are compared at the cost of one value.
const KEYS_PER_VALUE: usize = 16;

/// The frames at one site: the innermost, with those around it. The event's frame is the outermost,
/// at level 0.
pub(super) struct Stack<'s, 'e> {
    frame: &'s Frame<'e>,
    outer: Option<&'s Stack<'s, 'e>>,
    level: u32,
    pub(super) frames: &'s Frames,
    pub(super) work: &'s Work,
}

impl<'s, 'e> Stack<'s, 'e> {
    /// The frame of the event, outside of any binder.
    pub(super) fn new(event: &'s Frame<'e>, frames: &'s Frames, work: &'s Work) -> Self {
        Self { frame: event, outer: None, level: 0, frames, work }
    }

    /// The frames with an additional one, for an element.
    pub(super) fn with<'t>(&'t self, frame: &'t Frame<'e>) -> Stack<'t, 'e> {
        let level = self.level + 1;
        Stack { frame, outer: Some(self), level, frames: self.frames, work: self.work }
    }

    /// The same frames, with the work counted elsewhere.
    pub(super) fn with_work<'t>(&'t self, work: &'t Work) -> Stack<'t, 'e> {
        Stack { frame: self.frame, outer: self.outer, level: self.level, frames: self.frames, work }
    }

    /// The frame of a level.
    pub(super) fn level(&self, level: u32) -> Option<&Frame<'e>> {
        let mut at = self;
        while at.level > level {
            at = at.outer?;
        }
        (at.level == level).then_some(at.frame)
    }

    /// The truth of clauses, which are and-ed.
    pub(super) fn all(&self, clauses: &[Expr<Slot>]) -> Truth {
        ops::all(clauses.iter().map(|clause| self.truth(clause)))
    }

    /// The truth of an expression used as a condition.
    pub(super) fn truth(&self, expr: &Expr<Slot>) -> Truth {
        match &expr.kind {
            ExprKind::Not(inner) => self.truth(inner).map(|truth| !truth),
            ExprKind::And(parts) => ops::all(parts.iter().map(|part| self.truth(part))),
            ExprKind::Or(parts) => ops::any(parts.iter().map(|part| self.truth(part))),
            ExprKind::Compare { op, left, right } => {
                let (l, r) = (self.value(left)?, self.value(right)?);
                ops::compare(*op, (&l, &|| name(left)), (&r, &|| name(right)))
            }
            ExprKind::In { item, list } => {
                let (i, l) = (self.value(item)?, self.value(list)?);
                self.work.spend_on(&l)?;
                ops::member((&i, &|| name(item)), (&l, &|| name(list)))
            }
            ExprKind::TextTest { op, left, right } => {
                let (l, r) = (self.value(left)?, self.value(right)?);
                self.work.spend_on(&l)?;
                ops::text_test(*op, (&l, &|| name(left)), (&r, &|| name(right)))
            }
            ExprKind::Pattern { value, pattern } => {
                let text = self.value(value)?;
                self.work.spend_on(&text)?;
                ops::pattern(pattern, (&text, &|| name(value)))
            }
            ExprKind::Is { value, negated, test } => {
                ops::is(*test, &self.value(value)).map(|truth| truth != *negated)
            }
            ExprKind::Quantifier { kind, list, body, frame, .. } if kind.is_condition() => {
                let list = self.list(list, kind.as_str())?;
                let truths = (0..list.len()).map(|i| {
                    let element = list.frame(self, i, *frame);
                    self.with(&element).truth(body)
                });
                match kind {
                    QuantifierKind::All => ops::all(truths),
                    QuantifierKind::None => ops::any(truths).map(|truth| !truth),
                    _ => ops::any(truths),
                }
            }
            ExprKind::If { condition, chosen, otherwise } => match self.truth(condition)? {
                true => self.truth(chosen),
                false => self.truth(otherwise),
            },
            ExprKind::Named { value: named, .. } if matches!(named.kind, ExprKind::If { .. }) => {
                match self.value(expr)?.as_ref() {
                    Value::Bool(truth) => Ok(*truth),
                    // The reason names the branch, not the conditional.
                    _ => self.truth(named),
                }
            }
            _ => ops::condition(expr, self.value(expr)?.as_ref()),
        }
    }

    /// The value of an expression.
    pub(super) fn value<'v>(&'v self, expr: &'v Expr<Slot>) -> Valued<'v, 'e> {
        Ok(Cow::Owned(match &expr.kind {
            ExprKind::Const(value) => return Ok(Cow::Borrowed(value)),
            ExprKind::Path(slot) => {
                let frame = self.level(slot.level);
                let value = frame.and_then(|frame| frame.value(slot.index));
                return value.ok_or_else(|| Fault::Absent(slot.text.clone()));
            }
            ExprKind::Named { value, memo } => {
                let kept = self.level(memo.level).and_then(|frame| {
                    let compute = || {
                        let value = self.value(value).map(Cow::into_owned);
                        // Another evaluation may have work left.
                        (!self.work.is_exceeded()).then_some(value)
                    };
                    frame.lets.value(memo.number, compute)
                });
                return match kept {
                    Some(Ok(value)) => Ok(Cow::Borrowed(value)),
                    Some(Err(fault)) => Err(fault.clone()),
                    None => {
                        self.work.spend(0, 0)?;
                        self.value(value)
                    }
                };
            }
            ExprKind::Access { base, segments } => {
                let value = self.value(base)?;
                let mut at = Some(value.as_ref());
                for segment in segments {
                    at = at.and_then(|value| value.step(segment).ok().flatten());
                }
                match at {
                    Some(part) => {
                        self.work.spend_on(part)?;
                        part.clone()
                    }
                    None => return Err(absent(expr)),
                }
            }
            ExprKind::Lookup { base, key, .. } => {
                let value = self.value(base)?;
                let segment = ops::segment(key, self.value(key)?.as_ref())?;
                if let Value::Map(entries) = &*value {
                    self.work.spend(entries.len() / KEYS_PER_VALUE, 0)?;
                }
                match value.step(&segment).ok().flatten() {
                    Some(part) => {
                        self.work.spend_on(part)?;
                        part.clone()
                    }
                    None => return Err(absent(expr)),
                }
            }
            ExprKind::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&ops::part(part, self.value(part)?.as_ref())?);
                }
                self.work.spend(1, text.len())?;
                Value::text(text)
            }
            ExprKind::List(items) => Value::List(self.values(items)?),
            ExprKind::Record(fields) => {
                let mut map = Vec::with_capacity(fields.len());
                for field in fields {
                    match self.value(&field.value) {
                        Ok(value) if field.optional && *value == Value::Null => {}
                        Ok(value) => {
                            self.work.spend_on(&value)?;
                            map.push((field.key.clone().into(), value.into_owned()));
                        }
                        Err(fault) if field.optional && fault.is_absence() => {}
                        Err(fault) => return Err(fault),
                    }
                }
                Value::Map(map)
            }
            ExprKind::Call { function, arguments, pattern } => {
                let values = self.values(arguments)?;
                let context = self.work.context();
                let result = ops::call(function, arguments, pattern.as_deref(), &values, context);
                self.work.spend(0, context.take_searched())?;
                let result = result?;
                self.work.spend_on(&result)?;
                result
            }
            ExprKind::Neg(inner) => ops::negate(inner, self.value(inner)?.as_ref())?,
            ExprKind::Arith { op, left, right } => {
                let (l, r) = (self.value(left)?, self.value(right)?);
                ops::arith(*op, (&l, &|| name(left)), (&r, &|| name(right)))?
            }
            ExprKind::Coalesce { left, right } => match self.value(left) {
                Ok(value) if *value != Value::Null => return Ok(value),
                Err(fault) if !fault.is_absence() => return Err(fault),
                _ => return self.value(right),
            },
            ExprKind::If { condition, chosen, otherwise } => {
                return match self.truth(condition).map_err(Fault::of_condition)? {
                    true => self.value(chosen),
                    false => self.value(otherwise),
                };
            }
            ExprKind::Quantifier { kind: QuantifierKind::Count, list, body, frame, .. } => {
                let list = self.list(list, QuantifierKind::Count.as_str());
                let list = list.map_err(Fault::of_condition)?;
                let mut count = 0_i64;
                for i in 0..list.len() {
                    count += i64::from(self.holds(&list, i, *frame, body)?);
                }
                Value::Number(count.into())
            }
            ExprKind::Quantifier { kind, list, body, frame, .. } if !kind.is_condition() => {
                let list = self.list(list, kind.as_str())?;
                match kind {
                    QuantifierKind::Map => self.mapped(&list, *frame, body)?,
                    QuantifierKind::First => self.first(expr, &list, *frame, body)?,
                    _ => self.filtered(&list, *frame, body)?,
                }
            }
            _ => Value::Bool(self.truth(expr).map_err(Fault::of_condition)?),
        }))
    }

    fn values(&self, exprs: &[Expr<Slot>]) -> Result<Vec<Value<'e>>, Fault> {
        let owned = |expr| {
            let value = self.value(expr)?;
            self.work.spend_on(&value)?;
            Ok(value.into_owned())
        };
        exprs.iter().map(owned).collect()
    }

    /// A value that becomes part of an action.
    pub(super) fn rendered(&self, expr: &Expr<Slot>) -> Result<Value<'e>, Fault> {
        let value = self.value(expr)?;
        self.work.spend_rendered(&value)?;
        Ok(value.into_owned())
    }
}

/// The fault of a missing value, named by its source text.
pub(super) fn absent(expr: &Expr<Slot>) -> Fault {
    Fault::Absent(Shown(expr).to_string().into())
}
