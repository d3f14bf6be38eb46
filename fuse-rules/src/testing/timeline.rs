//! The timeline of a test: passes the decisions about its events through flow control, and ends waits when an event ends
//! them, or when `at` moves the clock past the time at which they are due.

mod places;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Tests;
use super::blow::TestFuses;
use super::execute::{SentEvent, name_of};
use crate::decision::{Decision, Evaluation, Outcome};
use crate::event::DEFAULT_RECEIVED;
use crate::flow::{Admission, Approval, BlowingFuse, EndedWait, FlowStates, Owner, Wait, WaitName};
use crate::fuses::{Fuses, PendingActions};
use crate::reaction::ActionResponse;
use crate::semantics;
use crate::typed::{Rule, Rules, Sensor, Test, TestStep};

/// Who answers in a test.
const PERSON: &str = "a person";

/// What became of a decision after the event.
pub(super) struct Ended {
    /// The step of the test in which it happened, by index.
    pub(super) step: usize,
    pub(super) decision: Decision,
    /// Whether it is the reaction to the failure or success of an action, which only an expectation about it sees.
    pub(super) is_assumed: bool,
}

/// A decision that waits.
struct Waiting {
    wait: Wait,
    /// Its event, by index.
    event: usize,
    /// Whether it is due, and a fuse of its rule is off.
    is_held: bool,
    decision: Decision,
}

impl Waiting {
    fn new(wait: Wait, event: usize, decision: Decision) -> Self {
        // Nothing is missed here, so it is due when it gets a place.
        let until = if wait.is_for_place() { Timestamp::MAX } else { wait.until };
        Self { wait: Wait { until, ..wait }, event, is_held: false, decision }
    }
}

/// Decides an event of a test.
pub(super) type Decide<'d, 't> = &'d mut dyn FnMut(&SentEvent<'t>) -> Evaluation;

/// The state of a test between two steps.
struct Timeline<'a, 'r> {
    tests: &'a Tests<'r>,
    /// Sensors that replace those of the rules.
    mutated: &'a [Sensor],
    states: FlowStates,
    /// In the order in which they began to wait.
    waiting: Vec<Waiting>,
    /// The fuses as the test sets them.
    given: Fuses,
    /// Those that can blow.
    blowing: TestFuses,
    /// The same, with those off that are blown.
    fuses: Fuses,
    /// What the actions of rules get, as the test sets it.
    responses: BTreeMap<String, ActionResponse>,
    /// The occurrences that are in progress, the oldest first, with the keys of their states.
    in_progress: Vec<(WaitName, BTreeSet<String>)>,
    now: Timestamp,
}

impl Tests<'_> {
    /// Decides the events of a test in order. The `mutated` sensors and fuses take the place of those of the rules.
    pub(super) fn play<'t>(
        &self,
        test: &Test,
        events: &mut [SentEvent<'t>],
        (mutated, fuses): (&[Sensor], &[BlowingFuse]),
        decide: Decide<'_, 't>,
    ) {
        let mut timeline = Timeline {
            tests: self,
            mutated,
            states: FlowStates::default(),
            waiting: Vec::new(),
            given: Fuses::default(),
            blowing: self.test_fuses(mutated, fuses),
            fuses: Fuses::default(),
            responses: BTreeMap::new(),
            in_progress: Vec::new(),
            now: DEFAULT_RECEIVED,
        };
        let mut next = 0;
        for (step, what) in test.steps.iter().enumerate() {
            match what {
                TestStep::With { fuse, on } => {
                    timeline.given = std::mem::take(&mut timeline.given).set(fuse, *on);
                    timeline.close(std::slice::from_ref(fuse));
                    timeline.wake_held(timeline.now);
                    timeline.fire(step, events);
                }
                TestStep::Response { rule, response } => {
                    timeline.responses.insert(rule.clone(), response.clone());
                }
                TestStep::Limiter { request, used } => timeline.use_limiter(step, request, *used),
                TestStep::At(time) => {
                    timeline.now = *time;
                    timeline.fire(step, events);
                }
                TestStep::Finish(rule) => timeline.finish(step, rule, events),
                TestStep::Send(_) => {
                    let Some(sent) = events.get_mut(next) else { continue };
                    sent.fuses = timeline.fuses.clone();
                    let evaluation = decide(sent);
                    timeline.send(step, next, events, evaluation);
                    next += 1;
                }
                TestStep::Answer { rule, is_approved, .. } => {
                    timeline.answer(step, rule, *is_approved, events);
                }
                TestStep::Expect(_) => {}
            }
        }
    }
}

impl Timeline<'_, '_> {
    /// Closes the blown fuses that the test switched, and those whose time is over.
    fn close(&mut self, switched: &[String]) {
        self.close_by(self.now, switched);
    }

    fn close_by(&mut self, time: Timestamp, switched: &[String]) {
        self.fuses = self.blowing.at(time, &self.given, switched);
    }

    /// Applies the cancellations of an event, given by index, and then its decisions.
    fn send(
        &mut self,
        step: usize,
        number: usize,
        events: &mut [SentEvent<'_>],
        mut evaluation: Evaluation,
    ) {
        let name = name_of(number);
        let owner = Owner::new(&name, &name, None);
        for cancellation in &evaluation.cancels {
            let by = (&owner, self.now);
            if let Some(ended) = self.states.cancel(cancellation, by, self.now.into()) {
                self.end(step, &ended, events);
            }
        }
        let decisions = &mut evaluation.decisions;
        let passed = self.blowing.pass(&mut self.states, &name, self.now, decisions);
        for (at, wait, ended) in passed.waits {
            if let Some(ended) = ended {
                self.end(step, &ended, events);
            }
            let decision = evaluation.decisions.get(at).cloned();
            self.waiting.extend(decision.map(|decision| Waiting::new(wait, number, decision)));
        }
        for decision in evaluation.decisions.iter().filter(|one| one.outcome == Outcome::Fired) {
            decision.occurrence(&name, &name, self.now).iter().for_each(|one| self.begin(one));
        }
        self.close(&[]);
        let Some(sent) = events.get_mut(number) else { return };
        let time = self.now;
        let decided = (evaluation.decisions.as_slice(), &self.responses);
        let states = (&mut self.states, self.mutated);
        let reactions = self.tests.reactions(states, &name, &sent.event, decided, time);
        evaluation.decisions.extend(reactions.decisions);
        let of_fuses = self.tests.reactions_of_fuses(&passed.blown, &sent.event, time);
        evaluation.decisions.extend(of_fuses);
        sent.assumed.extend(reactions.assumed);
        sent.evaluation = evaluation;
        sent.blows = passed.blown;
        sent.blown = self.blowing.blown();
    }

    /// Those whose fuses are on since this time are due.
    fn wake_held(&mut self, since: Timestamp) {
        for one in self.waiting.iter_mut().filter(|one| one.wait.is_for_fuses()) {
            if !set_fuses(&mut one.wait, self.tests.ruleset.typed(), &self.fuses) {
                one.wait.until = one.wait.until.min(since);
            }
        }
    }

    /// Closes a blown fuse whose time is over before anything else is due. Returns whether there is one.
    fn reset(&mut self) -> bool {
        if !self.waiting.iter().any(|one| one.wait.is_for_fuses()) {
            return false;
        }
        let due = self.waiting.iter().map(|one| one.wait.until).min().unwrap_or(self.now);
        let reset = self.blowing.first_reset().filter(|reset| *reset <= due.min(self.now));
        let Some(reset) = reset else { return false };
        self.close_by(reset, &[]);
        self.wake_held(reset);
        true
    }

    /// Ends a wait before it is due. A rule with several triggers has several decisions that wait together.
    fn end(&mut self, step: usize, ended: &EndedWait, events: &mut [SentEvent<'_>]) {
        let is_it = |waiting: &mut Waiting| waiting.wait.name() == ended.wait;
        for waiting in self.waiting.extract_if(.., is_it) {
            let outcome = ended.end.into();
            let reason = ended.why.clone();
            let decision = Decision { outcome, reason, action: None, ..waiting.decision };
            add(events, waiting.event, Ended { step, decision, is_assumed: false });
        }
    }

    /// A person answers everything of a rule that waits for approval.
    fn answer(&mut self, step: usize, rule: &str, is_approved: bool, events: &mut [SentEvent<'_>]) {
        let now = self.now;
        let is_asked = |one: &Waiting| {
            one.decision.rule == rule && one.wait.open_approval().is_some() && one.wait.until > now
        };
        if !self.waiting.iter().any(is_asked)
            && let Some(last) = events.last_mut()
        {
            last.unanswered.push(step);
        }
        let approval = Approval { by: PERSON.to_owned(), at: now, reason: None };
        if is_approved {
            for waiting in self.waiting.iter_mut().filter(|one| is_asked(one)) {
                waiting.wait.until = now;
                waiting.wait.approval = Some(approval.clone());
            }
            return self.fire(step, events);
        }
        let declined: Vec<Waiting> = self.waiting.extract_if(.., |one| is_asked(one)).collect();
        for Waiting { event, decision, .. } in declined {
            let (outcome, reason) = (Outcome::Declined, approval.declined());
            let decision = Decision { outcome, reason, action: None, ..decision };
            self.settle(step, (event, now), decision, events);
        }
    }

    /// Continues with everything that is due: in the order of its time, and then in the order in which it began to wait.
    /// What a fuse holds is still pending.
    fn fire(&mut self, step: usize, events: &mut [SentEvent<'_>]) {
        // First what becomes due, each at its own time; then what fuses hold.
        for is_held in [false, true] {
            let mut held = Vec::new();
            loop {
                self.wake_ready();
                if self.reset() {
                    continue;
                }
                let due = self
                    .waiting
                    .iter()
                    .enumerate()
                    .filter(|(_, one)| one.is_held == is_held && one.wait.until <= self.now);
                let Some((first, _)) = due.min_by_key(|(_, waiting)| waiting.wait.until) else {
                    break;
                };
                let waiting = self.waiting.remove(first);
                self.close_by(if is_held { self.now } else { waiting.wait.until }, &[]);
                // Without an answer, it expires whatever its fuses are.
                let gate = match waiting.wait.open_approval() {
                    Some(_) => None,
                    None => self.gate(&waiting),
                };
                match gate {
                    Some((PendingActions::Hold, _)) => {
                        self.states.set_aside(&waiting.wait);
                        held.push(Waiting { is_held: true, ..waiting });
                    }
                    Some((PendingActions::Drop, reason)) => {
                        self.states.release(&waiting.wait);
                        let outcome = Outcome::Gated;
                        let decision =
                            Decision { outcome, reason, action: None, ..waiting.decision };
                        // It becomes a dead letter, to which nothing reacts.
                        add(events, waiting.event, Ended { step, decision, is_assumed: false });
                    }
                    None => self.resume(step, waiting, events),
                }
            }
            self.waiting.extend(held);
            self.close(&[]);
        }
    }

    /// What becomes of an action that is due while a fuse of its rule is off, and why.
    fn gate(&self, waiting: &Waiting) -> Option<(PendingActions, String)> {
        let typed = self.tests.ruleset.typed();
        let named = |rule: &&Rule| rule.name == waiting.decision.rule;
        let mutated = self.mutated.iter().flat_map(|sensor| &sensor.rules).find(named);
        let original = || typed.sensors.iter().flat_map(|sensor| &sensor.rules).find(named);
        let rule = mutated.or_else(original)?;
        let is_waited_for = |fuse: &usize| {
            let fuse = typed.fuses.get(*fuse);
            fuse.is_some_and(|fuse| waiting.wait.is_for_fuse(&fuse.name))
        };
        let requires: Vec<usize> =
            rule.requires.iter().copied().filter(|fuse| !is_waited_for(fuse)).collect();
        let why = semantics::gated(&typed.fuses, &requires, &self.fuses)?;
        let off = requires.iter().filter_map(|fuse| typed.fuses.get(*fuse));
        let off = off.filter(|fuse| !self.fuses.get(&fuse.name).unwrap_or(fuse.default_on));
        let drops = off.into_iter().any(|fuse| fuse.pending == PendingActions::Drop);
        Some((if drops { PendingActions::Drop } else { PendingActions::Hold }, why))
    }

    /// Asks the clauses behind the one at which a decision waited.
    fn resume(&mut self, step: usize, waiting: Waiting, events: &mut [SentEvent<'_>]) {
        let Waiting { mut wait, event, is_held, mut decision } = waiting;
        set_fuses(&mut wait, self.tests.ruleset.typed(), &self.fuses);
        let time = if is_held { self.now } else { wait.until };
        // A rule with several triggers passes once for all of them.
        let name = wait.name();
        let same = self.waiting.iter().filter(|one| one.wait.name() == name).count();
        let mut blown = Vec::new();
        let answer = self.blowing.resume(&mut self.states, &wait, same + 1, time, &mut blown);
        if let Some(sent) = events.get_mut(event) {
            for decision in self.tests.reactions_of_fuses(&blown, &sent.event, time) {
                sent.ended.push(Ended { step, decision, is_assumed: false });
            }
            sent.blows.extend(blown);
        }
        let admission = match answer {
            Ok(admission) => admission,
            // It waits for the fuse that it blew.
            Err(_) if self.blowing.hold(&mut wait.occurrence).is_ok() => {
                self.waiting.push(Waiting { is_held: true, ..Waiting::new(wait, event, decision) });
                return;
            }
            Err(why) => {
                decision.gate(why.clone());
                let siblings: Vec<Waiting> =
                    self.waiting.extract_if(.., |one| one.wait.name() == name).collect();
                self.settle(step, (event, time), decision, events);
                for Waiting { mut decision, .. } in siblings {
                    decision.gate(why.clone());
                    self.settle(step, (event, time), decision, events);
                }
                if let Some(last) = events.last_mut() {
                    last.blown = self.blowing.blown();
                }
                return;
            }
        };
        let (outcome, by, reason) = match admission {
            Admission::Passed => {
                let is_shadow = wait.occurrence.is_shadow;
                decision.outcome = if is_shadow { Outcome::Shadow } else { Outcome::Fired };
                decision.reason = String::new();
                self.begin(&wait.occurrence);
                decision.flow = wait.occurrence.requests;
                return self.settle(step, (event, time), decision, events);
            }
            Admission::Waiting { by, until, why, ended } => {
                if let Some(ended) = ended {
                    self.end(step, &ended, events);
                }
                decision.reason = why;
                // It asked before it was its turn.
                let is_same = wait.clause == by;
                decision.flow = wait.occurrence.requests.get(by).cloned().into_iter().collect();
                let since = if is_same { wait.since } else { time };
                let wait = Wait { clause: by, since, until, ..wait };
                self.waiting.push(Waiting::new(wait, event, decision.clone()));
                if is_same {
                    return;
                }
                // A rule may react to its wait for approval.
                return self.settle(step, (event, time), decision, events);
            }
            Admission::Counted { by, why } => (Outcome::Counted, by, why),
            Admission::Suppressed { by, why } => (Outcome::Suppressed, by, why),
            Admission::Cancelled { by, why } => (Outcome::Cancelled, by, why),
            Admission::Expired { by, why } => (Outcome::Expired, by, why),
        };
        decision.flow = wait.occurrence.requests.get(by).cloned().into_iter().collect();
        let decision = Decision { outcome, reason, action: None, ..decision };
        self.settle(step, (event, time), decision, events);
    }

    /// Adds the final decision about something that waited, and the reactions to it.
    fn settle(
        &mut self,
        step: usize,
        (event, time): (usize, Timestamp),
        decision: Decision,
        events: &mut [SentEvent<'_>],
    ) {
        let Some(sent) = events.get_mut(event) else { return };
        let (name, decisions) = (name_of(event), std::slice::from_ref(&decision));
        // A rule with several triggers reacts once.
        let reacted = sent.ended.iter().any(|ended| {
            let Ended { decision: other, .. } = ended;
            (&other.rule, &other.element, other.outcome, &other.flow)
                == (&decision.rule, &decision.element, decision.outcome, &decision.flow)
                && decision.outcome != Outcome::Fired
        });
        let decisions = if reacted { &[] } else { decisions };
        let decided = (decisions, &self.responses);
        let states = (&mut self.states, self.mutated);
        let reactions = self.tests.reactions(states, &name, &sent.event, decided, time);
        sent.ended.push(Ended { step, decision, is_assumed: false });
        let of = |is_assumed| move |decision| Ended { step, decision, is_assumed };
        sent.ended.extend(reactions.decisions.into_iter().map(of(false)));
        sent.ended.extend(reactions.assumed.into_iter().map(of(true)));
    }
}

/// Sets the values of the fuses for which an occurrence waits. Returns whether it waits for one that is off.
fn set_fuses(wait: &mut Wait, rules: &Rules, fuses: &Fuses) -> bool {
    semantics::set_fuses(&rules.fuses, &mut wait.occurrence.requests, fuses);
    let request = wait.occurrence.requests.get(wait.clause);
    request.is_some_and(|request| request.off().next().is_some())
}

fn add(events: &mut [SentEvent<'_>], event: usize, ended: Ended) {
    if let Some(sent) = events.get_mut(event) {
        sent.ended.push(ended);
    }
}
