//! Goals: constraints on an event, and how they propagate.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::atom::{self, Atom};
use super::canonical::{self, Meanings};
use super::definedness;
use super::domain::Domain;
use super::quantifiers::{self, ElementSource};
use super::ranges::Ranges;
use super::terms::Terms;
use super::truths::Truths;
use super::variables::{BoundElements, VariableId, VariableStep, Variables};
use crate::typed::{Expr, ExprKind, Segment};

/// A constraint on an event.
#[derive(Clone, Debug)]
pub(super) enum Goal<'r> {
    /// An expression has one of these truths.
    Truth(Constraint<'r>),
    /// A variable has one of these values.
    Variable(VariableId, Rc<Domain>),
    /// An element of a list, identified by this step, meets a constraint.
    Element { list: VariableId, step: VariableStep, element_constraint: Rc<ElementConstraint<'r>> },
}

#[derive(Clone, Debug)]
pub(super) struct Constraint<'r> {
    pub(super) expr: &'r Expr,
    pub(super) scope: BoundElements,
    pub(super) want: Truths,
}

/// A constraint on an element: the truths of expressions for which it is the innermost element, and
/// the domain of the element or of a part of it.
#[derive(Clone, Debug)]
pub(super) struct ElementConstraint<'r> {
    pub(super) scope: BoundElements,
    pub(super) parts: Vec<(&'r Expr, Truths)>,
    pub(super) domain: Option<(&'r [Segment], Rc<Domain>)>,
}

/// A disjunction: one of several lists of goals holds.
#[derive(Clone, Debug)]
pub(super) struct Disjunction<'r> {
    pub(super) alternatives: Vec<Vec<Goal<'r>>>,
    /// Whether the alternatives are exhaustive; if not, they are only worth a try.
    pub(super) exact: bool,
}

/// A condition that holds for every element of a list.
#[derive(Clone, Debug)]
pub(super) struct Universal<'r> {
    pub(super) list: VariableId,
    pub(super) constraint: Constraint<'r>,
}

/// The constraints on one path through the disjunctions.
#[derive(Clone, Debug)]
pub(super) struct SearchState<'r> {
    pub(super) variables: Variables,
    /// The possible meanings of expressions that the analysis does not model otherwise.
    symbols: FxHashMap<String, Meanings>,
    pub(super) terms: Terms<'r>,
    universals: Vec<Universal<'r>>,
    pub(super) disjunctions: Vec<Rc<Disjunction<'r>>>,
    /// The wanted truths of opaque expressions, which enumeration has to establish.
    pub(super) opaque: Vec<Constraint<'r>>,
    pub(super) elements: ElementSource,
}

/// No event meets the goals.
pub(super) struct Contradiction;

pub(super) type Propagated = Result<(), Contradiction>;

impl<'r> SearchState<'r> {
    pub(super) fn new(variables: Variables, elements: ElementSource) -> Self {
        Self {
            variables,
            symbols: FxHashMap::default(),
            terms: Terms::default(),
            universals: Vec::new(),
            disjunctions: Vec::new(),
            opaque: Vec::new(),
            elements,
        }
    }

    /// Adds goals and propagates them; `steps` is the remaining budget.
    pub(super) fn propagate(&mut self, goals: Vec<Goal<'r>>, steps: &mut usize) -> Propagated {
        let mut open = goals;
        open.reverse();
        while let Some(goal) = open.pop() {
            let Some(left) = steps.checked_sub(1) else { return Ok(()) };
            *steps = left;
            match goal {
                Goal::Variable(id, domain) => self.restrict(id, &domain)?,
                Goal::Element { list, step, element_constraint } => {
                    self.element(list, step, &element_constraint, &mut open)?
                }
                Goal::Truth(constraint) => self.truth(constraint, &mut open)?,
            }
        }
        Ok(())
    }

    pub(super) fn restrict(&mut self, id: VariableId, domain: &Domain) -> Propagated {
        if self.variables.restrict(id, domain) { Ok(()) } else { Err(Contradiction) }
    }

    fn truth(&mut self, constraint: Constraint<'r>, open: &mut Vec<Goal<'r>>) -> Propagated {
        let Constraint { expr, scope, want } = constraint.clone();
        if want == Truths::ALL {
            return Ok(());
        }
        match &expr.kind {
            _ if want == Truths::NONE => return Err(Contradiction),
            ExprKind::Not(inner) => {
                open.push(Goal::Truth(Constraint { expr: inner, scope, want: want.negated() }));
            }
            ExprKind::And(parts) => self.all(parts.iter(), &scope, want, false, open),
            ExprKind::Or(parts) => self.all(parts.iter(), &scope, want.negated(), true, open),
            ExprKind::If { condition, chosen, otherwise } => {
                let goal =
                    |expr, want| Goal::Truth(Constraint { expr, scope: scope.clone(), want });
                let mut alternatives = vec![
                    vec![goal(condition, Truths::TRUE), goal(chosen, want)],
                    vec![goal(condition, Truths::FALSE), goal(otherwise, want)],
                ];
                if want.has(Truths::UNKNOWN) {
                    alternatives.push(vec![goal(condition, Truths::UNKNOWN)]);
                }
                self.disjunctions.push(Rc::new(Disjunction { alternatives, exact: true }));
            }
            _ => match atom::from_expr(expr) {
                Some(Atom::Constant(truth)) if want.has(truth) => {}
                Some(Atom::Constant(_)) => return Err(Contradiction),
                Some(Atom::Single(path, split)) => {
                    if let Some(id) = self.variables.get_or_add(path, &scope) {
                        self.restrict(id, &split.domain(want))?;
                    }
                }
                None => self.other(constraint, open)?,
            },
        }
        Ok(())
    }

    /// Adds the goal that `and` of the parts has one of these truths; with `negated`, `and` of
    /// their negations.
    fn all(
        &mut self,
        parts: impl Iterator<Item = &'r Expr> + Clone,
        scope: &BoundElements,
        want: Truths,
        negated: bool,
        open: &mut Vec<Goal<'r>>,
    ) {
        let goal = |expr, want: Truths| {
            Goal::Truth(Constraint { expr, scope: scope.clone(), want: want.negated_if(negated) })
        };
        let each = |want| parts.clone().map(move |part| (part, want));
        let goals = |want| each(want).map(|(part, want)| goal(part, want)).collect::<Vec<_>>();
        let one = |want| each(want).map(|(part, want)| vec![goal(part, want)]);
        let alternatives: Vec<Vec<Goal<'r>>> = match want {
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
                    let alternative =
                        |at| unknown(at).map(|(part, want)| goal(part, want)).collect();
                    (0..count).map(alternative).collect()
                }
            }
            _ => std::iter::once(goals(Truths::TRUE)).chain(one(Truths::FALSE)).collect(),
        };
        self.disjunctions.push(Rc::new(Disjunction { alternatives, exact: true }));
    }

    /// A condition that is not a test of a single value.
    fn other(&mut self, constraint: Constraint<'r>, open: &mut Vec<Goal<'r>>) -> Propagated {
        self.symbol(constraint.expr, &constraint.scope, constraint.want)?;
        if !constraint.want.has(Truths::UNKNOWN) {
            for (id, domain) in
                definedness::required(constraint.expr, &constraint.scope, &mut self.variables)
            {
                self.restrict(id, &domain)?;
            }
        }
        self.term(&constraint)?;
        quantifiers::propagate(self, &constraint, open);
        self.opaque.push(constraint);
        Ok(())
    }

    /// A test of a computed value by constants narrows its domain.
    fn term(&mut self, constraint: &Constraint<'r>) -> Propagated {
        let Constraint { expr, scope, want } = constraint;
        if let ExprKind::In { item, list } = &expr.kind
            && let (ExprKind::Const(item), Truths::TRUE) = (&item.kind, *want)
        {
            let ranges = Ranges { variables: &self.variables, scope };
            let is_possible = ranges.of_elements(list).has(Some(item));
            return if is_possible { Ok(()) } else { Err(Contradiction) };
        }
        let Some((tested, split)) = atom::split(expr) else { return Ok(()) };
        match self.terms.restrict(tested, scope, &split.domain(*want), &self.variables) {
            true => Ok(()),
            false => Err(Contradiction),
        }
    }

    /// Expressions with equal canonical texts have equal truths.
    fn symbol(&mut self, expr: &Expr, scope: &BoundElements, want: Truths) -> Propagated {
        let (key, meanings) = canonical::text(expr, scope, want);
        let known = self.symbols.entry(key).or_insert(Meanings::ALL);
        *known = known.and(meanings);
        if *known == Meanings::NONE { Err(Contradiction) } else { Ok(()) }
    }

    pub(super) fn require_for_all(&mut self, universal: Universal<'r>, open: &mut Vec<Goal<'r>>) {
        for element in self.variables.elements(universal.list) {
            open.push(instance(&universal, element));
        }
        self.universals.push(universal);
    }

    fn element(
        &mut self,
        list: VariableId,
        step: VariableStep,
        element_constraint: &ElementConstraint<'r>,
        open: &mut Vec<Goal<'r>>,
    ) -> Propagated {
        let element = self.bind(list, step, open)?;
        if let Some((alternative, domain)) = &element_constraint.domain {
            let part =
                alternative.iter().fold(element, |at, segment| self.variables.step(at, segment));
            self.restrict(part, domain)?;
        }
        let scope: BoundElements =
            element_constraint.scope.iter().copied().chain([element]).collect();
        let goal = |(expr, want): &(&'r Expr, Truths)| {
            Goal::Truth(Constraint { expr, scope: scope.clone(), want: *want })
        };
        open.extend(element_constraint.parts.iter().map(goal));
        Ok(())
    }

    /// The variable of an element that is present. Universal conditions of its list hold for it.
    pub(super) fn bind(
        &mut self,
        list: VariableId,
        step: VariableStep,
        open: &mut Vec<Goal<'r>>,
    ) -> Result<VariableId, Contradiction> {
        use super::domain::Bits;
        self.restrict(list, &Domain::bits(Bits::LIST))?;
        let element = self.variables.inside(list, step);
        self.restrict(element, &Domain::without(Bits::ABSENT))?;
        if self.variables.bind(element) {
            let of_list = self.universals.iter().filter(|universal| universal.list == list);
            open.extend(of_list.map(|universal| instance(universal, element)));
        }
        Ok(element)
    }
}

fn instance<'r>(universal: &Universal<'r>, element: VariableId) -> Goal<'r> {
    let Constraint { expr, scope, want } = &universal.constraint;
    let scope = scope.iter().copied().chain([element]).collect();
    Goal::Truth(Constraint { expr, scope, want: *want })
}
