//! What no event can show of the rules, as far as that is proven.

use rustc_hash::FxHashMap;

use super::{Coverage, lacking};
use crate::analysis::{Analysis, Placed, Truths};
use crate::decision::Outcome;
use crate::span::Span;
use crate::testing::Tests;
use crate::typed::{Expr, ExprKind, Rule, Sensor};

impl Tests<'_> {
    /// The same without what no event can show, as far as that is proven: a part that is never false, say.
    #[must_use]
    pub fn without_impossible(&self, mut coverage: Coverage) -> Coverage {
        let typed = self.ruleset.typed();
        let mut analysis = Analysis::new(typed);
        // Of each part and truth that was looked for, whether any rule that has the part can show it.
        let mut possible: FxHashMap<(Span, &str), bool> = FxHashMap::default();
        let missing: FxHashMap<Span, Vec<&'static str>> =
            coverage.atoms.iter().map(|atom| (atom.span, atom.missing())).collect();
        for sensor in &typed.sensors {
            for rule in &sensor.rules {
                for (expr, given) in looked_at(sensor, rule) {
                    for truth in missing.get(&expr.span).into_iter().flatten() {
                        let shown = possible.entry((expr.span, *truth)).or_default();
                        if !*shown {
                            let want = match *truth {
                                "true" => Truths::TRUE,
                                "false" => Truths::FALSE,
                                _ => Truths::UNKNOWN,
                            };
                            let placed = Placed { sensor, rule };
                            let lacks_nothing = want == Truths::UNKNOWN
                                && analysis.is_decided(placed, expr, &given);
                            *shown = !lacks_nothing
                                && !analysis.is_out_of_reach(placed, (expr, want), &given);
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
                && lacking(typed, placed.rule).iter().all(|expr| analysis.has_values(placed, expr))
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
    /// The rules, in their order.
    fn placed(&self) -> impl Iterator<Item = Placed<'r>> {
        let sensors = self.ruleset.typed().sensors.iter();
        sensors.flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }))
    }
}

/// An elementary condition, and the truths that others have where it is looked at.
pub(crate) type LookedAt<'r> = (&'r Expr, Vec<(&'r Expr, Truths)>);

/// The elementary conditions of a rule and its sensor that stand in no quantifier, each with what is so where
/// it is looked at: no condition before it is false, nor a part before it of an `and`; none of an `or` true.
pub(crate) fn looked_at<'r>(sensor: &'r Sensor, rule: &'r Rule) -> Vec<LookedAt<'r>> {
    let mut found = Vec::new();
    let mut given = Vec::new();
    for (clauses, has_each) in [(&sensor.when, rule.each.is_some()), (&rule.when, false)] {
        for clause in clauses {
            parts(clause, &mut given, &mut found);
            given.push((clause, Truths::NOT_FALSE));
        }
        // A rule's own list is gone through only where its sensor's conditions are true.
        if has_each {
            given.iter_mut().for_each(|(_, truths)| *truths = Truths::TRUE);
        }
    }
    found
}

fn parts<'r>(expr: &'r Expr, given: &mut Vec<(&'r Expr, Truths)>, found: &mut Vec<LookedAt<'r>>) {
    let before = given.len();
    match &expr.kind {
        ExprKind::And(inner) | ExprKind::Or(inner) => {
            let goes_on = match &expr.kind {
                ExprKind::And(_) => Truths::NOT_FALSE,
                _ => Truths::NOT_TRUE,
            };
            for part in inner {
                parts(part, given, found);
                given.push((part, goes_on));
            }
        }
        ExprKind::Not(inner) => parts(inner, given, found),
        _ => found.push((expr, given.clone())),
    }
    given.truncate(before);
}
