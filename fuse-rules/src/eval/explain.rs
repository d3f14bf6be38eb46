//! Why each rule did or did not fire: the same walk as evaluation, with every clause put in words.

use serde::Serialize;

use super::machine::{self, Evaluated, Site};
use super::ops::Truth;
use super::stack::{Stack, Work};
use super::{Decision, decide, decision};
use crate::check::typed::{Expr, ExprKind};
use crate::decision::Outcome;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::plan::{Compiled, Slot};

/// Every decision on one event with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Why the whole event is refused.
    pub refused: Option<String>,
    /// Where the event is not of its declared type, whatever became of it.
    pub mismatch: Option<String>,
    /// One a rule and element, in the order of sensors, rules and elements; where telling why would
    /// take too long, only what [`evaluate`](crate::Plan::evaluate) gives.
    pub decisions: Vec<Explained>,
}

/// A decision and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The decision. Its reason is never empty.
    pub decision: Decision,
    /// The element by the names that `each` gives, as in `alert 0`; `None` where none applies.
    pub element: Option<String>,
    /// The clauses that were looked at, the sensor's first.
    pub clauses: Vec<Clause>,
    /// The clause that made a `not-matched` or `unknown` one, where it was a clause that did.
    pub deciding: Option<usize>,
}

/// One `when`, and how it came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clause {
    /// The condition as it is written.
    pub text: String,
    /// Where, as `file:line:column`.
    pub place: String,
    /// `true`, `false`, or null for unknown.
    pub truth: Option<bool>,
    /// The values that it looked at.
    pub found: Vec<Found>,
}

/// A path and what stood there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The path as it is written.
    pub path: String,
    /// Its value as JSON, cut where it is long; `None` where it is missing.
    pub value: Option<String>,
}

pub(crate) fn explain(plan: &Compiled, event: &Event<'_>, fuses: &Fuses) -> Explanation {
    let mismatch = machine::mismatch(plan, event);
    let decided = decide::evaluate(plan, event, fuses);
    if let Some(why) = decided.refused {
        let decisions = machine::refused(plan, event, &why).decisions;
        let decisions = decisions.into_iter().map(unexplained).collect();
        return Explanation { refused: Some(why), mismatch, decisions };
    }
    let mut decisions = Vec::new();
    let work = Work::to_explain(event.received_at());
    let walked = machine::walk(plan, event, fuses, &work, &mut |site, verdict| {
        let mut decision = decision(&site.rule.name, site.element, verdict);
        let explainer = Explainer { plan, stack: site.stack };
        let shown = clauses(site);
        let deciding = explainer.deciding(&decision, &shown);
        decision.reason = explainer.reason(&decision, &shown, deciding);
        let clauses = shown.iter().map(|clause| explainer.clause(clause)).collect();
        let element = element(site);
        decisions.push((site.order, Explained { decision, element, clauses, deciding }));
    });
    if walked.is_err() {
        // Deciding looked at the candidates alone, and that was little enough.
        let decisions = decided.decisions.into_iter().map(unexplained).collect();
        return Explanation { refused: None, mismatch, decisions };
    }
    decisions.sort_by_key(|(order, _)| *order);
    let decisions = decisions.into_iter().map(|(_, d)| d).collect();
    Explanation { refused: None, mismatch, decisions }
}

fn unexplained(mut decision: Decision) -> Explained {
    if decision.reason.is_empty() {
        decision.reason = "why would take too long to tell".into();
    }
    Explained { decision, element: None, clauses: Vec::new(), deciding: None }
}

/// `alert 0`, or `alert 0, label 2`.
fn element(site: &Site<'_, '_, '_>) -> Option<String> {
    let names = site.sensor.each.iter().chain(site.rule.each.as_deref()).map(|each| &each.name);
    let parts: Vec<_> =
        names.zip(site.element?).map(|(name, index)| format!("{name} {index}")).collect();
    Some(parts.join(", "))
}

/// The clauses that were evaluated at a site.
fn clauses<'p>(site: &Site<'_, 'p, '_>) -> Vec<&'p Expr<Slot>> {
    let (sensor, rule) = (site.sensor.clauses.as_slice(), site.rule.clauses.as_slice());
    let (sensor, rule) = match site.evaluated {
        Evaluated::Nothing => (&[] as &[_], &[] as &[_]),
        Evaluated::Sensor => (sensor, &[] as &[_]),
        Evaluated::Rule => (sensor, rule),
    };
    sensor.iter().chain(rule).collect()
}

struct Explainer<'x, 's, 'e> {
    plan: &'x Compiled,
    stack: &'x Stack<'s, 'e>,
}

impl Explainer<'_, '_, '_> {
    /// The clause that made it not match, or unknown.
    fn deciding(&self, decision: &Decision, clauses: &[&Expr<Slot>]) -> Option<usize> {
        let mut truths = clauses.iter().map(|clause| self.stack.truth(clause));
        match decision.outcome {
            Outcome::NotMatched => truths.position(|truth| truth == Ok(false)),
            Outcome::Unknown => truths.position(|truth| truth.is_err()),
            _ => None,
        }
    }

    fn reason(
        &self,
        decision: &Decision,
        clauses: &[&Expr<Slot>],
        deciding: Option<usize>,
    ) -> String {
        let deciding = deciding.and_then(|index| clauses.get(index));
        match (decision.outcome, deciding) {
            (Outcome::Fired, _) if clauses.is_empty() => "it has no condition".into(),
            (Outcome::Fired, _) => "every condition holds".into(),
            (Outcome::Gated, _) => format!("it matches, but {}", decision.reason),
            (Outcome::NotMatched, Some(clause)) => self.because(clause, false),
            (Outcome::Unknown, Some(clause)) => {
                let atom = self.text(self.unknown_part(clause));
                // A path that stands as a condition says enough by itself.
                if decision.reason.starts_with(&format!("`{atom}` ")) {
                    return decision.reason.clone();
                }
                format!("{}, so `{atom}` is unknown", decision.reason)
            }
            _ => decision.reason.clone(),
        }
    }

    /// Why an expression has the truth that it has. A named condition is called by its call first.
    fn because(&self, expr: &Expr<Slot>, truth: bool) -> String {
        if stands_for_a_call(expr) && has_parts(expr) {
            let why = self.because_of_parts(expr, truth);
            return format!("`{}` is {truth}, since {why}", self.text(expr));
        }
        self.because_of_parts(expr, truth)
    }

    fn because_of_parts(&self, expr: &Expr<Slot>, truth: bool) -> String {
        match &expr.kind {
            ExprKind::Not(inner) if has_parts(inner) => self.because(inner, !truth),
            // One false part makes an `and` false; one true part makes an `or` true.
            ExprKind::And(parts) | ExprKind::Or(parts)
                if matches!(expr.kind, ExprKind::Or(_)) == truth =>
            {
                let deciding = parts.iter().find(|part| self.stack.truth(part) == Ok(truth));
                deciding.map_or_else(String::new, |part| self.because(part, truth))
            }
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let each: Vec<_> = parts.iter().map(|part| self.because(part, truth)).collect();
                each.join(", and ")
            }
            _ => {
                let text = self.text(expr);
                let found = self.found(expr).iter().map(Found::to_string).collect::<Vec<_>>();
                if found.is_empty() {
                    format!("`{text}` is {truth}")
                } else {
                    format!("`{text}` is {truth}: {}", found.join(", "))
                }
            }
        }
    }

    /// The smallest part that is unknown and makes the whole so.
    fn unknown_part<'x>(&self, expr: &'x Expr<Slot>) -> &'x Expr<Slot> {
        match &expr.kind {
            ExprKind::Not(inner) => self.unknown_part(inner),
            ExprKind::And(parts) | ExprKind::Or(parts) => parts
                .iter()
                .find(|part| self.stack.truth(part).is_err())
                .map_or(expr, |part| self.unknown_part(part)),
            _ => expr,
        }
    }

    fn clause(&self, expr: &Expr<Slot>) -> Clause {
        let truth: Truth = self.stack.truth(expr);
        Clause {
            text: self.text(expr),
            place: self.plan.files.locate(expr.span),
            truth: truth.ok(),
            found: self.found(expr),
        }
    }

    /// The expression as it is written, on one line.
    fn text(&self, expr: &Expr<Slot>) -> String {
        let text = self.plan.files.text(expr.span);
        text.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
    }

    /// The values of the paths in an expression, each once, without those of elements that are
    /// bound inside of it.
    fn found(&self, expr: &Expr<Slot>) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        self.collect(expr, &mut found);
        found
    }

    fn collect(&self, expr: &Expr<Slot>, found: &mut Vec<Found>) {
        match &expr.kind {
            ExprKind::Path(slot) => {
                let path = slot.text.to_string();
                if found.iter().any(|earlier| earlier.path == path) {
                    return;
                }
                match self.stack.value(expr) {
                    Ok(value) => found.push(Found { path, value: Some(value.show()) }),
                    Err(fault) if fault.is_absence() => found.push(Found { path, value: None }),
                    Err(_) => {}
                }
            }
            ExprKind::Quantifier { list, .. } => self.collect(list, found),
            _ => {
                for child in expr.children() {
                    self.collect(child, found);
                }
            }
        }
    }
}

/// Whether why it is true or false is told by its parts.
fn has_parts(expr: &Expr<Slot>) -> bool {
    match &expr.kind {
        ExprKind::Not(inner) => has_parts(inner),
        kind => matches!(kind, ExprKind::And(_) | ExprKind::Or(_)),
    }
}

/// Whether it is the body of a named condition, which is written elsewhere than its parts.
fn stands_for_a_call(expr: &Expr<Slot>) -> bool {
    let within = |part: &&Expr<Slot>| {
        let (part, whole) = (part.span, expr.span);
        part.file == whole.file && whole.start <= part.start && part.end <= whole.end
    };
    !expr.children().iter().all(within)
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "`{}` is {value}", self.path),
            None => write!(f, "`{}` is missing", self.path),
        }
    }
}
