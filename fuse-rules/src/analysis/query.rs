//! Runs one query, first for all events and then for typed ones, and verifies the events by
//! evaluation.

use std::rc::Rc;

use super::canonical;
use super::domain::Automata;
use super::enumerate::Guesser;
use super::goal::{Choice, Goal, State, Wanted};
use super::model::{Fit, Fitter};
use super::quantifiers::{self, Elements};
use super::solve::{Outcome, STEPS, Search};
use super::truths::Truths;
use super::variables::{Id, Places, Scope, Step};
use super::witness::{Made, Witness};
use super::{Answer, Events, Inside, Placed};
use crate::reference::{self, World};
use crate::typed::{Each, Expr};
use crate::types::Ty;
use crate::value::Value;

/// How many events are made for one query.
const EVENTS: usize = 24;
/// How many events one query makes to try values for opaque expressions.
const TRIES: usize = 200;

/// A query about the events of one name.
pub(super) struct Ask<'a, 'r> {
    pub(super) of: (&'r str, &'r str),
    pub(super) ty: Option<&'r Ty>,
    pub(super) automata: &'a mut Automata,
}

/// Makes the goals of a query.
pub(super) type Pose<'p, 'r> = &'p dyn Fn(&mut State<'r>) -> Result<Vec<Goal<'r>>, Outcome>;
/// Whether an event has the wanted property, and for which element.
pub(super) type Verify<'v> = &'v dyn Fn(&World<'_>) -> Option<Vec<u32>>;

impl<'r> Ask<'_, 'r> {
    pub(super) fn answer(&mut self, pose: Pose<'_, 'r>, verify: Verify<'_>) -> Answer {
        let mut found = None;
        let mut tries = TRIES;
        let mut left = EVENTS;
        let outcome = self.search(self.ty, pose, &mut |ask, state, witness| {
            found = ask.verified(witness, verify);
            if found.is_none() && !state.opaque.is_empty() && tries > 0 {
                let ty = ask.ty;
                let make = &mut |state: &State<'_>, scope: &[Id], automata: &mut Automata| {
                    made(state, scope, ty, automata)
                };
                let mut guesser = Guesser {
                    automata: ask.automata,
                    of: ask.of,
                    make,
                    tries,
                    budget: None,
                    body: None,
                };
                let narrowed = guesser.guess(state);
                tries = guesser.tries;
                if let Made::Event(witness) = Witness::of(&narrowed.places, ask.ty, ask.automata) {
                    found = ask.verified(witness, verify);
                }
            }
            left -= 1;
            // Reaching the limit without a witness is not a proof.
            found.is_some() || left == 0
        });
        match (outcome, found) {
            (_, Some(witness)) => Answer::Found(witness),
            (Outcome::Never, None) => Answer::Never(self.events(pose)),
            _ => Answer::Unknown,
        }
    }

    /// Whether it is proven that no event has the property, without looking for one that does.
    pub(super) fn never(&mut self, pose: Pose<'_, 'r>) -> Option<Events> {
        let outcome = self.search(self.ty, pose, &mut |_, _, _| true);
        (outcome == Outcome::Never).then(|| self.events(pose))
    }

    /// The events for which something is proven that holds for typed events.
    fn events(&mut self, pose: Pose<'_, 'r>) -> Events {
        if self.ty.is_none() || self.search(None, pose, &mut |_, _, _| true) == Outcome::Never {
            Events::Any
        } else {
            Events::Typed
        }
    }

    /// Searches until an event is accepted.
    fn search(
        &mut self,
        ty: Option<&'r Ty>,
        pose: Pose<'_, 'r>,
        accept: &mut dyn FnMut(&mut Self, &State<'r>, Box<Witness>) -> bool,
    ) -> Outcome {
        let places = Places::new(ty, self.of.0, self.of.1);
        let mut state = State::new(places, Elements::New(0));
        let goals = match pose(&mut state) {
            Ok(goals) => goals,
            Err(outcome) => return outcome,
        };
        let leaf = &mut |state: &State<'r>| match Witness::of(&state.places, ty, self.automata) {
            Made::Never => Outcome::Never,
            Made::Event(witness) => match accept(self, state, witness) {
                true => Outcome::Found,
                false => Outcome::Unsure,
            },
            Made::Unsure => Outcome::Unsure,
        };
        Search { steps: STEPS, leaf }.run(state, goals)
    }

    /// The event, if it conforms to its type and has the property.
    fn verified(&self, mut witness: Box<Witness>, verify: Verify<'_>) -> Option<Box<Witness>> {
        if self.ty.is_some_and(|ty| ty.mismatch(&witness.body).is_some()) {
            return None;
        }
        witness.element = witness.world(self.of, None, |world| verify(world))??;
        Some(witness)
    }
}

/// The event of a state, and the elements that the scope binds in it.
fn made(
    state: &State<'_>,
    scope: &[Id],
    ty: Option<&Ty>,
    automata: &mut Automata,
) -> Option<(Box<Witness>, Vec<Value<'static>>)> {
    let Made::Event(witness) = Witness::of(&state.places, ty, automata) else { return None };
    let mut element =
        |id: &Id| match Fitter::new(&state.places, automata).fit(Some(*id), None, false) {
            Fit::Value(value) => value,
            _ => None,
        };
    Some((witness, scope.iter().map(&mut element).collect::<Option<_>>()?))
}

/// Binds one element of each list. Returns the inner scope and the constraints on the elements.
pub(super) fn bind<'r>(
    state: &mut State<'r>,
    eachs: &[&'r Each],
) -> Result<(Scope, Vec<Goal<'r>>), Outcome> {
    let mut scope: Scope = Rc::new([]);
    let mut goals = Vec::new();
    for each in eachs {
        let step = Step::Element(state.elements.next());
        let bound =
            quantifiers::bind(state, &each.list, &scope, step).map_err(|_| Outcome::Never)?;
        let element = match bound {
            Some((element, so)) => {
                goals.extend(so);
                element
            }
            None => state.places.detached(),
        };
        scope = scope.iter().copied().chain([element]).collect();
    }
    Ok((scope, goals))
}

/// Goals: all of these are true.
pub(super) fn all_true<'r>(
    whens: impl Iterator<Item = Inside<'r>>,
    scope: &Scope,
) -> impl Iterator<Item = Goal<'r>> {
    whens.map(|when| wanted(when, scope, Truths::TRUE))
}

/// Goal: not all of these are true.
pub(super) fn none_true<'r>(
    state: &mut State<'r>,
    whens: impl Iterator<Item = Inside<'r>>,
    scope: &Scope,
) {
    let way = |when| vec![wanted(when, scope, Truths::NOT_TRUE)];
    state.choices.push(Rc::new(Choice { ways: whens.map(way).collect(), exact: true }));
}

/// Goal: a condition has one of these truths. It sees only the elements that are bound around it.
pub(super) fn wanted<'r>(when: Inside<'r>, scope: &Scope, want: Truths) -> Goal<'r> {
    let scope = scope.iter().copied().take(when.around).collect();
    Goal::Truth(Wanted { expr: when.expr, scope, want })
}

/// Whether an expression is this one or a part of it.
pub(super) fn is_part(whole: &Expr, part: &Expr) -> bool {
    std::ptr::eq(whole, part) || whole.children().into_iter().any(|child| is_part(child, part))
}

/// Whether both rules listen to the same event, and the first iterates over all lists of the
/// second.
pub(super) fn shares(more: Placed<'_>, less: Placed<'_>) -> bool {
    let lists = |placed: Placed<'_>| -> Vec<String> {
        placed.eachs().iter().map(|each| canonical::of_value(&each.list, &[])).collect()
    };
    more.event() == less.event() && lists(more).starts_with(&lists(less))
}

/// The elements for which the conditions of a rule hold.
pub(super) fn matches(of: Placed<'_>, world: &World<'_>) -> Vec<Vec<u32>> {
    let truths = reference::truths(of.sensor, of.rule, world);
    truths.into_iter().filter(|(_, truth)| *truth == Ok(true)).map(|(path, _)| path).collect()
}

/// An element for which they do not hold.
pub(super) fn fails(of: Placed<'_>, world: &World<'_>) -> Option<Vec<u32>> {
    let truths = reference::truths(of.sensor, of.rule, world);
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
        want.has(Truths::of(&reference::truth(world, elements, expr))).then_some(path)
    })
}
