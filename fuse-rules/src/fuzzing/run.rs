//! Deciding an event that was made, and what it shows of the rules.

use std::cell::RefCell;

use rustc_hash::FxHashSet;
use serde_json::Value as Json;

use super::finding::{FindingKind, Held, Key};
use super::input::Draft;
use super::mutate::MARK;
use super::{Fuzzer, MOST_KEPT, Target};
use crate::decision::{Action, Element, Outcome};
use crate::decision::{Decision, Evaluation};
use crate::lint::outsiders::HARMLESS_FIELDS;
use crate::reference;
use crate::schema::Schema;
use crate::semantics::ops::Truth;
use crate::span::Span;
use crate::typed::Expr;

/// Something that was seen of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Feature {
    /// A condition, or a part of one, was true, false or unknown. What stands behind others is looked at
    /// only where these hold, so that each tells how far an event came.
    Truth(Span, Option<bool>),
    Outcome(String, Outcome),
    /// Something that will be told.
    Found(Key),
}

/// What came of an event.
pub(super) struct Run {
    pub(super) decisions: Vec<Decision>,
    pub(super) features: FxHashSet<Feature>,
    pub(super) keys: Vec<Key>,
}

impl<'r> Fuzzer<'r> {
    /// Decides an event, and keeps it where it shows something new.
    pub(super) fn try_out(&mut self, at: usize, draft: Draft) {
        self.runs += 1;
        let Some(target) = self.targets.get(at) else { return };
        let Some(run) = self.run(target, &draft) else { return };
        self.count(at, &run.decisions);
        let size = draft.size();
        for key in &run.keys {
            let is_smaller = self.found.get(key).is_none_or(|held| size < held.size);
            if is_smaller {
                let draft = match self.found.contains_key(key) {
                    true => draft.clone(),
                    false => self.shrunk(at, &draft, key),
                };
                let reason = self.reason(at, &draft, key).unwrap_or_default();
                let held = Held { target: at, size: draft.size(), draft, reason };
                self.found.insert(key.clone(), held);
            }
        }
        let is_new = run.features.iter().any(|feature| !self.features.contains(feature));
        self.features.extend(run.features);
        if let Some(target) = self.targets.get_mut(at).filter(|_| is_new) {
            if target.kept.len() < MOST_KEPT {
                target.kept.push(draft);
            } else if let Some(old) = self.rng.choice(&mut target.kept) {
                *old = draft;
            }
        }
    }

    /// What comes of an event.
    pub(super) fn run(&self, target: &Target<'r>, draft: &Draft) -> Option<Run> {
        let seen: RefCell<FxHashSet<Feature>> = RefCell::default();
        let watch = |expr: &Expr, truth: &Truth| {
            seen.borrow_mut().insert(Feature::Truth(expr.span, truth.as_ref().ok().copied()));
        };
        let typed = self.ruleset.typed();
        let (obvious, disputed) = draft.event(target.source, target.name, |event| {
            let obvious = reference::evaluate(typed, event, &self.fuses, Some(&watch));
            let mut settled = obvious.clone();
            if let Some(backends) = self.backends {
                settled.decisions.iter_mut().for_each(|decision| backends(decision, event));
            }
            let planned = self.plan.evaluate_all(event, &self.fuses);
            (settled, disputed(&obvious, &planned))
        })?;
        let mut keys = Vec::new();
        let of_target = |rule: &str| target.rules.iter().any(|(_, own)| own.name == rule);
        if let Some(rule) = disputed {
            keys.push(Key { rule, what: FindingKind::Disagreement, detail: String::new() });
        }
        let as_declared = obvious.mismatch.is_none() && obvious.refused.is_none();
        let decisions: Vec<Decision> =
            obvious.decisions.into_iter().filter(|d| of_target(&d.rule)).collect();
        let mut features = seen.into_inner();
        for decision in &decisions {
            features.insert(Feature::Outcome(decision.rule.clone(), decision.outcome));
            if !as_declared {
                continue;
            }
            let key = |what, detail: String| Key { rule: decision.rule.clone(), what, detail };
            match decision.outcome {
                // Too long a list and a smuggled template are refused by design, whatever a rule says.
                Outcome::Rejected if is_by_design(&decision.reason) => {}
                Outcome::Rejected => keys.push(key(FindingKind::Rejected, about(decision))),
                Outcome::Unknown => keys.push(key(FindingKind::Unknown, about(decision))),
                Outcome::Fired => {
                    let action = decision.action.as_ref();
                    let fields = action.map(|action| self.hostile(action)).unwrap_or_default();
                    keys.extend(fields.into_iter().map(|field| key(FindingKind::Hostile, field)));
                }
                _ => {}
            }
        }
        keys.retain(|key| !self.expected.knows(key));
        features.extend(keys.iter().cloned().map(Feature::Found));
        Some(Run { decisions, features, keys })
    }

    /// Why a rule decides an event as it does.
    fn reason(&self, at: usize, draft: &Draft, key: &Key) -> Option<String> {
        let run = self.run(self.targets.get(at)?, draft)?;
        let own = run.decisions.into_iter().filter(|decision| decision.rule == key.rule);
        own.filter(|decision| about(decision) == key.detail).map(|decision| decision.reason).next()
    }

    /// The fields of an action that carry what an outsider wrote. To tell of it is no harm.
    fn hostile(&self, action: &Action) -> Vec<String> {
        let schema = self.ruleset.registry().and_then(|all| all.find_trigger(&action.trigger));
        if schema.is_some_and(Schema::is_notification) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (key, value) in &action.fields {
            if !HARMLESS_FIELDS.contains(&key.as_str()) {
                carries(value, key.clone(), &mut found);
            }
        }
        found
    }

    /// Counts what fired, and what fired together.
    fn count(&mut self, at: usize, decisions: &[Decision]) {
        let Some(target) = self.targets.get(at) else { return };
        let mut fired: Vec<(&'r str, &Element)> = Vec::new();
        for decision in decisions.iter().filter(|d| d.outcome == Outcome::Fired) {
            let name = target.rules.iter().find(|(_, rule)| rule.name == decision.rule);
            let Some((_, rule)) = name else { continue };
            if !fired.contains(&(&rule.name, &decision.element)) {
                fired.push((&rule.name, &decision.element));
            }
        }
        // Events with a great many elements say nothing that smaller ones do not.
        fired.truncate(100);
        for (i, (rule, element)) in fired.iter().enumerate() {
            *self.fired.entry(rule).or_default() += 1;
            for (other, _) in fired.iter().skip(i + 1).filter(|(_, other)| other == element) {
                let pair = if rule < other { (*rule, *other) } else { (*other, *rule) };
                *self.together.entry(pair).or_default() += 1;
            }
        }
    }
}

/// What a decision is about: the path that is missing, or the names in its reason. Of one thing one event is
/// told, whatever the values in it.
pub(super) fn about(decision: &Decision) -> String {
    match &decision.missing {
        Some(path) => path.clone(),
        None => {
            let mut names: Vec<_> = decision.reason.split('`').skip(1).step_by(2).collect();
            names.dedup();
            let lacks = ["missing", "null"].iter().find(|word| decision.reason.ends_with(*word));
            format!("{} {}", names.join(" "), lacks.unwrap_or(&""))
        }
    }
}

fn is_by_design(reason: &str) -> bool {
    reason.contains("more than `max ") || reason.contains("text from an event may not carry")
}

/// The first rule that plan and reference do not agree on; `None` where they do.
fn disputed(obvious: &Evaluation, planned: &Evaluation) -> Option<String> {
    if obvious == planned {
        return None;
    }
    let pairs = obvious.decisions.iter().zip(&planned.decisions);
    let differ = pairs.into_iter().find(|(a, b)| a != b).map(|(a, _)| a.rule.clone());
    Some(differ.unwrap_or_default())
}

fn carries(value: &Json, path: String, found: &mut Vec<String>) {
    match value {
        Json::String(text) if text.contains(MARK) => found.push(path),
        Json::Array(items) => items.iter().for_each(|item| carries(item, path.clone(), found)),
        Json::Object(map) => {
            map.iter().for_each(|(key, value)| carries(value, format!("{path}.{key}"), found));
        }
        _ => {}
    }
}
