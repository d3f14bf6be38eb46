//! `concurrency` against an obvious model: a list of those in progress and a list of those that wait.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::admit::{ClauseAnswer, Hold, Question};
use super::super::*;
use super::at;

/// How many logs each fault is tried with, at most.
const LOGS_PER_FAULT: usize = 2_000;

/// Something that happens to one key.
#[derive(Clone, Debug)]
enum Step {
    /// A new occurrence asks.
    Arrive,
    /// A known occurrence asks again: as a repetition, or because it is due.
    Ask(prop::sample::Index),
    /// The actions of an occurrence end, possibly for the second time.
    End(prop::sample::Index),
    /// An occurrence no longer waits, if it waited.
    Leave(prop::sample::Index),
    /// The rules are edited.
    Edit(u32),
    /// Time passes. The clock may be set back.
    Pass(i64),
}

fn log() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        6 => Just(Step::Arrive),
        4 => index().prop_map(Step::Ask),
        5 => index().prop_map(Step::End),
        1 => index().prop_map(Step::Leave),
        1 => (1..4_u32).prop_map(Step::Edit),
        2 => (-50..100_i64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..60)
}

/// The parts of the clause, or copies with a fault.
#[derive(Clone, Copy)]
struct Machine {
    step: fn(Flow, Option<&FlowState>, Question<'_>, FlowTime) -> (FlowState, ClauseAnswer),
    vacate: fn(FlowState, &WaitName) -> FlowState,
    release: fn(FlowState, &WaitName) -> FlowState,
    ready: fn(&FlowState) -> Vec<WaitName>,
}

fn of(state: &FlowState) -> &InProgress {
    match state {
        FlowState::Concurrency(state) => state,
        other => panic!("{other:?}"),
    }
}

const CLAUSE: Machine = Machine {
    step: |flow, state, question, time| flow.step(state, question, time),
    vacate: FlowState::vacate,
    release: |state, who| {
        state.release(&who.rule, &Owner { id: who.owner.clone(), name: String::new() })
    },
    ready: |state| of(state).ready().collect(),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Passes,
    Waits,
    Suppressed,
}

/// The obvious model.
#[derive(Default)]
struct Model {
    in_progress: Vec<usize>,
    queue: Vec<usize>,
    /// Those in progress that have to stop.
    stopping: Vec<usize>,
    /// The one whose wait the last answer ended.
    superseded: Option<usize>,
    /// Those that passed, in their order.
    passed: Vec<usize>,
}

impl Model {
    fn ask(&mut self, who: usize, count: u32, otherwise: Overflow) -> Answer {
        if self.in_progress.contains(&who) {
            return Answer::Passes;
        }
        let queued = self.queue.iter().position(|one| *one == who);
        let before = queued.unwrap_or(self.queue.len());
        if self.in_progress.len() + before < count as usize {
            self.queue.retain(|one| *one != who);
            self.in_progress.push(who);
            self.passed.push(who);
            self.stop(count as usize, otherwise);
            return Answer::Passes;
        }
        if otherwise == Overflow::Skip {
            return Answer::Suppressed;
        }
        if queued.is_none() {
            self.queue.push(who);
            if otherwise == Overflow::Replace {
                self.replace(who, count as usize);
            }
        }
        self.stop(count as usize, otherwise);
        Answer::Waits
    }
}

impl Model {
    /// Those in the queue for which there is no place.
    fn without_place(&self, count: usize) -> impl Iterator<Item = usize> {
        self.queue.iter().copied().skip(count.saturating_sub(self.in_progress.len()))
    }

    fn replace(&mut self, who: usize, count: usize) {
        let own: Vec<usize> = self.without_place(count).filter(|one| one % 2 == who % 2).collect();
        if own.len() > count {
            self.superseded = own.first().copied();
            self.queue.retain(|one| Some(*one) != self.superseded);
        }
    }

    fn stop(&mut self, count: usize, otherwise: Overflow) {
        if otherwise != Overflow::Replace {
            return;
        }
        let waiting = self.without_place(count).count();
        let too_many = self.in_progress.len().saturating_sub(count);
        let needed = if waiting > 0 { waiting + too_many } else { 0 };
        for one in &self.in_progress {
            if self.stopping.len() < needed && !self.stopping.contains(one) {
                self.stopping.push(*one);
            }
        }
    }

    fn end(&mut self, who: usize) {
        self.in_progress.retain(|one| *one != who);
        self.stopping.retain(|one| *one != who);
    }
}

/// Two rules share the state: their occurrences of one event are different ones.
fn name(who: usize) -> WaitName {
    WaitName { rule: format!("s/{}", who % 2), owner: format!("e{}", who / 2) }
}

/// The answer without the one whose wait it ends.
fn without_ended(answer: ClauseAnswer) -> ClauseAnswer {
    match answer {
        Err(Hold::Waits { until, why, .. }) => Err(Hold::Waits { until, why, replaces: None }),
        answer => answer,
    }
}

/// The state of a run.
struct Run {
    machine: Machine,
    otherwise: Overflow,
    state: Option<FlowState>,
    model: Model,
    count: u32,
    now: i64,
}

impl Run {
    /// Asks as this occurrence, and checks the answer.
    fn ask(&mut self, who: usize) -> Result<Answer, String> {
        let (of_it, time) = (name(who), FlowTime::from(at(self.now)));
        let owner = Owner { id: of_it.owner.clone(), name: format!("event {who}") };
        let question = Question { rule: &of_it.rule, owner: &owner, received: time.wall };
        let flow = Flow::Concurrency { count: self.count, otherwise: self.otherwise };
        let (state, answer) = (self.machine.step)(flow, self.state.as_ref(), question, time);
        let (again, same) = (self.machine.step)(flow, Some(&state), question, time);
        // It ends the wait of another one only once.
        if (&again, &without_ended(same)) != (&state, &without_ended(answer.clone())) {
            return Err(format!("{who} has another answer if it asks again"));
        }
        self.state = Some(state);
        self.model.superseded = None;
        let mut superseded = None;
        let found = match answer {
            Ok(()) => Answer::Passes,
            Err(Hold::Back(_)) => Answer::Suppressed,
            Err(Hold::Waits { until, replaces, .. }) if until > time.steady => {
                superseded = replaces.map(|owner| owner.id);
                Answer::Waits
            }
            Err(other) => return Err(format!("{who}: {other:?}")),
        };
        let expected = self.model.ask(who, self.count, self.otherwise);
        if superseded != self.model.superseded.map(|one| name(one).owner) {
            return Err(format!("{who} supersedes {superseded:?}"));
        }
        match found == expected {
            true => Ok(found),
            false => Err(format!("{who}: {found:?} instead of {expected:?}")),
        }
    }

    /// Those that are told that there is a place are the first ones that wait, as many as there are places.
    fn check(&self) -> Result<BTreeSet<WaitName>, String> {
        let Some(state) = &self.state else { return Ok(BTreeSet::new()) };
        let free = (self.count as usize).saturating_sub(self.model.in_progress.len());
        let expected: Vec<WaitName> =
            self.model.queue.iter().take(free).map(|one| name(*one)).collect();
        let found = (self.machine.ready)(state);
        if found != expected {
            return Err(format!("{found:?} are told of a place instead of {expected:?}"));
        }
        let stopping: BTreeSet<WaitName> = of(state).stopping().map(|(one, _)| one).collect();
        let expected: BTreeSet<WaitName> =
            self.model.stopping.iter().map(|one| name(*one)).collect();
        if stopping != expected {
            return Err(format!("{stopping:?} have to stop instead of {expected:?}"));
        }
        let is_empty = self.model.in_progress.is_empty() && self.model.queue.is_empty();
        if is_empty != (state.end() == Timestamp::MIN) {
            return Err(format!("the end of the state is {}", state.end()));
        }
        Ok(found.into_iter().collect())
    }
}

/// Answers a log by the clause, and checks every answer. `Err` names the law that is broken.
fn run(otherwise: Overflow, log: &[Step], machine: Machine) -> Result<(), String> {
    let mut run =
        Run { machine, otherwise, state: None, model: Model::default(), count: 2, now: 1_000 };
    let mut known = 0;
    for step in log {
        match step {
            Step::Arrive => {
                run.ask(known)?;
                known += 1;
            }
            Step::Ask(_) | Step::End(_) | Step::Leave(_) if known == 0 => {}
            Step::Ask(index) => {
                // What ended does not ask again.
                let who = index.index(known);
                if run.model.in_progress.contains(&who) || run.model.queue.contains(&who) {
                    run.ask(who)?;
                }
            }
            Step::End(index) => {
                let who = index.index(known);
                run.state = run.state.map(|state| (machine.vacate)(state, &name(who)));
                run.model.end(who);
            }
            Step::Leave(index) => {
                let who = index.index(known);
                run.state = run.state.map(|state| (machine.release)(state, &name(who)));
                run.model.queue.retain(|one| *one != who);
            }
            Step::Edit(count) => {
                run.count = *count;
                // The number applies as soon as an occurrence of the new rules asks.
                run.ask(known)?;
                known += 1;
            }
            Step::Pass(seconds) => run.now += seconds,
        }
        if run.model.in_progress.len() > 3 {
            return Err("more are in progress than any rule allows".to_owned());
        }
        run.check()?;
    }
    // Nothing is lost: as those in progress end, all others pass, in the order in which they asked.
    let waiting = run.model.queue.clone();
    run.model.passed.clear();
    loop {
        for ready in run.check()? {
            let next = waiting.iter().copied().find(|one| name(*one) == ready);
            run.ask(next.ok_or("one is told of a place that does not wait")?)?;
        }
        let Some(who) = run.model.in_progress.first().copied() else { break };
        run.state = run.state.map(|state| (machine.vacate)(state, &name(who)));
        run.model.end(who);
    }
    match run.model.queue.is_empty() {
        true => Ok(()),
        false => Err(format!("{:?} still wait", run.model.queue)),
    }
}

proptest! {
    #[test]
    fn the_answers_are_those_of_the_model(log in log()) {
        for otherwise in [Overflow::Queue, Overflow::Skip, Overflow::Replace] {
            let found = run(otherwise, &log, CLAUSE);
            prop_assert!(found.is_ok(), "{otherwise:?}: {}", found.unwrap_err());
        }
    }
}

/// Whether the laws find the fault.
fn finds(fault: Machine) -> bool {
    let (mut runner, logs) = (TestRunner::deterministic(), log());
    (0..LOGS_PER_FAULT).any(|_| {
        let log = logs.new_tree(&mut runner).unwrap().current();
        let all = [Overflow::Queue, Overflow::Skip, Overflow::Replace];
        all.into_iter().any(|one| run(one, &log, fault).is_err())
    })
}

#[test]
fn the_laws_of_concurrency_find_faults() {
    let faults: [(&str, Machine); 7] = [
        (
            "one more than the number",
            Machine {
                step: |flow, state, question, time| match flow {
                    Flow::Concurrency { count, otherwise } => {
                        Flow::Concurrency { count: count + 1, otherwise }
                            .step(state, question, time)
                    }
                    flow => flow.step(state, question, time),
                },
                ..CLAUSE
            },
        ),
        (
            "a place that has no owner",
            Machine {
                step: |flow, state, question, time| {
                    let owner = Owner {
                        id: format!(
                            "{} {}",
                            question.owner.id,
                            state.map_or(0, |s| of(s).members().count())
                        ),
                        ..question.owner.clone()
                    };
                    flow.step(state, Question { owner: &owner, ..question }, time)
                },
                ..CLAUSE
            },
        ),
        (
            "rules that are mistaken for each other",
            Machine {
                step: |flow, state, question, time| {
                    flow.step(state, Question { rule: "s/0", ..question }, time)
                },
                ..CLAUSE
            },
        ),
        (
            "a state that is forgotten",
            Machine { step: |flow, _, question, time| flow.step(None, question, time), ..CLAUSE },
        ),
        ("a place that is never free", Machine { vacate: |state, _| state, ..CLAUSE }),
        (
            "an end that frees all places",
            Machine {
                vacate: |state, who| {
                    let members: Vec<WaitName> = of(&state).members().collect();
                    members
                        .contains(who)
                        .then_some(members)
                        .into_iter()
                        .flatten()
                        .fold(state, |state, one| state.vacate(&one))
                },
                ..CLAUSE
            },
        ),
        ("one that waits and never leaves", Machine { release: |state, _| state, ..CLAUSE }),
    ];
    for (what, fault) in faults {
        assert!(finds(fault), "the laws do not find {what}");
    }
    let last_first = Machine {
        ready: |state| {
            let mut ready: Vec<WaitName> = of(state).ready().collect();
            ready.reverse();
            ready
        },
        ..CLAUSE
    };
    assert!(finds(last_first), "the laws do not find a queue in another order");
}
