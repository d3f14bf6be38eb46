//! What the analysis tells of every rule: asked once, and used by several lints.

use std::cell::Cell;
use std::fmt::Write as _;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::{
    ANY_TEXT, Analysis, Answer, Clause, ClauseFinding, Placed, RECEIVED, Witness,
};
use crate::eval::Plan;
use crate::fuses::Fuses;
use crate::span::Span;
use crate::typed::Shown;
use crate::typed::{Mapped, MappedValue, Rules, Trigger};
use crate::value::cut_at;

/// How many rules one rule is compared with, of those that match its event.
const MOST_COMPARED: usize = 20;
/// How many matching rules are looked at, of all rules together.
const MOST_MATCHING: usize = 500_000;
/// How many characters of an event are shown.
const SHOWN: usize = 300;

/// The rules of a set, as far as they are understood.
pub(crate) struct Study<'a> {
    pub(crate) analysis: Analysis<'a>,
    plan: Plan,
    /// All fuses on.
    fuses: Fuses,
    pub(crate) rules: Vec<Studied<'a>>,
    /// The numbers of the rules that do the same.
    by_action: FxHashMap<Vec<String>, Vec<usize>>,
    /// Their numbers by their names.
    by_name: FxHashMap<&'a str, usize>,
    /// What was found of the clauses of sensors.
    pub(crate) shared: Vec<Clause>,
    /// How many more matching rules are looked at.
    left: Cell<usize>,
}

/// A rule.
pub(crate) struct Studied<'a> {
    pub(crate) placed: Placed<'a>,
    /// Whether it can match.
    pub(crate) matching: Answer,
    pub(crate) clauses: Vec<Clause>,
    /// Whether it matches always: every event, or element, of the declared type.
    pub(crate) always: bool,
    /// What its triggers do, as text.
    pub(crate) actions: Vec<String>,
}

impl<'a> Studied<'a> {
    pub(crate) fn name(&self) -> &'a str {
        &self.placed.rule.name
    }

    pub(crate) fn span(&self) -> Span {
        self.placed.rule.span
    }
}

impl<'a> Study<'a> {
    pub(crate) fn of(rules: &'a Rules, plan: Plan) -> Self {
        let mut analysis = Analysis::new(rules);
        let mut studied = Vec::new();
        let mut shared = Vec::new();
        for sensor in &rules.sensors {
            shared.extend(analysis.sensor_clauses(sensor));
            for rule in &sensor.rules {
                let placed = Placed { sensor, rule };
                let conditional = !sensor.when.is_empty() || !rule.when.is_empty();
                studied.push(Studied {
                    placed,
                    matching: analysis.matching(placed),
                    clauses: analysis.rule_clauses(placed),
                    always: conditional && analysis.failing(placed).is_never(),
                    actions: rule.triggers.iter().map(action).collect(),
                });
            }
        }
        let mut by_action: FxHashMap<Vec<String>, Vec<usize>> = FxHashMap::default();
        for (i, one) in studied.iter().enumerate() {
            by_action.entry(one.actions.clone()).or_default().push(i);
        }
        let by_name = studied.iter().enumerate().map(|(i, one)| (one.name(), i)).collect();
        let fuses =
            rules.fuses.iter().fold(Fuses::default(), |all, fuse| all.set(&fuse.name, true));
        Self {
            analysis,
            plan,
            fuses,
            rules: studied,
            by_action,
            by_name,
            shared,
            left: Cell::new(MOST_MATCHING),
        }
    }

    /// The rules that do the same as one rule, and match the event that it was found to match: only these can
    /// match whenever it does.
    pub(crate) fn beside(&self, number: usize) -> Vec<usize> {
        let Some(studied) = self.rules.get(number) else { return Vec::new() };
        let alike = self.by_action.get(&studied.actions).map_or(&[] as &[usize], Vec::as_slice);
        let is_other = |other: &usize| *other != number;
        if alike.len() <= MOST_COMPARED + 1 {
            return alike.iter().copied().filter(is_other).collect();
        }
        // Not all that do the same are gone through: these are as many for every rule.
        let matching = self.matching(studied);
        let numbers = matching.iter().filter_map(|name| self.by_name.get(name.as_str()).copied());
        let mut numbers: Vec<usize> =
            numbers.filter(is_other).filter(|other| alike.binary_search(other).is_ok()).collect();
        numbers.sort_unstable();
        numbers.truncate(MOST_COMPARED);
        numbers
    }

    /// The names of the rules that match the event that one was found to match; none once that was asked of
    /// too many: of rules that all match each other's events, some pairs stand for all.
    fn matching(&self, studied: &Studied<'_>) -> FxHashSet<String> {
        if self.left.get() == 0 {
            return FxHashSet::default();
        }
        let sensor = studied.placed.sensor;
        let matching = studied.matching.witness().and_then(|witness| {
            witness.event((&sensor.source, &sensor.event), |event| {
                let evaluation = self.plan.evaluate(event, &self.fuses);
                evaluation.decisions.into_iter().map(|decision| decision.rule).collect()
            })
        });
        let matching: FxHashSet<String> = matching.unwrap_or_default();
        self.left.set(self.left.get().saturating_sub(1 + matching.len()));
        matching
    }

    /// Whether it is proven that the second matches whenever the first does.
    pub(crate) fn implies(&mut self, first: usize, second: usize) -> bool {
        let (Some(a), Some(b)) = (self.rules.get(first), self.rules.get(second)) else {
            return false;
        };
        self.analysis.separating(a.placed, b.placed).is_never()
    }

    /// An event that both match.
    pub(crate) fn meeting(&mut self, first: usize, second: usize) -> Option<Witness> {
        let (a, b) = (self.rules.get(first)?, self.rules.get(second)?);
        match self.analysis.meeting(a.placed, b.placed) {
            Answer::Found(witness) => Some(*witness),
            _ => None,
        }
    }
}

/// Whether something was found of a clause that makes it impossible.
pub(crate) fn is_impossible(clause: &Clause) -> bool {
    clause.finding == ClauseFinding::Impossible
}

/// An event for people: its body, cut where it is long, and what came with it.
pub(crate) fn shown(witness: &Witness, placed: Placed<'_>) -> String {
    let body = witness.text().unwrap_or_default();
    let (sensor, body) = (placed.sensor, cut_at(&body, SHOWN));
    let mut out = format!("{}.{} {body}", sensor.source, sensor.event);
    // Writing to a string cannot fail.
    for (what, texts) in [("headers", &witness.headers), ("query", &witness.query)] {
        if !texts.is_empty() {
            let _ok = write!(out, " with {what} {}", serde_json::json!(texts));
        }
    }
    // Where any would do, it is this.
    if witness.id != ANY_TEXT {
        let _ok = write!(out, " with id {}", serde_json::json!(witness.id));
    }
    if witness.received.to_string() != RECEIVED {
        let _ok = write!(out, " received at {}", witness.received);
    }
    out
}

/// What a trigger does, as text: the same for those that do the same.
fn action(trigger: &Trigger) -> String {
    let mut out = format!("{} ", trigger.kind);
    fields(&trigger.fields, &mut out);
    out
}

fn fields(all: &[Mapped], out: &mut String) {
    for field in all {
        match &field.value {
            MappedValue::Block(inner) => fields(inner, out),
            MappedValue::Expr(expr, _) => {
                let _ok = write!(
                    out,
                    "{}{}={};",
                    field.name,
                    if field.optional { "?" } else { "" },
                    Shown(expr)
                );
            }
        }
    }
}
