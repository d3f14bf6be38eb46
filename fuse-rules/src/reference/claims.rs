//! Checks what the checker claims about each expression against its evaluation.
//!
//! Only expressions that are evaluated count: a part of an `and` is checked if those before it are
//! true.

use super::{Env, World};
use crate::event::Event;
use crate::semantics::ops::Fault;
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind, Mapped, MappedValue, QuantifierKind, Rules, Sensor};
use crate::types::{Absence, Known, Missing};
use crate::value::Value;

/// The claims that an event refutes, each as a sentence.
pub(crate) fn refuted(rules: &Rules, event: &Event<'_>) -> Vec<String> {
    let world = World::new(event, None);
    let mut looker = ClaimChecker { rules, found: Vec::new() };
    for sensor in &rules.sensors {
        let env = Env { world: &world, elements: Vec::new() };
        looker.sensor(sensor, &env);
    }
    looker.found
}

struct ClaimChecker<'r> {
    rules: &'r Rules,
    found: Vec<String>,
}

impl ClaimChecker<'_> {
    fn sensor(&mut self, sensor: &Sensor, env: &Env<'_, '_>) {
        let Some(each) = &sensor.each else { return self.clauses(sensor, env) };
        self.check(&each.list, env);
        if let Ok(Value::List(items)) = env.value(&each.list).map(std::borrow::Cow::into_owned) {
            for item in items {
                self.clauses(sensor, &env.with(item).unwrap());
            }
        }
    }

    fn clauses(&mut self, sensor: &Sensor, env: &Env<'_, '_>) {
        for rule in &sensor.rules {
            let mut all = sensor.when.iter().chain(&rule.when);
            let holds = all.all(|when| {
                self.check(when, env);
                env.truth(when) == Ok(true)
            });
            if holds {
                rule.triggers.iter().for_each(|trigger| self.fields(&trigger.fields, env));
            }
        }
    }

    fn fields(&mut self, fields: &[Mapped], env: &Env<'_, '_>) {
        for field in fields {
            match &field.value {
                MappedValue::Block(inner) => self.fields(inner, env),
                MappedValue::Expr(expr, _) => {
                    self.check(expr, env);
                    let is_missing = match env.value(expr) {
                        Ok(value) => *value == Value::Null,
                        Err(Fault::Error(_) | Fault::Mismatch(_)) => false,
                        Err(_) => true,
                    };
                    let known = self.known(expr);
                    let warned = known.is_some_and(|k| is_open(k) || k.ty.is_any());
                    if is_missing && !field.optional && !warned {
                        self.found.push(format!("`{}` is missing unwarned", Shown(expr)));
                    }
                }
            }
        }
    }

    fn known(&self, expr: &Expr) -> Option<&Known> {
        self.rules.known.get(&expr.span)
    }

    fn check(&mut self, expr: &Expr, env: &Env<'_, '_>) {
        match &expr.kind {
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let goes_on = matches!(expr.kind, ExprKind::And(_));
                for part in parts {
                    self.check(part, env);
                    if env.truth(part) != Ok(goes_on) {
                        break;
                    }
                }
            }
            ExprKind::Coalesce { left, right } => {
                self.check(left, env);
                match env.value(left) {
                    Ok(value) if *value != Value::Null => {}
                    Err(fault) if !fault.is_absence() => {}
                    _ => self.check(right, env),
                }
            }
            ExprKind::If { condition, chosen, otherwise } => {
                self.check(condition, env);
                match env.truth(condition) {
                    Ok(true) => self.check(chosen, env),
                    Ok(false) => self.check(otherwise, env),
                    Err(_) => {}
                }
            }
            ExprKind::Quantifier { list, body, kind, .. } => {
                self.check(list, env);
                let items = env.value(list).map(std::borrow::Cow::into_owned);
                for item in if let Ok(Value::List(items)) = items { items } else { Vec::new() } {
                    let inner = env.with(item).unwrap();
                    self.check(body, &inner);
                    // The first part that is not true ends the evaluation.
                    if *kind == QuantifierKind::First && inner.truth(body) != Ok(false) {
                        break;
                    }
                }
            }
            _ => expr.children().into_iter().for_each(|child| self.check(child, env)),
        }
        self.claim(expr, env);
    }

    fn claim(&mut self, expr: &Expr, env: &Env<'_, '_>) {
        // Parts of texts, and operands of negations that the checker adds, have no span of their
        // own.
        let Some(known) = self.known(expr) else { return };
        let value = match expr.is_condition() {
            true => env.truth(expr).map(Value::Bool),
            false => env.value(expr).map(std::borrow::Cow::into_owned),
        };
        let why = match value {
            Ok(value) => match known.ty.mismatch(&value) {
                Some(mismatch) => mismatch.message("value"),
                None => return,
            },
            // A function may have no result for a value, even if its type is right.
            Err(Fault::Error(_)) => return,
            Err(Fault::Mismatch(_)) if known.absence != Absence::NEVER || self.trusts(expr) => {
                return;
            }
            Err(Fault::Unknown(_)) if known.absence.unknown != Missing::Never => return,
            Err(_) if lacks(expr, known) => return,
            Err(fault) => fault.to_string(),
        };
        self.found.push(format!("`{}` is said to be {known:?}: {why}", Shown(expr)));
    }

    /// Whether the expression contains a value of unknown type.
    fn trusts(&self, expr: &Expr) -> bool {
        self.known(expr).is_some_and(|known| known.ty.is_any())
            || expr.children().into_iter().any(|child| self.trusts(child))
    }
}

/// Whether a value, or the truth of a condition, may be missing.
fn lacks(expr: &Expr, known: &Known) -> bool {
    match expr.is_condition() {
        true => known.absence.unknown != Missing::Never,
        false => known.absence.absent != Missing::Never,
    }
}

/// Whether only the sender can know if it is present.
fn is_open(known: &Known) -> bool {
    known.absence.absent.clone().max(known.absence.unknown.clone()) == Missing::Open
}
