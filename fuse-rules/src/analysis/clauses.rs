//! The clauses of a rule beside each other: which say nothing new, and which cannot hold.

use super::ask::{self, all_true};
use super::truths::Truths;
use super::{Analysis, Events, Inside, Placed};
use crate::check::typed::{Each, Expr, ExprKind, Sensor};
use crate::span::Span;

/// How many conditions one is held against.
const MOST: usize = 50;

/// What is the matter with a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is true wherever those before it are.
    Idle,
    /// It is never true where those before it are.
    Impossible,
}

/// A clause of which something was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause {
    pub(crate) span: Span,
    pub(crate) finding: Finding,
    /// The clauses before it that make it so: none where it is so alone, one where one does.
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
            let looked_for =
                [(Finding::Impossible, Truths::TRUE), (Finding::Idle, Truths::NOT_TRUE)];
            let mut finding = None;
            for (kind, want) in looked_for {
                let mut never = |given: &[Inside<'r>]| {
                    self.ask(of).never(&|state| {
                        let (scope, mut goals) = ask::bind(state, eachs)?;
                        goals.extend(all_true(given.iter().copied(), &scope));
                        goals.push(ask::wanted(*when, &scope, want));
                        Ok(goals)
                    })
                };
                let Some(events) = never(&before) else { continue };
                let alone: Option<Vec<Inside<'r>>> = std::iter::once(Vec::new())
                    .chain(before.iter().map(|one| vec![*one]))
                    .find(|given| never(given) == Some(events));
                let because = alone.unwrap_or_else(|| before.clone());
                let because = because.iter().map(|when| when.expr.span).collect();
                finding = Some(Clause { span: when.expr.span, finding: kind, because, of: events });
                break;
            }
            let is_end =
                finding.as_ref().is_some_and(|clause| clause.finding == Finding::Impossible);
            found.extend(finding);
            // Of what cannot be, anything follows.
            if is_end {
                break;
            }
            before.push(*when);
        }
        found
    }
}

/// The parts that `and` joins, inside of so many binders.
fn parts(whens: &[Expr], around: usize) -> Vec<Inside<'_>> {
    let mut parts = Vec::new();
    for expr in whens {
        match &expr.kind {
            ExprKind::And(inner) => parts.extend(self::parts(inner, around)),
            _ => parts.push(Inside { around, expr }),
        }
    }
    parts
}
