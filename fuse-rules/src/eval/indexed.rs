//! The fast evaluator of plans: the index finds candidates, then their conditions are evaluated,
//! and then the actions of those that hold are rendered. It keeps nothing about rules that do not
//! fire.

use super::exhaustive::{self, too_many};
use super::frame::{self, Frame};
use super::limit::TooExpensive;
use super::missing;
use super::refusal;
use super::scratch::{Around, MAX_LEVELS, Scratch};
use super::stack::Stack;
use crate::decision::{Decided, Decision, Evaluation};
use crate::eval::Pooled;
use crate::event::Event;
use crate::flow::Cancellation;
use crate::fuses::Fuses;
use crate::plan::{EachPlan, EventPlan, Memory, RulePlan, SensorPlan, Site};
use crate::scan::{Extract, ExtractError};
use crate::semantics::{DECISION_WORK, Verdict, Work, decision, distinct};

/// Decides an event. `observe` also reports a mismatch with the event's type and missing paths,
/// from the same pass over its bytes. An event without a plan has no rules.
pub(crate) fn decide_event(
    plan: &Pooled,
    event_plan: Option<&EventPlan>,
    event: &Event<'_>,
    fuses: &Fuses,
    observe: bool,
) -> Decided {
    // Filled in place, because moving it costs as much as some small events.
    let mut decided = Decided::default();
    let evaluation = &mut decided.evaluation;
    let Some(event_plan) = event_plan else {
        evaluation.refused = event.fault().map(|fault| fault.to_string());
        return decided;
    };
    let mut scratch = plan.pool.take();
    let read = frame::read(&mut scratch.extract, &event_plan.frames, event, event.body());
    let is_json = !matches!(read, Err(ExtractError::Invalid));
    if is_json && (observe || event_plan.rejects) {
        evaluation.mismatch = exhaustive::mismatch_of_valid(event_plan, event);
    }
    evaluation.refused = match read {
        _ if event_plan.rejects && evaluation.mismatch.is_some() => evaluation.mismatch.clone(),
        Err(why) => Some(refusal(why, event)),
        Ok(()) => {
            if observe {
                decided.missing = missing::search(event_plan, &scratch.extract, event);
            }
            decide(plan, event_plan, event, fuses, &mut scratch, evaluation).err()
        }
    };
    scratch.give_back(event.body().len());
    decided
}

/// A refused event gets only one reason: decisions would grow with the number of rules.
pub(crate) fn refused(why: String) -> Evaluation {
    Evaluation { refused: Some(why), ..Evaluation::new(Vec::new()) }
}

fn decide(
    plan: &Pooled,
    event_plan: &EventPlan,
    event: &Event<'_>,
    fuses: &Fuses,
    scratch: &mut Scratch,
    evaluation: &mut Evaluation,
) -> Result<(), String> {
    let memos = event_plan.programs.memos as usize;
    // Frame numbers are unique across events until they wrap.
    if scratch.truths.len() < memos || scratch.frames > u32::MAX / 8 {
        scratch.truths.clear();
        scratch.truths.resize(memos, 0);
        scratch.frames = 0;
        scratch.around.clear();
    }
    let Scratch { extract, truths, frames, found, around, memory } = scratch;
    found.clear();
    if around.len() < event_plan.sites.len() {
        around.resize_with(event_plan.sites.len(), Default::default);
    }
    let too_expensive = TooExpensive::for_event(plan, event_plan, event, extract);
    let work = Work::new(event.received_at());
    work.allow(too_expensive.allowed_work);
    let mut decider = Decider {
        plan,
        event_plan,
        fuses,
        extract,
        body: event.body(),
        work: &work,
        too_expensive: &too_expensive,
        truths,
        frames,
        found,
        around,
        memory,
        rows: [Row::default(); MAX_LEVELS],
        kept: match event_plan.frames.has_lets {
            true => (0..MAX_LEVELS).map(|_| Frame::without_values()).collect(),
            false => Vec::new(),
        },
        decisions: Vec::new(),
        cancels: Vec::new(),
    };
    decider.enter(0);
    decider.site(0, 0);
    decider.walked();
    decider.too_expensive();
    if let Some(why) = work.exceeded() {
        return Err(why);
    }
    if decider.is_full() {
        return Err(format!("it has more than {MAX_DECISIONS} decisions with consequences"));
    }
    let Decider { mut decisions, cancels, .. } = decider;
    if !decisions.is_empty() {
        decisions.sort_by_key(|(order, _)| *order);
        evaluation.decisions = decisions.into_iter().map(|(_, decision)| decision).collect();
    }
    if !cancels.is_empty() {
        evaluation.cancels = distinct(cancels);
    }
    Ok(())
}

/// The current frame of a level.
#[derive(Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) group: usize,
    pub(super) row: usize,
    /// The index in the list, and the length of the list.
    pub(super) index: usize,
    pub(super) len: usize,
    /// A unique number of the frame.
    pub(super) number: u32,
}

/// The maximum number of decisions with consequences on one event. They are in memory and on disk.
const MAX_DECISIONS: usize = 125_000;

pub(super) struct Decider<'d> {
    plan: &'d Pooled,
    pub(super) event_plan: &'d EventPlan,
    fuses: &'d Fuses,
    pub(super) extract: &'d Extract,
    pub(super) body: &'d str,
    pub(super) work: &'d Work,
    /// Rules that are not evaluated.
    too_expensive: &'d TooExpensive,
    pub(super) truths: &'d mut Vec<u32>,
    frames: &'d mut u32,
    pub(super) found: &'d mut Vec<u32>,
    pub(super) around: &'d mut Vec<[Around; MAX_LEVELS]>,
    pub(super) memory: &'d mut Memory,
    pub(super) rows: [Row; MAX_LEVELS],
    /// The frames of the rows, if they keep values of `let`s.
    pub(super) kept: Vec<Frame<'d>>,
    decisions: Vec<(usize, Decision)>,
    cancels: Vec<Cancellation>,
}

impl<'d> Decider<'d> {
    pub(super) fn row(&self, level: usize) -> Row {
        self.rows.get(level).copied().unwrap_or_default()
    }

    /// Starts another frame at a level.
    pub(super) fn enter(&mut self, level: usize) {
        *self.frames += 1;
        if let Some(row) = self.rows.get_mut(level) {
            row.number = *self.frames;
            if let Some(kept) = self.kept.get_mut(level) {
                *kept = Frame::from_row(self.extract, self.body, row.group, row.row);
            }
        }
    }

    /// Decides a rule for the current frames.
    pub(super) fn candidate(&mut self, rule: u32, level: usize) {
        let event_plan = self.event_plan;
        let Some(at) = event_plan.rules.get(rule as usize) else { return };
        let Some((sensor, rule)) = event_plan.rule(*at) else { return };
        let order = sensor.first + at.rule as usize;
        if self.too_expensive.contains(order) || self.work.spend(1, 0).is_err() {
            return;
        }
        let fits = self.eaches(sensor, rule).all(|(level, each)| self.row(level).len <= each.max);
        if !fits || self.holds(sensor.condition) != Some(true) {
            return;
        }
        if self.holds(rule.condition) == Some(true) {
            let element: Vec<u32> = (1..=level).map(|level| self.index(level)).collect();
            self.fire(rule, order, level, &element);
        }
    }

    fn index(&self, level: usize) -> u32 {
        u32::try_from(self.row(level).index).unwrap_or(u32::MAX)
    }

    /// The `each` blocks around a rule's condition, by level.
    fn eaches<'p>(
        &self,
        sensor: &'p SensorPlan,
        rule: &'p RulePlan,
    ) -> impl Iterator<Item = (usize, &'p EachPlan)> + use<'p> {
        (1..).zip(sensor.each.iter().chain(rule.each.as_deref()))
    }

    /// Rejects the rules whose list (the list of a site) is longer than they allow.
    pub(super) fn overflow(&mut self, site: &'d Site, level: usize, len: usize) {
        let event_plan = self.event_plan;
        for rule in &site.iterating {
            let Some(at) = event_plan.rules.get(*rule as usize) else { continue };
            let Some((sensor, rule)) = event_plan.rule(*at) else { continue };
            let order = sensor.first + at.rule as usize;
            if self.too_expensive.contains(order) {
                continue;
            }
            let mut eaches = self.eaches(sensor, rule);
            let Some((_, each)) = eaches.find(|(of, each)| *of == level && each.max < len) else {
                continue;
            };
            let fits = self.eaches(sensor, rule).take_while(|(of, _)| *of < level);
            let fits = fits.into_iter().all(|(of, each)| self.row(of).len <= each.max);
            // The limit of a rule counts only if the conditions of its sensor hold.
            let own = rule.each.as_deref().is_some_and(|own| std::ptr::eq(own, each));
            if fits && (!own || self.holds(sensor.condition) == Some(true)) {
                let element: Vec<u32> = (1..level).map(|level| self.index(level)).collect();
                self.decided(rule, order, &element, too_many(each, len));
            }
        }
    }

    fn fire(&mut self, rule: &RulePlan, order: usize, level: usize, element: &[u32]) {
        let mut verdicts = Vec::new();
        self.with_stack(level, &mut |stack, plan, fuses| {
            exhaustive::fire(&plan.fuses, fuses, rule, stack, &mut |verdict| {
                verdicts.push(verdict)
            });
        });
        for verdict in verdicts {
            self.decided(rule, order, element, verdict);
        }
    }

    fn decided(&mut self, rule: &RulePlan, order: usize, element: &[u32], verdict: Verdict) {
        if self.is_full() || self.work.spend(DECISION_WORK, 0).is_err() {
            return;
        }
        if rule.cancels {
            return self.cancels.extend(verdict.into_cancellation(&rule.name));
        }
        let element = (!element.is_empty()).then_some(element);
        if self.decisions.is_empty() {
            // Most events have one or two. Room for more would be a slow allocation.
            self.decisions.reserve_exact(2);
        }
        self.decisions.push((order, decision(&rule.name, element, verdict)));
    }

    /// Decisions take memory. Past the limit the event is refused, and they would be useless.
    fn is_full(&self) -> bool {
        self.decisions.len() + self.cancels.len() > MAX_DECISIONS
    }

    /// Decides the rules whose lists are computed, one by one.
    fn walked(&mut self) {
        if self.event_plan.walked.is_empty() {
            return;
        }
        let event_plan = self.event_plan;
        let (mut decided, mut cancels) = (Vec::new(), Vec::new());
        self.with_stack(0, &mut |stack, plan, fuses| {
            let skip = self.too_expensive;
            exhaustive::walk_rules(plan, event_plan, skip, stack, fuses, &mut |site, verdict| {
                if site.rule.cancels {
                    cancels.extend(verdict.into_cancellation(&site.rule.name));
                } else if !matches!(verdict, Verdict::NotMatched(_) | Verdict::Unknown(_)) {
                    decided.push((site.order, decision(&site.rule.name, site.element, verdict)));
                }
            });
        });
        self.decisions.extend(decided);
        self.cancels.extend(cancels);
    }

    /// Decides the rules that are too expensive for the event.
    fn too_expensive(&mut self) {
        let (event_plan, too_expensive) = (self.event_plan, self.too_expensive);
        if too_expensive.is_empty() {
            return;
        }
        let mut decided = Vec::new();
        self.with_stack(0, &mut |stack, _, _| {
            too_expensive.each(event_plan, stack, &mut |order, _, rule, verdict| {
                if !rule.cancels && !matches!(verdict, Verdict::NotMatched(_)) {
                    decided.push((order, decision(&rule.name, None, verdict)));
                }
            });
        });
        self.decisions.extend(decided);
    }

    /// Calls `body` with the frames up to a level.
    pub(super) fn with_stack(
        &self,
        level: usize,
        body: &mut dyn FnMut(&Stack<'_, '_>, &'d Pooled, &Fuses),
    ) {
        self.nested(None, 0, level, body);
    }

    /// The same, with the frames of the levels before `at` on the stack.
    fn nested(
        &self,
        outer: Option<&Stack<'_, 'd>>,
        at: usize,
        level: usize,
        body: &mut dyn FnMut(&Stack<'_, '_>, &'d Pooled, &Fuses),
    ) {
        let made;
        let frame = match self.kept.get(at) {
            Some(kept) => kept,
            None => {
                let row = self.row(at);
                made = Frame::from_row(self.extract, self.body, row.group, row.row);
                &made
            }
        };
        let stack = match outer {
            Some(outer) => outer.with(frame),
            None => Stack::new(frame, &self.event_plan.frames, self.work),
        };
        match at < level {
            true => self.nested(Some(&stack), at + 1, level, body),
            false => body(&stack, self.plan, self.fuses),
        }
    }
}
