//! Removes outcomes and truth values that no event can produce from coverage.

use rustc_hash::FxHashMap;

use super::{Coverage, may_be_missing};
use crate::analysis::{Analysis, Placed, Truths};
use crate::decision::Outcome;
use crate::span::Span;
use crate::testing::Tests;
use crate::typed::{Expr, ExprKind, Mapped, MappedValue, Rule, Sensor};

impl Tests<'_> {
    /// Removes the outcomes and truth values that provably no event can produce, such as a condition that is
    /// never false.
    #[must_use]
    pub fn without_impossible(&self, mut coverage: Coverage) -> Coverage {
        let typed = self.ruleset.typed();
        let cancellers: Vec<Sensor> = typed.cancellers().collect();
        let mut analysis = Analysis::new(typed);
        // For each missing truth value of a condition: whether any rule with the condition can produce it.
        let mut possible: FxHashMap<(Span, &str), bool> = FxHashMap::default();
        let missing: FxHashMap<Span, Vec<&'static str>> =
            coverage.atoms.iter().map(|atom| (atom.span, atom.missing())).collect();
        for sensor in typed.sensors.iter().map(|sensor| &**sensor).chain(&cancellers) {
            for rule in &sensor.rules {
                for (expr, guards) in guarded_atoms(sensor, rule) {
                    for truth in missing.get(&expr.span).into_iter().flatten() {
                        let can_happen = possible.entry((expr.span, *truth)).or_default();
                        if !*can_happen {
                            let want = match *truth {
                                "true" => Truths::TRUE,
                                "false" => Truths::FALSE,
                                _ => Truths::UNKNOWN,
                            };
                            let placed = Placed { sensor, rule };
                            let never_unknown = want == Truths::UNKNOWN
                                && analysis.is_decided(placed, expr, &guards);
                            *can_happen = !never_unknown
                                && !analysis.is_out_of_reach(placed, (expr, want), &guards);
                        }
                    }
                }
            }
        }
        for (rule, placed) in coverage.rules.iter_mut().zip(self.placed()) {
            if rule.missing().any(|outcome| outcome == Outcome::NotMatched)
                && analysis.failing(placed).is_never()
            {
                rule.outcomes.retain(|(outcome, _)| *outcome != Outcome::NotMatched);
            }
            if rule.missing().any(|outcome| outcome == Outcome::Rejected)
                && may_be_missing(typed, placed.rule)
                    .iter()
                    .all(|expr| analysis.has_values(placed, expr))
            {
                rule.outcomes.retain(|(outcome, _)| *outcome != Outcome::Rejected);
            }
        }
        for atom in &mut coverage.atoms {
            for (seen, truth) in [
                (&mut atom.seen_true, "true"),
                (&mut atom.seen_false, "false"),
                (&mut atom.seen_unknown, "unknown"),
            ] {
                if possible.get(&(atom.span, truth)) == Some(&false) {
                    *seen = None;
                }
            }
        }
        coverage
    }
}

impl<'r> Tests<'r> {
    /// All rules, in order.
    fn placed(&self) -> impl Iterator<Item = Placed<'r>> {
        let sensors = self.ruleset.typed().sensors.iter();
        sensors.flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }))
    }
}

/// An elementary condition, and the conditions that must have certain truth values for it to be evaluated.
pub(crate) type GuardedAtom<'r> = (&'r Expr, Vec<(&'r Expr, Truths)>);

/// The elementary conditions of a rule and its sensor outside of quantifiers, with their guards: no condition and
/// no operand of an `and` before it is false, and no operand of an `or` before it is true.
pub(crate) fn guarded_atoms<'r>(sensor: &'r Sensor, rule: &'r Rule) -> Vec<GuardedAtom<'r>> {
    let mut found = Vec::new();
    let mut guards = Vec::new();
    for (clauses, has_each) in [(&sensor.when, rule.each.is_some()), (&rule.when, false)] {
        for clause in clauses {
            collect_atoms(clause, &mut guards, &mut found);
            guards.push((clause, Truths::NOT_FALSE));
        }
        // The rule iterates over its own list only if all conditions of the sensor are true.
        if has_each {
            guards.iter_mut().for_each(|(_, truths)| *truths = Truths::TRUE);
        }
    }
    // Keys and fields are evaluated if all conditions are true.
    guards.iter_mut().for_each(|(_, truths)| *truths = Truths::TRUE);
    rule.flow_keys().for_each(|key| collect_choices(key, &mut guards, &mut found));
    for trigger in &rule.triggers {
        collect_in_fields(&trigger.fields, &mut guards, &mut found);
    }
    found
}

fn collect_in_fields<'r>(
    fields: &'r [Mapped],
    guards: &mut Vec<(&'r Expr, Truths)>,
    found: &mut Vec<GuardedAtom<'r>>,
) {
    for field in fields {
        match &field.value {
            MappedValue::Expr(expr, _) => collect_choices(expr, guards, found),
            MappedValue::Block(fields) => collect_in_fields(fields, guards, found),
        }
    }
}

/// Collects the elementary conditions of the conditionals in a value.
fn collect_choices<'r>(
    expr: &'r Expr,
    guards: &mut Vec<(&'r Expr, Truths)>,
    found: &mut Vec<GuardedAtom<'r>>,
) {
    match &expr.kind {
        ExprKind::If { condition, chosen, otherwise } => {
            collect_atoms(condition, guards, found);
            for (branch, truth) in [(chosen, Truths::TRUE), (otherwise, Truths::FALSE)] {
                guards.push((condition, truth));
                collect_choices(branch, guards, found);
                guards.pop();
            }
        }
        ExprKind::Quantifier { list, .. } => collect_choices(list, guards, found),
        _ => {
            expr.children().into_iter().for_each(|child| collect_choices(child, guards, found));
        }
    }
}

/// Collects the elementary conditions of a condition.
fn collect_atoms<'r>(
    expr: &'r Expr,
    guards: &mut Vec<(&'r Expr, Truths)>,
    found: &mut Vec<GuardedAtom<'r>>,
) {
    let before = guards.len();
    match &expr.kind {
        ExprKind::And(inner) | ExprKind::Or(inner) => {
            let guard = match &expr.kind {
                ExprKind::And(_) => Truths::NOT_FALSE,
                _ => Truths::NOT_TRUE,
            };
            for part in inner {
                collect_atoms(part, guards, found);
                guards.push((part, guard));
            }
        }
        ExprKind::Not(inner) => collect_atoms(inner, guards, found),
        ExprKind::If { condition, chosen, otherwise } => {
            collect_atoms(condition, guards, found);
            for (branch, truth) in [(chosen, Truths::TRUE), (otherwise, Truths::FALSE)] {
                guards.push((condition, truth));
                collect_atoms(branch, guards, found);
                guards.pop();
            }
        }
        _ => {
            found.push((expr, guards.clone()));
            collect_choices(expr, guards, found);
        }
    }
    guards.truncate(before);
}
