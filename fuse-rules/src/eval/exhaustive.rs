//! The evaluator of plans that returns every decision, including those without consequences.

use super::frame::{self, Frame};
use super::limit::TooExpensive;
use super::refusal;
use super::stack::Stack;
use crate::decision::Evaluation;
use crate::eval::Pooled;
use crate::event::Event;
use crate::flow::{Cancellation, FlowRequest};
use crate::fuses::Fuses;
use crate::plan::{EachPlan, EventPlan, RulePlan, SensorPlan, Slot};
use crate::semantics::Verdict;
use crate::semantics::Work;
use crate::semantics::decision;
use crate::semantics::distinct;
use crate::semantics::mapping;
use crate::semantics::ops::{self, Truth, name};
use crate::semantics::{gated, set_fuses};
use crate::typed::{self, Expr};
use crate::value::Value;

pub(crate) fn evaluate(plan: &Pooled, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
    let mismatch = mismatch(plan, event);
    if let Some(why) = &mismatch
        && plan.event(event.source(), event.name()).is_some_and(|event| event.rejects)
    {
        return Evaluation { mismatch: mismatch.clone(), ..refused(plan, event, why) };
    }
    let mut decisions = Vec::new();
    let work = Work::new(event.received_at());
    let walked = walk(plan, event, fuses, &work, &|_| true, &mut |site, verdict| {
        decisions.push((site.order, decision(&site.rule.name, site.element, verdict)));
    });
    if let Err(why) = walked {
        return Evaluation { mismatch, ..refused(plan, event, &why) };
    }
    let cancels = match cancels(plan, event, fuses, &work) {
        Ok(cancels) => cancels,
        Err(why) => return Evaluation { mismatch, ..refused(plan, event, &why) },
    };
    // The outer loop iterates over elements, the inner one over rules. Readers expect the order of
    // rules.
    decisions.sort_by_key(|(order, _)| *order);
    let decisions = decisions.into_iter().map(|(_, decision)| decision).collect();
    Evaluation { mismatch, cancels, ..Evaluation::new(decisions) }
}

/// The waits that an event ends.
pub(super) fn cancels(
    plan: &Pooled,
    event: &Event<'_>,
    fuses: &Fuses,
    work: &Work,
) -> Result<Vec<Cancellation>, String> {
    let mut cancels = Vec::new();
    read(plan, event, work, &mut |event_plan, stack, too_expensive| {
        for sensor in &event_plan.cancellers {
            let walk = Walk { fuses: &plan.fuses, set: fuses, sensor, too_expensive };
            walk.rules(stack, &sensor.rules, sensor.first, &|_| true, &mut |site, verdict| {
                cancels.extend(verdict.into_cancellation(&site.rule.name));
            });
        }
    })?;
    work.exceeded().map_or(Ok(distinct(cancels)), Err)
}

/// How an event differs from its declared type, in one sentence.
pub(crate) fn mismatch(plan: &Pooled, event: &Event<'_>) -> Option<String> {
    let event_plan = plan.event(event.source(), event.name())?;
    event_plan.ty.as_ref()?;
    event.fault().is_none().then_some(())?;
    mismatch_of_valid(event_plan, event)
}

/// The same for an event whose body is already known to be JSON.
pub(super) fn mismatch_of_valid(event_plan: &EventPlan, event: &Event<'_>) -> Option<String> {
    let ty = event_plan.ty.as_ref()?;
    let mismatch = ty.mismatch(&Value::read_lenient(event.body()))?;
    Some(mismatch.message("body"))
}

/// The decisions on a refused event: every rule rejects it.
pub(super) fn refused(plan: &Pooled, event: &Event<'_>, why: &str) -> Evaluation {
    let event = plan.event(event.source(), event.name());
    let sensors = event.map_or(&[] as &[SensorPlan], |event| &event.sensors);
    let rules = sensors.iter().flat_map(|sensor| &sensor.rules);
    Evaluation::refused(why, rules.map(|rule| rule.name.as_str()))
}

/// One rule at one element, with its context.
pub(super) struct RuleSite<'s, 'p, 'e> {
    /// The index of the rule among all rules of the event.
    pub(super) order: usize,
    pub(super) sensor: &'p SensorPlan,
    pub(super) rule: &'p RulePlan,
    pub(super) element: Option<&'s [u32]>,
    pub(super) stack: &'s Stack<'s, 'e>,
    /// The clauses that were evaluated.
    pub(super) evaluated: Evaluated,
}

/// The clauses that led to a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evaluated {
    /// None, because there was no element to evaluate them for.
    Nothing,
    /// The clauses of the sensor.
    Sensor,
    /// The clauses of the sensor and of the rule.
    Rule,
}

/// Receives the verdict on each rule at each element.
pub(super) type Report<'r> = &'r mut dyn FnMut(&RuleSite<'_, '_, '_>, Verdict);

/// Evaluates the event's rules that `wanted` selects by name, at every element, and reports each
/// verdict.
pub(super) fn walk(
    plan: &Pooled,
    event: &Event<'_>,
    fuses: &Fuses,
    work: &Work,
    asked: &dyn Fn(&str) -> bool,
    report: Report<'_>,
) -> Result<(), String> {
    read(plan, event, work, &mut |event_plan, stack, too_expensive| {
        too_expensive.each(event_plan, stack, &mut |order, sensor, rule, verdict| {
            if !rule.cancels && asked(&rule.name) {
                let evaluated = Evaluated::Nothing;
                let element = None;
                report(&RuleSite { order, sensor, rule, element, stack, evaluated }, verdict);
            }
        });
        for sensor in &event_plan.sensors {
            let is_asked = sensor.rules.iter().any(|rule| asked(&rule.name));
            if is_asked && work.exceeded().is_none() {
                let walk = Walk { fuses: &plan.fuses, set: fuses, sensor, too_expensive };
                walk.rules(stack, &sensor.rules, sensor.first, asked, report);
            }
        }
    })?;
    work.exceeded().map_or(Ok(()), Err)
}

/// Calls `body` with the values that the event's rules read, if the event has rules.
pub(super) fn read(
    plan: &Pooled,
    event: &Event<'_>,
    work: &Work,
    body: &mut dyn FnMut(&EventPlan, &Stack<'_, '_>, &TooExpensive),
) -> Result<(), String> {
    let Some(event_plan) = plan.event(event.source(), event.name()) else {
        return event.fault().map_or(Ok(()), |fault| Err(fault.to_string()));
    };
    let mut scratch = plan.pool.take();
    let read = frame::read(&mut scratch.extract, &event_plan.frames, event, event.body());
    if let Err(why) = read {
        scratch.give_back(event.body().len());
        return Err(refusal(why, event));
    }
    let frame = Frame::from_event(&scratch.extract, event.body());
    let too_expensive = TooExpensive::for_event(plan, event_plan, event, &scratch.extract);
    work.allow(too_expensive.allowed_work);
    body(event_plan, &Stack::new(&frame, &event_plan.frames, work), &too_expensive);
    scratch.give_back(event.body().len());
    Ok(())
}

/// Walks some rules of an event, like `walk` walks all of them.
pub(super) fn walk_rules(
    plan: &Pooled,
    event_plan: &EventPlan,
    too_expensive: &TooExpensive,
    stack: &Stack<'_, '_>,
    fuses: &Fuses,
    report: Report<'_>,
) {
    for at in &event_plan.walked {
        if let Some((sensor, rule)) = event_plan.rule(*at) {
            let order = sensor.first + at.rule as usize;
            if !too_expensive.contains(order) {
                walk_rule(plan, too_expensive, (sensor, rule), order, stack, fuses, report);
            }
        }
    }
}

/// Walks one rule. `order` is its index among all rules of the event.
pub(super) fn walk_rule(
    plan: &Pooled,
    too_expensive: &TooExpensive,
    (sensor, rule): (&SensorPlan, &RulePlan),
    order: usize,
    stack: &Stack<'_, '_>,
    fuses: &Fuses,
    report: Report<'_>,
) {
    if too_expensive.contains(order) {
        let (element, evaluated) = (None, Evaluated::Nothing);
        let verdict = too_expensive.verdict(sensor, rule, stack);
        return report(&RuleSite { order, sensor, rule, element, stack, evaluated }, verdict);
    }
    let walk = Walk { fuses: &plan.fuses, set: fuses, sensor, too_expensive };
    walk.rules(stack, std::slice::from_ref(rule), order, &|_| true, report);
}

struct Walk<'p, 'f> {
    fuses: &'p [typed::Fuse],
    set: &'f Fuses,
    sensor: &'p SensorPlan,
    too_expensive: &'f TooExpensive,
}

impl Walk<'_, '_> {
    /// Evaluates rules of a sensor at every element. The first rule has this order.
    fn rules(
        &self,
        stack: &Stack<'_, '_>,
        rules: &[RulePlan],
        order: usize,
        asked: &dyn Fn(&str) -> bool,
        report: Report<'_>,
    ) {
        let sensor = self.sensor;
        elements(stack, sensor.each.as_ref(), &[], &mut |stack, element, verdict| {
            let outer = verdict.is_none().then(|| stack.all(&sensor.clauses));
            let evaluated = if outer.is_some() { Evaluated::Sensor } else { Evaluated::Nothing };
            for (i, rule) in rules.iter().enumerate() {
                if !asked(&rule.name) || self.too_expensive.contains(order + i) {
                    continue;
                }
                let at = RuleSite { order: order + i, sensor, rule, element, stack, evaluated };
                match (&verdict, &outer) {
                    (Some(verdict), _) => report(&at, verdict.clone()),
                    (None, Some(outer)) => self.rule(at, outer, report),
                    (None, None) => {}
                }
            }
        });
    }

    fn rule(&self, site: RuleSite<'_, '_, '_>, outer: &Truth, report: Report<'_>) {
        let Some(each) = &site.rule.each else {
            let truth = match outer {
                Ok(false) => Ok(false),
                outer => {
                    let inner = site.stack.all(&site.rule.clauses);
                    ops::all([outer.clone(), inner].into_iter())
                }
            };
            return self.decide(&RuleSite { evaluated: Evaluated::Rule, ..site }, truth, report);
        };
        if *outer != Ok(true) {
            return self.decide(&site, outer.clone(), report);
        }
        let path = site.element.unwrap_or_default();
        elements(site.stack, Some(&**each), path, &mut |stack, element, verdict| {
            let evaluated = if verdict.is_none() { Evaluated::Rule } else { Evaluated::Sensor };
            let at = RuleSite { element, stack, evaluated, ..site };
            match verdict {
                Some(verdict) => report(&at, verdict),
                None => self.decide(&at, stack.all(&site.rule.clauses), report),
            }
        });
    }

    fn decide(&self, site: &RuleSite<'_, '_, '_>, truth: Truth, report: Report<'_>) {
        match truth {
            Ok(false) => report(site, Verdict::NotMatched(String::new())),
            Err(fault) => report(site, Verdict::Unknown(fault)),
            Ok(true) => {
                fire(self.fuses, self.set, site.rule, site.stack, &mut |verdict| {
                    report(site, verdict);
                });
            }
        }
    }
}

/// The result of a rule whose conditions are true: a verdict per trigger, or one verdict that its
/// fuses are off. An `unless` cancels, whether the fuses of its rule are on or not.
pub(super) fn fire(
    declared: &[typed::Fuse],
    fuses: &Fuses,
    rule: &RulePlan,
    stack: &Stack<'_, '_>,
    report: &mut dyn FnMut(Verdict),
) {
    if rule.cancels {
        let mut value = |expr: &Expr<Slot>| stack.rendered(expr);
        let requests = mapping::flow_requests(&rule.flow, &mut value).unwrap_or_default();
        return requests.into_iter().map(Verdict::Cancels).for_each(report);
    }
    if let Some(why) = gated(declared, &rule.gates, fuses) {
        return report(Verdict::Gated(why));
    }
    let mut flow = requests(&rule.flow, stack);
    if let Ok(flow) = &mut flow {
        set_fuses(declared, flow, fuses);
    }
    rendered((flow, rule.is_shadow), &rule.triggers, stack, report);
}

/// The clauses of flow control with the values of their keys, or why the actions are rejected.
pub(super) fn requests(
    flow: &[typed::FlowClause<Slot>],
    stack: &Stack<'_, '_>,
) -> Result<Vec<FlowRequest>, String> {
    mapping::flow_requests(flow, |expr: &Expr<Slot>| stack.rendered(expr))
}

/// The result of triggers that may be performed: a verdict per trigger.
pub(super) fn rendered(
    (flow, is_shadow): (Result<Vec<FlowRequest>, String>, bool),
    triggers: &[typed::Trigger<Slot>],
    stack: &Stack<'_, '_>,
    report: &mut dyn FnMut(Verdict),
) {
    let mut value = |expr: &Expr<Slot>| stack.rendered(expr);
    let mut flow = match flow {
        Ok(flow) => flow,
        Err(why) => {
            for _ in triggers {
                report(Verdict::Rejected(why.clone()));
            }
            return;
        }
    };
    let last = triggers.len().saturating_sub(1);
    for (ordinal, trigger) in triggers.iter().enumerate() {
        report(match mapping::render(&trigger.fields, &mut value) {
            Ok(fields) => Verdict::Fired {
                trigger: trigger.kind.clone(),
                ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                fields,
                attempts: trigger.attempts,
                flow: if ordinal == last { std::mem::take(&mut flow) } else { flow.clone() },
                is_shadow,
            },
            Err(why) => Verdict::Rejected(why),
        });
    }
}

/// The callback of `elements`: the frames including the element's, the index path so far, and, if
/// there is no element to visit, the verdict to use instead.
type PerElement<'r> = &'r mut dyn FnMut(&Stack<'_, '_>, Option<&[u32]>, Option<Verdict>);

/// Visits each element of an `each`, or calls back once if there is no `each`.
fn elements(stack: &Stack<'_, '_>, each: Option<&EachPlan>, path: &[u32], body: PerElement<'_>) {
    let here = (!path.is_empty()).then_some(path);
    let Some(each) = each else {
        return body(stack, here, None);
    };
    let list = match stack.list(&each.list, "each") {
        Ok(list) => list,
        Err(fault) => return body(stack, here, Some(Verdict::Unknown(fault))),
    };
    let len = list.len();
    if len == 0 {
        let why = format!("{} is an empty list", name(&each.list));
        return body(stack, here, Some(Verdict::NotMatched(why)));
    }
    if len > each.max {
        return body(stack, here, Some(too_many(each, len)));
    }
    let mut path = path.to_vec();
    for i in 0..len {
        let frame = list.frame(stack, i, each.group);
        path.push(u32::try_from(i).unwrap_or(u32::MAX));
        body(&stack.with(&frame), Some(&path), None);
        path.pop();
    }
}

/// The verdict if a list is longer than its `each` allows.
pub(super) fn too_many(each: &EachPlan, len: usize) -> Verdict {
    let (name, max) = (name(&each.list), each.max);
    Verdict::Rejected(format!("{name} has {len} elements, more than `max {max}` allows"))
}
