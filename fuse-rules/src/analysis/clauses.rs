//! Compares the clauses of a rule: which are redundant, and which cannot hold.

use super::query::{self, all_true};
use super::truths::Truths;
use super::{Analysis, Events, Placed, ScopedExpr};
use crate::span::Span;
use crate::typed::{Each, EventName, Expr, ExprKind, Sensor};

/// With how many other conditions a condition is compared.
const MAX_COMPARED_CONDITIONS: usize = 50;
/// How many alternatives of one `or` are compared.
const MAX_ALTERNATIVES: usize = 8;

/// A problem of a clause, of an alternative of an `or`, or of a part of such an alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClauseFinding {
    /// It is true whenever the clauses before it are.
    Redundant,
    /// It is never true when the clauses before it are.
    Impossible,
    /// The same for an alternative or a part of one. The other alternatives may still be true.
    ImpossiblePart,
    /// An alternative that is true only when another one is.
    Covered,
}

/// A clause that has a problem.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause {
    pub(crate) span: Span,
    pub(crate) finding: ClauseFinding,
    /// The clauses before it that cause the problem: none if the clause causes it alone, one if a
    /// single clause does. For a covered alternative, the alternative that covers it.
    pub(crate) because: Vec<Span>,
    pub(crate) events: Events,
}

impl<'r> Analysis<'r> {
    /// The problems of the clauses of a sensor. Clauses are the parts that `and` joins.
    pub(crate) fn sensor_clauses(&mut self, sensor: &'r Sensor) -> Vec<Clause> {
        let eachs: Vec<_> = sensor.each.iter().collect();
        let own = parts(&sensor.when, eachs.len());
        self.clauses(&sensor.events.iter().collect::<Vec<_>>(), &eachs, &[], &own)
    }

    /// The problems of the clauses of a rule, given the clauses of its sensor.
    pub(crate) fn rule_clauses(&mut self, placed: Placed<'r>) -> Vec<Clause> {
        let before = parts(&placed.sensor.when, placed.sensor.each.iter().count());
        let own = parts(&placed.rule.when, placed.eachs().len());
        self.clauses(&placed.events(), &placed.eachs(), &before, &own)
    }

    fn clauses(
        &mut self,
        events: &[&'r EventName],
        eachs: &[&'r Each],
        before: &[ScopedExpr<'r>],
        own: &[ScopedExpr<'r>],
    ) -> Vec<Clause> {
        let mut found = Vec::new();
        let mut before = before.to_vec();
        for when in own {
            // With very many conditions, only the first ones are compared.
            if before.len() > MAX_COMPARED_CONDITIONS {
                break;
            }
            let mut beside = Comparison { analysis: self, events, eachs };
            match beside.finding(&before, *when) {
                Some(clause) => {
                    found.push(clause);
                    // A contradiction implies everything, so later clauses are not compared with
                    // it.
                    if found
                        .last()
                        .is_some_and(|clause| clause.finding == ClauseFinding::Impossible)
                    {
                        break;
                    }
                }
                None => beside.alternatives(&before, *when, &mut found),
            }
            before.push(*when);
        }
        found
    }
}

/// Compares the conditions on the same events, inside the same binders, with each other.
struct Comparison<'a, 'e, 'r> {
    analysis: &'a mut Analysis<'r>,
    events: &'e [&'r EventName],
    eachs: &'e [&'r Each],
}

impl<'r> Comparison<'_, '_, 'r> {
    /// The events for which it is proven that a condition never has one of these truths when the
    /// others are true.
    fn never(
        &mut self,
        given: &[ScopedExpr<'r>],
        when: ScopedExpr<'r>,
        want: Truths,
    ) -> Option<Events> {
        self.analysis.never(self.events, &|state| {
            let (scope, mut goals) = query::bind(state, self.eachs)?;
            goals.extend(all_true(given.iter().copied(), &scope));
            goals.push(query::constraint(when, &scope, want));
            Ok(goals)
        })
    }

    /// The problem of a condition, given those before it.
    fn finding(&mut self, before: &[ScopedExpr<'r>], when: ScopedExpr<'r>) -> Option<Clause> {
        for (finding, want) in [
            (ClauseFinding::Impossible, Truths::TRUE),
            (ClauseFinding::Redundant, Truths::NOT_TRUE),
        ] {
            let Some(events) = self.never(before, when, want) else { continue };
            let alone: Option<Vec<ScopedExpr<'r>>> = std::iter::once(Vec::new())
                .chain(before.iter().map(|one| vec![*one]))
                .find(|given| self.never(given, when, want) == Some(events));
            let because = alone.unwrap_or_else(|| before.to_vec());
            let because = because.iter().map(|when| when.expr.span).collect();
            return Some(Clause { span: when.expr.span, finding, because, events });
        }
        None
    }

    /// The problems of the alternatives of a condition that has no problem as a whole.
    fn alternatives(
        &mut self,
        before: &[ScopedExpr<'r>],
        when: ScopedExpr<'r>,
        found: &mut Vec<Clause>,
    ) {
        let ExprKind::Or(alternatives) = &when.expr.kind else { return };
        if !stand_inside(when.expr, alternatives) {
            return;
        }
        let around = when.around;
        let alternatives = alternatives.iter().take(MAX_ALTERNATIVES);
        let mut open: Vec<ScopedExpr<'r>> = Vec::new();
        for expr in alternatives {
            let mut before = before.to_vec();
            let mut is_vain = false;
            for part in parts(std::slice::from_ref(expr), around) {
                if before.len() > MAX_COMPARED_CONDITIONS {
                    break;
                }
                match self.finding(&before, part) {
                    Some(clause) if clause.finding == ClauseFinding::Impossible => {
                        found.push(Clause { finding: ClauseFinding::ImpossiblePart, ..clause });
                        is_vain = true;
                        break;
                    }
                    clause => found.extend(clause),
                }
                before.push(part);
            }
            if !is_vain {
                open.push(ScopedExpr { around, expr });
            }
        }
        for (at, one) in open.iter().enumerate() {
            let others = open.iter().enumerate().filter(|(other, _)| *other != at);
            found.extend(others.into_iter().find_map(|(number, other)| {
                let events = self.covers(*other, *one)?;
                // If two alternatives are equivalent, only the second is reported.
                let is_first = number > at && self.covers(*one, *other).is_some();
                let (span, because) = (one.expr.span, vec![other.expr.span]);
                (!is_first).then_some(Clause {
                    span,
                    finding: ClauseFinding::Covered,
                    because,
                    events,
                })
            }));
        }
    }

    /// Whether the first is true whenever the second is.
    fn covers(&mut self, first: ScopedExpr<'r>, second: ScopedExpr<'r>) -> Option<Events> {
        self.never(&[second], first, Truths::NOT_TRUE)
    }
}

/// The parts that `and` joins, with the number of binders around them. The parts of a named
/// condition stay together, because other calls share its text.
fn parts(whens: &[Expr], around: usize) -> Vec<ScopedExpr<'_>> {
    let mut parts = Vec::new();
    for expr in whens {
        match &expr.kind {
            ExprKind::And(inner) if stand_inside(expr, inner) => {
                parts.extend(self::parts(inner, around));
            }
            _ => parts.push(ScopedExpr { around, expr }),
        }
    }
    parts
}

/// Whether the parts of an expression are written inside it. Those of a called condition are not.
pub(super) fn stand_inside(expr: &Expr, parts: &[Expr]) -> bool {
    parts.iter().all(|part| expr.span.contains(part.span))
}
