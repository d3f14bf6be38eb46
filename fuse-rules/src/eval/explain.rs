//! Explains why each rule did or did not fire: the same walk as the evaluation, with every
//! condition split into parts.

mod page;
mod part;
mod sentence;
mod tree;

use serde::Serialize;

use super::exhaustive::{self, Evaluated, RuleSite};
use super::indexed;
use super::stack::Stack;
use crate::decision::{Decision, Evaluation, Outcome};
use crate::eval::Pooled;
use crate::event::Event;
use crate::flow::Cancellation;
use crate::fuses::Fuses;
use crate::plan::{EventPlan, Slot};
use crate::semantics::Verdict;
use crate::semantics::Work;
use crate::semantics::decision;
use crate::typed::Expr;
pub use page::{ExplainedPage, PageRequest};
pub(crate) use page::{explain_page, refused_page};
pub use part::{Form, Found, Part};
use tree::{PartBudget, Tree};

/// Every decision on one event, with its reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// Why the complete event is refused.
    pub refused: Option<String>,
    /// How the event differs from its declared type, even if the event is still evaluated.
    pub mismatch: Option<String>,
    /// One per rule and element, in the order of sensors, rules and elements.
    pub decisions: Vec<Explained>,
    /// The waits that the event ends, because it meets the `unless` condition of a `still` clause.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cancels: Vec<Cancellation>,
    /// Whether a complete explanation would take too long. `decisions` then contains only the
    /// decisions of [`evaluate`](crate::Plan::evaluate), without their conditions.
    pub cut: bool,
}

/// A decision with its explanation.
///
/// ```
/// # use fuse_rules::{Event, Fuses, Registry, Ruleset};
/// # use fuse_rules::schema::{Schema, SourceSchema};
/// # let registry = Registry::new()
/// #     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
/// #     .trigger(Schema::new("page", "Calls a human."));
/// let rules = r#"source q queue { event e }
///                sensor s on q.e {
///                  rule r { when body.severity >= 4 and body.team == "web"  trigger page {} }
///                }"#;
/// let plan = Ruleset::parse("a.rules", rules, &registry)?.plan();
/// let event = Event::new("q", "e", br#"{"severity": 5, "team": "ops"}"#)?;
///
/// let explained = &plan.explain(&event, &Fuses::default()).decisions[0];
/// let condition = &explained.conditions[0];
/// assert_eq!(condition.truth, Some(false));
/// let decided = condition.parts.iter().find(|part| part.deciding).unwrap();
/// assert_eq!(decided.text, r#"body.team == "web""#);
/// assert_eq!(decided.found[0].to_string(), r#"`body.team` is "ops""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// The decision. Its reason is never empty.
    pub decision: Decision,
    /// The element with the names from `each`, such as `alert 0`; `None` without an `each`.
    pub element: Option<String>,
    /// The conditions that were evaluated, starting with the sensor's. All of them have to be true.
    pub conditions: Vec<Part>,
    /// The number of conditions that belong to the sensor, and which all its rules share.
    pub of_sensor: usize,
}

impl Explained {
    /// The condition that caused `not-matched` or `unknown`, if a condition was the cause. If
    /// several are unknown, the first.
    pub fn deciding(&self) -> Option<&Part> {
        match self.decision.outcome {
            Outcome::NotMatched | Outcome::Unknown => {
                self.conditions.iter().find(|condition| condition.deciding)
            }
            _ => None,
        }
    }
}

/// The decisions without explanations.
fn evaluate(plan: &Pooled, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
    let event_plan = plan.event(event.source(), event.name());
    indexed::decide_event(plan, event_plan, event, fuses, false).evaluation
}

/// Explains the decisions of the rules that `wanted` selects by name.
pub(crate) fn explain(
    plan: &Pooled,
    event: &Event<'_>,
    fuses: &Fuses,
    asked: &dyn Fn(&str) -> bool,
) -> Explanation {
    let mismatch = exhaustive::mismatch(plan, event);
    let decided = evaluate(plan, event, fuses);
    if let Some(why) = decided.refused {
        return Explanation { mismatch, ..refused(plan, event, asked, why) };
    }
    let mut cancels = decided.cancels;
    cancels.retain(|cancellation| asked(&cancellation.rule));
    let mut decisions = Vec::new();
    let event_plan = plan.event(event.source(), event.name());
    let rules = event_plan.map_or(0, EventPlan::rule_count);
    let (work, budget) =
        (Work::to_explain(event.received_at(), rules, plan.max_work), PartBudget::default());
    let tree = Tree::new(plan, event_plan, &budget);
    let walked = exhaustive::walk(plan, event, fuses, &work, asked, &mut |site, verdict| {
        decisions.push((site.order, explained(&tree, site, site.stack, verdict)));
    });
    if walked.is_err() {
        // The indexed evaluator only evaluates candidates, so it may stay within the limit.
        let decisions = all_unexplained(decided.decisions, asked);
        return Explanation { refused: None, mismatch, decisions, cancels, cut: true };
    }
    decisions.sort_by_key(|(order, _)| *order);
    let decisions = decisions.into_iter().map(|(_, d)| d).collect();
    Explanation { refused: None, mismatch, decisions, cancels, cut: false }
}

/// The explanation of an event that is refused.
pub(crate) fn refused(
    plan: &Pooled,
    event: &Event<'_>,
    asked: &dyn Fn(&str) -> bool,
    why: String,
) -> Explanation {
    let decisions = all_unexplained(exhaustive::refused(plan, event, &why).decisions, asked);
    Explanation { refused: Some(why), decisions, ..Explanation::default() }
}

fn all_unexplained(decisions: Vec<Decision>, asked: &dyn Fn(&str) -> bool) -> Vec<Explained> {
    let decisions = decisions.into_iter().filter(|decision| asked(&decision.rule));
    decisions.map(unexplained).collect()
}

/// Explains a rule's verdict at a site, whose conditions are evaluated with this stack.
fn explained(
    tree: &Tree<'_>,
    site: &RuleSite<'_, '_, '_>,
    stack: &Stack<'_, '_>,
    verdict: Verdict,
) -> Explained {
    let (sensor, rule) = clauses(site);
    let clauses = sensor.iter().chain(rule);
    let mut conditions: Vec<Part> =
        clauses.clone().map(|clause| tree.part(stack, clause)).collect();
    let list = match &verdict {
        Verdict::Unknown(fault) => {
            let eachs = site.sensor.each.iter().chain(site.rule.each.as_deref());
            let hidden = eachs.map(|each| &each.list).find(|list| tree.hides(list));
            hidden.map(|list| tree.reason(list, fault))
        }
        _ => None,
    };
    let mut decision = decision(&site.rule.name, site.element, verdict);
    decision.reason = list.unwrap_or(decision.reason);
    let missing = decision.missing.take();
    decision.missing = missing.filter(|path| tree.may_show(path, clauses));
    mark(decision.outcome, site.evaluated, &mut conditions);
    decision.reason = tree.cut_reason(&sentence::reason(&decision, &conditions));
    let (element, of_sensor) = (element(site), sensor.len());
    Explained { decision, element, conditions, of_sensor }
}

fn unexplained(mut decision: Decision) -> Explained {
    if decision.reason.is_empty() {
        decision.reason = "an explanation would take too long".into();
    }
    let conditions = Vec::new();
    Explained { decision, element: None, conditions, of_sensor: 0 }
}

/// `alert 0`, or `alert 0, label 2`.
fn element(site: &RuleSite<'_, '_, '_>) -> Option<String> {
    let names = site.sensor.each.iter().chain(site.rule.each.as_deref()).map(|each| &each.name);
    let parts: Vec<_> =
        names.zip(site.element?).map(|(name, index)| format!("{name} {index}")).collect();
    Some(parts.join(", "))
}

/// The clauses of the sensor and of the rule that were evaluated at a site.
fn clauses<'p>(site: &RuleSite<'_, 'p, '_>) -> (&'p [Expr<Slot>], &'p [Expr<Slot>]) {
    let (sensor, rule) = (site.sensor.clauses.as_slice(), site.rule.clauses.as_slice());
    match site.evaluated {
        Evaluated::Nothing => (&[], &[]),
        Evaluated::Sensor => (sensor, &[]),
        Evaluated::Rule => (sensor, rule),
    }
}

/// Marks the conditions that caused the outcome, and the parts that decided each of them.
fn mark(outcome: Outcome, evaluated: Evaluated, conditions: &mut [Part]) {
    let truth = match outcome {
        Outcome::NotMatched => Some(false),
        Outcome::Unknown => None,
        // Without an element, the rule's conditions were not evaluated and did not decide.
        _ if evaluated != Evaluated::Rule => return,
        _ => Some(true),
    };
    let most = if outcome == Outcome::NotMatched { 1 } else { usize::MAX };
    let deciding = conditions.iter_mut().filter(|condition| condition.truth == truth);
    deciding.take(most).for_each(Part::decide);
}
