//! Flow control of an explanation: with the state of a fuse, or as if there was no earlier event.

use std::collections::{BTreeMap, BTreeSet};

use fuse_rules::explain::{Explained, Explanation};
use fuse_rules::flow::FlowStates;
use fuse_rules::{Decision, Fuses, Outcome, Ruleset};
use fuse_runtime::backend::Backend as _;
use fuse_runtime::event::EventKey;
use fuse_runtime::ledger::{AnsweredDecision, FlowAnswer, FlowQuestion, MetState};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::target::{Target, field};
use super::super::waiting::time;
use crate::cli::{Explain, ServerArgs};

/// The fuse whose state the event meets.
pub(super) struct PreviewTarget {
    target: Target,
    /// The values of its fuses.
    pub(super) fuses: Fuses,
    /// Those that its environment sets, which cannot blow.
    fixed: BTreeSet<String>,
    name: String,
}

/// What was found there.
pub(super) struct MetStates {
    /// Whose state it is, for people.
    pub(super) name: String,
    /// When it received an event with this id.
    pub(super) known_since: Option<Timestamp>,
    pub(super) states: Vec<MetState>,
    /// The rules whose keys contain secrets, which were not looked up.
    pub(super) secret: Vec<String>,
}

impl PreviewTarget {
    /// The fuse that the arguments name, if they name one.
    pub(super) async fn new(
        arguments: &Explain,
        ruleset: &Ruleset,
    ) -> Result<Option<Self>, String> {
        let Explain { server, state, credentials, format, .. } = arguments;
        let name = match (server, state) {
            (Some(url), _) => url.clone(),
            (None, Some(folder)) => folder.display().to_string(),
            (None, None) => return Ok(None),
        };
        let target = Target::new(&ServerArgs {
            server: server.clone().unwrap_or_default(),
            state: state.clone(),
            credentials: credentials.clone(),
            format: *format,
        })
        .await?;
        let mut fixed = BTreeSet::new();
        let values: BTreeMap<String, bool> = match &target {
            Target::Running(server) => {
                let answer: Value = server.get("/fuses").await?;
                let fuses = answer.get("fuses").and_then(Value::as_array).into_iter().flatten();
                let is_fixed = |fuse: &&Value| field(fuse, "origin") == "environment";
                let name = |fuse: &Value| field(fuse, "fuse").to_owned();
                fixed.extend(fuses.clone().filter(is_fixed).map(name));
                let value = |fuse: &Value| Some((name(fuse), fuse.get("on")?.as_bool()?));
                fuses.filter_map(value).collect()
            }
            Target::Stopped(backend) => {
                let switches = backend.ledger().fuse_switches().await;
                let switches = switches.map_err(|error| error.to_string())?;
                let now = time(backend).await?.steady;
                let value = |(name, history): (String, fuse_runtime::ledger::FuseHistory)| {
                    Some((name, history.in_effect(now)?.0))
                };
                switches.into_iter().filter_map(value).collect()
            }
        };
        let declared =
            ruleset.fuses().filter_map(|fuse| Some((fuse.name, *values.get(fuse.name)?)));
        let fuses = declared.fold(Fuses::default(), |fuses, (name, on)| fuses.set(name, on));
        Ok(Some(Self { target, fuses, fixed, name }))
    }

    /// Passes the decisions through flow control as this fuse would. A running one is not asked about keys with secrets.
    pub(super) async fn apply(
        self,
        ruleset: &Ruleset,
        event: &EventKey,
        (at, given): (Option<Timestamp>, &Fuses),
        explanation: &mut Explanation,
    ) -> Result<MetStates, String> {
        let decisions = explanation.decisions.iter().map(|one| &one.decision);
        let is_fixed = |fuse: &str| given.get(fuse).is_some() || self.fixed.contains(fuse);
        let mut question = FlowQuestion::new(ruleset, event.clone(), at, decisions, is_fixed)
            .cancels(explanation.cancels.clone());
        let mut secret = Vec::new();
        let answer = match &self.target {
            Target::Running(server) => {
                secret = question.remove_secrets();
                let answer = server.post("/state/preview", json!(question)).await?;
                serde_json::from_value::<FlowAnswer>(answer)
                    .map_err(|error| format!("this fuse has another version: {error}"))?
            }
            Target::Stopped(backend) => {
                let answer = question.ask(backend.ledger().as_ref(), time(backend).await?).await;
                answer.map_err(|error| error.to_string())?
            }
        };
        let FlowAnswer { decisions, states, known_since } = answer;
        for Explained { decision, .. } in &mut explanation.decisions {
            let of = |one: &&AnsweredDecision| {
                one.rule == decision.rule && one.element == decision.element
            };
            if let Some(answer) =
                decisions.iter().find(of).filter(|_| decision.outcome.is_rendered())
            {
                follow(decision, answer);
            }
        }
        apply_to_none(explanation, at.unwrap_or_else(Timestamp::now), |rule| {
            secret.iter().any(|one| one == rule)
        });
        Ok(MetStates { name: self.name, known_since, states, secret })
    }
}

impl MetStates {
    /// The states that a decision meets.
    pub(super) fn states_of(&self, decision: &Decision) -> Vec<&MetState> {
        let of = |met: &&MetState| met.rule == decision.rule && met.element == decision.element;
        self.states.iter().filter(of).collect()
    }

    /// Whose state it is, and what to know about it, in lines.
    pub(super) fn notes(&self, id: &str) -> Vec<String> {
        let mut notes = vec![format!("with the state of {}", self.name)];
        if let Some(since) = self.known_since {
            notes.push(format!(
                "it received an event `{id}` at {since:.0}, so it would ignore this one; give `--id` to explain a new one"
            ));
        }
        for rule in &self.secret {
            notes.push(format!(
                "{rule}: a running fuse is not asked about keys that contain secrets"
            ));
        }
        notes
    }
}

/// Changes a decision to what flow control answered.
fn follow(decision: &mut Decision, answer: &AnsweredDecision) {
    if answer.outcome.is_rendered() {
        return;
    }
    decision.outcome = answer.outcome;
    decision.reason.clone_from(&answer.reason);
    let word = answer.clause.as_deref();
    let decided = decision.flow.iter().find(|request| Some(request.flow.word()) == word);
    decision.flow = decided.cloned().into_iter().collect();
    if answer.outcome != Outcome::Waiting {
        decision.action = None;
    }
}

/// Passes the decisions of these rules through flow control as a fuse would that had no earlier event.
pub(super) fn apply_to_none(
    explanation: &mut Explanation,
    now: Timestamp,
    is_asked: impl Fn(&str) -> bool,
) {
    let mut states = FlowStates::default();
    let asked = explanation.decisions.iter_mut().filter(|one| is_asked(&one.decision.rule));
    for explained in asked {
        explained.decision.pass(&mut states, "this", "this event", now.into());
    }
}
