//! Explains some decisions of an event, without the cost of explaining all of them.

use super::part::Part;
use super::tree::{PartBudget, Tree};
use super::{Explained, Explanation, evaluate, explained, unexplained};
use crate::decision::Outcome;
use crate::decision::{Decision, Evaluation};
use crate::eval::Pooled;
use crate::eval::exhaustive::{self, Report, RuleSite};
use crate::event::Event;
use crate::fuses::Fuses;
use crate::plan::{EventPlan, RulePlan, SensorPlan};
use crate::semantics::Verdict;
use crate::semantics::Work;
use crate::semantics::decision;

/// The maximum number of parts that one decision of a page shows, in addition to its conditions as
/// wholes.
const MAX_PARTS_PER_DECISION: usize = 200;

/// Selects the decisions that [`Plan::explain_page`](crate::Plan::explain_page) explains.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// The full name of the only rule to count and explain, or `None` for all rules.
    pub rule: Option<&'a str>,
    /// The number of decisions before the page.
    pub skip: usize,
    /// The maximum number of decisions to explain.
    pub take: usize,
    /// The number of parts of conditions at which the page ends. It always contains at least one
    /// decision.
    pub max_parts: usize,
}

/// Some decisions of an event, with explanations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExplainedPage {
    /// The decisions of the page. There can be fewer than requested, even if others follow, if more
    /// of them would take too long or show too much.
    pub explanation: Explanation,
    /// The total number of decisions.
    pub total: usize,
    /// The number of decisions directly before the page that are about the same rule and element as
    /// its first one: a rule that fires has a decision per trigger.
    pub same_before: usize,
    /// The full names of the rules that match no element of the event, among those whose first
    /// decision is on the page.
    pub missed: Vec<String>,
}

/// The outcomes of one rule's decisions.
#[derive(Clone, Copy, Default)]
struct Counted {
    decisions: usize,
    holds: bool,
}

pub(crate) fn explain_page(
    plan: &Pooled,
    event: &Event<'_>,
    fuses: &Fuses,
    request: &PageRequest<'_>,
) -> ExplainedPage {
    let asked = |name: &str| request.rule.is_none_or(|rule| rule == name);
    let mismatch = exhaustive::mismatch(plan, event);
    let evaluated = evaluate(plan, event, fuses);
    if let Some(why) = evaluated.refused {
        let page = refused_page(plan, event, request, why);
        let explanation = Explanation { mismatch, ..page.explanation };
        return ExplainedPage { explanation, ..page };
    }
    let Some(event_plan) = plan.event(event.source(), event.name()) else {
        return ExplainedPage::default();
    };
    let limit = || Work::to_explain(event.received_at(), event_plan.rule_count(), plan.max_work);
    let mut counted = vec![Counted::default(); event_plan.rule_count()];
    let work = limit();
    let walked = exhaustive::walk(plan, event, fuses, &work, &asked, &mut |site, verdict| {
        if let Some(rule) = counted.get_mut(site.order) {
            rule.decisions += 1;
            rule.holds |= !matches!(verdict, Verdict::NotMatched(_) | Verdict::Unknown(_));
        }
    });
    if walked.is_err() {
        // The indexed evaluator only evaluates candidates, so it may stay within the limit.
        let Evaluation { decisions, cancels, .. } = evaluated;
        let page = listed(decisions, &asked, request);
        let explanation = Explanation { mismatch, cancels, cut: true, ..page.explanation };
        return ExplainedPage { explanation, ..page };
    }
    let (work, explaining) = (limit(), limit());
    let mut page = Page { request, decisions: Vec::new(), same_before: 0, parts: 0, full: false };
    let read = exhaustive::read(plan, event, &work, &mut |event_plan, stack, too_expensive| {
        let mut first = 0;
        for (order, (sensor, rule)) in rules(event_plan).enumerate() {
            let count = counted.get(order).map_or(0, |rule| rule.decisions);
            if count > 0 && first + count > request.skip && !page.is_full() {
                let before = page.decisions.len();
                let mut at = Place { number: first, element: None, same: 0 };
                let report: Report<'_> = &mut |site, verdict| {
                    at.enter(site.element);
                    if at.number >= request.skip && !page.is_full() {
                        page.explain((plan, event_plan), &explaining, site, verdict, at.same);
                    }
                    at.number += 1;
                };
                exhaustive::walk_rule(
                    plan,
                    too_expensive,
                    (sensor, rule),
                    order,
                    stack,
                    fuses,
                    report,
                );
                // Past the limit, the decisions of this rule are not reliable.
                if work.exceeded().is_some() {
                    page.decisions.truncate(before);
                    page.full = true;
                }
            }
            first += count;
        }
    });
    // The event was read before.
    debug_assert!(read.is_ok(), "an event that was read cannot be read again");
    let end = request.skip + page.decisions.len();
    let mut first = 0;
    let mut missed = Vec::new();
    for ((_, rule), counted) in rules(event_plan).zip(&counted) {
        let begins = counted.decisions > 0 && (request.skip..end).contains(&first);
        if begins && !counted.holds {
            missed.push(rule.name.clone());
        }
        first += counted.decisions;
    }
    let Page { decisions, same_before, .. } = page;
    let cancels = evaluated.cancels;
    let explanation = Explanation { refused: None, mismatch, decisions, cancels, cut: false };
    ExplainedPage { explanation, total: first, same_before, missed }
}

/// A page of the decisions on an event that is refused.
pub(crate) fn refused_page(
    plan: &Pooled,
    event: &Event<'_>,
    request: &PageRequest<'_>,
    why: String,
) -> ExplainedPage {
    let asked = |name: &str| request.rule.is_none_or(|rule| rule == name);
    let page = listed(exhaustive::refused(plan, event, &why).decisions, &asked, request);
    let explanation = Explanation { refused: Some(why), ..page.explanation };
    ExplainedPage { explanation, ..page }
}

/// The rules of an event with their sensors, in the order of their decisions.
fn rules(event: &EventPlan) -> impl Iterator<Item = (&SensorPlan, &RulePlan)> {
    event.sensors.iter().flat_map(|sensor| sensor.rules.iter().map(move |rule| (sensor, rule)))
}

/// A page of decisions without explanations.
fn listed(
    decisions: Vec<Decision>,
    asked: &dyn Fn(&str) -> bool,
    request: &PageRequest<'_>,
) -> ExplainedPage {
    let all: Vec<Decision> =
        decisions.into_iter().filter(|decision| asked(&decision.rule)).collect();
    let total = all.len();
    let (before, rest) = all.split_at(request.skip.min(total));
    let is_same = |decision: &&Decision| {
        rest.first().is_some_and(|first| {
            (&first.rule, &first.element) == (&decision.rule, &decision.element)
        })
    };
    let same_before = before.iter().rev().take_while(is_same).count();
    let page = all.into_iter().skip(request.skip).take(request.take);
    let decisions = page.map(unexplained).collect();
    let explanation = Explanation { decisions, ..Explanation::default() };
    ExplainedPage { explanation, total, same_before, missed: Vec::new() }
}

/// The index of a decision among all, and the number of decisions before it about the same element.
struct Place {
    number: usize,
    element: Option<Option<Vec<u32>>>,
    same: usize,
}

impl Place {
    /// Advances to the next decision of the rule.
    fn enter(&mut self, element: Option<&[u32]>) {
        let last = self.element.as_ref();
        if last.is_some_and(|last| last.as_deref() == element) {
            self.same += 1;
        } else {
            self.element = Some(element.map(<[u32]>::to_vec));
            self.same = 0;
        }
    }
}

struct Page<'r> {
    request: &'r PageRequest<'r>,
    decisions: Vec<Explained>,
    same_before: usize,
    /// The number of parts shown so far.
    parts: usize,
    full: bool,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.full
            || self.decisions.len() >= self.request.take
            || !self.decisions.is_empty() && self.parts >= self.request.max_parts
    }

    fn explain(
        &mut self,
        (plan, event): (&Pooled, &EventPlan),
        work: &Work,
        site: &RuleSite<'_, '_, '_>,
        verdict: Verdict,
        same_before: usize,
    ) {
        let is_first = self.decisions.is_empty();
        if is_first {
            self.same_before = same_before;
        }
        let budget = PartBudget::new(MAX_PARTS_PER_DECISION);
        let tree = Tree::new(plan, Some(event), &budget);
        let found = explained(&tree, site, &site.stack.with_work(work), verdict.clone());
        if work.exceeded().is_none() {
            self.parts += found.conditions.iter().map(Part::size).sum::<usize>();
            return self.decisions.push(found);
        }
        // Past the limit, the truth of its conditions is not reliable.
        self.full = true;
        if is_first {
            let mut decision = decision(&site.rule.name, site.element, verdict);
            if decision.outcome == Outcome::Unknown {
                // The reason could contain a hidden value.
                decision.reason.clear();
                decision.missing = None;
            }
            self.decisions.push(unexplained(decision));
        }
    }
}
