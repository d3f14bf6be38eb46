//! Finds the smallest change of an event that makes a rule match.

use std::rc::Rc;

use super::change::{EventChange, EventChanger};
use super::domain::Automata;
use super::enumerate::Enumerator;
use super::goal::{Constraint, Goal, SearchState};
use super::quantifiers::{self, ElementSource};
use super::query::{self, all_true};
use super::solve::{MAX_STEPS, Search, SearchOutcome};
use super::truths::Truths;
use super::variables::{BoundElements, VariableId, VariableStep, Variables};
use super::witness::Witness;
use super::{Analysis, Placed, ScopedExpr};
use crate::event::Event;
use crate::reference::{self, WorkBudget, World, size};
use crate::typed::{Each, Expr, ExprKind, QuantifierKind};
use crate::types::Ty;
use crate::value::Value;

/// How many alternatives the search tries for one event.
const MAX_ALTERNATIVES: usize = 64;
/// How many elements of each list the search tries to make match, and from how many it chooses
/// them.
const MAX_ELEMENTS: usize = 8;
const MAX_RANKED_ELEMENTS: usize = 1_000;
/// How many events one search makes to try values for opaque expressions.
const MAX_TRIES: usize = 400;
/// The number of passes over the event that it takes to change it, for the budget.
const PASSES_PER_CHANGE: usize = 2;
/// How much work budget one search step costs.
const WORK_PER_STEP: usize = 100;

/// An event that a rule matches, and how it differs from the original event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChangedEvent {
    /// Empty if the rule already matches.
    pub(crate) changes: Vec<EventChange>,
    /// The changed event, and the element that matches.
    pub(crate) event: Witness,
}

impl<'r> Analysis<'r> {
    /// The event with the fewest changes among those found for which the rule's conditions hold.
    /// When the budget is spent, the best event so far.
    pub(crate) fn counterfactual(
        &mut self,
        placed: Placed<'r>,
        event: &Event<'_>,
        budget: &WorkBudget,
    ) -> Option<ChangedEvent> {
        let current = Witness::from_event(event);
        // A body that cannot be serialized again cannot be changed.
        current.text()?;
        let mut events = placed.events().into_iter();
        let event_name = events.find(|own| own.as_pair() == (event.source(), event.name()))?;
        let query = self.query(event_name);
        let ty = query.ty.filter(|ty| ty.mismatch(&current.body).is_none());
        let world = World::new(event, None);
        let holds = |when: &&Expr| reference::truth(&world, Vec::new(), when) == Ok(true);
        let when = query.when.into_iter().filter(holds).collect();
        let mut counterfactual = CounterfactualSearch {
            placed,
            event_name: event_name.as_pair(),
            parameters: query.parameters,
            ty,
            when,
            size: size(&current.body),
            body: Rc::new(current.body.clone()),
            current,
            automata: query.automata,
            best: None,
            remaining_alternatives: MAX_ALTERNATIVES,
            tries: MAX_TRIES,
            budget,
        };
        counterfactual.consider(Vec::new(), counterfactual.current.clone());
        if counterfactual.best.is_none() {
            for indices in counterfactual.elements() {
                if budget.left() == 0 {
                    break;
                }
                counterfactual.search(&indices);
            }
        }
        counterfactual.best
    }
}

struct CounterfactualSearch<'a, 'r> {
    placed: Placed<'r>,
    event_name: (&'r str, &'r str),
    /// The parameters of the event's path.
    parameters: Vec<&'r str>,
    /// The type that the changed event must have, because the original event has it.
    ty: Option<&'r Ty>,
    /// The conditions of the event that the changed event must meet, because the original event meets them.
    when: Vec<&'r Expr>,
    current: Witness,
    /// Its body.
    body: Rc<Value<'static>>,
    /// The cost of evaluating the event's body.
    size: usize,
    automata: &'a mut Automata,
    best: Option<ChangedEvent>,
    remaining_alternatives: usize,
    tries: usize,
    budget: &'a WorkBudget,
}

impl<'r> CounterfactualSearch<'_, 'r> {
    /// The elements that the search tries to make match: for each list an existing element or a new
    /// one. In a long list, the elements that meet the most conditions.
    fn elements(&self) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        for each in self.placed.eachs() {
            let mut longer = Vec::new();
            for outer in all {
                let len = self.len(each, &outer);
                let inner = |index| outer.iter().copied().chain([index]).collect::<Vec<_>>();
                let mut present: Vec<_> = (0..len.min(MAX_RANKED_ELEMENTS)).map(inner).collect();
                if len > MAX_ELEMENTS {
                    let rank = |world: &World<'_>| {
                        present.sort_by_cached_key(|one| {
                            self.missed(one, world).unwrap_or(usize::MAX)
                        });
                    };
                    self.current.world(self.event_name, Some(self.budget), rank);
                }
                present.truncate(MAX_ELEMENTS);
                longer.extend(present.into_iter().chain([inner(len)]));
            }
            all = longer;
        }
        all
    }

    /// The number of conditions on these elements (and no inner ones) that do not hold.
    fn missed(&self, indices: &[usize], world: &World<'_>) -> Option<usize> {
        let mut state = self.state();
        let (scope, _) = self.bind(&mut state, indices)?;
        let value =
            |id: &VariableId| quantifiers::value(&self.body, *id, &state.variables).cloned();
        let elements = scope.iter().map(value).collect::<Option<Vec<_>>>()?;
        let own = self.placed.whens().filter(|when| when.around == indices.len());
        let holds = |when: &ScopedExpr<'_>| {
            reference::truth(world, elements.clone(), when.expr) == Ok(true)
        };
        Some(own.filter(|when| !holds(when)).count())
    }

    /// The length of the list inside these elements.
    fn len(&self, each: &'r Each, outer: &[usize]) -> usize {
        let mut state = self.state();
        let Some((scope, _)) = self.bind(&mut state, outer) else { return 0 };
        let list = match &each.list.kind {
            ExprKind::Quantifier { kind: QuantifierKind::Map, list, .. } => list,
            _ => &each.list,
        };
        let source = quantifiers::source(list, &scope, &mut state.variables);
        source
            .and_then(|(id, _)| quantifiers::len(&self.current.body, id, &state.variables))
            .unwrap_or(0)
    }

    fn state(&self) -> SearchState<'r> {
        let variables = Variables::new(self.ty, self.event_name, &self.parameters);
        SearchState::new(variables, ElementSource::Of(Rc::clone(&self.body)))
    }

    /// Binds the elements with these indices.
    fn bind(
        &self,
        state: &mut SearchState<'r>,
        indices: &[usize],
    ) -> Option<(BoundElements, Vec<Goal<'r>>)> {
        let mut scope: BoundElements = Rc::new([]);
        let mut goals = Vec::new();
        for (each, index) in self.placed.eachs().into_iter().zip(indices) {
            let step = VariableStep::Index(i64::try_from(*index).ok()?);
            let (element, so) = quantifiers::bind(state, &each.list, &scope, step).ok()??;
            goals.extend(so);
            scope = scope.iter().copied().chain([element]).collect();
        }
        Some((scope, goals))
    }

    fn search(&mut self, indices: &[usize]) {
        let mut state = self.state();
        let Some((scope, mut goals)) = self.bind(&mut state, indices) else { return };
        let own = self.when.iter().map(|expr| ScopedExpr { around: 0, expr });
        goals.extend(all_true(own.chain(self.placed.whens()), &scope));
        let budget = self.budget;
        let most = usize::try_from(budget.left()).unwrap_or(usize::MAX) / WORK_PER_STEP;
        let most = most.clamp(1, MAX_STEPS);
        let leaf = &mut |state: &SearchState<'r>| self.try_alternative(state);
        let mut search = Search { steps: most, leaf };
        search.run(state, goals);
        budget.spend((most - search.steps) * WORK_PER_STEP);
    }

    /// Tries one alternative.
    fn try_alternative(&mut self, state: &SearchState<'r>) -> SearchOutcome {
        self.remaining_alternatives = self.remaining_alternatives.saturating_sub(1);
        if let Some((changes, event)) = self.changed(state)
            && self.is_fewer(&changes)
            && !self.consider(changes, event)
            && !state.opaque.is_empty()
        {
            let own = Rc::clone(&self.body);
            // A value that one condition copies from the event may contradict another condition.
            for body in [Some(&*own), None] {
                let narrowed = self.narrow_opaque(state, body);
                if let Some((changes, event)) = self.changed(&narrowed)
                    && self.is_fewer(&changes)
                    && self.consider(changes, event)
                {
                    break;
                }
            }
        }
        let best = self.best.as_ref().map_or(usize::MAX, |best| best.changes.len());
        let ended = best <= 1 || self.remaining_alternatives == 0 || self.budget.left() == 0;
        if ended { SearchOutcome::Found } else { SearchOutcome::Unsure }
    }

    fn narrow_opaque(
        &mut self,
        state: &SearchState<'r>,
        body: Option<&Value<'static>>,
    ) -> SearchState<'r> {
        let (event_name, ty, current) = (self.event_name, self.ty, &self.current);
        let (size, budget) = (self.size, self.budget);
        let make_event = &mut |state: &SearchState<'_>,
                               scope: &[VariableId],
                               automata: &mut Automata| {
            if !budget.spend(PASSES_PER_CHANGE * size) {
                return None;
            }
            let (_, event) = EventChanger::new(&state.variables, automata, ty).change(current)?;
            let value =
                |id: &VariableId| quantifiers::value(&event.body, *id, &state.variables).cloned();
            let elements = scope.iter().map(value).collect::<Option<Vec<Value<'static>>>>()?;
            Some((Box::new(event), elements))
        };
        let mut enumerator = Enumerator {
            automata: self.automata,
            event_name,
            make_event,
            tries: self.tries,
            budget: Some(budget),
            body,
        };
        let narrowed = enumerator.narrow_opaque(state);
        self.tries = enumerator.tries;
        narrowed
    }

    fn changed(&mut self, state: &SearchState<'r>) -> Option<(Vec<EventChange>, Witness)> {
        if !self.budget.spend(PASSES_PER_CHANGE * self.size) {
            return None;
        }
        EventChanger::new(&state.variables, self.automata, self.ty).change(&self.current)
    }

    fn is_fewer(&self, changes: &[EventChange]) -> bool {
        self.best.as_ref().is_none_or(|best| changes.len() < best.changes.len())
    }

    /// Keeps an event if the rule matches it and it has fewer changes than the best one.
    fn consider(&mut self, changes: Vec<EventChange>, mut event: Witness) -> bool {
        if self.ty.is_some_and(|ty| ty.mismatch(&event.body).is_some()) {
            return false;
        }
        let holds = |world: &World<'_>| {
            self.when.iter().all(|when| reference::truth(world, Vec::new(), when) == Ok(true))
        };
        let matches = |world: &World<'_>| {
            if holds(world) { query::matches(self.placed, world) } else { Vec::new() }
        };
        let matched = event.world(self.event_name, Some(self.budget), matches);
        let Some(element) = matched.and_then(|all| all.into_iter().next()) else { return false };
        event.element = element;
        self.best = Some(ChangedEvent { changes, event });
        true
    }
}

/// The number of goals of an alternative that the unchanged body does not meet.
pub(super) fn distance(
    state: &SearchState<'_>,
    try_alternative: &[Goal<'_>],
    body: &Rc<Value<'static>>,
) -> usize {
    use super::atom::{self, Atom};
    let away = |goal: &&Goal<'_>| match goal {
        Goal::Variable(id, domain) => !domain.has(quantifiers::value(body, *id, &state.variables)),
        Goal::Element { list, step, .. } => {
            let len = quantifiers::len(body, *list, &state.variables).unwrap_or(0);
            !matches!(step, VariableStep::Index(at) if usize::try_from(*at).is_ok_and(|at| at < len))
        }
        Goal::Truth(Constraint { expr, scope, want }) => match atom::from_expr(expr) {
            Some(Atom::Constant(truth)) => !want.has(truth),
            Some(Atom::Single(path, split)) => {
                let mut variables = state.variables.clone();
                let Some(id) = variables.get_or_add(path, scope) else { return true };
                !split.domain(*want).has(quantifiers::value(body, id, &variables))
            }
            None => *want != Truths::ALL,
        },
    };
    try_alternative.iter().filter(away).count()
}
