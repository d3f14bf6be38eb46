//! The evaluator of plans.

use std::borrow::Cow;

use super::frame::Frame;
use super::mapping;
use super::ops::{self, Truth, name};
use super::stack::{Stack, Work};
use super::{Evaluation, Verdict, decision, gated};
use crate::check::typed::Expr;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::plan::{Compiled, EachPlan, EventPlan, RulePlan, SensorPlan, Slot};
use crate::value::{DuplicateKey, Value};

pub(crate) fn evaluate(plan: &Compiled, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
    let mismatch = mismatch(plan, event);
    if let Some(why) = &mismatch
        && event_plan(plan, event).is_some_and(|event| event.rejects)
    {
        return Evaluation { mismatch: mismatch.clone(), ..refused(plan, event, why) };
    }
    let mut decisions = Vec::new();
    let work = Work::new(event.received_at());
    let walked = walk(plan, event, fuses, &work, &mut |site, verdict| {
        decisions.push((site.order, decision(&site.rule.name, site.element, verdict)));
    });
    if let Err(why) = walked {
        return Evaluation { mismatch, ..refused(plan, event, &why) };
    }
    // Elements are gone through in the outer loop, rules in the inner one; people read by rule.
    decisions.sort_by_key(|(order, _)| *order);
    let decisions = decisions.into_iter().map(|(_, decision)| decision).collect();
    Evaluation { mismatch, ..Evaluation::of(decisions) }
}

/// Where an event is not of its declared type, in a sentence.
pub(crate) fn mismatch(plan: &Compiled, event: &Event<'_>) -> Option<String> {
    let ty = event_plan(plan, event)?.ty.as_ref()?;
    let mismatch = ty.mismatch(&Value::read_lenient(event.body()))?;
    Some(mismatch.message("body"))
}

fn event_plan<'p>(plan: &'p Compiled, event: &Event<'_>) -> Option<&'p EventPlan> {
    plan.events.get(&(event.source().to_owned(), event.name().to_owned()))
}

fn refused(plan: &Compiled, event: &Event<'_>, why: &str) -> Evaluation {
    let sensors = event_plan(plan, event).map_or(&[] as &[SensorPlan], |event| &event.sensors);
    let rules = sensors.iter().flat_map(|sensor| &sensor.rules);
    Evaluation::refused(why, rules.map(|rule| rule.name.as_str()))
}

pub(crate) fn source_field(
    plan: &Compiled,
    event: &Event<'_>,
    field: &str,
) -> Result<Option<String>, DuplicateKey> {
    let found = event_plan(plan, event)
        .and_then(|plan| Some((plan, plan.expressions.iter().find(|(name, _)| name == field)?)));
    let Some((plan, (_, expr))) = found else { return Ok(None) };
    let frame = Frame::of_event(&plan.arrival, event)?;
    let work = Work::new(event.received_at());
    let stack = Stack::new(&frame, &work);
    let value = stack.value(expr).ok();
    Ok(value.and_then(|value| value.canonical().map(Cow::into_owned)))
}

/// One rule at one element, with what is known there.
pub(super) struct Site<'s, 'p, 'e> {
    /// The rule's place among all rules of the event.
    pub(super) order: usize,
    pub(super) sensor: &'p SensorPlan,
    pub(super) rule: &'p RulePlan,
    pub(super) element: Option<&'s [u32]>,
    pub(super) stack: &'s Stack<'s, 'p, 'e>,
    /// Which clauses were evaluated there.
    pub(super) evaluated: Evaluated,
}

/// Which clauses led to a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evaluated {
    /// None: there was no element to evaluate them for.
    Nothing,
    /// Those of the sensor.
    Sensor,
    /// Those of the sensor and of the rule.
    Rule,
}

type Report<'r> = &'r mut dyn FnMut(&Site<'_, '_, '_>, Verdict);

/// Evaluates every rule of the event at every element and reports what each came to.
pub(super) fn walk(
    plan: &Compiled,
    event: &Event<'_>,
    fuses: &Fuses,
    work: &Work,
    report: Report<'_>,
) -> Result<(), String> {
    let Some(event_plan) = event_plan(plan, event) else {
        return Ok(());
    };
    let frame = Frame::of_event(&event_plan.frame, event).map_err(twice)?;
    let stack = Stack::new(&frame, work);
    let mut order = 0;
    for sensor in &event_plan.sensors {
        let walk = Walk { plan, fuses, sensor };
        elements(&stack, sensor.each.as_ref(), &[], &mut |stack, element, verdict| {
            let outer = verdict.is_none().then(|| stack.condition(&sensor.condition));
            let evaluated = if outer.is_some() { Evaluated::Sensor } else { Evaluated::Nothing };
            for (i, rule) in sensor.rules.iter().enumerate() {
                let at = Site { order: order + i, sensor, rule, element, stack, evaluated };
                match (&verdict, &outer) {
                    (Some(verdict), _) => report(&at, verdict.clone()),
                    (None, Some(outer)) => walk.rule(at, outer, report),
                    (None, None) => {}
                }
            }
        })
        .map_err(twice)?;
        if let Some(why) = work.exceeded() {
            return Err(why);
        }
        order += sensor.rules.len();
    }
    Ok(())
}

fn twice(DuplicateKey(key): DuplicateKey) -> String {
    super::twice(&key)
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
            return self.fire(&Site { evaluated: Evaluated::Rule, ..site }, truth, report);
        };
        if *outer != Ok(true) {
            return self.fire(&site, outer.clone(), report);
        }
        let path = site.element.unwrap_or_default();
        let walked = elements(site.stack, Some(each), path, &mut |stack, element, verdict| {
            let evaluated = if verdict.is_none() { Evaluated::Rule } else { Evaluated::Sensor };
            let at = Site { element, stack, evaluated, ..site };
            match verdict {
                Some(verdict) => report(&at, verdict),
                None => self.fire(&at, stack.condition(&site.rule.condition), report),
            }
        });
        debug_assert!(walked.is_ok(), "duplicate keys of elements are found with the event's");
    }

    fn fire(&self, site: &Site<'_, '_, '_>, truth: Truth, report: Report<'_>) {
        match truth {
            Ok(false) => return report(site, Verdict::NotMatched(String::new())),
            Err(fault) => return report(site, Verdict::Unknown(fault)),
            Ok(true) => {}
        }
        debug_assert!(self.sensor.rules.iter().any(|rule| std::ptr::eq(rule, site.rule)));
        if let Some(why) = gated(&self.plan.fuses, &site.rule.requires, self.fuses) {
            return report(site, Verdict::Gated(why));
        }
        let mut value = |expr: &Expr<Slot>| site.stack.rendered(expr);
        let once = site.rule.once.as_ref().map(|once| mapping::once_key(once, &mut value));
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
