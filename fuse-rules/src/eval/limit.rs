//! Rejects rules that would examine too many values of an event, before they are evaluated.

use super::Pooled;
use super::stack::Stack;
use crate::event::Event;
use crate::plan::{EventPlan, RulePlan, SensorPlan, Slot};
use crate::scan::Extract;
use crate::semantics::{
    DEFAULT_MAX_WORK, EventSize, FALSE_FOR_EVENT, Verdict, most_elements, too_expensive,
};
use crate::typed::{Expr, ExprKind};
use crate::value::Value;

/// The rules that are too expensive for an event, by their index among all rules of the event.
#[derive(Debug, Default)]
pub(super) struct TooExpensive {
    rules: Vec<usize>,
    max_work: u64,
    /// A bound on the work of the others.
    pub(super) allowed_work: u64,
}

impl TooExpensive {
    /// The rules of an event that would examine too many of its values.
    pub(super) fn for_event(
        plan: &Pooled,
        event_plan: &EventPlan,
        event: &Event<'_>,
        extract: &Extract,
    ) -> Self {
        let most = plan.max_work;
        let bytes = event.bytes();
        if bytes <= event_plan.cheap_bytes && most >= DEFAULT_MAX_WORK {
            return Self { rules: Vec::new(), max_work: most, allowed_work: DEFAULT_MAX_WORK };
        }
        let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let elements = extract.element_count().map_or_else(|| most_elements(bytes), size);
        let mut rules = Vec::new();
        // No rule exceeds a limit that all of them together stay within.
        let together = event_plan.total_growth.at(elements, bytes);
        if together > most {
            let body = Value::read_lenient(event.body());
            let event = EventSize { body: &body, bytes };
            let bounds = event_plan.bounds.iter().enumerate();
            let suspects = bounds.filter(|(_, bound)| bound.growth.at(elements, bytes) > most);
            let found = suspects.filter(|(_, bound)| bound.exceeds(most, &event));
            rules.extend(found.map(|(order, _)| order));
        }
        let all = size(event_plan.bounds.len()).saturating_mul(most);
        Self { rules, max_work: most, allowed_work: together.min(all) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(super) fn contains(&self, rule: usize) -> bool {
        !self.rules.is_empty() && self.rules.binary_search(&rule).is_ok()
    }

    /// Calls `body` with the verdict on each of the rules.
    pub(super) fn each(
        &self,
        event_plan: &EventPlan,
        stack: &Stack<'_, '_>,
        body: &mut dyn FnMut(usize, &SensorPlan, &RulePlan, Verdict),
    ) {
        if self.rules.is_empty() {
            return;
        }
        let rules = event_plan.sensors_and_cancellers().flat_map(|sensor| {
            (sensor.first..).zip(&sensor.rules).map(move |(order, rule)| (order, sensor, rule))
        });
        for (order, sensor, rule) in rules.filter(|(order, ..)| self.contains(*order)) {
            body(order, sensor, rule, self.verdict(sensor, rule, stack));
        }
    }

    /// The verdict on one of the rules. It does not match if a condition that reads no element is
    /// false.
    pub(super) fn verdict(
        &self,
        sensor: &SensorPlan,
        rule: &RulePlan,
        stack: &Stack<'_, '_>,
    ) -> Verdict {
        let mut clauses = sensor.clauses.iter().chain(&rule.clauses);
        if clauses.any(|clause| is_false(clause, stack)) {
            return Verdict::NotMatched(FALSE_FOR_EVENT.to_owned());
        }
        Verdict::Rejected(too_expensive(self.max_work))
    }
}

/// Whether a condition, or one part of a conjunction, is false for the whole event and cheap.
fn is_false(clause: &Expr<Slot>, stack: &Stack<'_, '_>) -> bool {
    if let ExprKind::And(parts) = &clause.kind {
        return parts.iter().any(|part| is_false(part, stack));
    }
    is_of_event(clause) && stack.truth(clause) == Ok(false)
}

/// Whether an expression binds and reads no elements.
fn is_of_event(expr: &Expr<Slot>) -> bool {
    match &expr.kind {
        ExprKind::Quantifier { .. } => false,
        ExprKind::Path(slot) => slot.level == 0,
        _ => expr.children().into_iter().all(is_of_event),
    }
}
