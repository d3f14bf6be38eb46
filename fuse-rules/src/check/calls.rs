//! Calls of functions: the name, the arguments, and results that are known before any event.

use super::expressions::{Scope, broken};
use super::typed::{Expr, ExprKind};
use super::{Checker, foreign};
use crate::diagnostic::{Code, Diagnostic, Severity, suggest};
use crate::eval::ops;
use crate::functions::{self, Call, Function};
use crate::span::Span;
use crate::syntax::ast::{self, Text};
use crate::value::{Kinds, Value};

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &Text,
        arguments: &[ast::Expr],
        span: Span,
        scope: &mut Scope,
    ) -> (Expr, Kinds) {
        let (arguments, kinds): (Vec<_>, Vec<_>) =
            arguments.iter().map(|argument| self.expr(argument, scope)).unzip();
        let Some(function) = functions::find(&name.text) else {
            self.report(
                Diagnostic::error(
                    Code::E0202,
                    name.span,
                    format!("there is no function `{}`", name.text),
                )
                .label("not known")
                .maybe_help(way_out(&name.text)),
            );
            return broken(span);
        };
        if arguments.len() != function.params.len() {
            self.report(wrong_count(function, arguments.len(), span));
            return broken(span);
        }
        for ((argument, kinds), (param, wanted)) in
            arguments.iter().zip(&kinds).zip(function.params)
        {
            let signature = function.signature();
            if !kinds.meets(*wanted) {
                self.report(
                    Diagnostic::error(
                        Code::E0303,
                        argument.span,
                        format!("`{param}` of `{signature}` is {wanted}"),
                    )
                    .label(format!("this is {kinds}")),
                );
            } else if let Some(why) = constant(argument).and_then(|it| function.fault(param, it)) {
                self.report(
                    Diagnostic::error(Code::E0303, argument.span, why)
                        .label(format!("this is `{param}` of `{signature}`")),
                );
            }
        }
        if self.is_faulty(span) {
            return broken(span);
        }
        match folded(function, &arguments) {
            Some(Ok(value)) => {
                let kinds = value.kind();
                (Expr { kind: ExprKind::Const(value), span }, kinds)
            }
            Some(Err(why)) => {
                let why = ops::no_result(function, &arguments, &why);
                self.report(Diagnostic::error(Code::E0303, span, why).label("whatever the event"));
                broken(span)
            }
            None => {
                let kinds: Vec<_> = kinds
                    .iter()
                    .zip(function.params)
                    .map(|(k, (_, wanted))| k.and(*wanted))
                    .collect();
                let kinds = function.returns.kinds(&kinds);
                (Expr { kind: ExprKind::Call { function, arguments }, span }, kinds)
            }
        }
    }

    /// Whether an error was reported in this place, by whatever stage.
    fn is_faulty(&self, place: Span) -> bool {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .any(|problem| problem.label.as_ref().is_some_and(|label| place.contains(label.span)))
    }
}

/// The result of a call that depends on no event. `raw` stays a call: it marks its argument.
fn folded(function: &Function, arguments: &[Expr]) -> Option<functions::Outcome> {
    let Call::Pure(call) = function.call else {
        return None;
    };
    if function.name == "raw" {
        return None;
    }
    let values: Option<Vec<_>> = arguments.iter().map(|it| constant(it).cloned()).collect();
    Some(call(&values?))
}

fn constant(expr: &Expr) -> Option<&Value<'static>> {
    match &expr.kind {
        ExprKind::Const(value) => Some(value),
        _ => None,
    }
}

/// What is written instead of a function that there is not.
fn way_out(name: &str) -> Option<String> {
    let known = functions::all().map(|function| function.name);
    foreign::instead_of(name)
        .map(str::to_owned)
        .or_else(|| suggest::nearest(name, known).map(|near| format!("did you mean `{near}`?")))
}

fn wrong_count(function: &Function, given: usize, span: Span) -> Diagnostic {
    let wanted = function.params.len();
    let plural = if wanted == 1 { "" } else { "s" };
    Diagnostic::error(
        Code::E0303,
        span,
        format!("`{}` takes {wanted} argument{plural}, not {given}", function.name),
    )
    .label("wrong number of arguments")
    .help(format!("call it as `{}`", function.signature()))
}
