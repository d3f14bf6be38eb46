//! Searches the alternatives of all disjunctions for an event that meets the goals.

use std::rc::Rc;

use super::atom::{self, Atom};
use super::counterfactual::distance;
use super::goal::{Choice, Goal, State};
use super::quantifiers::Elements;

/// The result of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// No event meets the goals.
    Never,
    Found,
    Unsure,
}

/// How many goals one query may propagate.
pub(super) const STEPS: usize = 4_000;
/// How many disjunctions may be open at once.
const DEPTH: usize = 200;

/// Called for every path through the disjunctions that is not obviously impossible.
pub(super) type Leaf<'l, 'r> = &'l mut dyn FnMut(&State<'r>) -> Outcome;

pub(super) struct Search<'l, 'r> {
    pub(super) steps: usize,
    pub(super) leaf: Leaf<'l, 'r>,
}

impl<'r> Search<'_, 'r> {
    pub(super) fn run(&mut self, mut state: State<'r>, goals: Vec<Goal<'r>>) -> Outcome {
        match state.meet(goals, &mut self.steps) {
            Ok(()) => self.choose(state, DEPTH),
            Err(_) => Outcome::Never,
        }
    }

    fn choose(&mut self, mut state: State<'r>, depth: usize) -> Outcome {
        // Obviously impossible alternatives are not counted.
        let mut least: Option<(usize, usize)> = None;
        for (at, choice) in state.choices.iter().enumerate() {
            let open = choice.ways.iter().filter(|way| may_be(&state, way)).count();
            let rank = if choice.exact { open } else { open.max(2) + choice.ways.len() };
            if least.is_none_or(|(best, _)| rank < best) {
                least = Some((rank, at));
            }
        }
        // The more disjunctions are open, the more each choice costs.
        self.steps = self.steps.saturating_sub(state.choices.len() / 8);
        if self.steps == 0 || depth == 0 {
            return Outcome::Unsure;
        }
        let Some((_, at)) = least else { return (self.leaf)(&state) };
        let choice: Rc<Choice<'r>> = state.choices.remove(at);
        let mut unsure = false;
        let mut ways: Vec<_> = choice.ways.iter().filter(|way| may_be(&state, way)).collect();
        if let Elements::Of(body) = &state.elements {
            ways.sort_by_cached_key(|way| distance(&state, way, body));
        }
        for way in ways {
            let mut next = state.clone();
            if next.meet(way.clone(), &mut self.steps).is_err() {
                continue;
            }
            match self.choose(next, depth - 1) {
                Outcome::Found => return Outcome::Found,
                Outcome::Unsure => unsure = true,
                Outcome::Never => {}
            }
            if self.steps == 0 {
                return Outcome::Unsure;
            }
        }
        // An inexact disjunction excludes nothing, so the search also continues without it.
        match (choice.exact, unsure) {
            (false, _) => self.choose(state, depth - 1),
            (true, true) => Outcome::Unsure,
            (true, false) => Outcome::Never,
        }
    }
}

/// Whether no goal of an alternative is obviously impossible.
fn may_be(state: &State<'_>, way: &[Goal<'_>]) -> bool {
    way.iter().all(|goal| {
        let (id, domain) = match goal {
            Goal::Place(id, domain) => (Some(*id), domain.clone()),
            Goal::Truth(wanted) => match atom::of(wanted.expr) {
                Some(Atom::Constant(truth)) => return wanted.want.has(truth),
                Some(Atom::Test(path, split)) => {
                    (state.places.find(path, &wanted.scope), Rc::new(split.domain(wanted.want)))
                }
                None => return true,
            },
            Goal::Element { .. } => return true,
        };
        match id.and_then(|id| state.places.at(id)) {
            Some(place) => !place.domain.and(&domain).is_none(),
            None => !domain.is_none(),
        }
    })
}
