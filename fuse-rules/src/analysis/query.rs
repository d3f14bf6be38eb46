//! Runs one query, first for all events and then for typed ones, and verifies the events by
//! evaluation.

use std::rc::Rc;

use super::canonical;
use super::domain::Automata;
use super::enumerate::Enumerator;
use super::goal::{Constraint, Disjunction, Goal, SearchState};
use super::model::{BuiltValue, ModelBuilder};
use super::quantifiers::{self, ElementSource};
use super::solve::{MAX_STEPS, Search, SearchOutcome};
use super::truths::Truths;
use super::variables::{BoundElements, VariableId, VariableStep, Variables};
use super::witness::{MadeEvent, Witness};
use super::{Answer, Events, Placed, ScopedExpr};
use crate::reference::{self, World};
use crate::typed::{Each, EventName, Expr, Root};
use crate::types::Ty;
use crate::value::Value;

/// How many events are made for one query.
const MAX_EVENTS: usize = 24;
/// How many events one query makes to try values for opaque expressions.
const MAX_TRIES: usize = 200;

/// A query about the events of one name.
pub(super) struct Query<'a, 'r> {
    pub(super) event_name: (&'r str, &'r str),
    /// The parameters of its path.
    pub(super) parameters: Vec<&'r str>,
    pub(super) ty: Option<&'r Ty>,
    /// The conditions that a request must meet to be this event.
    pub(super) when: Vec<&'r Expr>,
    pub(super) automata: &'a mut Automata,
}

/// Makes the goals of a query.
pub(super) type MakeGoals<'p, 'r> =
    &'p dyn Fn(&mut SearchState<'r>) -> Result<Vec<Goal<'r>>, SearchOutcome>;
/// Whether an event has the wanted property, and for which element.
pub(super) type VerifyEvent<'v> = &'v dyn Fn(&World<'_>) -> Option<Vec<u32>>;

impl<'r> Query<'_, 'r> {
    pub(super) fn answer(
        &mut self,
        make_goals: MakeGoals<'_, 'r>,
        verify: VerifyEvent<'_>,
    ) -> Answer {
        let mut found = None;
        let mut tries = MAX_TRIES;
        let mut left = MAX_EVENTS;
        let outcome = self.search(self.ty, make_goals, &mut |query, state, witness| {
            found = query.verified(witness, verify);
            if found.is_none() && !state.opaque.is_empty() && tries > 0 {
                let ty = query.ty;
                let make_event =
                    &mut |state: &SearchState<'_>,
                          scope: &[VariableId],
                          automata: &mut Automata| {
                        made(state, scope, ty, automata)
                    };
                let mut enumerator = Enumerator {
                    automata: query.automata,
                    event_name: query.event_name,
                    make_event,
                    tries,
                    budget: None,
                    body: None,
                };
                let narrowed = enumerator.narrow_opaque(state);
                tries = enumerator.tries;
                if let MadeEvent::Event(witness) =
                    Witness::from_variables(&narrowed.variables, query.ty, query.automata)
                {
                    found = query.verified(witness, verify);
                }
            }
            left -= 1;
            // Reaching the limit without a witness is not a proof.
            found.is_some() || left == 0
        });
        match (outcome, found) {
            (_, Some(witness)) => Answer::Found(witness),
            (SearchOutcome::Never, None) => Answer::Never(self.events(make_goals)),
            _ => Answer::Unknown,
        }
    }

    /// Whether it is proven that no event has the property, without looking for one that does.
    pub(super) fn never(&mut self, make_goals: MakeGoals<'_, 'r>) -> Option<Events> {
        let outcome = self.search(self.ty, make_goals, &mut |_, _, _| true);
        (outcome == SearchOutcome::Never).then(|| self.events(make_goals))
    }

    /// The events for which something is proven that holds for typed events.
    fn events(&mut self, make_goals: MakeGoals<'_, 'r>) -> Events {
        if self.ty.is_none()
            || self.search(None, make_goals, &mut |_, _, _| true) == SearchOutcome::Never
        {
            Events::Any
        } else {
            Events::Typed
        }
    }

    /// Searches until an event is accepted.
    fn search(
        &mut self,
        ty: Option<&'r Ty>,
        make_goals: MakeGoals<'_, 'r>,
        accept: &mut dyn FnMut(&mut Self, &SearchState<'r>, Box<Witness>) -> bool,
    ) -> SearchOutcome {
        let variables = Variables::new(ty, self.event_name, &self.parameters);
        let mut state = SearchState::new(variables, ElementSource::New(0));
        let mut goals = match make_goals(&mut state) {
            Ok(goals) => goals,
            Err(outcome) => return outcome,
        };
        let whens = self.when.iter().map(|expr| ScopedExpr { around: 0, expr });
        let nothing: BoundElements = Rc::new([]);
        goals.extend(all_true(whens, &nothing));
        let leaf = &mut |state: &SearchState<'r>| {
            if state.terms.have_no_value(&state.variables, self.automata) {
                return SearchOutcome::Never;
            }
            match Witness::from_variables(&state.variables, ty, self.automata) {
                MadeEvent::Never => SearchOutcome::Never,
                MadeEvent::Event(witness) => match accept(self, state, witness) {
                    true => SearchOutcome::Found,
                    false => SearchOutcome::Unsure,
                },
                MadeEvent::Unsure => SearchOutcome::Unsure,
            }
        };
        Search { steps: MAX_STEPS, leaf }.run(state, goals)
    }

    /// The event, if it conforms to its type and has the property.
    fn verified(&self, mut witness: Box<Witness>, verify: VerifyEvent<'_>) -> Option<Box<Witness>> {
        if self.ty.is_some_and(|ty| ty.mismatch(&witness.body).is_some()) {
            return None;
        }
        let (source, event) = self.event_name;
        witness.name = EventName { source: source.to_owned(), event: event.to_owned() };
        witness.element = witness.world(self.event_name, None, |world| {
            let holds = |when: &&Expr| reference::truth(world, Vec::new(), when) == Ok(true);
            self.when.iter().all(holds).then(|| verify(world)).flatten()
        })??;
        Some(witness)
    }
}

/// The event of a state, and the elements that the scope binds in it.
fn made(
    state: &SearchState<'_>,
    scope: &[VariableId],
    ty: Option<&Ty>,
    automata: &mut Automata,
) -> Option<(Box<Witness>, Vec<Value<'static>>)> {
    let MadeEvent::Event(witness) = Witness::from_variables(&state.variables, ty, automata) else {
        return None;
    };
    let mut element = |id: &VariableId| match ModelBuilder::new(&state.variables, automata).build(
        Some(*id),
        None,
        false,
    ) {
        BuiltValue::Value(value) => value,
        _ => None,
    };
    Some((witness, scope.iter().map(&mut element).collect::<Option<_>>()?))
}

/// Binds one element of each list. Returns the inner scope and the constraints on the elements.
pub(super) fn bind<'r>(
    state: &mut SearchState<'r>,
    eachs: &[&'r Each],
) -> Result<(BoundElements, Vec<Goal<'r>>), SearchOutcome> {
    let mut scope: BoundElements = Rc::new([]);
    let mut goals = Vec::new();
    for each in eachs {
        let step = VariableStep::Element(state.elements.next());
        let bound =
            quantifiers::bind(state, &each.list, &scope, step).map_err(|_| SearchOutcome::Never)?;
        let element = match bound {
            Some((element, so)) => {
                goals.extend(so);
                element
            }
            None => state.variables.detached(),
        };
        scope = scope.iter().copied().chain([element]).collect();
    }
    Ok((scope, goals))
}

/// Goals: all of these are true.
pub(super) fn all_true<'r>(
    whens: impl Iterator<Item = ScopedExpr<'r>>,
    scope: &BoundElements,
) -> impl Iterator<Item = Goal<'r>> {
    whens.map(|when| constraint(when, scope, Truths::TRUE))
}

/// Goal: not all of these are true.
pub(super) fn none_true<'r>(
    state: &mut SearchState<'r>,
    whens: impl Iterator<Item = ScopedExpr<'r>>,
    scope: &BoundElements,
) {
    let way = |when| vec![constraint(when, scope, Truths::NOT_TRUE)];
    state
        .disjunctions
        .push(Rc::new(Disjunction { alternatives: whens.map(way).collect(), exact: true }));
}

/// Goal: a condition has one of these truths. It sees only the elements that are bound around it.
pub(super) fn constraint<'r>(
    when: ScopedExpr<'r>,
    scope: &BoundElements,
    want: Truths,
) -> Goal<'r> {
    let scope = scope.iter().copied().take(when.around).collect();
    Goal::Truth(Constraint { expr: when.expr, scope, want })
}

/// Whether an expression reads the body.
pub(super) fn reads_body(expr: &Expr) -> bool {
    let mut reads = false;
    expr.references(&mut |path| reads |= path.root == Root::Body);
    reads
}

/// Whether an expression is this one or a part of it.
pub(super) fn is_part(whole: &Expr, part: &Expr) -> bool {
    std::ptr::eq(whole, part) || whole.children().into_iter().any(|child| is_part(child, part))
}

/// The events that the sensors of both rules listen to.
pub(super) fn common_events<'r>(a: Placed<'r>, b: Placed<'_>) -> Vec<&'r EventName> {
    let is_common = |event: &&EventName| b.sensor.events.contains(event);
    a.sensor.events.iter().filter(is_common).collect()
}

/// Whether both rules listen to a common event, and the first iterates over all lists of the
/// second.
pub(super) fn shares(more: Placed<'_>, less: Placed<'_>) -> bool {
    let lists = |placed: Placed<'_>| -> Vec<String> {
        placed.eachs().iter().map(|each| canonical::value_text(&each.list, &[])).collect()
    };
    !common_events(more, less).is_empty() && lists(more).starts_with(&lists(less))
}

/// The elements for which the conditions of a rule hold.
pub(super) fn matches(placed: Placed<'_>, world: &World<'_>) -> Vec<Vec<u32>> {
    let truths = reference::truths(placed.sensor, placed.rule, world);
    truths.into_iter().filter(|(_, truth)| *truth == Ok(true)).map(|(path, _)| path).collect()
}

/// An element for which they do not hold.
pub(super) fn fails(placed: Placed<'_>, world: &World<'_>) -> Option<Vec<u32>> {
    let truths = reference::truths(placed.sensor, placed.rule, world);
    truths.into_iter().find(|(_, truth)| *truth != Ok(true)).map(|(path, _)| path)
}

/// The elements for which an expression has one of these truths.
pub(super) fn reaches(
    eachs: &[&Each],
    expr: &Expr,
    want: Truths,
    world: &World<'_>,
) -> Option<Vec<u32>> {
    reference::elements(world, eachs).into_iter().find_map(|(path, elements)| {
        want.has(Truths::from_truth(&reference::truth(world, elements, expr))).then_some(path)
    })
}
