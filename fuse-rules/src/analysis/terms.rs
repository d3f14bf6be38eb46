//! Terms: computed values such as `lower(body.a)` that conditions compare with constants. Terms
//! with equal canonical texts have equal values, so the conditions on them narrow one domain.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::canonical;
use super::domain::{Automata, Domain};
use super::ranges::Ranges;
use super::variables::{BoundElements, Variables};
use crate::typed::Expr;

/// The terms of the conditions so far, by canonical text.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms<'r> {
    all: FxHashMap<Rc<str>, Term<'r>>,
}

#[derive(Clone, Debug)]
struct Term<'r> {
    expr: &'r Expr,
    scope: BoundElements,
    domain: Rc<Domain>,
}

impl<'r> Terms<'r> {
    /// Intersects the domain of a term; false if it is then obviously empty.
    pub(super) fn restrict(
        &mut self,
        expr: &'r Expr,
        scope: &BoundElements,
        to: &Domain,
        variables: &Variables,
    ) -> bool {
        let key = canonical::value_text(expr, scope).into();
        let term = self.all.entry(key).or_insert_with(|| {
            let domain = Ranges { variables, scope }.of(expr).into();
            Term { expr, scope: scope.clone(), domain }
        });
        let domain = term.domain.and(to);
        let is_possible = !domain.is_none();
        term.domain = domain.into();
        is_possible
    }

    /// Whether it is proven that a term has no value, given the values that variables may have.
    pub(super) fn have_no_value(&self, variables: &Variables, automata: &mut Automata) -> bool {
        self.all.values().any(|term| {
            let range = Ranges { variables, scope: &term.scope }.of(term.expr);
            term.domain.and(&range).is_proven_empty(automata)
        })
    }
}
