//! The reference evaluator: slow and obvious. It uses the checked rules and a tree of the whole
//! body, and no plan.
//!
//! Its correctness should be apparent from reading it. The plan's evaluators are tested against it,
//! including the reasons of decisions. A callback can watch the evaluation; coverage, mutation
//! testing and fuzzing of rules use this.

mod blown;
#[cfg(test)]
pub(crate) mod claims;
mod duplicates;
mod walk;
mod world;

use std::borrow::Cow;

pub(crate) use blown::blown;
use duplicates::DuplicateFinder;
use walk::conditions;
pub(crate) use walk::{elements, truth, truths};
pub(crate) use world::{Watch, WorkBudget, World, size};

use crate::decision::Decision;
use crate::decision::Evaluation;
use crate::event::Event;
use crate::flow::Cancellation;
use crate::fuses::Fuses;
use crate::semantics::decision;
use crate::semantics::mapping::{self, Rendered};
use crate::semantics::ops::{self, Fault, Truth, Valued, name};
use crate::semantics::{
    self, DEFAULT_MAX_WORK, EventSize, FALSE_FOR_EVENT, RuleBound, Verdict, distinct, too_expensive,
};
use crate::typed::Shown;
use crate::typed::{
    Expr, ExprKind, Mapped, Path, QuantifierKind, Root, Rule, Rules, Segment, Sensor,
};
use crate::value::{DuplicateKey, Value};

/// The maximum work to compute a constant.
const MAX_CONSTANT_WORK: u64 = 2_000_000;

/// The value of an expression that does not read the event.
pub(crate) fn constant(expr: &Expr) -> Result<Value<'static>, Fault> {
    let budget = WorkBudget::new(MAX_CONSTANT_WORK);
    let world = World::without_event(&budget);
    let env = Env { world: &world, elements: Vec::new() };
    env.value(expr).map(Cow::into_owned).map(Value::into_owned)
}

/// Decides an event by the checked rules.
pub(crate) fn evaluate<'e>(
    rules: &Rules,
    event: &Event<'e>,
    fuses: &Fuses,
    watch: Option<Watch<'e>>,
) -> Evaluation {
    evaluate_within(rules, event, fuses, watch, DEFAULT_MAX_WORK)
}

/// The same with another limit on the values that one rule may examine.
pub(crate) fn evaluate_within<'e>(
    rules: &Rules,
    event: &Event<'e>,
    fuses: &Fuses,
    watch: Option<Watch<'e>>,
    max_work: u64,
) -> Evaluation {
    let world = World::new(event, watch);
    let declared = rules
        .sources
        .iter()
        .filter(|source| source.name == event.source())
        .flat_map(|source| &source.events)
        .find(|declared| declared.name == event.name());
    let mismatch = declared
        .and_then(|declared| declared.ty.as_ref()?.mismatch(&world.body))
        .map(|mismatch| mismatch.message("body"));
    let mut decisions = Vec::new();
    let listens = |sensor: &&Sensor| sensor.listens_to(event.source(), event.name());
    let sensors = rules.sensors.iter().map(|sensor| &**sensor).filter(listens);
    let cancellers: Vec<Sensor> =
        rules.cancellers().filter(|canceller| listens(&canceller)).collect();
    if let (Some(why), true) = (&mismatch, declared.is_some_and(|declared| declared.rejects())) {
        let rules = sensors.flat_map(|sensor| &sensor.rules).map(|rule| rule.name.as_str());
        return Evaluation { mismatch: mismatch.clone(), ..Evaluation::refused(why, rules) };
    }
    // Everything that the rules read is read before anything is decided, because a duplicate key in
    // it makes the event ambiguous.
    for sensor in sensors.clone().chain(&cancellers) {
        let mut reader = DuplicateFinder { world: &world, elements: Vec::new() };
        let read = reader.scoped(sensor.each.as_ref(), |reader| {
            reader.exprs(&sensor.when)?;
            sensor
                .rules
                .iter()
                .try_for_each(|rule| reader.scoped(rule.each.as_ref(), |reader| reader.rule(rule)))
        });
        if let Err(DuplicateKey(key)) = read {
            let rules = sensors.flat_map(|sensor| &sensor.rules).map(|rule| rule.name.as_str());
            return Evaluation {
                mismatch,
                ..Evaluation::refused(&semantics::duplicate_key(&key), rules)
            };
        }
    }
    let size = EventSize { body: &world.body, bytes: event.bytes() };
    for sensor in sensors {
        for rule in &sensor.rules {
            if RuleBound::new(sensor, rule).exceeds(max_work, &size) {
                let env = Env { world: &world, elements: Vec::new() };
                let mut clauses = sensor.when.iter().chain(&rule.when);
                let verdict = match clauses.any(|clause| env.is_false(clause)) {
                    true => Verdict::NotMatched(FALSE_FOR_EVENT.to_owned()),
                    false => Verdict::Rejected(too_expensive(max_work)),
                };
                decisions.push(decision(&rule.name, None, verdict));
                continue;
            }
            decisions.extend(decide(rules, sensor, rule, &world, fuses));
        }
    }
    let mut found = Vec::new();
    for (sensor, rule) in cancellers.iter().flat_map(|one| one.rules.iter().map(move |r| (one, r)))
    {
        if !RuleBound::new(sensor, rule).exceeds(max_work, &size) {
            found.extend(cancels(sensor, rule, &world));
        }
    }
    Evaluation { mismatch, cancels: distinct(found), ..Evaluation::new(decisions) }
}

/// What the `unless` of a rule cancels, given as a sensor and its rule.
pub(crate) fn cancels(sensor: &Sensor, rule: &Rule, world: &World<'_>) -> Vec<Cancellation> {
    let mut cancels = Vec::new();
    conditions(sensor, rule, world, &mut |_, told| {
        let Ok((Ok(true), env)) = told else { return };
        let requests =
            mapping::flow_requests(&rule.flow, |expr| env.value(expr).map(Cow::into_owned));
        let found = requests.unwrap_or_default().into_iter();
        cancels.extend(found.map(|request| Cancellation { rule: rule.name.clone(), request }));
    });
    cancels
}

/// The decisions of one rule for an event that is not refused.
pub(crate) fn decide(
    rules: &Rules,
    sensor: &Sensor,
    rule: &Rule,
    world: &World<'_>,
    fuses: &Fuses,
) -> Vec<Decision> {
    let mut decisions = Vec::new();
    conditions(sensor, rule, world, &mut |path, told| match told {
        Ok((truth, env)) => decisions.extend(fire(rules, rule, path, fuses, truth, env)),
        Err(verdict) => decisions.push(decision(&rule.name, path, verdict)),
    });
    decisions
}

/// The decisions of a rule whose condition has been evaluated: one per trigger if it holds.
fn fire(
    rules: &Rules,
    rule: &Rule,
    path: Option<&[u32]>,
    fuses: &Fuses,
    truth: Truth,
    env: &Env<'_, '_>,
) -> Vec<Decision> {
    let mut out = Vec::new();
    match truth {
        Ok(false) => out.push(decision(&rule.name, path, Verdict::NotMatched(String::new()))),
        Err(fault) => out.push(decision(&rule.name, path, Verdict::Unknown(fault))),
        Ok(true) => {
            if let Some(gated) = semantics::gated(rules.fuses.as_slice(), &rule.gates, fuses) {
                out.push(decision(&rule.name, path, Verdict::Gated(gated)));
                return out;
            }
            let mut flow =
                mapping::flow_requests(&rule.flow, |expr| env.value(expr).map(Cow::into_owned));
            if let Ok(flow) = &mut flow {
                semantics::set_fuses(rules.fuses.as_slice(), flow, fuses);
            }
            for (ordinal, trigger) in rule.triggers.iter().enumerate() {
                let verdict = match &flow {
                    Err(why) => Verdict::Rejected(why.clone()),
                    Ok(flow) => match env.fields(&trigger.fields) {
                        Ok(fields) => Verdict::Fired {
                            trigger: trigger.kind.clone(),
                            ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                            fields,
                            attempts: trigger.attempts,
                            flow: flow.clone(),
                            is_shadow: rule.is_shadow,
                        },
                        Err(why) => Verdict::Rejected(why),
                    },
                };
                out.push(decision(&rule.name, path, verdict));
            }
        }
    }
    out
}

/// The values of names at one place of the rules.
struct Env<'w, 'e> {
    world: &'w World<'e>,
    elements: Vec<Value<'e>>,
}

impl<'w, 'e> Env<'w, 'e> {
    fn root(&self, root: Root) -> Option<&Value<'e>> {
        Some(match root {
            Root::Body => &self.world.body,
            Root::Headers => &self.world.headers,
            Root::Query => &self.world.query,
            Root::Event => &self.world.event,
            Root::Outcome => &self.world.outcome,
            Root::Element(level) => self.elements.get(level as usize)?,
        })
    }

    fn navigate<'v>(start: Option<&'v Value<'e>>, segments: &[Segment]) -> Option<&'v Value<'e>> {
        let mut at = start?;
        for segment in segments {
            // The event has already been refused if there are duplicate keys on a path that the
            // rules read.
            at = at.step(segment).ok()??;
        }
        Some(at)
    }

    /// Whether a condition, or one part of a conjunction, is false and neither reads nor binds an
    /// element.
    fn is_false(&self, expr: &Expr) -> bool {
        fn is_of_event(expr: &Expr) -> bool {
            match &expr.kind {
                ExprKind::Quantifier { .. } => false,
                ExprKind::Path(path) => !matches!(path.root, Root::Element(_)),
                _ => expr.children().into_iter().all(is_of_event),
            }
        }
        match &expr.kind {
            ExprKind::And(parts) => parts.iter().any(|part| self.is_false(part)),
            _ => is_of_event(expr) && self.truth(expr) == Ok(false),
        }
    }

    fn path(&self, path: &Path) -> Valued<'_, 'e> {
        match Self::navigate(self.root(path.root), &path.segments) {
            Some(value) => self.world.spend([value]).map(|()| Cow::Borrowed(value)),
            None => Err(Fault::Absent(path.text.clone())),
        }
    }

    fn truth(&self, expr: &Expr) -> Truth {
        let truth = self.truth_of(expr);
        if let Some(watch) = self.world.watch {
            watch(expr, &truth);
        }
        truth
    }

    fn truth_of(&self, expr: &Expr) -> Truth {
        self.world.spend([])?;
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
                let v = self.value(value)?;
                ops::pattern(pattern, (&v, &|| name(value)))
            }
            ExprKind::Is { value, negated, test } => {
                ops::is(*test, &self.value(value)).map(|truth| truth != *negated)
            }
            ExprKind::Quantifier { kind, list, body, .. } if kind.is_condition() => {
                let mut each = self
                    .elements(*kind, list)?
                    .into_iter()
                    .map(|element| self.with(element)?.truth(body));
                match kind {
                    QuantifierKind::All => ops::all(&mut each),
                    QuantifierKind::None => ops::any(&mut each).map(|truth| !truth),
                    _ => ops::any(&mut each),
                }
            }
            ExprKind::If { condition, chosen, otherwise } => match self.truth(condition)? {
                true => self.truth(chosen),
                false => self.truth(otherwise),
            },
            _ => ops::condition(expr, self.value(expr)?.as_ref()),
        }
    }

    /// An environment in which this element is bound.
    fn with(&self, element: Value<'e>) -> Result<Self, Fault> {
        self.world.spend(self.elements.iter().chain([&element]))?;
        let mut elements = self.elements.clone();
        elements.push(element);
        Ok(Env { world: self.world, elements })
    }

    /// Whether a condition holds for an element. An unknown condition is a fault, and not an
    /// absence.
    fn holds(&self, element: &Value<'e>, body: &Expr) -> Result<bool, Fault> {
        self.with(element.clone())?.truth(body).map_err(Fault::of_condition)
    }

    fn elements(&self, kind: QuantifierKind, list: &Expr) -> Result<Vec<Value<'e>>, Fault> {
        match self.value(list)?.into_owned() {
            Value::List(values) => Ok(values),
            other => ops::mismatch(format!(
                "`{}` iterates over a list, but {} is {}",
                kind.as_str(),
                name(list),
                other.kind()
            )),
        }
    }

    fn value(&self, expr: &Expr) -> Valued<'_, 'e> {
        self.world.spend([])?;
        Ok(Cow::Owned(match &expr.kind {
            ExprKind::Const(value) => value.clone(),
            ExprKind::Path(path) => return self.path(path),
            ExprKind::Named { memo, .. } => match *memo {},
            ExprKind::Access { base, segments } => {
                let value = self.value(base)?;
                match Self::navigate(Some(&value), segments) {
                    Some(part) => part.clone(),
                    None => return Err(Fault::Absent(Shown(expr).to_string().into())),
                }
            }
            ExprKind::Lookup { base, key, .. } => {
                let value = self.value(base)?;
                let segment = ops::segment(key, self.value(key)?.as_ref())?;
                match Self::navigate(Some(&value), &[segment]) {
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
            ExprKind::List(items) => {
                let values = items.iter().map(|item| self.value(item).map(Cow::into_owned));
                Value::List(values.collect::<Result<_, _>>()?)
            }
            ExprKind::Record(fields) => {
                let mut map = Vec::new();
                for field in fields {
                    match self.value(&field.value) {
                        Ok(value) if field.optional && *value == Value::Null => {}
                        Ok(value) => map.push((field.key.clone().into(), value.into_owned())),
                        Err(fault) if field.optional && fault.is_absence() => {}
                        Err(fault) => return Err(fault),
                    }
                }
                Value::Map(map)
            }
            ExprKind::Call { function, arguments, pattern } => {
                let values =
                    arguments.iter().map(|argument| self.value(argument).map(Cow::into_owned));
                let values: Vec<_> = values.collect::<Result<_, _>>()?;
                let context = &self.world.context;
                let result = ops::call(function, arguments, pattern.as_deref(), &values, context);
                self.world.spend_searched()?;
                result?
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
            ExprKind::Quantifier { kind: QuantifierKind::Count, list, body, .. } => {
                let elements =
                    self.elements(QuantifierKind::Count, list).map_err(Fault::of_condition)?;
                let mut count = 0_i64;
                for element in elements {
                    count += i64::from(self.holds(&element, body)?);
                }
                Value::Number(count.into())
            }
            ExprKind::Quantifier { kind: QuantifierKind::Map, list, body, .. } => {
                let elements = self.elements(QuantifierKind::Map, list)?;
                let values = elements
                    .into_iter()
                    .map(|element| self.with(element)?.value(body).map(Cow::into_owned));
                Value::List(values.collect::<Result<_, _>>()?)
            }
            ExprKind::Quantifier { kind: QuantifierKind::Filter, list, body, .. } => {
                let mut kept = Vec::new();
                for element in self.elements(QuantifierKind::Filter, list)? {
                    if self.holds(&element, body)? {
                        kept.push(element);
                    }
                }
                Value::List(kept)
            }
            ExprKind::Quantifier { kind: QuantifierKind::First, list, body, .. } => {
                for element in self.elements(QuantifierKind::First, list)? {
                    if self.holds(&element, body)? {
                        return Ok(Cow::Owned(element));
                    }
                }
                return Err(Fault::Absent(Shown(expr).to_string().into()));
            }
            _ => Value::Bool(self.truth(expr).map_err(Fault::of_condition)?),
        }))
    }

    fn fields(&self, fields: &[Mapped]) -> Result<Rendered, String> {
        mapping::render(fields, &mut |expr| self.value(expr).map(Cow::into_owned))
    }
}
