//! Searches the alternatives of all disjunctions for an event that meets the goals.

use std::rc::Rc;

use super::atom::{self, Atom};
use super::counterfactual::distance;
use super::goal::{Disjunction, Goal, SearchState};
use super::quantifiers::ElementSource;

/// The result of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchOutcome {
    /// No event meets the goals.
    Never,
    Found,
    Unsure,
}

/// How many goals one query may propagate.
pub(super) const MAX_STEPS: usize = 4_000;
/// How many disjunctions may be open at once.
const MAX_OPEN_DISJUNCTIONS: usize = 200;

/// Called for every path through the disjunctions that is not obviously impossible.
pub(super) type Leaf<'l, 'r> = &'l mut dyn FnMut(&SearchState<'r>) -> SearchOutcome;

pub(super) struct Search<'l, 'r> {
    pub(super) steps: usize,
    pub(super) leaf: Leaf<'l, 'r>,
}

impl<'r> Search<'_, 'r> {
    pub(super) fn run(
        &mut self,
        mut state: SearchState<'r>,
        goals: Vec<Goal<'r>>,
    ) -> SearchOutcome {
        match state.propagate(goals, &mut self.steps) {
            Ok(()) => self.choose(state, MAX_OPEN_DISJUNCTIONS),
            Err(_) => SearchOutcome::Never,
        }
    }

    fn choose(&mut self, mut state: SearchState<'r>, depth: usize) -> SearchOutcome {
        // Obviously impossible alternatives are not counted.
        let mut least: Option<(usize, usize)> = None;
        for (at, disjunction) in state.disjunctions.iter().enumerate() {
            let open = disjunction
                .alternatives
                .iter()
                .filter(|alternative| may_be(&state, alternative))
                .count();
            let rank =
                if disjunction.exact { open } else { open.max(2) + disjunction.alternatives.len() };
            if least.is_none_or(|(best, _)| rank < best) {
                least = Some((rank, at));
            }
        }
        // The more disjunctions are open, the more each choice costs.
        self.steps = self.steps.saturating_sub(state.disjunctions.len() / 8);
        if self.steps == 0 || depth == 0 {
            return SearchOutcome::Unsure;
        }
        let Some((_, at)) = least else { return (self.leaf)(&state) };
        let disjunction: Rc<Disjunction<'r>> = state.disjunctions.remove(at);
        let mut unsure = false;
        let mut alternatives: Vec<_> = disjunction
            .alternatives
            .iter()
            .filter(|alternative| may_be(&state, alternative))
            .collect();
        if let ElementSource::Of(body) = &state.elements {
            alternatives.sort_by_cached_key(|alternative| distance(&state, alternative, body));
        }
        for alternative in alternatives {
            let mut next = state.clone();
            if next.propagate(alternative.clone(), &mut self.steps).is_err() {
                continue;
            }
            match self.choose(next, depth - 1) {
                SearchOutcome::Found => return SearchOutcome::Found,
                SearchOutcome::Unsure => unsure = true,
                SearchOutcome::Never => {}
            }
            if self.steps == 0 {
                return SearchOutcome::Unsure;
            }
        }
        // An inexact disjunction excludes nothing, so the search also continues without it.
        match (disjunction.exact, unsure) {
            (false, _) => self.choose(state, depth - 1),
            (true, true) => SearchOutcome::Unsure,
            (true, false) => SearchOutcome::Never,
        }
    }
}

/// Whether no goal of an alternative is obviously impossible.
fn may_be(state: &SearchState<'_>, alternative: &[Goal<'_>]) -> bool {
    alternative.iter().all(|goal| {
        let (id, domain) = match goal {
            Goal::Variable(id, domain) => (Some(*id), domain.clone()),
            Goal::Truth(constraint) => match atom::from_expr(constraint.expr) {
                Some(Atom::Constant(truth)) => return constraint.want.has(truth),
                Some(Atom::Single(path, split)) => (
                    state.variables.find(path, &constraint.scope),
                    Rc::new(split.domain(constraint.want)),
                ),
                None => return true,
            },
            Goal::Element { .. } => return true,
        };
        match id.and_then(|id| state.variables.at(id)) {
            Some(variable) => !variable.domain.and(&domain).is_none(),
            None => !domain.is_none(),
        }
    })
}
