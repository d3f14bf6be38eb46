//! The evaluator of plans.

use std::borrow::Cow;

use super::frame::Frame;
use super::mapping;
use super::ops::{self, Fault, Truth, Valued, name};
use super::{Evaluation, Verdict, decision, gated};
use crate::check::typed::{Expr, ExprKind, QuantifierKind};
use crate::event::Event;
use crate::functions::Context;
use crate::fuses::Fuses;
use crate::plan::{Compiled, Condition, EachPlan, EventPlan, RulePlan, SensorPlan, Shown, Slot};
use crate::value::{DuplicateKey, Kinds, Value, read_list};

pub(crate) fn evaluate(plan: &Compiled, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
    let mut decisions = Vec::new();
    let walked = walk(plan, event, fuses, &mut |site, verdict| {
        decisions.push((site.order, decision(&site.rule.name, site.element, verdict)));
    });
    if let Err(DuplicateKey(key)) = walked {
        return refused(plan, event, &key);
    }
    // Elements are gone through in the outer loop, rules in the inner one; people read by rule.
    decisions.sort_by_key(|(order, _)| *order);
    Evaluation::of(
        decisions
            .into_iter()
            .map(|(_, decision)| decision)
            .collect(),
    )
}

fn event_plan<'p>(plan: &'p Compiled, event: &Event<'_>) -> Option<&'p EventPlan> {
    plan.events
        .get(&(event.source().to_owned(), event.name().to_owned()))
}

pub(super) fn refused(plan: &Compiled, event: &Event<'_>, key: &str) -> Evaluation {
    let sensors = event_plan(plan, event).map_or(&[] as &[SensorPlan], |event| &event.sensors);
    let rules = sensors.iter().flat_map(|sensor| &sensor.rules);
    Evaluation::refused(key, rules.map(|rule| rule.name.as_str()))
}

pub(crate) fn source_field(plan: &Compiled, event: &Event<'_>, field: &str) -> Option<String> {
    let plan = event_plan(plan, event)?;
    let (_, expr) = plan.expressions.iter().find(|(name, _)| name == field)?;
    let frame = Frame::of_event(&plan.arrival, event).ok()?;
    let context = Context {
        received: event.received_at(),
    };
    let stack = Stack {
        frames: vec![&frame],
        context: &context,
    };
    let value = stack.value(expr).ok()?;
    value.canonical().map(Cow::into_owned)
}

/// One rule at one element, with what is known there.
pub(super) struct Site<'s, 'p, 'e> {
    /// The rule's place among all rules of the event.
    pub(super) order: usize,
    pub(super) sensor: &'p SensorPlan,
    pub(super) rule: &'p RulePlan,
    pub(super) element: Option<&'s [u32]>,
    pub(super) stack: &'s Stack<'s, 'p, 'e>,
    /// Whether the rule's own clauses were evaluated, or only its sensor's.
    pub(super) inner: bool,
}

type Report<'r> = &'r mut dyn FnMut(&Site<'_, '_, '_>, Verdict);

/// Evaluates every rule of the event at every element and reports what each came to.
pub(super) fn walk(
    plan: &Compiled,
    event: &Event<'_>,
    fuses: &Fuses,
    report: Report<'_>,
) -> Result<(), DuplicateKey> {
    let Some(event_plan) = event_plan(plan, event) else {
        return Ok(());
    };
    let context = Context {
        received: event.received_at(),
    };
    let frame = Frame::of_event(&event_plan.frame, event)?;
    let stack = Stack {
        frames: vec![&frame],
        context: &context,
    };
    let mut order = 0;
    for sensor in &event_plan.sensors {
        let walk = Walk {
            plan,
            fuses,
            sensor,
        };
        elements(
            &stack,
            sensor.each.as_ref(),
            &[],
            &mut |stack, element, verdict| {
                let outer = verdict
                    .is_none()
                    .then(|| stack.condition(&sensor.condition));
                for (i, rule) in sensor.rules.iter().enumerate() {
                    let at = Site {
                        order: order + i,
                        sensor,
                        rule,
                        element,
                        stack,
                        inner: false,
                    };
                    match (&verdict, &outer) {
                        (Some(verdict), _) => report(&at, verdict.clone()),
                        (None, Some(outer)) => walk.rule(at, outer, report),
                        (None, None) => {}
                    }
                }
            },
        )?;
        order += sensor.rules.len();
    }
    Ok(())
}

struct Walk<'p, 'f> {
    plan: &'p Compiled,
    fuses: &'f Fuses,
    sensor: &'p SensorPlan,
}

impl Walk<'_, '_> {
    fn rule(&self, site: Site<'_, '_, '_>, outer: &Truth, report: Report<'_>) {
        let Some(each) = &site.rule.each else {
            let inner = || site.stack.condition(&site.rule.condition);
            let truth = match outer {
                Ok(false) => Ok(false),
                outer => ops::all([outer.clone(), inner()].into_iter()),
            };
            return self.fire(
                &Site {
                    inner: true,
                    ..site
                },
                truth,
                report,
            );
        };
        if *outer != Ok(true) {
            return self.fire(&site, outer.clone(), report);
        }
        let path = site.element.unwrap_or_default();
        let walked = elements(
            site.stack,
            Some(each),
            path,
            &mut |stack, element, verdict| {
                let at = Site {
                    element,
                    stack,
                    inner: verdict.is_none(),
                    ..site
                };
                match verdict {
                    Some(verdict) => report(&at, verdict),
                    None => self.fire(&at, stack.condition(&site.rule.condition), report),
                }
            },
        );
        debug_assert!(
            walked.is_ok(),
            "duplicate keys of elements are found with the event's"
        );
    }

    fn fire(&self, site: &Site<'_, '_, '_>, truth: Truth, report: Report<'_>) {
        match truth {
            Ok(false) => return report(site, Verdict::NotMatched(String::new())),
            Err(fault) => return report(site, Verdict::Unknown(fault)),
            Ok(true) => {}
        }
        debug_assert!(
            self.sensor
                .rules
                .iter()
                .any(|rule| std::ptr::eq(rule, site.rule))
        );
        if let Some(why) = gated(&self.plan.fuses, &site.rule.requires, self.fuses) {
            return report(site, Verdict::Gated(why));
        }
        let mut value = |expr: &Expr<Slot>| site.stack.value(expr).map(Cow::into_owned);
        let once = site
            .rule
            .once
            .as_ref()
            .map(|once| mapping::once_key(once, &mut value));
        let once = match once.transpose() {
            Ok(once) => once,
            Err(why) => {
                for _ in &site.rule.triggers {
                    report(site, Verdict::Rejected(why.clone()));
                }
                return;
            }
        };
        for (ordinal, trigger) in site.rule.triggers.iter().enumerate() {
            let verdict = match mapping::render(&trigger.fields, &mut value) {
                Ok(fields) => Verdict::Fired {
                    trigger: trigger.kind.clone(),
                    ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                    fields,
                    once: once.clone(),
                },
                Err(why) => Verdict::Rejected(why),
            };
            report(site, verdict);
        }
    }
}

/// What `elements` calls: the frames with the element's, the index path so far, and, where there
/// is no element to go through, the verdict that stands instead.
type PerElement<'r> = &'r mut dyn FnMut(&Stack<'_, '_, '_>, Option<&[u32]>, Option<Verdict>);

/// Goes through the elements of an `each`, or once through where there is none.
fn elements(
    stack: &Stack<'_, '_, '_>,
    each: Option<&EachPlan>,
    path: &[u32],
    body: PerElement<'_>,
) -> Result<(), DuplicateKey> {
    let here = (!path.is_empty()).then_some(path);
    let Some(each) = each else {
        body(stack, here, None);
        return Ok(());
    };
    let list = match stack.list(&each.list, "each") {
        Ok(list) => list,
        Err(fault) => {
            body(stack, here, Some(Verdict::Unknown(fault)));
            return Ok(());
        }
    };
    let len = list.len();
    if len == 0 {
        let why = format!("{} is an empty list", name(&each.list));
        body(stack, here, Some(Verdict::NotMatched(why)));
        return Ok(());
    }
    if len > each.max {
        let (name, max) = (name(&each.list), each.max);
        let why = format!("{name} has {len} elements, more than `max {max}` allows");
        body(stack, here, Some(Verdict::Rejected(why)));
        return Ok(());
    }
    let mut path = path.to_vec();
    for i in 0..len {
        let Some(frame) = list.frame(i, &each.frame)? else {
            continue;
        };
        path.push(u32::try_from(i).unwrap_or(u32::MAX));
        body(&stack.with(&frame), Some(&path), None);
        path.pop();
    }
    Ok(())
}

/// The elements of a list, before they are looked into.
enum List<'v, 'e> {
    Raw(Vec<&'e str>),
    Values(Cow<'v, Value<'e>>),
}

impl<'e> List<'_, 'e> {
    fn len(&self) -> usize {
        match self {
            Self::Raw(items) => items.len(),
            Self::Values(value) => match value.as_ref() {
                Value::List(values) => values.len(),
                _ => 0,
            },
        }
    }

    /// The frame of the element at `index`.
    fn frame<'p>(
        &self,
        index: usize,
        spec: &'p crate::plan::FrameSpec,
    ) -> Result<Option<Frame<'p, 'e>>, DuplicateKey> {
        match self {
            Self::Raw(items) => items
                .get(index)
                .map(|raw| Frame::of_json(spec, raw))
                .transpose(),
            Self::Values(value) => match value.as_ref() {
                Value::List(values) => {
                    Ok(values.get(index).map(|value| Frame::of_value(spec, value)))
                }
                _ => Ok(None),
            },
        }
    }
}

/// The frames at one place, the event's first.
pub(super) struct Stack<'s, 'p, 'e> {
    frames: Vec<&'s Frame<'p, 'e>>,
    context: &'s Context,
}

impl<'s, 'p, 'e> Stack<'s, 'p, 'e> {
    fn with<'t>(&self, frame: &'t Frame<'p, 'e>) -> Stack<'t, 'p, 'e>
    where
        's: 't,
    {
        let mut frames: Vec<&'t Frame<'p, 'e>> = self.frames.clone();
        frames.push(frame);
        Stack {
            frames,
            context: self.context,
        }
    }

    fn condition(&self, condition: &Condition) -> Truth {
        match condition {
            Condition::All(parts) => ops::all(parts.iter().map(|part| self.condition(part))),
            Condition::Any(parts) => ops::any(parts.iter().map(|part| self.condition(part))),
            Condition::Atom {
                frame,
                index,
                negated,
            } => {
                let Some(frame) = self.frames.get(*frame) else {
                    return Ok(false);
                };
                let Some(atom) = frame.spec.atoms.get(*index) else {
                    return Ok(false);
                };
                frame
                    .truth(*index, || self.truth(atom))
                    .map(|truth| truth != *negated)
            }
        }
    }

    /// The truth of an expression that stands as a condition.
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
                ops::member((&i, &|| name(item)), (&l, &|| name(list)))
            }
            ExprKind::TextTest { op, left, right } => {
                let (l, r) = (self.value(left)?, self.value(right)?);
                ops::text_test(*op, (&l, &|| name(left)), (&r, &|| name(right)))
            }
            ExprKind::Pattern { value, pattern } => {
                ops::pattern(pattern, (&*self.value(value)?, &|| name(value)))
            }
            ExprKind::Is {
                value,
                negated,
                test,
            } => ops::is(*test, &self.value(value)).map(|truth| truth != *negated),
            ExprKind::Quantifier {
                kind,
                list,
                body,
                frame,
            } if *kind != QuantifierKind::Count => {
                let list = self.list(list, kind.as_str())?;
                let truths = (0..list.len()).filter_map(|i| match list.frame(i, frame) {
                    Ok(element) => Some(self.with(&element?).truth(body)),
                    // Not reached: duplicate keys are found with the event's.
                    Err(DuplicateKey(key)) => Some(ops::error(format!("`{key}` stands twice"))),
                });
                match kind {
                    QuantifierKind::All => ops::all(truths),
                    QuantifierKind::None => ops::any(truths).map(|truth| !truth),
                    _ => ops::any(truths),
                }
            }
            _ => ops::condition(expr, self.value(expr)?.as_ref()),
        }
    }

    fn list<'v>(&'v self, expr: &'v Expr<Slot>, what: &str) -> Result<List<'v, 'e>, Fault> {
        let not_a_list = |kind: Kinds| {
            ops::error(format!(
                "`{what}` goes through a list, but {} is {kind}",
                name(expr)
            ))
        };
        if let ExprKind::Path(slot) = &expr.kind {
            let frame = self.frames.get(slot.frame);
            if let Some(raw) = frame.and_then(|frame| frame.raw(slot.index)) {
                return match raw.as_bytes().first() {
                    Some(b'[') => Ok(List::Raw(read_list(raw))),
                    Some(b'{') => not_a_list(Kinds::MAP),
                    _ => not_a_list(Value::read_scalar(raw).kind()),
                };
            }
        }
        let value = self.value(expr)?;
        match value.as_ref() {
            Value::List(_) => Ok(List::Values(value)),
            other => not_a_list(other.kind()),
        }
    }

    /// The value of an expression.
    pub(super) fn value<'v>(&'v self, expr: &'v Expr<Slot>) -> Valued<'v, 'e> {
        Ok(Cow::Owned(match &expr.kind {
            ExprKind::Const(value) => return Ok(Cow::Borrowed(value)),
            ExprKind::Path(slot) => {
                let frame = self.frames.get(slot.frame);
                return match frame.and_then(|frame| frame.value(slot.index)) {
                    Some(value) => Ok(Cow::Borrowed(value)),
                    None => Err(Fault::Absent(slot.text.clone())),
                };
            }
            ExprKind::Access { base, segments } => {
                let value = self.value(base)?;
                let mut at = Some(value.as_ref());
                for segment in segments {
                    at = at.and_then(|value| value.step(segment).ok().flatten());
                }
                match at {
                    Some(part) => part.clone(),
                    None => return Err(Fault::Absent(Shown(expr).to_string().into())),
                }
            }
            ExprKind::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&ops::part(part, self.value(part)?.as_ref())?);
                }
                Value::text(text)
            }
            ExprKind::List(items) => Value::List(self.values(items)?),
            ExprKind::Record(fields) => {
                let mut map = Vec::with_capacity(fields.len());
                for field in fields {
                    match self.value(&field.value) {
                        Ok(value) if field.optional && *value == Value::Null => {}
                        Ok(value) => map.push((field.key.clone().into(), value.into_owned())),
                        Err(Fault::Absent(_)) if field.optional => {}
                        Err(fault) => return Err(fault),
                    }
                }
                Value::Map(map)
            }
            ExprKind::Call {
                function,
                arguments,
            } => ops::call(function, arguments, &self.values(arguments)?, self.context)?,
            ExprKind::Neg(inner) => ops::negate(inner, self.value(inner)?.as_ref())?,
            ExprKind::Arith { op, left, right } => {
                let (l, r) = (self.value(left)?, self.value(right)?);
                ops::arith(*op, (&l, &|| name(left)), (&r, &|| name(right)))?
            }
            ExprKind::Coalesce { left, right } => match self.value(left) {
                Ok(value) if *value != Value::Null => return Ok(value),
                Ok(_) | Err(Fault::Absent(_)) => return self.value(right),
                Err(fault) => return Err(fault),
            },
            ExprKind::Quantifier {
                kind: QuantifierKind::Count,
                list,
                body,
                frame,
            } => {
                let list = self.list(list, QuantifierKind::Count.as_str())?;
                let mut count = 0_i64;
                for i in 0..list.len() {
                    if let Ok(Some(element)) = list.frame(i, frame) {
                        count += i64::from(self.with(&element).truth(body)?);
                    }
                }
                Value::Number(count.into())
            }
            _ => Value::Bool(self.truth(expr)?),
        }))
    }

    fn values(&self, exprs: &[Expr<Slot>]) -> Result<Vec<Value<'e>>, Fault> {
        exprs
            .iter()
            .map(|expr| self.value(expr).map(Cow::into_owned))
            .collect()
    }
}
