//! Coverage of the rules by tests: the outcomes of each rule, and the truth values of each elementary
//! condition. The reference evaluator reports them.

mod fuses;
mod impossible;

use std::cell::RefCell;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::Tests;
use crate::decision::Outcome;
use crate::reaction::ReactionKind;
use crate::reference::{self, World};
use crate::semantics::ops::Truth;
use crate::span::Span;
use crate::stdlib;
use crate::typed::Shown;
use crate::typed::{
    Expect, Expected, Expr, ExprKind, FlowClause, Mapped, MappedValue, QuantifierKind, Rule, Rules,
    Sensor, Test, TestStep,
};
use crate::types::Missing;
pub use fuses::FuseCoverage;
pub(crate) use impossible::guarded_atoms;

/// Coverage of a rule set by tests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// The coverage of each rule, in order.
    pub rules: Vec<RuleCoverage>,
    /// The coverage of each elementary condition, in order of file and position.
    pub atoms: Vec<AtomCoverage>,
    /// The coverage of each clause that blows a fuse after a number of actions. Those that count failures are left out,
    /// because no action fails in a test.
    pub fuses: Vec<FuseCoverage>,
}

/// The outcomes of a rule that tests covered. Every rule can fire, or, with `shadow`, be in shadow. The other
/// outcomes count only if they are possible: not matched if the rule has a condition, gated if it requires a fuse,
/// counted if it has an `after`, declined and expired if it has an `approval`, suppressed, waiting, cancelled and superseded
/// if it has a clause of flow control with this outcome, and rejected if a required value may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCoverage {
    /// The full name of the rule.
    pub rule: String,
    /// The span of its name.
    #[serde(skip)]
    pub span: Span,
    /// The same location as `file:line:column`.
    pub place: String,
    /// Each possible outcome, and whether it was covered.
    pub outcomes: Vec<(Outcome, bool)>,
    /// If the rule has several clauses of flow control, each of them, and whether it held the rule back.
    pub flow: Vec<(String, bool)>,
    /// Its reactions, and whether they were covered. A reaction to a failure is covered if a test expects it, because no
    /// action fails in a test.
    pub reactions: Vec<(ReactionKind, bool)>,
}

/// The truth values of an elementary condition that tests covered. An elementary condition contains no `and`,
/// `or` or `not`. Only evaluations count: in `a and b`, `b` is evaluated only if `a` is not false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtomCoverage {
    /// The source text of the condition.
    pub text: String,
    /// Its span.
    #[serde(skip)]
    pub span: Span,
    /// The same location as `file:line:column`.
    pub place: String,
    /// Whether it was true; `None` if it never can be.
    pub seen_true: Option<bool>,
    /// Whether it was false; `None` if it never can be.
    pub seen_false: Option<bool>,
    /// Whether it was unknown; `None` if it never can be.
    pub seen_unknown: Option<bool>,
}

impl RuleCoverage {
    /// The outcomes that were not covered.
    pub fn missing(&self) -> impl Iterator<Item = Outcome> {
        self.outcomes.iter().filter(|(_, seen)| !seen).map(|(outcome, _)| *outcome)
    }

    /// The clauses of flow control that never held the rule back.
    pub fn missing_flow(&self) -> impl Iterator<Item = &str> {
        self.flow.iter().filter(|(_, seen)| !seen).map(|(clause, _)| clause.as_str())
    }

    /// The reactions that were not covered.
    pub fn missing_reactions(&self) -> impl Iterator<Item = ReactionKind> {
        self.reactions.iter().filter(|(_, seen)| !seen).map(|(kind, _)| *kind)
    }

    /// Whether tests covered every possible outcome, every clause of flow control and every reaction.
    pub fn is_covered(&self) -> bool {
        self.missing().next().is_none()
            && self.missing_flow().next().is_none()
            && self.missing_reactions().next().is_none()
    }
}

impl AtomCoverage {
    /// The truth values that were not covered: `true`, `false` or `unknown`.
    pub fn missing(&self) -> Vec<&'static str> {
        let truths =
            [(self.seen_true, "true"), (self.seen_false, "false"), (self.seen_unknown, "unknown")];
        let missing = truths.into_iter().filter(|(seen, _)| *seen == Some(false));
        missing.map(|(_, truth)| truth).collect()
    }

    /// The number of possible truth values.
    fn possible(&self) -> usize {
        [self.seen_true, self.seen_false, self.seen_unknown].into_iter().flatten().count()
    }
}

impl Coverage {
    /// The number of possible outcomes and truth values, and how many of them were covered.
    pub fn counts(&self) -> (usize, usize) {
        let rules = self.rules.iter().map(|rule| {
            let missing = rule.missing().count() + rule.missing_flow().count();
            let missing = missing + rule.missing_reactions().count();
            (rule.outcomes.len() + rule.flow.len() + rule.reactions.len(), missing)
        });
        let atoms = self.atoms.iter().map(|atom| (atom.possible(), atom.missing().len()));
        let fuses = self.fuses.iter().map(|fuse| (1, usize::from(!fuse.blew)));
        let (possible, missing) = rules
            .chain(atoms)
            .chain(fuses)
            .fold((0, 0), |(p, m), (possible, missing)| (p + possible, m + missing));
        (possible, possible - missing)
    }

    /// The covered share in percent, from 0 to 100. It is 100 if there is nothing to cover.
    pub fn percent(&self) -> f64 {
        let (possible, covered) = self.counts();
        if possible == 0 {
            return 100.0;
        }
        // The counts are small enough for a 64-bit float to represent exactly.
        100.0 * covered as f64 / possible as f64
    }

    /// Adds the coverage by other tests of the same rules.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.rules.iter_mut().zip(&other.rules) {
            for ((_, own), (_, other)) in own.outcomes.iter_mut().zip(&other.outcomes) {
                *own |= other;
            }
            for ((_, own), (_, other)) in own.flow.iter_mut().zip(&other.flow) {
                *own |= other;
            }
            for ((_, own), (_, other)) in own.reactions.iter_mut().zip(&other.reactions) {
                *own |= other;
            }
        }
        for (own, other) in self.fuses.iter_mut().zip(&other.fuses) {
            own.blew |= other.blew;
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
    /// Measures the coverage of all rules by these tests, given by index.
    pub fn coverage(&self, tests: impl IntoIterator<Item = usize>) -> Coverage {
        let typed = self.ruleset.typed();
        let mut coverage = uncovered(typed, self);
        let atoms: FxHashMap<Span, usize> =
            coverage.atoms.iter().enumerate().map(|(i, atom)| (atom.span, i)).collect();
        let mut outcomes: Vec<(&str, Outcome)> = Vec::new();
        // Rules, and the clauses of flow control that held them back.
        let mut held: Vec<(&str, &str)> = Vec::new();
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
        let mut events = Vec::new();
        let mut expected: FxHashSet<&str> = FxHashSet::default();
        for test in tests {
            // A test whose event cannot be read covers nothing.
            let Some(test) = self.all().get(test) else { continue };
            if let Ok(sent) = self.execute(test) {
                events.extend(sent);
                expected.extend(expected_failures(test));
            }
        }
        let cancellers: Vec<Sensor> = typed.cancellers().collect();
        for sent in &events {
            let decisions = sent.settled();
            outcomes.extend(decisions.map(|decision| (decision.rule.as_str(), decision.outcome)));
            let is_held = |outcome| {
                matches!(outcome, Outcome::Counted | Outcome::Suppressed | Outcome::Waiting)
            };
            let held_back = sent.settled().filter(|decision| is_held(decision.outcome));
            held.extend(held_back.flat_map(|decision| {
                decision.flow.iter().map(|by| (decision.rule.as_str(), by.clause.as_str()))
            }));
            if sent.evaluation.refused.is_some() {
                continue;
            }
            let world = World::new(&sent.event, Some(&watch));
            let key = (sent.event.source(), sent.event.name());
            for canceller in cancellers.iter().filter(|one| one.listens_to(key.0, key.1)) {
                for rule in &canceller.rules {
                    reference::cancels(canceller, rule, &world);
                }
            }
            for (sensor, rule) in self.rules(sent.event.source(), sent.event.name()) {
                let decisions = reference::decide(typed, sensor, rule, &world, &sent.fuses);
                let quiet = decisions.iter().map(|decision| decision.outcome);
                let quiet = quiet
                    .filter(|outcome| matches!(outcome, Outcome::NotMatched | Outcome::Unknown));
                outcomes.extend(quiet.map(|outcome| (rule.name.as_str(), outcome)));
            }
        }
        let outcomes: FxHashSet<_> = outcomes.into_iter().collect();
        let held: FxHashSet<(&str, &str)> = held.into_iter().collect();
        let rules = typed.sensors.iter().flat_map(|sensor| &sensor.rules);
        for (own, rule) in coverage.rules.iter_mut().zip(rules) {
            for (outcome, seen) in &mut own.outcomes {
                *seen = outcomes.contains(&(rule.name.as_str(), *outcome));
            }
            for ((kind, seen), reaction) in own.reactions.iter_mut().zip(&rule.reactions) {
                let name = reaction.name.as_str();
                *seen = match kind {
                    kind if kind.is_about_result() => expected.contains(name),
                    _ => outcomes.contains(&(name, Outcome::Fired)),
                };
            }
            for ((_, seen), clause) in own.flow.iter_mut().zip(&rule.flow) {
                *seen = held.contains(&(rule.name.as_str(), clause.identity.as_str()));
            }
        }
        fuses::cover(&mut coverage.fuses, &events);
        let seen = seen.into_inner();
        for (atom, [is_true, is_false, is_unknown]) in coverage.atoms.iter_mut().zip(seen) {
            atom.seen_true = Some(is_true);
            atom.seen_false = Some(is_false);
            atom.seen_unknown = atom.seen_unknown.map(|_| is_unknown);
        }
        coverage
    }
}

/// The reactions to failures and successes that a test expects, by their full names.
fn expected_failures(test: &Test) -> impl Iterator<Item = &str> {
    test.steps.iter().filter_map(|step| match step {
        TestStep::Expect(Expect { what: Expected::Rule(rule), .. }) => {
            let is_covered = rule.reaction.is_some_and(ReactionKind::is_about_result)
                && rule.outcome == Outcome::Fired;
            is_covered.then_some(rule.rule.as_str())
        }
        _ => None,
    })
}

/// Coverage with nothing covered yet.
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
            for (_, unless) in rule.cancellable() {
                unless.each.iter().for_each(|each| inside(&each.list, &mut found));
                condition(&unless.when, &mut found);
            }
            coverage.rules.push(RuleCoverage {
                rule: rule.name.clone(),
                span: rule.span,
                place: place(rule.span),
                outcomes: possible_outcomes(rules, sensor, rule)
                    .map(|outcome| (outcome, false))
                    .collect(),
                flow: several(&rule.flow),
                // A rule in shadow does not react.
                reactions: rule
                    .reactions
                    .iter()
                    .filter(|_| !rule.is_shadow)
                    .map(|one| (one.kind, false))
                    .collect(),
            });
        }
        // The standard library has its own tests.
        found.retain(|expr| !stdlib::contains(&rules.files, expr.span));
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
    coverage.fuses = fuses::uncovered(&rules.fuses, place);
    coverage
}

/// The clauses of a rule that has several; a single one is covered if the rule was counted or suppressed.
fn several(clauses: &[FlowClause]) -> Vec<(String, bool)> {
    let text = |clause: &FlowClause| {
        let keys: Vec<_> = clause.keys.iter().map(|key| Shown(key).to_string()).collect();
        (clause.text(&keys), false)
    };
    if clauses.len() < 2 { Vec::new() } else { clauses.iter().map(text).collect() }
}

/// The outcomes of a rule that are possible according to its types.
fn possible_outcomes<'r>(
    rules: &'r Rules,
    sensor: &'r Sensor,
    rule: &'r Rule,
) -> impl Iterator<Item = Outcome> {
    let conditional = [&sensor.when, &rule.when].iter().any(|when| !when.is_empty());
    let rejects = !may_be_missing(rules, rule).is_empty();
    [
        (Outcome::Fired, !rule.is_shadow),
        (Outcome::Shadow, rule.is_shadow),
        (Outcome::NotMatched, conditional),
        (Outcome::Gated, !rule.gates.is_empty()),
        (Outcome::Counted, rule.may_be_counted()),
        (Outcome::Suppressed, rule.may_be_suppressed()),
        (Outcome::Waiting, rule.may_wait()),
        (Outcome::Cancelled, rule.may_be_cancelled()),
        (Outcome::Superseded, rule.may_be_superseded()),
        (Outcome::Declined, rule.needs_approval()),
        (Outcome::Expired, rule.may_expire()),
        (Outcome::Rejected, rejects),
    ]
    .into_iter()
    .filter_map(|(outcome, possible)| possible.then_some(outcome))
}

/// The keys and fields of a rule whose required value may be missing according to the types.
fn may_be_missing<'r>(rules: &Rules, rule: &'r Rule) -> Vec<&'r Expr> {
    let mut all: Vec<&Expr> = rule.flow_keys().collect();
    rule.triggers.iter().for_each(|trigger| required_values(&trigger.fields, &mut all));
    all.retain(|expr| {
        let known = rules.known.get(&expr.span);
        known.is_some_and(|known| known.absence.absent != Missing::Never)
    });
    all
}

/// Collects the values of the required fields.
fn required_values<'r>(fields: &'r [Mapped], all: &mut Vec<&'r Expr>) {
    for field in fields {
        match &field.value {
            MappedValue::Block(inner) => required_values(inner, all),
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

/// Collects the elementary conditions of a condition.
fn condition<'r>(expr: &'r Expr, found: &mut Vec<&'r Expr>) {
    match &expr.kind {
        ExprKind::And(parts) | ExprKind::Or(parts) => conditions(parts, found),
        ExprKind::Not(inner) => condition(inner, found),
        ExprKind::If { condition: choice, chosen, otherwise } => {
            [choice, chosen, otherwise].into_iter().for_each(|part| condition(part, found));
        }
        ExprKind::Const(_) => {}
        _ => {
            found.push(expr);
            inside(expr, found);
        }
    }
}

/// Collects the elementary conditions in the quantifiers of an expression.
fn inside<'r>(expr: &'r Expr, found: &mut Vec<&'r Expr>) {
    match &expr.kind {
        ExprKind::Quantifier { kind, list, body, .. } => {
            inside(list, found);
            match kind {
                QuantifierKind::Map => inside(body, found),
                _ => condition(body, found),
            }
        }
        // The condition is covered if each branch is.
        ExprKind::If { condition: choice, chosen, otherwise } => {
            condition(choice, found);
            inside(chosen, found);
            inside(otherwise, found);
        }
        _ => expr.children().into_iter().for_each(|child| inside(child, found)),
    }
}

/// The source text on one line.
fn one_line(text: &str, expr: &Expr) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    if words.is_empty() { Shown(expr).to_string() } else { words.join(" ") }
}
