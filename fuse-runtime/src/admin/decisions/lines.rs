//! The decisions of a page. Recorded ones are shown as they were decided; the others are derived again.

use std::collections::{BTreeSet, HashMap};

use fuse_rules::diagnostic::nearest;
use fuse_rules::explain::{Explained, ExplainedPage, PageRequest, Part};
use fuse_rules::{Action, Element};
use serde::Serialize;
use serde_json::{Value, json};

use super::bounds::{
    self, MAX_DECISION_BYTES, MAX_DECISIONS_BYTES, MAX_OBJECT_BYTES, MAX_ONLY_OBJECT_BYTES,
    MAX_PARTS,
};
use super::{Cursor, Question};
use crate::admin::Admin;
use crate::generation::Generation;
use crate::ledger::{ActionRecord, DecisionRecord, EventRecord};
use crate::triggers::{ActionRequest, action_id};

/// The depth of a decision in an answer, and of its object.
const DEPTH: usize = 2;
const OBJECT_DEPTH: usize = 4;

#[derive(Serialize)]
pub(super) struct Line {
    rule: String,
    element: Element,
    outcome: &'static str,
    reason: String,
    /// The clause of flow control that holds it back or lets it wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<String>,
    action: Option<ActionLine>,
    /// The conditions with their parts, derived from the stored event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Part>,
    /// What is omitted, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize)]
struct ActionLine {
    id: String,
    trigger: String,
    /// How it is attempted, as in rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(flatten)]
    state: Value,
    /// The result of its object, where it has one that is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<Value>,
    /// The rendered action.
    object: Option<Value>,
}

/// The decisions of a page.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<Cursor>,
    /// The rules that match no element of the event and whose first decision is on the page.
    pub(super) missed: Vec<String>,
    /// Whether explaining the event takes too long.
    pub(super) cut: bool,
}

/// The requested decisions, derived again by the rules that decided them. There are none if the event is not
/// decided, and only the recorded ones if the rules have changed since.
///
/// # Errors
/// There is no such rule.
pub(super) fn lines(
    admin: &Admin,
    generation: &Generation,
    record: &EventRecord,
    question: &Question,
) -> Result<Lines, String> {
    let replay = record.event.replay.as_ref();
    let replayed = replay.and_then(|replay| Some(replay.scope.as_ref()?.rule.as_str()));
    let rule = question.rule.as_deref().or(replayed);
    let rules = rules(generation, record);
    if let Some(rule) = &question.rule {
        is_known(record, &rules, rule)?;
    }
    if record.decided.is_none() {
        return Ok(Lines::default());
    }
    let (after, take) = (question.after, question.limit());
    let view = record.event.view();
    // The rules never saw an event that its source rejected.
    let was_decided_by_plan = is_same_plan(generation, record) && record.event.rejected.is_none();
    let page = match &view {
        Ok(event) if was_decided_by_plan => {
            let request = PageRequest { rule, skip: after.decision, take, max_parts: MAX_PARTS };
            generation.plan.explain_page(event, &generation.fuses, &request)
        }
        _ => ExplainedPage::default(),
    };
    // Rules that no longer exist are known only from the record.
    let derives = view.is_ok() && was_decided_by_plan;
    let is_gone = |decision: &&DecisionRecord| !derives || !rules.contains(&*decision.rule);
    let is_asked = |decision: &&DecisionRecord| rule.is_none_or(|rule| decision.rule == rule);
    let gone = record.decisions.iter().filter(is_asked).filter(is_gone);
    let mut builder = Builder::new(admin, record, question);
    let mut lines = builder.build(page, gone);
    let shown: BTreeSet<&str> = lines.lines.iter().map(|line| &*line.rule).collect();
    lines.missed.retain(|rule| shown.contains(rule.as_str()));
    Ok(lines)
}

/// The rules that listen to the event.
fn rules<'a>(generation: &'a Generation, record: &EventRecord) -> BTreeSet<&'a str> {
    let event = &record.event;
    let rules = generation.ruleset.rules();
    let here = rules.filter(|rule| rule.listens_to(&event.source, &event.name));
    here.map(|rule| rule.name).collect()
}

/// Whether a rule listens to the event, or did when it was decided.
///
/// # Errors
/// There is no such rule; the message suggests one.
fn is_known(record: &EventRecord, rules: &BTreeSet<&str>, rule: &str) -> Result<(), String> {
    if rules.contains(rule) || record.decisions.iter().any(|decision| decision.rule == rule) {
        return Ok(());
    }
    let own = rules.iter().find(|name| name.rsplit('/').next() == Some(rule)).copied();
    let near = own.or_else(|| nearest(rule, rules.iter().copied()));
    let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("there is no rule `{rule}` for `{}`{help}", record.event.key().full_name()))
}

pub(super) fn is_same_plan(generation: &Generation, record: &EventRecord) -> bool {
    record.plan.as_ref().is_none_or(|plan| *plan == generation.plan_hash)
}

type Site<'r> = (&'r str, &'r Element);

struct Builder<'r> {
    admin: &'r Admin,
    record: &'r EventRecord,
    question: &'r Question,
    /// The recorded decisions, by rule and element.
    recorded: HashMap<Site<'r>, Vec<&'r DecisionRecord>>,
    actions: HashMap<&'r str, &'r ActionRecord>,
    lines: Vec<Line>,
    bytes: usize,
}

impl<'r> Builder<'r> {
    fn new(admin: &'r Admin, record: &'r EventRecord, question: &'r Question) -> Self {
        let mut recorded: HashMap<Site<'r>, Vec<&DecisionRecord>> = HashMap::new();
        for decision in &record.decisions {
            recorded.entry((&decision.rule, &decision.element)).or_default().push(decision);
        }
        let actions = record.actions.iter().map(|action| (&*action.id, action)).collect();
        let lines = Vec::new();
        Self { admin, record, question, recorded, actions, lines, bytes: 0 }
    }

    /// The page, then the recorded decisions of rules that no longer exist.
    fn build(
        &mut self,
        page: ExplainedPage,
        gone: impl Iterator<Item = &'r DecisionRecord>,
    ) -> Lines {
        let ExplainedPage { explanation, total, same_before, missed } = page;
        let next = self.fill(explanation.decisions, total, same_before, gone);
        let lines = std::mem::take(&mut self.lines);
        Lines { lines, next, missed, cut: explanation.cut }
    }

    /// Adds lines. Returns where the next page begins, if there is one.
    fn fill(
        &mut self,
        decisions: Vec<Explained>,
        total: usize,
        same_before: usize,
        gone: impl Iterator<Item = &'r DecisionRecord>,
    ) -> Option<Cursor> {
        let after = self.question.after;
        let mut at = Cursor { recorded: 0, ..after };
        let mut previous: Option<(String, Element)> = None;
        let mut same = same_before;
        for explained in decisions {
            let decision = &explained.decision;
            let site = (decision.rule.clone(), decision.element.clone());
            if previous.is_some() {
                same = if previous.as_ref() == Some(&site) { same + 1 } else { 0 };
            }
            let recorded = self.recorded.get(&(&*site.0, &site.1)).cloned().unwrap_or_default();
            previous = Some(site);
            if recorded.is_empty() {
                let line = derived(explained);
                if !self.push(line, at) {
                    return Some(at);
                }
            } else if same == 0 {
                // Recorded decisions are shown as they were decided, in order among the others.
                let skip = if at.decision == after.decision { after.recorded } else { 0 };
                for (number, decision) in recorded.into_iter().enumerate().skip(skip) {
                    let here = Cursor { recorded: number, ..at };
                    let conditions = explained.conditions.clone();
                    let line = Line { conditions, ..self.recorded(decision) };
                    if !self.push(line, here) {
                        return Some(here);
                    }
                }
            }
            at.decision += 1;
        }
        if at.decision < total {
            return Some(at);
        }
        for decision in gone.skip(at.decision - total) {
            let line = self.recorded(decision);
            if !self.push(line, at) {
                return Some(at);
            }
            at.decision += 1;
        }
        None
    }

    /// Adds a line, if the page has room for it.
    fn push(&mut self, mut line: Line, at: Cursor) -> bool {
        if self.lines.len() >= self.question.limit() {
            return false;
        }
        let object = line.action.as_mut().and_then(|action| action.object.take());
        let mut bytes = bounds::size(&line, DEPTH);
        if bytes > MAX_DECISION_BYTES {
            line.conditions.clear();
            line.add_note("its conditions are too long to show".into());
            bytes = bounds::size(&line, DEPTH);
        }
        if let (Some(object), Some(action)) = (object, &mut line.action) {
            let size = bounds::size(&object, OBJECT_DEPTH);
            let is_only = self.question.limit() == 1;
            let most = if is_only { MAX_ONLY_OBJECT_BYTES } else { MAX_OBJECT_BYTES };
            if size <= most {
                action.object = Some(object);
                bytes += size;
            } else {
                let how = match size <= MAX_ONLY_OBJECT_BYTES {
                    true => format!("ask for this decision alone with &after={at}&limit=1"),
                    false => "it is too large for an answer".into(),
                };
                line.add_note(format!("its object of {size} bytes is not shown: {how}"));
            }
        }
        if !self.lines.is_empty() && self.bytes + bytes > MAX_DECISIONS_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.lines.push(line);
        true
    }

    /// A recorded decision.
    fn recorded(&self, decision: &DecisionRecord) -> Line {
        let action = decision.action.as_ref().and_then(|id| {
            let action = self.actions.get(id.as_str())?;
            let (state, observed) = (&action.state, action.observed.as_ref());
            Some(ActionLine {
                state: bounds::cut_all(state),
                observed: observed.map(bounds::cut_all),
                ..self.action(id.clone(), &action.action)
            })
        });
        let action = action.or_else(|| self.waiting(decision));
        let shadow = decision.shadow.as_ref();
        let shadow =
            shadow.map(|action| self.action(action_id(&self.record.event.key(), action), action));
        Line {
            rule: decision.rule.clone(),
            element: decision.element.clone(),
            outcome: decision.outcome.as_str(),
            reason: bounds::cut(&decision.reason).into_owned(),
            clause: decision.clause.clone(),
            action: action.or(shadow),
            conditions: Vec::new(),
            note: None,
        }
    }

    /// The action that a decision becomes if its wait ends well.
    fn waiting(&self, decision: &DecisionRecord) -> Option<ActionLine> {
        let record = &self.record;
        let wait = record.waits.iter().find(|wait| wait.governs(decision))?;
        // A rule with several triggers has as many decisions, in the same order.
        let same = record.decisions.iter().filter(|one| wait.governs(one));
        let number = same.take_while(|one| !std::ptr::eq(*one, decision)).count();
        let (id, action) = wait.actions.get(number)?;
        Some(ActionLine {
            state: json!({ "state": "not-released" }),
            ..self.action(id.clone(), action)
        })
    }

    /// An action as a rule in shadow would perform it. The caller replaces the state of an action on record.
    fn action(&self, id: String, action: &Action) -> ActionLine {
        let request = ActionRequest {
            id: id.clone(),
            action: action.clone(),
            event: self.record.event.key(),
            checkpoint: None,
            thread: None,
        };
        let trigger = self.admin.triggers.get(&action.trigger);
        let trigger = trigger.filter(|_| self.question.payloads);
        ActionLine {
            id,
            trigger: action.trigger.clone(),
            policy: (!action.attempts.is_empty()).then(|| action.attempts.to_string()),
            state: json!({ "state": "shadow" }),
            observed: None,
            object: trigger.and_then(|trigger| trigger.render(&request).ok()),
        }
    }
}

impl Line {
    fn add_note(&mut self, note: String) {
        self.note = Some(match self.note.take() {
            Some(before) => format!("{before}; {note}"),
            None => note,
        });
    }
}

fn derived(explained: Explained) -> Line {
    Line {
        rule: explained.decision.rule,
        element: explained.decision.element,
        outcome: explained.decision.outcome.as_str(),
        reason: bounds::cut(&explained.decision.reason).into_owned(),
        clause: None,
        action: None,
        conditions: explained.conditions,
        note: None,
    }
}
