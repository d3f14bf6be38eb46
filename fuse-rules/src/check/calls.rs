//! Calls of functions: their names, the number of their arguments and what each takes.

use super::Checker;
use super::expressions::broken;
use super::operands::missing_of;
use super::scope::Scope;
use super::typed::{Expr, ExprKind};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::functions::{self, Function};
use crate::span::Span;
use crate::syntax::ast::{self, Text};
use crate::types::{Known, Missing, Ty};
use crate::value::Kinds;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &Text,
        arguments: &[ast::Expr],
        span: Span,
        scope: &mut Scope,
    ) -> (Expr, Known) {
        let arguments: Vec<_> = arguments.iter().map(|a| self.expr(a, scope)).collect();
        let Some(function) = functions::find(&name.text) else {
            let known = functions::all().map(|function| function.name);
            let help =
                suggest::nearest(&name.text, known).map(|near| format!("did you mean `{near}`?"));
            self.report(
                Diagnostic::error(
                    Code::E0202,
                    name.span,
                    format!("there is no function `{}`", name.text),
                )
                .label("not known")
                .maybe_help(help),
            );
            return broken(span);
        };
        if arguments.len() != function.params.len() {
            let (given, wanted) = (arguments.len(), function.params.len());
            self.report(
                Diagnostic::error(
                    Code::E0303,
                    span,
                    format!(
                        "`{}` takes {wanted} argument{}, not {given}",
                        name.text,
                        plural(wanted)
                    ),
                )
                .label("wrong number of arguments")
                .help(format!("call it as `{}`", function.signature())),
            );
            return broken(span);
        }
        let mut missing = Missing::Never;
        for ((argument, known), (param, wanted)) in arguments.iter().zip(function.params) {
            missing = missing.max(if wanted.meets(Kinds::NULL) {
                known.missing.clone()
            } else {
                missing_of(argument, known)
            });
            self.argument(function, param, *wanted, argument, known);
        }
        let known = Known { ty: returned(function, &arguments), missing };
        let arguments = arguments.into_iter().map(|(argument, _)| argument).collect();
        (Expr { kind: ExprKind::Call { function, arguments }, span }, known)
    }

    fn argument(
        &mut self,
        function: &Function,
        param: &str,
        wanted: Kinds,
        argument: &Expr,
        known: &Known,
    ) {
        let kinds = known.kinds();
        if kinds.meets(wanted) || known.ty.is_nothing() {
            self.one_kind(argument, known, wanted, &format!("`{}`", function.name));
            return;
        }
        self.report(
            Diagnostic::error(
                Code::E0303,
                argument.span,
                format!("`{param}` of `{}` is {wanted}", function.signature()),
            )
            .label(format!("this is {kinds}")),
        );
    }
}

/// The type of what a function gives for these arguments.
fn returned(function: &Function, _arguments: &[(Expr, Known)]) -> Ty {
    Ty::of_kinds(function.returns)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
