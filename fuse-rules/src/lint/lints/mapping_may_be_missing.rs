//! `mapping-may-be-missing`

use crate::analysis::{Placed, Truths};
use crate::lint::context::{Findings, LintContext};
use crate::lint::event_paths;
use crate::lint::{Level, Lint, Pass};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Mapped, Path};
use crate::types::Missing;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "mapping-may-be-missing",
        title: "a trigger field whose value may be missing",
        level: Level::Warn,
        page: include_str!("../../../lints/mapping-may-be-missing.md"),
    },
    check,
};

/// The most sets of missing paths that are considered for one expression with defaults.
const MAX_MISSING_SETS: usize = 32;

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let mut facts = context.facts();
    let rules = context.rules.sensors.iter();
    let rules =
        rules.flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }));
    for placed in rules {
        for trigger in placed.rule.all_triggers() {
            let mut places: Vec<(&Mapped, Span)> = Vec::new();
            event_paths::fields(&trigger.fields, &mut |field, expr| {
                let mut may_be_missing = || {
                    missing_sets(expr, context)
                        .iter()
                        .any(|set| !facts.analysis.is_one_there(placed, &set.paths, &set.guards))
                };
                if !field.optional && may_be_missing() {
                    places.push((field, expr.span));
                }
            });
            let Some(((field, span), others)) = places.split_first() else { continue };
            let name = &field.name;
            let message = match others.len() {
                0 => format!("the value of `{name}` may be missing"),
                1 => format!("the values of `{name}` and another field may be missing"),
                n => format!("the values of `{name}` and {n} other fields may be missing"),
            };
            out.add(*span, message, |problem| {
                let problem = problem.label("not known to be present").help(
                    "declare the type of the event, test the value with `is present`, or give it a \
                     default with `?? …`",
                );
                let others = others.iter().take(4);
                others.fold(problem, |problem, (_, span)| {
                    problem.related(*span, "this may also be missing")
                })
            });
        }
    }
}

/// A set of paths of unknown type. An expression has no value if all of them are missing, or are null and have a
/// default.
#[derive(Clone, Default)]
struct MissingSet<'a> {
    paths: Vec<&'a Path>,
    /// The conditions that choose the branches in which the paths are, with their truths.
    guards: Vec<(&'a Expr, Truths)>,
}

impl<'a> MissingSet<'a> {
    fn from_path(path: &'a Path) -> Self {
        Self { paths: vec![path], guards: Vec::new() }
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            paths: [self.paths.as_slice(), &other.paths].concat(),
            guards: [self.guards.as_slice(), &other.guards].concat(),
        }
    }
}

fn missing_sets<'a>(expr: &'a Expr, context: &LintContext<'_>) -> Vec<MissingSet<'a>> {
    let Some(known) = context.known(expr.span) else { return Vec::new() };
    if known.absence.absent != Missing::Open {
        return Vec::new();
    }
    match &expr.kind {
        ExprKind::Path(path) if known.ty.is_any() => vec![MissingSet::from_path(path)],
        ExprKind::Coalesce { left, right } => {
            let rights = missing_sets(right, context);
            let lefts = match &left.kind {
                ExprKind::Path(path) => vec![MissingSet::from_path(path)],
                _ => missing_sets(left, context),
            };
            // The left side may be missing for another reason. Assume that it is.
            let lefts = if lefts.is_empty() { vec![MissingSet::default()] } else { lefts };
            let with = |left: &MissingSet<'a>| {
                let left = left.clone();
                rights.iter().map(move |right| left.and(right))
            };
            lefts.iter().flat_map(with).take(MAX_MISSING_SETS).collect()
        }
        ExprKind::If { condition, chosen, otherwise } => {
            let branches = [(chosen, Truths::TRUE), (otherwise, Truths::FALSE)];
            let mut all = missing_sets(condition, context);
            for (branch, truth) in branches {
                all.extend(missing_sets(branch, context).into_iter().map(|mut set| {
                    set.guards.push((condition, truth));
                    set
                }));
            }
            all
        }
        _ => expr.children().into_iter().flat_map(|child| missing_sets(child, context)).collect(),
    }
}
