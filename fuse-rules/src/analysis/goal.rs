//! Goals: constraints on an event, and how they propagate.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::atom::{self, Atom};
use super::canonical::{self, Meanings};
use super::definedness;
use super::domain::Domain;
use super::quantifiers::{self, Elements};
use super::truths::Truths;
use super::variables::{Id, Places, Scope, Step};
use crate::typed::{Expr, ExprKind, Segment};

/// A constraint on an event.
#[derive(Clone, Debug)]
pub(super) enum Goal<'r> {
    /// An expression has one of these truths.
    Truth(Wanted<'r>),
    /// A variable has one of these values.
    Place(Id, Rc<Domain>),
    /// An element of a list, identified by this step, meets a constraint.
    Element { list: Id, step: Step, says: Rc<Says<'r>> },
}

#[derive(Clone, Debug)]
pub(super) struct Wanted<'r> {
    pub(super) expr: &'r Expr,
    pub(super) scope: Scope,
    pub(super) want: Truths,
}

/// A constraint on an element: the truths of expressions for which it is the innermost element, and
/// the domain of the element or of a part of it.
#[derive(Clone, Debug)]
pub(super) struct Says<'r> {
    pub(super) scope: Scope,
    pub(super) parts: Vec<(&'r Expr, Truths)>,
    pub(super) domain: Option<(&'r [Segment], Rc<Domain>)>,
}

/// A disjunction: one of several lists of goals holds.
#[derive(Clone, Debug)]
pub(super) struct Choice<'r> {
    pub(super) ways: Vec<Vec<Goal<'r>>>,
    /// Whether the alternatives are exhaustive; if not, they are only worth a try.
    pub(super) exact: bool,
}

/// A condition that holds for every element of a list.
#[derive(Clone, Debug)]
pub(super) struct Universal<'r> {
    pub(super) list: Id,
    pub(super) wanted: Wanted<'r>,
}

/// The constraints on one path through the disjunctions.
#[derive(Clone, Debug)]
pub(super) struct State<'r> {
    pub(super) places: Places,
    /// The possible meanings of expressions that the analysis does not model otherwise.
    symbols: FxHashMap<String, Meanings>,
    universals: Vec<Universal<'r>>,
    pub(super) choices: Vec<Rc<Choice<'r>>>,
    /// The wanted truths of opaque expressions, which enumeration has to establish.
    pub(super) opaque: Vec<Wanted<'r>>,
    pub(super) elements: Elements,
}

/// No event meets the goals.
pub(super) struct Contradiction;

pub(super) type Met = Result<(), Contradiction>;

impl<'r> State<'r> {
    pub(super) fn new(places: Places, elements: Elements) -> Self {
        Self {
            places,
            symbols: FxHashMap::default(),
            universals: Vec::new(),
            choices: Vec::new(),
            opaque: Vec::new(),
            elements,
        }
    }

    /// Adds goals and propagates them; `steps` is the remaining budget.
    pub(super) fn meet(&mut self, goals: Vec<Goal<'r>>, steps: &mut usize) -> Met {
        let mut open = goals;
        open.reverse();
        while let Some(goal) = open.pop() {
            let Some(left) = steps.checked_sub(1) else { return Ok(()) };
            *steps = left;
            match goal {
                Goal::Place(id, domain) => self.restrict(id, &domain)?,
                Goal::Element { list, step, says } => self.element(list, step, &says, &mut open)?,
                Goal::Truth(wanted) => self.truth(wanted, &mut open)?,
            }
        }
        Ok(())
    }

    pub(super) fn restrict(&mut self, id: Id, domain: &Domain) -> Met {
        if self.places.restrict(id, domain) { Ok(()) } else { Err(Contradiction) }
    }

    fn truth(&mut self, wanted: Wanted<'r>, open: &mut Vec<Goal<'r>>) -> Met {
        let Wanted { expr, scope, want } = wanted.clone();
        if want == Truths::ALL {
            return Ok(());
        }
        match &expr.kind {
            _ if want == Truths::NONE => return Err(Contradiction),
            ExprKind::Not(inner) => {
                open.push(Goal::Truth(Wanted { expr: inner, scope, want: want.negated() }));
            }
            ExprKind::And(parts) => self.all(parts.iter(), &scope, want, false, open),
            ExprKind::Or(parts) => self.all(parts.iter(), &scope, want.negated(), true, open),
            _ => match atom::of(expr) {
                Some(Atom::Constant(truth)) if want.has(truth) => {}
                Some(Atom::Constant(_)) => return Err(Contradiction),
                Some(Atom::Test(path, split)) => {
                    if let Some(id) = self.places.of(path, &scope) {
                        self.restrict(id, &split.domain(want))?;
                    }
                }
                None => self.other(wanted, open)?,
            },
        }
        Ok(())
    }

    /// Adds the goal that `and` of the parts has one of these truths; with `negated`, `and` of
    /// their negations.
    fn all(
        &mut self,
        parts: impl Iterator<Item = &'r Expr> + Clone,
        scope: &Scope,
        want: Truths,
        negated: bool,
        open: &mut Vec<Goal<'r>>,
    ) {
        let goal = |expr, want: Truths| {
            Goal::Truth(Wanted { expr, scope: scope.clone(), want: want.negated_if(negated) })
        };
        let each = |want| parts.clone().map(move |part| (part, want));
        let goals = |want| each(want).map(|(part, want)| goal(part, want)).collect::<Vec<_>>();
        let one = |want| each(want).map(|(part, want)| vec![goal(part, want)]);
        let ways: Vec<Vec<Goal<'r>>> = match want {
            Truths::TRUE | Truths::NOT_FALSE => {
                // In reverse, because the last goal is propagated first.
                open.extend(goals(want).into_iter().rev());
                return;
            }
            Truths::FALSE | Truths::NOT_TRUE => one(want).collect(),
            Truths::UNKNOWN => {
                let unknown = |at: usize| {
                    parts.clone().enumerate().map(move |(own, part)| {
                        let want = if own == at { Truths::UNKNOWN } else { Truths::NOT_FALSE };
                        (part, want)
                    })
                };
                let count = parts.clone().count();
                // Too many combinations to enumerate, so only a bound is kept.
                if count > 12 {
                    open.extend(goals(Truths::NOT_FALSE));
                    one(Truths::NOT_TRUE).collect()
                } else {
                    let way = |at| unknown(at).map(|(part, want)| goal(part, want)).collect();
                    (0..count).map(way).collect()
                }
            }
            _ => std::iter::once(goals(Truths::TRUE)).chain(one(Truths::FALSE)).collect(),
        };
        self.choices.push(Rc::new(Choice { ways, exact: true }));
    }

    /// A condition that is not a test of a single value.
    fn other(&mut self, wanted: Wanted<'r>, open: &mut Vec<Goal<'r>>) -> Met {
        self.symbol(wanted.expr, &wanted.scope, wanted.want)?;
        if !wanted.want.has(Truths::UNKNOWN) {
            for (id, domain) in definedness::of(wanted.expr, &wanted.scope, &mut self.places) {
                self.restrict(id, &domain)?;
            }
        }
        quantifiers::meet(self, &wanted, open);
        self.opaque.push(wanted);
        Ok(())
    }

    /// Expressions with equal canonical texts have equal truths.
    fn symbol(&mut self, expr: &Expr, scope: &Scope, want: Truths) -> Met {
        let (key, meanings) = canonical::of(expr, scope, want);
        let known = self.symbols.entry(key).or_insert(Meanings::ALL);
        *known = known.and(meanings);
        if *known == Meanings::NONE { Err(Contradiction) } else { Ok(()) }
    }

    pub(super) fn say_of_all(&mut self, universal: Universal<'r>, open: &mut Vec<Goal<'r>>) {
        for element in self.places.elements(universal.list) {
            open.push(instance(&universal, element));
        }
        self.universals.push(universal);
    }

    fn element(&mut self, list: Id, step: Step, says: &Says<'r>, open: &mut Vec<Goal<'r>>) -> Met {
        let element = self.bind(list, step, open)?;
        if let Some((way, domain)) = &says.domain {
            let part = way.iter().fold(element, |at, segment| self.places.step(at, segment));
            self.restrict(part, domain)?;
        }
        let scope: Scope = says.scope.iter().copied().chain([element]).collect();
        let goal = |(expr, want): &(&'r Expr, Truths)| {
            Goal::Truth(Wanted { expr, scope: scope.clone(), want: *want })
        };
        open.extend(says.parts.iter().map(goal));
        Ok(())
    }

    /// The variable of an element that is present. Universal conditions of its list hold for it.
    pub(super) fn bind(
        &mut self,
        list: Id,
        step: Step,
        open: &mut Vec<Goal<'r>>,
    ) -> Result<Id, Contradiction> {
        use super::domain::Bits;
        self.restrict(list, &Domain::bits(Bits::LIST))?;
        let element = self.places.inside(list, step);
        self.restrict(element, &Domain::without(Bits::ABSENT))?;
        if self.places.bind(element) {
            let of_list = self.universals.iter().filter(|universal| universal.list == list);
            open.extend(of_list.map(|universal| instance(universal, element)));
        }
        Ok(element)
    }
}

fn instance<'r>(universal: &Universal<'r>, element: Id) -> Goal<'r> {
    let Wanted { expr, scope, want } = &universal.wanted;
    let scope = scope.iter().copied().chain([element]).collect();
    Goal::Truth(Wanted { expr, scope, want: *want })
}
