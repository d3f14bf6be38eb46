//! The results of the analysis for every rule, computed once and shared by several lints.

use std::cell::Cell;
use std::fmt::Write as _;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::{ANY_TEXT, Analysis, Answer, Clause, ClauseFinding, Placed, Witness};
use crate::eval::Plan;
use crate::event::DEFAULT_RECEIVED;
use crate::fuses::Fuses;
use crate::span::Span;
use crate::typed::Shown;
use crate::typed::{Mapped, MappedValue, Rule, Rules, Trigger};
use crate::value::cut_at;

/// The most rules that one rule is compared with.
const MAX_COMPARED_RULES: usize = 20;
/// The most matching rules that are considered, over all rules together.
const MAX_MATCHING_RULES: usize = 500_000;
/// The length at which the body of an event is cut in messages, in characters.
const MAX_EVENT_CHARS: usize = 300;

/// The results of the analysis for all rules.
pub(crate) struct Facts<'a> {
    pub(crate) analysis: Analysis<'a>,
    plan: Plan,
    /// The state of the fuses when evaluating an event: all on.
    fuses: Fuses,
    /// All rules, in order.
    pub(crate) rules: Vec<RuleFacts<'a>>,
    /// The indexes of the rules with the same actions.
    by_action: FxHashMap<Vec<String>, Vec<usize>>,
    /// The indexes of the rules, by name.
    by_name: FxHashMap<&'a str, usize>,
    /// The findings about the conditions of sensors.
    pub(crate) shared: Vec<Clause>,
    /// How many more matching rules are considered.
    remaining: Cell<usize>,
}

/// The results of the analysis for one rule.
pub(crate) struct RuleFacts<'a> {
    pub(crate) placed: Placed<'a>,
    /// Whether any event matches.
    pub(crate) matching: Answer,
    /// The findings about the conditions of the rule.
    pub(crate) clauses: Vec<Clause>,
    /// Whether every event and element of the declared type matches, although the rule has conditions.
    pub(crate) always_matches: bool,
    /// The normalized text of each trigger.
    pub(crate) actions: Vec<String>,
}

impl<'a> RuleFacts<'a> {
    pub(crate) fn name(&self) -> &'a str {
        &self.placed.rule.name
    }

    pub(crate) fn span(&self) -> Span {
        self.placed.rule.span
    }
}

impl<'a> Facts<'a> {
    /// Analyzes all rules.
    pub(crate) fn new(rules: &'a Rules, plan: Plan) -> Self {
        let mut analysis = Analysis::new(rules);
        let mut all = Vec::new();
        let mut shared = Vec::new();
        for sensor in &rules.sensors {
            shared.extend(analysis.sensor_clauses(sensor));
            for rule in &sensor.rules {
                let placed = Placed { sensor, rule };
                let conditional = !sensor.when.is_empty() || !rule.when.is_empty();
                all.push(RuleFacts {
                    placed,
                    matching: analysis.matching(placed),
                    clauses: analysis.rule_clauses(placed),
                    always_matches: conditional && analysis.failing(placed).is_never(),
                    actions: actions(rule),
                });
            }
        }
        let mut by_action: FxHashMap<Vec<String>, Vec<usize>> = FxHashMap::default();
        for (i, one) in all.iter().enumerate() {
            by_action.entry(one.actions.clone()).or_default().push(i);
        }
        let by_name = all.iter().enumerate().map(|(i, one)| (one.name(), i)).collect();
        let fuses =
            rules.fuses.iter().fold(Fuses::default(), |all, fuse| all.set(&fuse.name, true));
        Self {
            analysis,
            plan,
            fuses,
            rules: all,
            by_action,
            by_name,
            shared,
            remaining: Cell::new(MAX_MATCHING_RULES),
        }
    }

    /// The indexes of the rules that may shadow a rule: they have the same actions and match its example
    /// event. No other rule can match whenever it matches.
    pub(crate) fn shadow_candidates(&self, index: usize) -> Vec<usize> {
        let Some(rule) = self.rules.get(index) else { return Vec::new() };
        let same_actions = self.by_action.get(&rule.actions).map_or(&[] as &[usize], Vec::as_slice);
        let is_other = |other: &usize| *other != index;
        if same_actions.len() <= MAX_COMPARED_RULES + 1 {
            return same_actions.iter().copied().filter(is_other).collect();
        }
        // If many rules have the same actions, comparing all pairs would take quadratic time.
        let matching = self.matching(rule);
        let indexes = matching.iter().filter_map(|name| self.by_name.get(name.as_str()).copied());
        let mut indexes: Vec<usize> = indexes
            .filter(is_other)
            .filter(|other| same_actions.binary_search(other).is_ok())
            .collect();
        indexes.sort_unstable();
        indexes.truncate(MAX_COMPARED_RULES);
        indexes
    }

    /// The names of the rules that match the example event of a rule. Returns nothing once the limit is
    /// exhausted: if all rules match each other's events, some of the pairs are enough.
    fn matching(&self, rule: &RuleFacts<'_>) -> FxHashSet<String> {
        if self.remaining.get() == 0 {
            return FxHashSet::default();
        }
        let matching = rule.matching.witness().and_then(|witness| {
            witness.event(witness.name.as_pair(), |event| {
                let evaluation = self.plan.evaluate(event, &self.fuses);
                evaluation.decisions.into_iter().map(|decision| decision.rule).collect()
            })
        });
        let matching: FxHashSet<String> = matching.unwrap_or_default();
        self.remaining.set(self.remaining.get().saturating_sub(1 + matching.len()));
        matching
    }

    /// Whether the analysis proves that the second rule matches whenever the first one does.
    pub(crate) fn implies(&mut self, first: usize, second: usize) -> bool {
        let (Some(a), Some(b)) = (self.rules.get(first), self.rules.get(second)) else {
            return false;
        };
        self.analysis.separating(a.placed, b.placed).is_never()
    }

    /// An event that both rules match.
    pub(crate) fn common_event(&mut self, first: usize, second: usize) -> Option<Witness> {
        let (a, b) = (self.rules.get(first)?, self.rules.get(second)?);
        match self.analysis.meeting(a.placed, b.placed) {
            Answer::Found(witness) => Some(*witness),
            _ => None,
        }
    }
}

/// Whether the analysis proves that a condition never holds.
pub(crate) fn is_impossible(clause: &Clause) -> bool {
    clause.finding == ClauseFinding::Impossible
}

/// Formats an event for messages: its body, cut if it is long, and its metadata.
pub(crate) fn shown(witness: &Witness) -> String {
    let body = witness.text().unwrap_or_default();
    let mut out = format!("{} {}", witness.name, cut_at(&body, MAX_EVENT_CHARS));
    // Writing to a string cannot fail.
    for (what, texts) in
        [("headers", &witness.headers), ("query", &witness.query), ("path", &witness.path)]
    {
        if !texts.is_empty() {
            let _ok = write!(out, " with {what} {}", serde_json::json!(texts));
        }
    }
    // The analysis uses this id if any id would do.
    if witness.id != ANY_TEXT {
        let _ok = write!(out, " with id {}", serde_json::json!(witness.id));
    }
    if witness.received != DEFAULT_RECEIVED {
        let _ok = write!(out, " received at {}", witness.received);
    }
    out
}

/// What a rule does, and how it reacts.
fn actions(rule: &Rule) -> Vec<String> {
    let reactions = rule.reactions.iter().flat_map(|reaction| {
        let kind = reaction.kind;
        reaction.triggers.iter().map(move |trigger| format!("on {kind} {}", action(trigger)))
    });
    rule.triggers.iter().map(action).chain(reactions).collect()
}

/// The normalized text of a trigger. Triggers with the same effect have the same text.
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
