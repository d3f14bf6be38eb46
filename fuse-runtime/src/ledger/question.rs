//! A question to a ledger: what would flow control decide about an event, with the states that it has now?

use std::collections::HashMap;

use fuse_rules::flow::{BlowingFuse, Cancellation, FlowTime, Occurrence};
use fuse_rules::{Action, AttemptPolicy, Decision, Element, Outcome, Ruleset};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DecisionRecord, Ledger, LedgerError, MetState, Preview, Verdict};
use crate::event::EventKey;

/// The owner of a question. No event has this id, because it is not the encoding of an event key.
const OWNER: &str = "this";
/// The largest number of actions in one question.
const MAX_ACTIONS: usize = 1_000;

/// What an event asks of flow control: a [`Verdict`] without what its actions do. As JSON, it is the body of
/// `POST /state/preview`, whose fields may change with each version of fuse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowQuestion {
    event: EventKey,
    /// When the event is received and decided. `None` means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    occurrences: Vec<AskingOccurrence>,
    cancels: Vec<Cancellation>,
    blow: Vec<BlowingFuse>,
}

/// An occurrence that asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskingOccurrence {
    occurrence: Occurrence,
    /// The number of its actions.
    actions: usize,
    /// The fuses that its rule requires.
    requires: Vec<String>,
}

/// The answer to a [`FlowQuestion`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowAnswer {
    /// The answer to each occurrence, in their order.
    pub decisions: Vec<AnsweredDecision>,
    /// The states that they meet, except empty ones.
    pub states: Vec<MetState>,
    /// When fuse received an event with this id. It would ignore this one.
    pub known_since: Option<Timestamp>,
}

/// What flow control decides about an occurrence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnsweredDecision {
    /// The full name of the rule.
    pub rule: String,
    /// The element.
    pub element: Element,
    /// The outcome.
    pub outcome: Outcome,
    /// Why, for people.
    pub reason: String,
    /// The first word of the clause that decided, if one did.
    pub clause: Option<String>,
}

impl FlowQuestion {
    /// The question about the decisions of these rules on an event that arrives now, or at this time. Fuses for
    /// which `fixed` is true cannot blow.
    pub fn new<'d>(
        ruleset: &Ruleset,
        event: EventKey,
        at: Option<Timestamp>,
        decisions: impl IntoIterator<Item = &'d Decision>,
        fixed: impl Fn(&str) -> bool,
    ) -> Self {
        let mut occurrences: Vec<AskingOccurrence> = Vec::new();
        let required: HashMap<&str, Vec<&str>> =
            ruleset.rules().map(|rule| (rule.name, rule.requires)).collect();
        let received = at.unwrap_or_else(Timestamp::now);
        for decision in decisions {
            let Some(occurrence) = decision.any_occurrence(OWNER, "this event", received) else {
                continue;
            };
            // Several triggers of one rule and element are one occurrence.
            if let Some(last) = occurrences.last_mut()
                && last.occurrence == occurrence
            {
                last.actions = last.actions.saturating_add(1);
                continue;
            }
            let requires = required.get(occurrence.rule.as_str()).into_iter().flatten();
            let requires = requires.map(|fuse| (*fuse).to_owned()).collect();
            occurrences.push(AskingOccurrence { occurrence, actions: 1, requires });
        }
        let is_required = |name: &str| {
            occurrences.iter().any(|asking| asking.requires.iter().any(|fuse| fuse == name))
        };
        let blow = ruleset
            .fuses()
            .filter(|fuse| is_required(fuse.name) && !fixed(fuse.name))
            .filter_map(|fuse| fuse.blowing())
            .collect();
        Self { event, at, occurrences, cancels: Vec::new(), blow }
    }

    /// Sets the waits that the event cancels.
    #[must_use]
    pub fn cancels(self, cancels: Vec<Cancellation>) -> Self {
        Self { cancels, ..self }
    }

    /// Whether a key has a sensitive value. Nobody may guess one by asking over the network.
    pub fn has_secrets(&self) -> bool {
        self.occurrences.iter().any(AskingOccurrence::has_secrets)
            || self.cancels.iter().any(|one| one.request.is_sensitive)
    }

    /// Removes what has a sensitive value. Returns the names of its rules.
    pub fn remove_secrets(&mut self) -> Vec<String> {
        let secret = self.occurrences.extract_if(.., |asking| asking.has_secrets());
        let mut rules: Vec<String> = secret.map(|asking| asking.occurrence.rule).collect();
        rules.dedup();
        self.cancels.retain(|one| !one.request.is_sensitive);
        rules
    }

    /// Asks a ledger at this time. Nothing is recorded.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Invalid`] for a question that contradicts itself or is too large, and those of a closed ledger and
    /// of storage.
    pub async fn ask(&self, ledger: &dyn Ledger, now: FlowTime) -> Result<FlowAnswer, LedgerError> {
        let actions = self.occurrences.iter().map(|asking| asking.actions.max(1));
        if actions.fold(0, usize::saturating_add) > MAX_ACTIONS {
            let why = format!("a question has at most {MAX_ACTIONS} actions");
            return Err(LedgerError::Invalid(why));
        }
        let known = ledger.event(&self.event).await?;
        let verdict = self.verdict(self.time(now));
        let Preview { decisions, states } = ledger.preview(&verdict).await?;
        let decisions =
            self.occurrences.iter().filter_map(|AskingOccurrence { occurrence, .. }| {
                let of = |one: &&DecisionRecord| {
                    one.rule == occurrence.rule && one.element == occurrence.element
                };
                let DecisionRecord { rule, element, outcome, reason, clause, .. } =
                    decisions.iter().find(of)?.clone();
                Some(AnsweredDecision { rule, element, outcome, reason, clause })
            });
        Ok(FlowAnswer {
            decisions: decisions.collect(),
            states,
            known_since: known.map(|record| record.event.received),
        })
    }

    /// When the event is decided. In steady time, it is as far from now as in the time of day.
    fn time(&self, now: FlowTime) -> FlowTime {
        self.at.map_or(now, |at| FlowTime {
            wall: at,
            steady: now.steady.saturating_add(at.duration_since(now.wall)).unwrap_or(now.steady),
        })
    }

    fn verdict(&self, time: FlowTime) -> Verdict {
        let mut verdict =
            Verdict::empty(self.event.clone(), String::new(), (time.wall, time.steady));
        verdict.cancels.clone_from(&self.cancels);
        verdict.blow.clone_from(&self.blow);
        for (index, AskingOccurrence { occurrence, actions, requires }) in
            self.occurrences.iter().enumerate()
        {
            let occurrence = Occurrence { received: time.wall, ..occurrence.clone() };
            let (rule, element) = (&occurrence.rule, &occurrence.element);
            verdict.requires.insert(rule.clone(), requires.clone());
            for ordinal in 0..(*actions).max(1) {
                let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
                let mut decision = DecisionRecord {
                    rule: rule.clone(),
                    element: element.clone(),
                    outcome: Outcome::Shadow,
                    reason: String::new(),
                    clause: None,
                    action: None,
                    reacts_to: None,
                    shadow: None,
                };
                if !occurrence.is_shadow {
                    let id = format!("{index} {ordinal}");
                    decision.outcome = Outcome::Fired;
                    decision.action = Some(id.clone());
                    verdict.actions.push((id, action(rule, element, ordinal)));
                }
                verdict.decisions.push(decision);
            }
            verdict.flow.push(occurrence);
        }
        verdict
    }
}

impl AskingOccurrence {
    fn has_secrets(&self) -> bool {
        self.occurrence.requests.iter().any(|request| request.is_sensitive)
    }
}

/// An action that only counts.
fn action(rule: &str, element: &Element, ordinal: u32) -> Action {
    Action {
        trigger: String::new(),
        rule: rule.to_owned(),
        element: element.clone(),
        ordinal,
        fields: serde_json::Map::new(),
        attempts: AttemptPolicy::default(),
    }
}
