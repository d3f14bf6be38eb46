//! Conditionals: `if CONDITION then A else B`.

use super::Checker;
use super::scope::Scope;
use crate::syntax::ast;
use crate::typed::{Expr, ExprKind};
use crate::types::Known;

impl Checker<'_> {
    /// A conditional. Each branch is checked under the assumption under which it is evaluated.
    pub(super) fn conditional(
        &mut self,
        condition: &ast::Expr,
        chosen: &ast::Expr,
        otherwise: &ast::Expr,
        scope: &mut Scope,
    ) -> (ExprKind, Known) {
        let (condition, of_condition) = self.condition(condition, scope);
        let mut branch = |branch: &ast::Expr, holds: bool| {
            let mark = scope.mark();
            scope.assume(&condition, holds);
            let checked = self.expr(branch, scope);
            scope.restore(mark);
            checked
        };
        let (chosen, of_chosen) = branch(chosen, true);
        let (otherwise, of_otherwise) = branch(otherwise, false);
        let known = of_chosen.or(of_otherwise);
        let absence = known.absence.max(of_condition.absence);
        let boxed = |expr: Expr| Box::new(expr);
        let (condition, chosen) = (boxed(condition), boxed(chosen));
        let kind = ExprKind::If { condition, chosen, otherwise: boxed(otherwise) };
        (kind, Known { ty: known.ty, absence })
    }
}
