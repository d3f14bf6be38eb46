//! Static analysis of conditions, without an event: whether an event can meet them, and which.
//!
//! A query states goals (`goal.rs`): expressions and the truths that they must have. The goals are
//! propagated to the domains of the variables of an event (`atom.rs`, `domain/`, `variables.rs`).
//! Where one of several goals must hold, a search (`solve.rs`) tries each alternative. If every
//! alternative ends in a contradiction, no such event exists, which is a proof. Otherwise a model
//! is built (`model.rs`), and the reference evaluates the resulting event; only its result counts.
//! If neither succeeds, the answer is unknown. The analysis is sound but incomplete: a claim is
//! never wrong, and a condition that is not modeled leads to no claim.

mod atom;
mod canonical;
mod change;
mod clauses;
mod counterfactual;
mod definedness;
mod domain;
mod enumerate;
mod goal;
mod model;
mod quantifiers;
mod query;
mod ranges;
mod solve;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
mod truths;
mod values;
mod variables;
mod witness;

use std::rc::Rc;
use std::sync::Arc;

use crate::reference::World;
use crate::schema::BodyShape;
use crate::typed;
use crate::typed::{Each, EventDecl, EventName, Expr, Pattern, Rule, Rules, Sensor};
pub(crate) use clauses::{Clause, ClauseFinding};
pub(crate) use domain::ANY_TEXT;
use domain::{Automata, Pick, StringTest, TextSet};
use goal::Goal;
use query::{MakeGoals, Query, VerifyEvent, all_true, none_true};
pub(crate) use truths::Truths;
pub(crate) use witness::Witness;

/// A rule together with its sensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'r> {
    pub(crate) sensor: &'r Sensor,
    pub(crate) rule: &'r Rule,
}

impl<'r> Placed<'r> {
    /// The lists that it iterates over, outermost first.
    fn eachs(self) -> Vec<&'r Each> {
        self.sensor.each.iter().chain(&self.rule.each).collect()
    }

    /// Whether a condition compares a sensitive header with another value of the event.
    pub(crate) fn compares_sensitive(self) -> bool {
        let lists = self.eachs().into_iter().map(|each| &each.list);
        typed::is_compared_with_others(lists, self.whens().map(|when| (when.around, when.expr)))
    }

    fn whens(self) -> impl Iterator<Item = ScopedExpr<'r>> + Clone {
        self.of_sensor().chain(self.of_rule())
    }

    fn of_sensor(self) -> impl Iterator<Item = ScopedExpr<'r>> + Clone {
        let around = self.sensor.each.iter().count();
        self.sensor.when.iter().map(move |expr| ScopedExpr { around, expr })
    }

    fn of_rule(self) -> impl Iterator<Item = ScopedExpr<'r>> + Clone {
        let around = self.eachs().len();
        self.rule.when.iter().map(move |expr| ScopedExpr { around, expr })
    }

    /// The events that its sensor listens to.
    fn events(self) -> Vec<&'r EventName> {
        self.sensor.events.iter().collect()
    }

    /// The number of binders around a condition or a part of one. A condition of the sensor is
    /// evaluated without the `each` of the rule.
    fn around(self, part: &Expr) -> usize {
        match self.sensor.when.iter().any(|when| query::is_part(when, part)) {
            true => self.sensor.each.iter().count(),
            false => self.eachs().len(),
        }
    }
}

/// A condition and the number of binders around it, which determines the elements that its names
/// mean.
#[derive(Clone, Copy, Debug)]
struct ScopedExpr<'r> {
    around: usize,
    expr: &'r Expr,
}

/// The answer to whether an event with some property exists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// There is none among these events; this is proven.
    Never(Events),
    /// This one; evaluation confirmed it. It conforms to its declared type, if there is one.
    Found(Box<Witness>),
    /// Unknown.
    Unknown,
}

impl Answer {
    pub(crate) fn is_never(&self) -> bool {
        matches!(self, Self::Never(_))
    }

    /// Whether an event of one of two groups exists.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Found(witness), _) | (_, Self::Found(witness)) => Self::Found(witness),
            (Self::Never(a), Self::Never(b)) => Self::Never(a.and(b)),
            _ => Self::Unknown,
        }
    }

    pub(crate) fn witness(&self) -> Option<&Witness> {
        match self {
            Self::Found(witness) => Some(witness),
            _ => None,
        }
    }
}

/// The events for which something is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    /// All events.
    Any,
    /// Events that conform to their declared type.
    Typed,
}

impl Events {
    /// The events for which both of two proofs hold.
    fn and(self, other: Self) -> Self {
        if self == Self::Any { other } else { self }
    }
}

/// Answers queries about the rules of a set. It caches automata between queries.
#[derive(Debug)]
pub(crate) struct Analysis<'r> {
    rules: &'r Rules,
    automata: Automata,
}

impl<'r> Analysis<'r> {
    pub(crate) fn new(rules: &'r Rules) -> Self {
        Self { rules, automata: Automata::default() }
    }

    /// Whether the conditions of the rule hold for some event. Fuses and fields are ignored.
    pub(crate) fn matching(&mut self, placed: Placed<'r>) -> Answer {
        self.answer(
            &placed.events(),
            &|state| {
                let (scope, mut goals) = query::bind(state, &placed.eachs())?;
                goals.extend(all_true(placed.whens(), &scope));
                Ok(goals)
            },
            &|world| query::matches(placed, world).into_iter().next(),
        )
    }

    /// Whether the conditions do not hold for an element of some event, or for an event if the rule
    /// has no `each`.
    pub(crate) fn failing(&mut self, placed: Placed<'r>) -> Answer {
        let fails = &|world: &World<'_>| query::fails(placed, world);
        let of_sensor = self.answer(
            &placed.events(),
            &|state| {
                let eachs: Vec<_> = placed.sensor.each.iter().collect();
                let (scope, goals) = query::bind(state, &eachs)?;
                let own = placed.of_rule().filter(|_| placed.rule.each.is_none());
                none_true(state, placed.of_sensor().chain(own), &scope);
                Ok(goals)
            },
            fails,
        );
        if placed.rule.each.is_none() || matches!(of_sensor, Answer::Found(_)) {
            return of_sensor;
        }
        let of_rule = self.answer(
            &placed.events(),
            &|state| {
                let (scope, mut goals) = query::bind(state, &placed.eachs())?;
                goals.extend(all_true(placed.of_sensor(), &scope));
                none_true(state, placed.of_rule(), &scope);
                Ok(goals)
            },
            fails,
        );
        of_sensor.or(of_rule)
    }

    /// Whether some event and element matches both rules. Both must listen to a common event, and
    /// the lists of one must be a prefix of the lists of the other.
    pub(crate) fn meeting(&mut self, a: Placed<'r>, b: Placed<'r>) -> Answer {
        let (a, b) = if a.eachs().len() < b.eachs().len() { (b, a) } else { (a, b) };
        if !query::shares(a, b) {
            return Answer::Unknown;
        }
        self.answer(
            &query::common_events(a, b),
            &|state| {
                let (scope, mut goals) = query::bind(state, &a.eachs())?;
                goals.extend(all_true(a.whens().chain(b.whens()), &scope));
                Ok(goals)
            },
            &|world| {
                let others = query::matches(b, world);
                let both = |path: &Vec<u32>| others.iter().any(|other| path.starts_with(other));
                query::matches(a, world).into_iter().find(both)
            },
        )
    }

    /// Whether some event and element matches the first rule but not the second. If never, the
    /// second rule matches whenever the first does. The second rule must not iterate over more
    /// lists than the first.
    ///
    /// A list and a filter of it are hardly related: the filter is unknown as soon as one element
    /// is, and it may be short enough for `max` although the list is not.
    pub(crate) fn separating(&mut self, a: Placed<'r>, b: Placed<'r>) -> Answer {
        // A rule decides nothing for a list that is longer than its `max`.
        let takes = a.eachs().iter().zip(b.eachs()).all(|(a, b)| a.max <= b.max)
            && query::common_events(a, b).len() == a.events().len();
        if !query::shares(a, b) || b.eachs().len() > a.eachs().len() || !takes {
            return Answer::Unknown;
        }
        self.answer(
            &a.events(),
            &|state| {
                let (scope, mut goals) = query::bind(state, &a.eachs())?;
                goals.extend(all_true(a.whens(), &scope));
                none_true(state, b.whens(), &scope);
                Ok(goals)
            },
            &|world| {
                let others = query::matches(b, world);
                let alone = |path: &Vec<u32>| !others.iter().any(|other| path.starts_with(other));
                query::matches(a, world).into_iter().find(alone)
            },
        )
    }

    /// Whether a condition of the rule, or a part of one outside of quantifiers, has one of these
    /// truths for some event. A witness shows this for itself and for its first elements.
    pub(crate) fn reaching(&mut self, placed: Placed<'r>, expr: &'r Expr, want: Truths) -> Answer {
        let eachs: Vec<_> = placed.eachs().into_iter().take(placed.around(expr)).collect();
        self.answer(
            &placed.events(),
            &|state| {
                let (scope, mut goals) = query::bind(state, &eachs)?;
                goals.push(Goal::Truth(goal::Constraint { expr, scope: Rc::clone(&scope), want }));
                Ok(goals)
            },
            &|world| query::reaches(&eachs, expr, want, world),
        )
    }

    /// Whether it is proven that such a condition or part has none of these truths wherever it is
    /// evaluated, that is, where other conditions of the rule or sensor have the given truths.
    pub(crate) fn is_out_of_reach(
        &mut self,
        placed: Placed<'r>,
        (expr, want): (&'r Expr, Truths),
        given: &[(&'r Expr, Truths)],
    ) -> bool {
        let eachs: Vec<_> = placed.eachs().into_iter().take(placed.around(expr)).collect();
        let all = given.iter().copied().chain([(expr, want)]);
        let all: Vec<_> = all
            .map(|(expr, want)| (ScopedExpr { around: placed.around(expr), expr }, want))
            .collect();
        let proven = self.never(&placed.events(), &|state| {
            let (scope, mut goals) = query::bind(state, &eachs)?;
            goals.extend(all.iter().map(|(part, want)| query::constraint(*part, &scope, *want)));
            Ok(goals)
        });
        proven.is_some()
    }

    /// Whether an event of one of these names has the property.
    fn answer(
        &mut self,
        events: &[&'r EventName],
        make_goals: MakeGoals<'_, 'r>,
        verify: VerifyEvent<'_>,
    ) -> Answer {
        let mut answer = Answer::Never(Events::Any);
        for event in events {
            answer = answer.or(self.query(event).answer(make_goals, verify));
            if matches!(answer, Answer::Found(_)) {
                break;
            }
        }
        if events.is_empty() { Answer::Unknown } else { answer }
    }

    /// Whether it is proven that no event of any of these names has the property, without looking
    /// for one that does.
    fn never(&mut self, events: &[&'r EventName], make_goals: MakeGoals<'_, 'r>) -> Option<Events> {
        let proofs = events.iter().map(|event| self.query(event).never(make_goals));
        proofs.reduce(|a, b| Some(a?.and(b?)))?
    }

    fn query(&mut self, event_name: &'r EventName) -> Query<'_, 'r> {
        let declared = self
            .rules
            .sources
            .iter()
            .filter(|source| source.name == event_name.source)
            .flat_map(|source| &source.events)
            .find(|event| event.name == event_name.event);
        let ty = declared.and_then(|event| event.ty.as_ref()).filter(|ty| !ty.is_any());
        // Conditions of the event read the body that arrives. If it is decoded, rules see another one.
        let is_decoded = declared.is_some_and(|event| event.decode.is_some());
        let when = declared.into_iter().flat_map(|event| &event.when);
        let when = when.filter(|when| !is_decoded || !query::reads_body(when)).collect();
        let parameters = declared.into_iter().flat_map(EventDecl::parameters).collect();
        let (event_name, automata) = (event_name.as_pair(), &mut self.automata);
        Query { event_name, parameters, ty, when, automata }
    }

    /// Whether some request meets the conditions of two events of one source.
    pub(crate) fn taken_by_both(
        &mut self,
        source: &'r str,
        a: &'r EventDecl,
        b: &'r EventDecl,
    ) -> Answer {
        let ty = Some(&a.arrives).filter(|ty| a.shape != BodyShape::Any && !ty.is_any());
        let when = a.when.iter().chain(&b.when).collect();
        let event_name = (source, a.name.as_str());
        let parameters = a.parameters().collect();
        let automata = &mut self.automata;
        let mut query = Query { event_name, parameters, ty, when, automata };
        query.answer(&|_| Ok(Vec::new()), &|_| Some(Vec::new()))
    }
}

/// A text that a pattern matches, if one is found.
pub(crate) fn matching_text(pattern: &Arc<Pattern>) -> Option<Arc<str>> {
    let texts = TextSet::all().tested(StringTest::Pattern(Arc::clone(pattern)), true);
    match texts.pick(&mut Automata::default()) {
        Pick::One(text) => Some(text),
        Pick::None | Pick::Unsure => None,
    }
}
