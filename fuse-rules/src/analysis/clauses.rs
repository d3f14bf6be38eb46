//! The clauses of a rule beside each other: which say nothing new, and which cannot hold.

use super::query::{self, all_true};
use super::truths::Truths;
use super::{Analysis, Events, Inside, Placed};
use crate::span::Span;
use crate::typed::{Each, Expr, ExprKind, Sensor};

/// How many conditions one is held against.
const MOST: usize = 50;
/// How many alternatives of one `or` are looked at.
const MOST_ALTERNATIVES: usize = 8;

/// What is the matter with a clause, with an alternative of one that `or` joins, or with a part of such an alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is true wherever those before it are.
    Idle,
    /// It is never true where those before it are.
    Impossible,
    /// The same of an alternative, or of a part of one, which the others may stand in for.
    Vain,
    /// An alternative that is true only where another one is.
    Covered,
}

/// A clause of which something was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause {
    pub(crate) span: Span,
    pub(crate) finding: Finding,
    /// The clauses before it that make it so: none where it is so alone, one where one does. Of an alternative that
    /// is covered, the other one.
    pub(crate) because: Vec<Span>,
    pub(crate) of: Events,
}

impl<'r> Analysis<'r> {
    /// What was found of the clauses of a sensor, that is of the parts that `and` joins.
    pub(crate) fn sensor_clauses(&mut self, sensor: &'r Sensor) -> Vec<Clause> {
        let eachs: Vec<_> = sensor.each.iter().collect();
        let own = parts(&sensor.when, eachs.len());
        self.clauses((&sensor.source, &sensor.event), &eachs, &[], &own)
    }

    /// What was found of the clauses of a rule, those of its sensor standing before them.
    pub(crate) fn rule_clauses(&mut self, of: Placed<'r>) -> Vec<Clause> {
        let before = parts(&of.sensor.when, of.sensor.each.iter().count());
        let own = parts(&of.rule.when, of.eachs().len());
        self.clauses(of.event(), &of.eachs(), &before, &own)
    }

    fn clauses(
        &mut self,
        of: (&'r str, &'r str),
        eachs: &[&'r Each],
        before: &[Inside<'r>],
        own: &[Inside<'r>],
    ) -> Vec<Clause> {
        let mut found = Vec::new();
        let mut before = before.to_vec();
        for when in own {
            // Of a great many conditions the first ones are looked at.
            if before.len() > MOST {
                break;
            }
            let mut beside = Beside { analysis: self, of, eachs };
            match beside.finding(&before, *when) {
                Some(clause) => {
                    found.push(clause);
                    // Of what cannot be, anything follows.
                    if found.last().is_some_and(|clause| clause.finding == Finding::Impossible) {
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

/// Holds the conditions of one event, in so many binders, against each other.
struct Beside<'a, 'e, 'r> {
    analysis: &'a mut Analysis<'r>,
    of: (&'r str, &'r str),
    eachs: &'e [&'r Each],
}

impl<'r> Beside<'_, '_, 'r> {
    /// Of which events it is proven that a condition never has these truths where others are true.
    fn never(&mut self, given: &[Inside<'r>], when: Inside<'r>, want: Truths) -> Option<Events> {
        self.analysis.ask(self.of).never(&|state| {
            let (scope, mut goals) = query::bind(state, self.eachs)?;
            goals.extend(all_true(given.iter().copied(), &scope));
            goals.push(query::wanted(when, &scope, want));
            Ok(goals)
        })
    }

    /// What was found of a condition, with those before it.
    fn finding(&mut self, before: &[Inside<'r>], when: Inside<'r>) -> Option<Clause> {
        for (finding, want) in
            [(Finding::Impossible, Truths::TRUE), (Finding::Idle, Truths::NOT_TRUE)]
        {
            let Some(events) = self.never(before, when, want) else { continue };
            let alone: Option<Vec<Inside<'r>>> = std::iter::once(Vec::new())
                .chain(before.iter().map(|one| vec![*one]))
                .find(|given| self.never(given, when, want) == Some(events));
            let because = alone.unwrap_or_else(|| before.to_vec());
            let because = because.iter().map(|when| when.expr.span).collect();
            return Some(Clause { span: when.expr.span, finding, because, of: events });
        }
        None
    }

    /// What was found of the alternatives of a condition of which nothing was found as a whole.
    fn alternatives(&mut self, before: &[Inside<'r>], when: Inside<'r>, found: &mut Vec<Clause>) {
        let ExprKind::Or(alternatives) = &when.expr.kind else { return };
        if !stand_inside(when.expr, alternatives) {
            return;
        }
        let around = when.around;
        let alternatives = alternatives.iter().take(MOST_ALTERNATIVES);
        let mut open: Vec<Inside<'r>> = Vec::new();
        for expr in alternatives {
            let mut before = before.to_vec();
            let mut is_vain = false;
            for part in parts(std::slice::from_ref(expr), around) {
                if before.len() > MOST {
                    break;
                }
                match self.finding(&before, part) {
                    Some(clause) if clause.finding == Finding::Impossible => {
                        found.push(Clause { finding: Finding::Vain, ..clause });
                        is_vain = true;
                        break;
                    }
                    clause => found.extend(clause),
                }
                before.push(part);
            }
            if !is_vain {
                open.push(Inside { around, expr });
            }
        }
        for (at, one) in open.iter().enumerate() {
            let others = open.iter().enumerate().filter(|(other, _)| *other != at);
            found.extend(others.into_iter().find_map(|(number, other)| {
                let of = self.covers(*other, *one)?;
                // Of two that say the same the second one is told of.
                let is_first = number > at && self.covers(*one, *other).is_some();
                let (span, because) = (one.expr.span, vec![other.expr.span]);
                (!is_first).then_some(Clause { span, finding: Finding::Covered, because, of })
            }));
        }
    }

    /// Whether the first is true wherever the second is.
    fn covers(&mut self, first: Inside<'r>, second: Inside<'r>) -> Option<Events> {
        self.never(&[second], first, Truths::NOT_TRUE)
    }
}

/// The parts that `and` joins, inside of so many binders. What a named condition is made of stays together: its text
/// is there for other calls, too.
fn parts(whens: &[Expr], around: usize) -> Vec<Inside<'_>> {
    let mut parts = Vec::new();
    for expr in whens {
        match &expr.kind {
            ExprKind::And(inner) if stand_inside(expr, inner) => {
                parts.extend(self::parts(inner, around));
            }
            _ => parts.push(Inside { around, expr }),
        }
    }
    parts
}

/// Whether the parts of an expression are written in its place: those of a condition that is called are not.
fn stand_inside(expr: &Expr, parts: &[Expr]) -> bool {
    parts.iter().all(|part| expr.span.contains(part.span))
}
