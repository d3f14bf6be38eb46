//! Conditions over lists: which constraints on single elements follow from them.

use std::rc::Rc;

use super::atom;
use super::domain::{Bits, Domain};
use super::goal::{
    Constraint, Contradiction, Disjunction, ElementConstraint, Goal, SearchState, Universal,
};
use super::truths::Truths;
use super::variables::{BODY, BoundElements, VariableId, VariableStep, Variables};
use crate::number::Number;
use crate::typed::{CompareOp, Expr, ExprKind, QuantifierKind};
use crate::value::{Kinds, Value};

/// How many elements are made up, and how many existing ones are tried.
const MAX_ELEMENTS: usize = 12;

/// Where elements come from.
#[derive(Clone, Debug)]
pub(super) enum ElementSource {
    /// New ones, with the number made so far.
    New(usize),
    /// Those of an event's body, plus one new element per list.
    Of(Rc<Value<'static>>),
}

impl ElementSource {
    /// The number of the next new element.
    pub(super) fn next(&mut self) -> usize {
        match self {
            Self::New(count) => {
                *count += 1;
                *count
            }
            Self::Of(_) => 0,
        }
    }

    /// The elements that may be the required one, and whether these are the only ones.
    fn choose(&mut self, list: VariableId, variables: &Variables) -> (Vec<VariableStep>, bool) {
        match self {
            Self::New(count) if *count < MAX_ELEMENTS => {
                *count += 1;
                (vec![VariableStep::Element(*count)], true)
            }
            Self::New(_) => (Vec::new(), false),
            Self::Of(body) => {
                let len = len(body, list, variables).unwrap_or(0);
                let present = (0..len.min(MAX_ELEMENTS)).chain([len]);
                let steps =
                    present.filter_map(|at| i64::try_from(at).ok()).map(VariableStep::Index);
                (steps.collect(), len <= MAX_ELEMENTS)
            }
        }
    }
}

/// The length of a list in a body.
pub(super) fn len(body: &Value<'static>, list: VariableId, variables: &Variables) -> Option<usize> {
    match value(body, list, variables)? {
        Value::List(items) => Some(items.len()),
        _ => None,
    }
}

/// The value of a variable in a body.
pub(super) fn value<'v>(
    body: &'v Value<'static>,
    id: VariableId,
    variables: &Variables,
) -> Option<&'v Value<'static>> {
    let (BODY, path) = variables.path_to(id) else { return None };
    path.iter().try_fold(body, |at, segment| at.step(segment).ok()?)
}

/// A list that is a variable, with the conditions by which its elements are filtered.
pub(super) fn source<'r>(
    list: &'r Expr,
    scope: &BoundElements,
    variables: &mut Variables,
) -> Option<(VariableId, Vec<(&'r Expr, Truths)>)> {
    match &list.kind {
        ExprKind::Path(path) => Some((variables.get_or_add(path, scope)?, Vec::new())),
        ExprKind::Quantifier { kind: QuantifierKind::Filter, list, body, .. } => {
            let (id, mut filters) = source(list, scope, variables)?;
            filters.push((body, Truths::TRUE));
            Some((id, filters))
        }
        _ => None,
    }
}

/// Binds the element of an `each`, with its constraints. `None` for a list that is not computed by
/// filtering elements and selecting a part of each.
pub(super) fn bind<'r>(
    state: &mut SearchState<'r>,
    list: &'r Expr,
    scope: &BoundElements,
    step: VariableStep,
) -> Result<Option<(VariableId, Vec<Goal<'r>>)>, Contradiction> {
    let (list, part) = match &list.kind {
        ExprKind::Quantifier { kind: QuantifierKind::Map, list, body, .. } => match &body.kind {
            ExprKind::Path(path) => (&**list, Some(path)),
            _ => return Ok(None),
        },
        _ => (list, None),
    };
    let Some((list, filters)) = source(list, scope, &mut state.variables) else { return Ok(None) };
    let mut goals = Vec::new();
    let whole = state.bind(list, step, &mut goals)?;
    let inside: BoundElements = scope.iter().copied().chain([whole]).collect();
    goals.extend(
        filters
            .into_iter()
            .map(|(expr, want)| Goal::Truth(Constraint { expr, scope: inside.clone(), want })),
    );
    let element = match part {
        Some(path) => state.variables.get_or_add(path, &inside),
        None => Some(whole),
    };
    let Some(element) = element else { return Ok(None) };
    state.restrict(element, &Domain::without(Bits::ABSENT))?;
    Ok(Some((element, goals)))
}

/// Propagates a condition over a list to its elements.
pub(super) fn propagate<'r>(
    state: &mut SearchState<'r>,
    constraint: &Constraint<'r>,
    open: &mut Vec<Goal<'r>>,
) {
    let Constraint { expr, scope, want } = constraint;
    if let Some((tested, split)) = atom::split(expr) {
        first(state, tested, &split.domain(*want), constraint);
    }
    match &expr.kind {
        ExprKind::Quantifier { kind, list, body, .. } => {
            let Some((id, filters)) = source(list, scope, &mut state.variables) else { return };
            // Rewritten as `any` of the body or of its negation.
            let (truth, want) = match kind {
                QuantifierKind::Any => (Truths::TRUE, *want),
                QuantifierKind::None => (Truths::TRUE, want.negated()),
                QuantifierKind::All => (Truths::FALSE, want.negated()),
                _ => return,
            };
            any(state, &Any { list: id, filters, body, truth, scope }, want, open);
        }
        ExprKind::Compare { op, left, right } => {
            let (counted, number, op) = match (atom::number(left), atom::number(right)) {
                (None, Some(number)) => (left, number, *op),
                (Some(number), None) => (right, number, op.turned()),
                _ => return,
            };
            count(state, counted, (op, number), constraint);
        }
        ExprKind::In { item, list } if *want == Truths::TRUE => {
            let (ExprKind::Const(value), Some((id, filters))) =
                (&item.kind, source(list, scope, &mut state.variables))
            else {
                return;
            };
            let domain = domain_of(value).map(|domain| (&[][..], Rc::new(domain)));
            let element_constraint =
                ElementConstraint { scope: scope.clone(), parts: filters, domain };
            exists(state, id, &Rc::new(element_constraint), 1, true);
        }
        _ => {}
    }
}

fn domain_of(value: &Value<'_>) -> Option<Domain> {
    let is_scalar = value.kind().within(Kinds::SCALAR.or(Kinds::NULL));
    let is_known = is_scalar && !matches!(value, Value::Unrepresentable(_));
    is_known.then(|| Domain::from_value(value))
}

/// `any` of a body, which holds if the body has this truth for some element.
struct Any<'r, 's> {
    list: VariableId,
    filters: Vec<(&'r Expr, Truths)>,
    body: &'r Expr,
    truth: Truths,
    scope: &'s BoundElements,
}

fn any<'r>(state: &mut SearchState<'r>, any: &Any<'r, '_>, want: Truths, open: &mut Vec<Goal<'r>>) {
    let flipped = any.truth == Truths::FALSE;
    let said = |truths: Truths| {
        let mut parts = any.filters.clone();
        parts.push((any.body, truths.negated_if(flipped)));
        Rc::new(ElementConstraint { scope: any.scope.clone(), parts, domain: None })
    };
    let no_list = || Goal::Variable(any.list, Rc::new(Domain::without(Bits::LIST)));
    if want == Truths::TRUE {
        return exists(state, any.list, &said(Truths::TRUE), 1, true);
    }
    if !any.filters.is_empty() {
        return;
    }
    if !want.has(Truths::TRUE) {
        let want = if want.has(Truths::UNKNOWN) { Truths::NOT_TRUE } else { Truths::FALSE };
        let (expr, scope) = (any.body, any.scope.clone());
        let constraint = Constraint { expr, scope, want: want.negated_if(flipped) };
        if let ElementSource::Of(body) = &state.elements {
            let body = body.clone();
            for at in 0..len(&body, any.list, &state.variables).unwrap_or(0).min(MAX_ELEMENTS) {
                let step = VariableStep::Index(i64::try_from(at).unwrap_or(i64::MAX));
                let element_constraint =
                    ElementConstraint { scope: any.scope.clone(), parts: Vec::new(), domain: None };
                open.push(Goal::Element {
                    list: any.list,
                    step,
                    element_constraint: Rc::new(element_constraint),
                });
            }
        }
        state.require_for_all(Universal { list: any.list, constraint }, open);
    }
    let not_false = match want {
        Truths::NOT_FALSE => Truths::NOT_FALSE,
        Truths::UNKNOWN => Truths::UNKNOWN,
        _ => return,
    };
    // Only a list can have such elements.
    let mut alternatives = vec![vec![no_list()]];
    let (steps, exact) = state.elements.choose(any.list, &state.variables);
    alternatives.extend(steps.into_iter().map(|step| {
        vec![Goal::Element { list: any.list, step, element_constraint: said(not_false) }]
    }));
    state.disjunctions.push(Rc::new(Disjunction { alternatives, exact }));
}

/// At least `count` elements of a list meet a constraint.
fn exists<'r>(
    state: &mut SearchState<'r>,
    list: VariableId,
    element_constraint: &Rc<ElementConstraint<'r>>,
    count: usize,
    exact: bool,
) {
    for _ in 0..count {
        let (steps, all) = state.elements.choose(list, &state.variables);
        if steps.is_empty() {
            return;
        }
        let goal = |step| {
            vec![Goal::Element { list, step, element_constraint: element_constraint.clone() }]
        };
        let alternatives = steps.into_iter().map(goal).collect();
        state.disjunctions.push(Rc::new(Disjunction { alternatives, exact: exact && all }));
    }
}

/// A test of the result of `first`, or of a part of it, that these values pass: some element passes
/// it.
fn first<'r>(
    state: &mut SearchState<'r>,
    tested: &'r Expr,
    domain: &Domain,
    constraint: &Constraint<'r>,
) {
    let scope = &constraint.scope;
    let (found, inside) = match &tested.kind {
        ExprKind::Access { base, segments } => (&**base, segments.as_slice()),
        _ => (tested, &[][..]),
    };
    let ExprKind::Quantifier { kind: QuantifierKind::First, list, body, .. } = &found.kind else {
        return;
    };
    let Some((id, mut parts)) = source(list, scope, &mut state.variables) else { return };
    if !state.variables.at(id).is_some_and(|variable| variable.domain.may_be(Bits::LIST)) {
        return;
    }
    parts.push((body, Truths::TRUE));
    // If nothing was found, such a test is unknown, or only absence passes it.
    let exact = !constraint.want.has(Truths::UNKNOWN) && !domain.may_be(Bits::ABSENT);
    let domain = Some((inside, Rc::new(domain.clone())));
    let element_constraint = ElementConstraint { scope: scope.clone(), parts, domain };
    exists(state, id, &Rc::new(element_constraint), 1, exact);
}

/// `count` and `len` compared with a number: that many elements are made up.
fn count<'r>(
    state: &mut SearchState<'r>,
    counted: &'r Expr,
    (op, number): (CompareOp, Number),
    constraint: &Constraint<'r>,
) {
    let (list, parts) = match &counted.kind {
        ExprKind::Quantifier { kind: QuantifierKind::Count, list, body, .. } => {
            (&**list, vec![(&**body, Truths::TRUE)])
        }
        ExprKind::Call { function, arguments, .. } if function.name == "len" => {
            match arguments.first() {
                Some(list) => (list, Vec::new()),
                None => return,
            }
        }
        _ => return,
    };
    let Some((list, mut filters)) = source(list, &constraint.scope, &mut state.variables) else {
        return;
    };
    if !state.variables.at(list).is_some_and(|variable| variable.domain.may_be(Bits::LIST)) {
        return;
    }
    filters.extend(parts);
    let satisfies = |count: &i64| {
        let truth = op.holds(Number::from(*count).cmp(&number));
        constraint.want.has(Truths::only(truth))
    };
    let element_constraint = Rc::new(ElementConstraint {
        scope: constraint.scope.clone(),
        parts: filters,
        domain: None,
    });
    let bound = state.variables.elements(list).len();
    let ElementSource::New(made) = &mut state.elements else { return };
    // Without any element, or with the smallest number that suffices.
    let Some(count) = (0..6).find(satisfies).and_then(|count| usize::try_from(count).ok()) else {
        return;
    };
    let more = count.saturating_sub(bound);
    if more == 0 || *made + more > MAX_ELEMENTS {
        return;
    }
    let alternative = (0..more).map(|_| {
        *made += 1;
        Goal::Element {
            list,
            step: VariableStep::Element(*made),
            element_constraint: element_constraint.clone(),
        }
    });
    let alternative = alternative.collect();
    state.disjunctions.push(Rc::new(Disjunction { alternatives: vec![alternative], exact: false }));
}
