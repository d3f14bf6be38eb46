//! Running one input: evaluation, coverage and findings.

use std::cell::RefCell;

use rustc_hash::FxHashSet;
use serde_json::Value as Json;

use super::finding::{FindingKey, FindingKind, SmallestInput};
use super::input::Input;
use super::mutate::MARK;
use super::{Fuzzer, MAX_CORPUS_SIZE, Target};
use crate::decision::{Action, Element, Outcome};
use crate::decision::{Decision, Evaluation};
use crate::lint::untrusted::HARMLESS_FIELDS;
use crate::reference;
use crate::schema::Schema;
use crate::semantics::ops::Truth;
use crate::span::Span;
use crate::testing::EventAdmission;
use crate::typed::Expr;

/// The most fired decisions that are counted for one input. Larger inputs show nothing new.
const MAX_COUNTED_DECISIONS: usize = 100;

/// A unit of coverage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Feature {
    /// A condition or a part of it was true, false or unknown. Later parts are evaluated only if the earlier
    /// ones hold, so each of them marks further progress.
    Truth(Span, Option<bool>),
    /// A rule had an outcome.
    Outcome(String, Outcome),
    /// There was a finding.
    Found(FindingKey),
}

/// The result of running one input.
pub(super) struct Run {
    pub(super) decisions: Vec<Decision>,
    pub(super) features: FxHashSet<Feature>,
    pub(super) keys: Vec<FindingKey>,
}

impl<'r> Fuzzer<'r> {
    /// Runs an input, and adds it to the corpus if it covers something new.
    pub(super) fn run_one(&mut self, at: usize, input: Input) {
        self.runs += 1;
        let Some(target) = self.targets.get(at) else { return };
        let input = input.with_parameters(&target.points.parameters);
        let Some(run) = self.run(target, &input) else { return };
        self.count(at, &run.decisions);
        let size = input.size();
        for key in &run.keys {
            let is_smaller = self.found.get(key).is_none_or(|smallest| size < smallest.size);
            if is_smaller {
                let input = match self.found.contains_key(key) {
                    true => input.clone(),
                    false => self.minimized(at, &input, key),
                };
                let reason = self.reason(at, &input, key).unwrap_or_default();
                let smallest = SmallestInput { target: at, size: input.size(), input, reason };
                self.found.insert(key.clone(), smallest);
            }
        }
        let is_new = run.features.iter().any(|feature| !self.features.contains(feature));
        self.features.extend(run.features);
        if let Some(target) = self.targets.get_mut(at).filter(|_| is_new) {
            if target.corpus.len() < MAX_CORPUS_SIZE {
                target.corpus.push(input);
            } else if let Some(old) = self.rng.choice(&mut target.corpus) {
                *old = input;
            }
        }
    }

    /// Evaluates an input with the reference evaluator and with the plan.
    pub(super) fn run(&self, target: &Target<'r>, input: &Input) -> Option<Run> {
        let seen: RefCell<FxHashSet<Feature>> = RefCell::default();
        let watch = |expr: &Expr, truth: &Truth| {
            seen.borrow_mut().insert(Feature::Truth(expr.span, truth.as_ref().ok().copied()));
        };
        let typed = self.ruleset.typed();
        let (expected, disagreement) =
            input.with_event(target.source, target.name, |event| {
                // No such request is this event, so that no test could send it.
                if !self.plan.may_be(event) {
                    return None;
                }
                let expected = reference::evaluate(typed, event, &self.fuses, Some(&watch));
                let mut reference = expected.clone();
                if let Some(backends) = self.backends {
                    reference.decisions.iter_mut().for_each(|decision| backends(decision, event));
                }
                let planned = self.plan.evaluate_all(event, &self.fuses);
                Some((reference, disagreement(&expected, &planned)))
            })??;
        let mut keys = Vec::new();
        let of_target = |rule: &str| target.rules.iter().any(|(_, own)| own.name == rule);
        if let Some(rule) = disagreement {
            keys.push(FindingKey { rule, kind: FindingKind::Disagreement, detail: String::new() });
        }
        let as_declared = expected.mismatch.is_none() && expected.refused.is_none();
        let decisions: Vec<Decision> =
            expected.decisions.into_iter().filter(|d| of_target(&d.rule)).collect();
        let mut features = seen.into_inner();
        for decision in &decisions {
            features.insert(Feature::Outcome(decision.rule.clone(), decision.outcome));
            if !as_declared {
                continue;
            }
            let key =
                |kind, detail: String| FindingKey { rule: decision.rule.clone(), kind, detail };
            match decision.outcome {
                // fuse rejects oversized lists and embedded templates by design, whatever the rule does.
                Outcome::Rejected if is_by_design(&decision.reason) => {}
                Outcome::Rejected => keys.push(key(FindingKind::Rejected, detail(decision))),
                Outcome::Unknown => keys.push(key(FindingKind::Unknown, detail(decision))),
                Outcome::Fired | Outcome::Shadow => {
                    let action = decision.action.as_ref();
                    let fields =
                        action.map(|action| self.untrusted_fields(action)).unwrap_or_default();
                    keys.extend(fields.into_iter().map(|field| key(FindingKind::Hostile, field)));
                }
                _ => {}
            }
        }
        keys.retain(|key| !self.baseline.contains(key));
        let is_refused = |admission: &dyn EventAdmission| {
            let sent = self.sent(target, input);
            sent.is_some_and(|sent| {
                !sent.is_admitted(target.source, target.name, &self.plan, admission)
            })
        };
        // No rule ever sees an event that its source refuses.
        if !keys.is_empty() && self.admission.is_some_and(is_refused) {
            keys.retain(|key| key.kind == FindingKind::Disagreement);
        }
        features.extend(keys.iter().cloned().map(Feature::Found));
        Some(Run { decisions, features, keys })
    }

    /// An input as its sender sends it; `None` if it is decoded and fuse does not know how to encode it.
    pub(super) fn sent(&self, target: &Target<'_>, input: &Input) -> Option<Input> {
        if !target.is_decoded {
            return Some(input.clone());
        }
        let encoder = target.encoder.as_ref()?;
        let sent = input
            .with_event(target.source, target.name, |seen| encoder.sent_body(&self.plan, seen));
        let body = Input::parse(&sent??)?.body;
        Some(Input { body, ..input.clone() })
    }

    /// The reason of the decision that a finding is about.
    fn reason(&self, at: usize, input: &Input, key: &FindingKey) -> Option<String> {
        let run = self.run(self.targets.get(at)?, input)?;
        let own = run.decisions.into_iter().filter(|decision| decision.rule == key.rule);
        own.filter(|decision| detail(decision) == key.detail).map(|decision| decision.reason).next()
    }

    /// The fields of an action that contain an untrusted text. Writing such a text to the log is harmless.
    fn untrusted_fields(&self, action: &Action) -> Vec<String> {
        let schema = self.ruleset.registry().and_then(|all| all.find_trigger(&action.trigger));
        if schema.is_some_and(Schema::is_notification) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (key, value) in &action.fields {
            if !HARMLESS_FIELDS.contains(&key.as_str()) {
                find_mark(value, key.clone(), &mut found);
            }
        }
        found
    }

    /// Counts which rules fired, and which pairs fired together.
    fn count(&mut self, at: usize, decisions: &[Decision]) {
        let Some(target) = self.targets.get(at) else { return };
        let mut fired: Vec<(&'r str, &Element)> = Vec::new();
        for decision in decisions.iter().filter(|d| d.outcome.is_rendered()) {
            let name = target.rules.iter().find(|(_, rule)| rule.name == decision.rule);
            let Some((_, rule)) = name else { continue };
            if !fired.contains(&(&rule.name, &decision.element)) {
                fired.push((&rule.name, &decision.element));
            }
        }
        fired.truncate(MAX_COUNTED_DECISIONS);
        for (i, (rule, element)) in fired.iter().enumerate() {
            *self.fired.entry(rule).or_default() += 1;
            for (other, _) in fired.iter().skip(i + 1).filter(|(_, other)| other == element) {
                let pair = if rule < other { (*rule, *other) } else { (*other, *rule) };
                *self.fired_together.entry(pair).or_default() += 1;
            }
        }
    }
}

/// What a decision is about: the missing path, or the names in its reason. Decisions that differ only in
/// values have the same detail, so they are reported once.
pub(super) fn detail(decision: &Decision) -> String {
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

/// Whether fuse rejects the action by design.
fn is_by_design(reason: &str) -> bool {
    reason.contains("more than `max ") || reason.contains("text from an event may not carry")
}

/// The first rule that the plan and the reference evaluator disagree on, if any.
fn disagreement(expected: &Evaluation, planned: &Evaluation) -> Option<String> {
    if expected == planned {
        return None;
    }
    let pairs = expected.decisions.iter().zip(&planned.decisions);
    let differ = pairs.into_iter().find(|(a, b)| a != b).map(|(a, _)| a.rule.clone());
    Some(differ.unwrap_or_default())
}

/// Collects the paths of the texts that contain the marker.
fn find_mark(value: &Json, path: String, found: &mut Vec<String>) {
    match value {
        Json::String(text) if text.contains(MARK) => found.push(path),
        Json::Array(items) => items.iter().for_each(|item| find_mark(item, path.clone(), found)),
        Json::Object(map) => {
            map.iter().for_each(|(key, value)| find_mark(value, format!("{path}.{key}"), found));
        }
        _ => {}
    }
}
