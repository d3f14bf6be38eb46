//! The laws of `limit … else wait`: never too many in any window of real time, whatever is late, set back or edited; the
//! order of arrival; and nothing is lost.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::admit::{ClauseAnswer, Hold, Question};
use super::super::*;
use super::at;

/// How many logs each fault is tried with, at most.
const LOGS_PER_FAULT: usize = 1_000;
/// The start of every log, far from the ends of time.
const START: i64 = 1_000_000;
/// The length of the window.
const PER: i64 = 10;

/// Something that happens. All times are in seconds.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// How much later than the last one.
    after: i64,
    /// How far the clock was set back before.
    back: i64,
    /// Whether the timers are late: what is due by now is not resumed before.
    is_late: bool,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Another occurrence comes.
    Comes,
    /// One that waits, by number, is given up.
    Ends(usize),
    /// One that waits, by number, is due, and something else holds it back for so long.
    Held(usize, i64),
    /// The rules have another number.
    Limits(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The clock only goes forward, timers are on time, and nothing but arrivals happens.
    Plain,
    /// The clock only goes forward.
    Forward,
    Any,
}

fn log(kind: Kind) -> BoxedStrategy<Vec<Step>> {
    let back = match kind {
        Kind::Any => prop_oneof![6 => Just(0), 1 => 1..60_i64].boxed(),
        _ => Just(0).boxed(),
    };
    let after = prop_oneof![4 => 0..4_i64, 2 => 0..15_i64, 1 => Just(PER), 1 => Just(3 * PER)];
    let what = match kind {
        Kind::Plain => Just(What::Comes).boxed(),
        _ => prop_oneof![
            8 => Just(What::Comes),
            1 => (0..5_usize).prop_map(What::Ends),
            1 => (0..5_usize, 1..40_i64).prop_map(|(which, long)| What::Held(which, long)),
            1 => (1..4_u32).prop_map(What::Limits),
        ]
        .boxed(),
    };
    let is_late = if kind == Kind::Plain { Just(false).boxed() } else { any::<bool>().boxed() };
    let step = (after, back, is_late, what);
    let step = step.prop_map(|(after, back, is_late, what)| Step { after, back, is_late, what });
    prop::collection::vec(step, 1..60).boxed()
}

/// The parts of the clause, or copies with a fault.
#[derive(Clone, Copy)]
struct Machine {
    step: fn(Flow, Option<&FlowState>, Question<'_>, FlowTime) -> (FlowState, ClauseAnswer),
    release: fn(FlowState, &Owner) -> FlowState,
    set_aside: fn(FlowState, &Owner) -> FlowState,
}

const CLAUSE: Machine = Machine {
    step: |flow, state, question, time| flow.step(state, question, time),
    release: |state, owner| state.release("s/r", owner),
    set_aside: |state, owner| state.set_aside("s/r", owner),
};

pub(super) fn limit(count: u32) -> Flow {
    Flow::Limit { count, per: SignedDuration::from_secs(PER), waits: true }
}

pub(super) fn owner(number: usize) -> Owner {
    Owner { id: number.to_string(), name: String::new() }
}

/// One that waits: its number, when it is due by the clock, and whether it was held back once.
#[derive(Clone, Copy, Debug)]
struct Pending {
    number: usize,
    until: i64,
    was_held: bool,
    /// Whether it is held back now.
    is_held: bool,
}

struct Run {
    machine: Machine,
    state: Option<FlowState>,
    count: u32,
    /// The clock, and how far it was set back.
    now: i64,
    back: i64,
    pending: Vec<Pending>,
    /// Who passed, with the real time.
    admitted: Vec<(usize, i64)>,
}

impl Run {
    /// One asks, for the first time or again.
    fn ask(&mut self, number: usize, was_held: bool) -> Result<(), String> {
        let owner = owner(number);
        let question = Question { rule: "s/r", owner: &owner, received: at(self.now) };
        let time = FlowTime::from(at(self.now));
        let (flow, machine) = (limit(self.count), self.machine);
        let (after, answer) = (machine.step)(flow, self.state.as_ref(), question, time);
        if (machine.step)(flow, Some(&after), question, time) != (after.clone(), answer.clone()) {
            return Err(format!("{number} has another answer if it is asked again"));
        }
        self.state = Some(after);
        let real = self.now + self.back;
        let recent = self.admitted.iter().filter(|(_, then)| real - then < PER).count();
        match answer {
            Ok(()) => {
                if recent >= self.count as usize {
                    return Err(format!("{number} is one too many in its window"));
                }
                let mut earlier =
                    self.pending.iter().filter(|one| one.number < number && !one.was_held);
                if !was_held && self.back == 0 {
                    // Those that are due and late have a place, too.
                    let has_places = recent + earlier.clone().count() < self.count as usize;
                    if let Some(earlier) = earlier.find(|one| !has_places || one.until > self.now) {
                        return Err(format!("{number} overtakes {}", earlier.number));
                    }
                }
                self.admitted.push((number, real));
                Ok(())
            }
            Err(Hold::Waits { until, replaces: None, .. }) if until > at(self.now) => {
                let is_behind = self.pending.iter().any(|one| one.number < number && !one.is_held);
                if self.back == 0 && recent < self.count as usize && !is_behind {
                    return Err(format!("{number} waits for nobody"));
                }
                let until = until.as_second();
                self.pending.push(Pending { number, until, was_held, is_held: false });
                Ok(())
            }
            Err(other) => Err(format!("{number}: {other:?}")),
        }
    }

    /// Those that are due ask again, in order.
    fn resume(&mut self) -> Result<(), String> {
        while let Some(index) = self.next_due() {
            let Pending { number, was_held, .. } = self.pending.remove(index);
            self.ask(number, was_held)?;
        }
        Ok(())
    }

    fn next_due(&self) -> Option<usize> {
        let pending = self.pending.iter().enumerate();
        let due = pending.filter(|(_, one)| one.until <= self.now);
        due.min_by_key(|(_, one)| (one.until, one.number)).map(|(index, _)| index)
    }

    fn step(&mut self, number: usize, step: Step) -> Result<(), String> {
        self.now -= step.back;
        self.back += step.back;
        let then = self.now + step.after;
        if !step.is_late {
            // Timers fire when they are due.
            while let Some(next) = self.pending.iter().map(|one| one.until).min() {
                if next > then {
                    break;
                }
                self.now = self.now.max(next);
                self.resume()?;
            }
        }
        self.now = then;
        if self.state.as_ref().is_some_and(|state| state.end() <= at(self.now)) {
            self.state = None;
        }
        match step.what {
            What::Comes => self.ask(number, false)?,
            What::Ends(which) => {
                if which < self.pending.len() {
                    let ended = self.pending.remove(which);
                    self.state = self
                        .state
                        .take()
                        .map(|one| (self.machine.release)(one, &owner(ended.number)));
                }
            }
            What::Held(which, long) => {
                let now = self.now;
                if let Some(held) = self.pending.get_mut(which) {
                    (held.until, held.was_held, held.is_held) = (now + long, true, true);
                    let held = owner(held.number);
                    self.state = self.state.take().map(|one| (self.machine.set_aside)(one, &held));
                }
            }
            What::Limits(count) => self.count = count,
        }
        Ok(())
    }
}

/// When each of a plain log passes: as soon as those before it passed and there is a place.
fn model(log: &[Step], count: usize) -> Vec<(usize, i64)> {
    let (mut now, mut passed) = (START, Vec::<(usize, i64)>::new());
    for (number, step) in log.iter().enumerate() {
        now += step.after;
        let last = passed.last().map_or(now, |(_, then)| *then);
        let place = number.checked_sub(count).map_or(now, |index| passed[index].1 + PER);
        passed.push((number, now.max(last).max(place)));
    }
    passed
}

/// Answers a log by the clause, and checks every answer. `Err` names the law that is broken.
fn run(count: u32, log: &[Step], kind: Kind, machine: Machine) -> Result<(), String> {
    let mut run = Run {
        machine,
        state: None,
        count,
        now: START,
        back: 0,
        pending: Vec::new(),
        admitted: Vec::new(),
    };
    for (number, step) in log.iter().enumerate() {
        run.step(number, *step)?;
    }
    // In the end, all of them pass: each waits for at most a window after those before it.
    for _ in 0..2 * log.len() + 10 {
        let Some(next) = run.pending.iter().map(|one| one.until).min() else { break };
        run.now = run.now.max(next);
        run.resume()?;
    }
    if !run.pending.is_empty() {
        return Err(format!("{:?} never pass", run.pending));
    }
    if kind == Kind::Plain {
        let expected = model(log, count as usize);
        if run.admitted != expected {
            return Err(format!("{:?} instead of {expected:?}", run.admitted));
        }
    }
    match run.state {
        Some(FlowState::Queue(queue)) => Err(format!("{queue:?} remains")),
        _ => Ok(()),
    }
}

fn logs() -> impl Strategy<Value = (Kind, Vec<Step>)> {
    let kinds = [Kind::Plain, Kind::Forward, Kind::Any];
    prop::sample::select(kinds.to_vec())
        .prop_flat_map(|kind| log(kind).prop_map(move |log| (kind, log)))
}

proptest! {
    #[test]
    fn a_queue_obeys_its_laws((kind, log) in logs(), count in 1..4_u32) {
        let found = run(count, &log, kind, CLAUSE);
        prop_assert!(found.is_ok(), "{}", found.unwrap_err());
    }
}

fn finds(fault: Machine) -> bool {
    let mut runner = TestRunner::deterministic();
    (0..LOGS_PER_FAULT).any(|_| {
        let (kind, log) = logs().new_tree(&mut runner).unwrap().current();
        (1..4).any(|count| run(count, &log, kind, fault).is_err())
    })
}

#[test]
fn the_laws_of_queues_find_faults() {
    let faults: [(&str, Machine); 7] = [
        (
            "one place too many",
            Machine {
                step: |flow, state, question, time| match flow {
                    Flow::Limit { count, per, waits } => {
                        Flow::Limit { count: count + 1, per, waits }.step(state, question, time)
                    }
                    flow => flow.step(state, question, time),
                },
                ..CLAUSE
            },
        ),
        (
            "a window that is too short",
            Machine {
                step: |flow, state, question, time| match flow {
                    Flow::Limit { count, waits, .. } => {
                        let per = SignedDuration::from_secs(PER - 1);
                        Flow::Limit { count, per, waits }.step(state, question, time)
                    }
                    flow => flow.step(state, question, time),
                },
                ..CLAUSE
            },
        ),
        (
            "one that takes its place when it is due",
            Machine {
                step: |flow, state, question, time| {
                    let (after, answer) = flow.step(state, question, time);
                    match answer {
                        Err(Hold::Waits { until, .. }) => {
                            let (then, _) = flow.step(Some(&after), question, until.into());
                            (then, flow.step(state, question, time).1)
                        }
                        answer => (after, answer),
                    }
                },
                ..CLAUSE
            },
        ),
        (
            "one that loses its position when it asks again",
            Machine {
                step: |flow, state, question, time| {
                    let state = state.cloned().map(|state| state.release("s/r", question.owner));
                    flow.step(state.as_ref(), question, time)
                },
                ..CLAUSE
            },
        ),
        (
            "one that is given up and keeps its position",
            Machine { release: |state, _| state, ..CLAUSE },
        ),
        ("one that is held and keeps its turn", Machine { set_aside: |state, _| state, ..CLAUSE }),
        (
            "a state that is forgotten",
            Machine { step: |flow, _, question, time| flow.step(None, question, time), ..CLAUSE },
        ),
    ];
    for (what, fault) in faults {
        assert!(finds(fault), "the laws do not find {what}");
    }
}
