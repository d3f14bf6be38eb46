//! Calls of functions: the name, the arguments, and results that are known before any event.

use std::sync::Arc;

use super::expressions::broken;
use super::names::What;
use super::operands::lack_of_operand;
use super::scope::Scope;
use super::{Checker, foreign_functions, secrets};
use crate::diagnostic::{Code, Diagnostic, Fix, Severity, suggest};
use crate::functions::{self, Call, Function, Returns};
use crate::semantics::ops;
use crate::span::Span;
use crate::syntax::ast::{self, Text};
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind};
use crate::types::{Field, Known, Lack, Record, Rest, Ty};
use crate::value::{Kinds, Value};

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &Text,
        arguments: &[ast::Expr],
        span: Span,
        scope: &mut Scope,
    ) -> (Expr, Known) {
        let arguments: Vec<_> =
            arguments.iter().map(|argument| self.expr(argument, scope)).collect();
        let Some(function) = functions::find(&name.text) else {
            if secrets::is_place(&name.text) {
                self.secret_elsewhere(name, span);
                return broken(span);
            }
            if let Some(call) = self.named_call(name, &arguments, span, scope) {
                return call;
            }
            let conditions = self.names.all_seen(What::Condition, name.span.file);
            let (help, fix) = way_out(name, &conditions);
            self.report(
                Diagnostic::error(
                    Code::E0202,
                    name.span,
                    format!("there is no function `{}`", name.text),
                )
                .label("not known")
                .maybe_help(help)
                .maybe_fix(fix),
            );
            return broken(span);
        };
        let (arguments, known): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
        if arguments.len() != function.params.len() {
            self.report(wrong_count(function, arguments.len(), span));
            return broken(span);
        }
        let mut lack = Lack::NEVER;
        for ((argument, known), (param, wanted)) in
            arguments.iter().zip(&known).zip(function.params)
        {
            lack = lack.max(match wanted.meets(Kinds::NULL) {
                true => known.lack.clone(),
                false => lack_of_operand(argument, known),
            });
            let (signature, kinds) = (function.signature(), known.kinds());
            if !kinds.meets(*wanted) && !known.ty.is_nothing() {
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
            } else {
                self.one_kind(argument, known, *wanted, &format!("`{}`", function.name));
                if let Some((elements, alike)) = function.takes_elements()
                    && wanted.meets(Kinds::LIST)
                {
                    lack = lack.max(self.elements(function, argument, known, elements, alike));
                }
            }
        }
        if self.is_faulty(span) {
            return broken(span);
        }
        match folded(function, &arguments) {
            Some(Ok(value)) => {
                let known = Known::present(Ty::of_value(&value));
                (Expr { kind: ExprKind::Const(value), span }, known)
            }
            Some(Err(why)) => {
                let why = ops::no_result(function, &arguments, &why);
                self.report(Diagnostic::error(Code::E0303, span, why).label("whatever the event"));
                broken(span)
            }
            None => {
                let known = Known { ty: returned(function, &known), lack };
                (Expr { kind: ExprKind::Call { function, arguments }, span }, known)
            }
        }
    }

    /// Reports a list with elements that the function does not take; gives what is lacked where some
    /// of them may be null.
    fn elements(
        &mut self,
        function: &Function,
        list: &Expr,
        known: &Known,
        wanted: Kinds,
        alike: bool,
    ) -> Lack {
        let element = Known::present(known.ty.element());
        let kinds = element.kinds().minus(Kinds::NULL);
        if element.ty.is_any() || kinds == Kinds::NOTHING || self.is_faulty(list.span) {
            return Lack::NEVER;
        }
        if !kinds.within(wanted) || alike && !Kinds::SINGLE.contains(&kinds) {
            let name = function.name;
            let what = if alike { " of one kind" } else { "" };
            self.report(
                Diagnostic::error(
                    Code::E0303,
                    list.span,
                    format!("the elements for `{name}` are each {wanted}{what}"),
                )
                .label(format!("these are {}", element.ty))
                .help(format!("make them so first: `{name}(map(x in {}: …))`", Shown(list))),
            );
        }
        match wanted.meets(Kinds::NULL) {
            true => Lack::NEVER,
            false => lack_of_operand(list, &element),
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

/// The type of what a function gives for these arguments.
fn returned(function: &Function, arguments: &[Known]) -> Ty {
    let argument = |index: usize| {
        let known = arguments.get(index).map_or_else(Ty::any, |known| known.ty.clone());
        let wanted = function.params.get(index).map_or(Kinds::ANY, |(_, wanted)| *wanted);
        // Of what has no type, what the function takes is known all the same.
        if known.is_any() { Ty::of_kinds(known.kinds().and(wanted)) } else { known }
    };
    match &function.returns {
        Returns::Of(kinds) => Ty::of_kinds(*kinds),
        Returns::Words(words) => {
            let word = |word: &&'static str| Ty::of_value(&Value::text(*word));
            words.iter().map(word).fold(Ty::nothing(), Ty::or)
        }
        Returns::Int => Ty::int(),
        Returns::ListOf(kinds) => Ty::list(Ty::of_kinds(*kinds)),
        Returns::Argument(index) => argument(*index).widened(),
        // A null element has no order, so that there is no result.
        Returns::Element(index) => argument(*index).element().not_null(),
        Returns::ElementsOf(index) => Ty::list(argument(*index).held()),
        Returns::Record(fields) => {
            let field = |(name, kinds, optional): &(&str, Kinds, bool)| {
                let ty = Ty::of_kinds(*kinds);
                (Arc::from(*name), Field { ty, optional: *optional })
            };
            let fields = fields.iter().map(field).collect();
            Ty::record(Record { fields, rest: Rest::Nothing })
        }
    }
}

/// The result of a call that depends on no event. `raw` stays a call: it marks its argument.
fn folded(function: &Function, arguments: &[Expr]) -> Option<functions::CallResult> {
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
fn way_out(name: &Text, conditions: &[&str]) -> (Option<String>, Option<Fix>) {
    let known = functions::all().map(|function| function.name).chain(conditions.iter().copied());
    match foreign_functions::instead_of(&name.text) {
        Some(instead) => (Some(instead.to_owned()), None),
        None => (None, suggest::fix(&name.text, name.span, known)),
    }
}

/// `1 argument`, `2 arguments`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn wrong_count(function: &Function, given: usize, span: Span) -> Diagnostic {
    let wanted = counted(function.params.len(), "argument");
    Diagnostic::error(Code::E0303, span, format!("`{}` takes {wanted}, not {given}", function.name))
        .label("wrong number of arguments")
        .help(format!("call it as `{}`", function.signature()))
}
