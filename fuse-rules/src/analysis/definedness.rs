//! The values that a condition must read in order to be defined, that is true or false and not
//! unknown.

use super::domain::{Bits, Domain};
use super::variables::{VariableId, Variables};
use crate::typed::{Expr, ExprKind};
use crate::value::Kinds;

/// If a variable has no value in its domain, the condition is unknown.
pub(super) fn required(
    expr: &Expr,
    scope: &[VariableId],
    variables: &mut Variables,
) -> Vec<(VariableId, Domain)> {
    let mut strict = Definedness { scope, variables, found: Vec::new() };
    match &expr.kind {
        ExprKind::Compare { op, left, right } => {
            let kinds = match op.is_order() {
                true => Kinds::ORDERED,
                false => Kinds::ANY.minus(Kinds::LIST).minus(Kinds::MAP),
            };
            strict.value(left, kinds);
            strict.value(right, kinds);
        }
        ExprKind::In { item, list } => {
            strict.there(item);
            strict.value(list, Kinds::LIST);
        }
        ExprKind::TextTest { left, right, .. } => {
            strict.value(left, Kinds::STRING);
            strict.value(right, Kinds::STRING);
        }
        ExprKind::Pattern { value, .. } => strict.value(value, Kinds::STRING),
        ExprKind::Quantifier { list, .. } => strict.value(list, Kinds::LIST),
        ExprKind::Call { .. } | ExprKind::Access { .. } | ExprKind::Lookup { .. } => {
            strict.value(expr, Kinds::BOOL)
        }
        _ => {}
    }
    strict.found
}

struct Definedness<'a> {
    scope: &'a [VariableId],
    variables: &'a mut Variables,
    found: Vec<(VariableId, Domain)>,
}

impl Definedness<'_> {
    /// The value must be present, of any kind.
    fn there(&mut self, expr: &Expr) {
        self.within(expr, Domain::without(Bits::ABSENT));
    }

    /// The value must be present, of one of these kinds, and representable.
    fn value(&mut self, expr: &Expr, kinds: Kinds) {
        self.within(expr, Domain::from_kinds(kinds));
    }

    fn within(&mut self, expr: &Expr, domain: Domain) {
        match &expr.kind {
            ExprKind::Path(path) => {
                if let Some(id) = self.variables.get_or_add(path, self.scope) {
                    self.found.push((id, domain));
                }
            }
            ExprKind::Call { function, arguments, .. } => {
                for (argument, (_, kinds)) in arguments.iter().zip(function.params) {
                    self.value(argument, *kinds);
                }
            }
            ExprKind::Access { base, .. } => self.there(base),
            ExprKind::Lookup { base, key, .. } => {
                self.value(base, Kinds::LIST.or(Kinds::MAP));
                self.value(key, Kinds::STRING.or(Kinds::NUMBER));
            }
            ExprKind::Concat(parts) => {
                parts.iter().for_each(|part| self.value(part, Kinds::SCALAR));
            }
            ExprKind::Arith { left, right, .. } => {
                let kinds = Kinds::NUMBER.or(Kinds::DURATION).or(Kinds::TIME);
                self.value(left, kinds);
                self.value(right, kinds);
            }
            ExprKind::Neg(inner) => self.value(inner, Kinds::NUMBER.or(Kinds::DURATION)),
            ExprKind::Quantifier { list, .. } => self.value(list, Kinds::LIST),
            _ => {}
        }
    }
}
