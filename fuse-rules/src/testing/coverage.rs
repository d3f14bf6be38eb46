//! What tests exercise of the rules: which outcomes each rule came to, and which truths each
//! elementary condition had. It is found by the reference evaluator, watched.

mod impossible;

use std::cell::RefCell;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::Tests;
use crate::decision::Outcome;
use crate::reference::{self, World};
use crate::semantics::ops::Truth;
use crate::span::Span;
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind, Mapped, MappedValue, QuantifierKind, Rule, Rules, Sensor};
use crate::types::Missing;
pub(crate) use impossible::looked_at;

/// What tests exercise of a rule set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// By rule, in their order.
    pub rules: Vec<RuleCoverage>,
    /// The elementary conditions of all rules, in the order of files and places.
    pub atoms: Vec<AtomCoverage>,
}

/// Which outcomes of a rule were seen. Fired is always asked for; the others where it can come to
/// them: not matched where it has a condition, gated where it requires a fuse, suppressed where it
/// has a `once`, rejected where a value that it needs may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCoverage {
    /// Its full name.
    pub rule: String,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
    /// The same as `file:line:column`.
    pub place: String,
    /// Each outcome that it can come to, and whether it did.
    pub outcomes: Vec<(Outcome, bool)>,
}

/// Which truths of an elementary condition were seen: one that is made of no other by `and`, `or`
/// or `not`. A part counts where it was looked at: of `a and b`, `b` only where `a` is not false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtomCoverage {
    /// The condition as it is written.
    pub text: String,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
    /// The same as `file:line:column`.
    pub place: String,
    /// Whether it was true; `None` where it never can be.
    pub seen_true: Option<bool>,
    /// Whether it was false; `None` where it never can be.
    pub seen_false: Option<bool>,
    /// Whether it was unknown; `None` where it never can be.
    pub seen_unknown: Option<bool>,
}

impl RuleCoverage {
    /// The outcomes that were not seen.
    pub fn missing(&self) -> impl Iterator<Item = Outcome> {
        self.outcomes.iter().filter(|(_, seen)| !seen).map(|(outcome, _)| *outcome)
    }
}

impl AtomCoverage {
    /// What it was not: of `true`, `false` and `unknown`.
    pub fn missing(&self) -> Vec<&'static str> {
        let truths =
            [(self.seen_true, "true"), (self.seen_false, "false"), (self.seen_unknown, "unknown")];
        let missing = truths.into_iter().filter(|(seen, _)| *seen == Some(false));
        missing.map(|(_, truth)| truth).collect()
    }

    /// How many truths are asked for.
    fn wanted(&self) -> usize {
        [self.seen_true, self.seen_false, self.seen_unknown].into_iter().flatten().count()
    }
}

impl Coverage {
    /// How many outcomes and truths are asked for, and how many of them were seen.
    pub fn counts(&self) -> (usize, usize) {
        let rules = self.rules.iter().map(|rule| (rule.outcomes.len(), rule.missing().count()));
        let atoms = self.atoms.iter().map(|atom| (atom.wanted(), atom.missing().len()));
        let (wanted, missing) =
            rules.chain(atoms).fold((0, 0), |(w, m), (wanted, missing)| (w + wanted, m + missing));
        (wanted, wanted - missing)
    }

    /// The share of what was seen, from 0 to 100. All of nothing is 100.
    pub fn percent(&self) -> f64 {
        let (wanted, seen) = self.counts();
        if wanted == 0 {
            return 100.0;
        }
        // Counts are far below what a float holds exactly.
        100.0 * seen as f64 / wanted as f64
    }

    /// Puts what other tests of the same rules exercised beside it.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.rules.iter_mut().zip(&other.rules) {
            for ((_, own), (_, other)) in own.outcomes.iter_mut().zip(&other.outcomes) {
                *own |= other;
            }
        }
        for (own, other) in self.atoms.iter_mut().zip(&other.atoms) {
            for (own, other) in [
                (&mut own.seen_true, other.seen_true),
                (&mut own.seen_false, other.seen_false),
                (&mut own.seen_unknown, other.seen_unknown),
            ] {
                if let (Some(own), Some(true)) = (own, other) {
                    *own = true;
                }
            }
        }
    }
}

impl Tests<'_> {
    /// What these tests, by their numbers, exercise of all rules.
    pub fn coverage(&self, tests: impl IntoIterator<Item = usize>) -> Coverage {
        let typed = self.ruleset.typed();
        let mut coverage = uncovered(typed, self);
        let atoms: FxHashMap<Span, usize> =
            coverage.atoms.iter().enumerate().map(|(i, atom)| (atom.span, i)).collect();
        let mut outcomes: Vec<(&str, Outcome)> = Vec::new();
        let seen = RefCell::new(vec![[false; 3]; coverage.atoms.len()]);
        let watch = |expr: &Expr, truth: &Truth| {
            let Some(at) = atoms.get(&expr.span) else { return };
            if let Some([is_true, is_false, is_unknown]) = seen.borrow_mut().get_mut(*at) {
                match truth {
                    Ok(true) => *is_true = true,
                    Ok(false) => *is_false = true,
                    Err(_) => *is_unknown = true,
                }
            }
        };
        let mut played = Vec::new();
        for test in tests {
            // A test whose event cannot be read exercises nothing.
            if let Some(Ok(sent)) = self.all().get(test).map(|test| self.play(test)) {
                played.extend(sent);
            }
        }
        for sent in &played {
            let decided = sent.evaluation.decisions.iter();
            outcomes.extend(decided.map(|decision| (decision.rule.as_str(), decision.outcome)));
            if sent.evaluation.refused.is_some() {
                continue;
            }
            let world = World::new(&sent.event, Some(&watch));
            for (sensor, rule) in self.rules(sent.event.source(), sent.event.name()) {
                let decisions = reference::decide(typed, sensor, rule, &world, &sent.fuses);
                let quiet = decisions.iter().map(|decision| decision.outcome);
                let quiet = quiet
                    .filter(|outcome| matches!(outcome, Outcome::NotMatched | Outcome::Unknown));
                outcomes.extend(quiet.map(|outcome| (rule.name.as_str(), outcome)));
            }
        }
        let outcomes: FxHashSet<_> = outcomes.into_iter().collect();
        for rule in &mut coverage.rules {
            for (outcome, seen) in &mut rule.outcomes {
                *seen = outcomes.contains(&(rule.rule.as_str(), *outcome));
            }
        }
        let seen = seen.into_inner();
        for (atom, [is_true, is_false, is_unknown]) in coverage.atoms.iter_mut().zip(seen) {
            atom.seen_true = Some(is_true);
            atom.seen_false = Some(is_false);
            atom.seen_unknown = atom.seen_unknown.map(|_| is_unknown);
        }
        coverage
    }
}

/// What there is to cover.
fn uncovered(rules: &Rules, tests: &Tests<'_>) -> Coverage {
    let mut atoms: BTreeMap<Span, AtomCoverage> = BTreeMap::new();
    let mut coverage = Coverage::default();
    let place = |span| tests.ruleset.files().locate(span);
    for sensor in &rules.sensors {
        let mut found = Vec::new();
        conditions(&sensor.when, &mut found);
        sensor.each.iter().for_each(|each| inside(&each.list, &mut found));
        for rule in &sensor.rules {
            conditions(&rule.when, &mut found);
            rule.each.iter().for_each(|each| inside(&each.list, &mut found));
            let triggers = rule.triggers.iter();
            triggers.for_each(|trigger| in_fields(&trigger.fields, &mut found));
            coverage.rules.push(RuleCoverage {
                rule: rule.name.clone(),
                span: rule.span,
                place: place(rule.span),
                outcomes: possible(rules, sensor, rule).map(|outcome| (outcome, false)).collect(),
            });
        }
        for expr in found {
            let known = rules.known.get(&expr.span);
            let never = known.is_some_and(|known| known.absence.unknown == Missing::Never);
            atoms.entry(expr.span).or_insert_with(|| AtomCoverage {
                text: one_line(rules.files.text(expr.span), expr),
                span: expr.span,
                place: place(expr.span),
                seen_true: Some(false),
                seen_false: Some(false),
                seen_unknown: (!never).then_some(false),
            });
        }
    }
    coverage.atoms = atoms.into_values().collect();
    coverage
}

/// The outcomes that a rule can come to, as far as its types tell.
fn possible<'r>(
    rules: &'r Rules,
    sensor: &'r Sensor,
    rule: &'r Rule,
) -> impl Iterator<Item = Outcome> {
    let conditional = [&sensor.when, &rule.when].iter().any(|when| !when.is_empty());
    let rejects = !lacking(rules, rule).is_empty();
    [
        (Outcome::Fired, true),
        (Outcome::NotMatched, conditional),
        (Outcome::Gated, !rule.requires.is_empty()),
        (Outcome::Suppressed, rule.once.is_some()),
        (Outcome::Rejected, rejects),
    ]
    .into_iter()
    .filter_map(|(outcome, possible)| possible.then_some(outcome))
}

/// The keys and fields of a rule that need a value which may be missing, as far as types tell.
fn lacking<'r>(rules: &Rules, rule: &'r Rule) -> Vec<&'r Expr> {
    let mut all: Vec<&Expr> = rule.once.iter().flat_map(|once| &once.keys).collect();
    rule.triggers.iter().for_each(|trigger| needed(&trigger.fields, &mut all));
    all.retain(|expr| {
        let known = rules.known.get(&expr.span);
        known.is_some_and(|known| known.absence.absent != Missing::Never)
    });
    all
}

fn needed<'r>(fields: &'r [Mapped], all: &mut Vec<&'r Expr>) {
    for field in fields {
        match &field.value {
            MappedValue::Block(inner) => needed(inner, all),
            MappedValue::Expr(expr, _) if !field.optional => all.push(expr),
            MappedValue::Expr(..) => {}
        }
    }
}

fn in_fields<'r>(fields: &'r [Mapped], found: &mut Vec<&'r Expr>) {
    for field in fields {
        match &field.value {
            MappedValue::Block(inner) => in_fields(inner, found),
            MappedValue::Expr(expr, _) => inside(expr, found),
        }
    }
}

fn conditions<'r>(clauses: &'r [Expr], found: &mut Vec<&'r Expr>) {
    clauses.iter().for_each(|clause| condition(clause, found));
}

/// The elementary conditions of a condition.
fn condition<'r>(expr: &'r Expr, found: &mut Vec<&'r Expr>) {
    match &expr.kind {
        ExprKind::And(parts) | ExprKind::Or(parts) => conditions(parts, found),
        ExprKind::Not(inner) => condition(inner, found),
        ExprKind::Const(_) => {}
        _ => {
            found.push(expr);
            inside(expr, found);
        }
    }
}

/// Those that quantifiers inside of an expression ask of elements.
fn inside<'r>(expr: &'r Expr, found: &mut Vec<&'r Expr>) {
    match &expr.kind {
        ExprKind::Quantifier { kind, list, body, .. } => {
            inside(list, found);
            match kind {
                QuantifierKind::Map => inside(body, found),
                _ => condition(body, found),
            }
        }
        _ => expr.children().into_iter().for_each(|child| inside(child, found)),
    }
}

/// As it is written, on one line.
fn one_line(text: &str, expr: &Expr) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    if words.is_empty() { Shown(expr).to_string() } else { words.join(" ") }
}
