//! Calls of functions: names, arguments, and results that do not depend on an event.

use std::sync::Arc;

use super::expressions::unchecked;
use super::names::DeclarationKind;
use super::operands::absence_of_operand;
use super::scope::Scope;
use super::{Checker, foreign_functions, secrets};
use crate::diagnostic::{Code, Diagnostic, Fix, Severity, suggest};
use crate::functions::{self, Call, Function, NoResult, Returns};
use crate::semantics::ops;
use crate::span::Span;
use crate::stdlib;
use crate::syntax::ast::{self, Text};
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind};
use crate::types::{Absence, Known, Missing, Record, RecordMember, Rest, Ty};
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
            if secrets::is_secret_function(&name.text) {
                self.report_misplaced_secret(name, span);
                return unchecked(span);
            }
            if let Some(call) = self.call_condition(name, &arguments, span, scope) {
                return call;
            }
            let conditions = self.names.all_seen(DeclarationKind::Condition, name.span.file);
            let (help, fix) = match name.text.split_once('.') {
                Some((module, method)) => qualified_suggestion(name, module, method, &conditions),
                None => suggestion(name, &conditions),
            };
            self.report(
                Diagnostic::error(
                    Code::E0202,
                    name.span,
                    format!("there is no function `{}`", name.text),
                )
                .label("not known")
                .candidates(&name.text, callable(&conditions))
                .maybe_help(help)
                .maybe_fix(fix),
            );
            return unchecked(span);
        };
        let (arguments, known): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
        if arguments.len() != function.params.len() {
            self.report(wrong_count(function, arguments.len(), span));
            return unchecked(span);
        }
        let mut absence = Absence::NEVER;
        for ((argument, known), (param, wanted)) in
            arguments.iter().zip(&known).zip(function.params)
        {
            absence = absence.max(match wanted.meets(Kinds::NULL) {
                true => known.absence.clone(),
                false => absence_of_operand(argument, known),
            });
            let (signature, kinds) = (function.signature(), known.kinds());
            if !kinds.meets(*wanted) && !known.ty.is_nothing() {
                self.report(
                    Diagnostic::error(
                        Code::E0303,
                        argument.span,
                        format!("`{param}` of `{signature}` must be {wanted}"),
                    )
                    .label(format!("this is {kinds}")),
                );
            } else if let Some(why) = constant(argument).and_then(|it| function.fault(param, it)) {
                self.report(
                    Diagnostic::error(Code::E0303, argument.span, why)
                        .label(format!("this is `{param}` of `{signature}`")),
                );
            } else {
                self.require_one_kind(argument, known, *wanted, &format!("`{}`", function.name));
                if let Some((elements, alike)) = function.takes_elements()
                    && wanted.meets(Kinds::LIST)
                {
                    absence =
                        absence.max(self.elements(function, argument, known, elements, alike));
                }
            }
        }
        if self.is_faulty(span) {
            return unchecked(span);
        }
        match folded(function, &arguments) {
            Some(Ok(value)) => {
                let known = Known::present(Ty::from_value(&value));
                (Expr { kind: ExprKind::Const(value), span }, known)
            }
            Some(Err(NoResult::Fault(why))) => {
                let why = ops::no_result(function, &arguments, &why);
                self.report(
                    Diagnostic::error(Code::E0303, span, why).label("fails for every event"),
                );
                unchecked(span)
            }
            Some(Err(NoResult::Absent)) | None => {
                let absence = absence.max(own_absence(function, &known));
                let known = Known { ty: returned(&function.returns, function, &known), absence };
                (Expr { kind: ExprKind::Call { function, arguments }, span }, known)
            }
        }
    }

    /// Reports a list whose elements the function does not accept. Returns the absence that results
    /// if some of them may be null.
    fn elements(
        &mut self,
        function: &Function,
        list: &Expr,
        known: &Known,
        wanted: Kinds,
        alike: bool,
    ) -> Absence {
        let element = Known::present(known.ty.element());
        let kinds = element.kinds().minus(Kinds::NULL);
        if element.ty.is_any() || kinds == Kinds::NOTHING || self.is_faulty(list.span) {
            return Absence::NEVER;
        }
        if !kinds.within(wanted) || alike && !Kinds::SINGLE.contains(&kinds) {
            let name = function.name;
            let what = if alike { ", all of one kind" } else { "" };
            self.report(
                Diagnostic::error(
                    Code::E0303,
                    list.span,
                    format!("each element for `{name}` must be {wanted}{what}"),
                )
                .label(format!("these are {}", element.ty))
                .help(format!("convert them first: `{name}(map(x in {}: …))`", Shown(list))),
            );
        }
        match wanted.meets(Kinds::NULL) {
            true => Absence::NEVER,
            false => absence_of_operand(list, &element),
        }
    }

    /// Whether an error was reported inside this span, at any stage.
    fn is_faulty(&self, place: Span) -> bool {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .any(|problem| problem.label.as_ref().is_some_and(|label| place.contains(label.span)))
    }
}

/// Whether the result may be absent although the arguments are present. As for elements and fields,
/// nothing is declared if the first argument has no type.
fn own_absence(function: &Function, arguments: &[Known]) -> Absence {
    if !function.returns.may_be_absent() {
        return Absence::NEVER;
    }
    Absence::absent(match arguments.first() {
        Some(known) if !known.ty.is_any() => {
            Missing::Declared(format!("{}(…)", function.name).into())
        }
        _ => Missing::Open,
    })
}

/// The type of a function's result for these arguments.
fn returned(returns: &Returns, function: &Function, arguments: &[Known]) -> Ty {
    let argument = |index: usize| {
        let known = arguments.get(index).map_or_else(Ty::any, |known| known.ty.clone());
        let wanted = function.params.get(index).map_or(Kinds::ANY, |(_, wanted)| *wanted);
        // The kinds that the function accepts are known even if the argument has no type.
        if known.is_any() { Ty::from_kinds(known.kinds().and(wanted)) } else { known }
    };
    match returns {
        Returns::Of(kinds) => Ty::from_kinds(*kinds),
        Returns::Words(words) => {
            let word = |word: &&'static str| Ty::from_value(&Value::text(*word));
            words.iter().map(word).fold(Ty::nothing(), Ty::or)
        }
        Returns::Int => Ty::int(),
        Returns::ListOf(kinds) => Ty::list(Ty::from_kinds(*kinds)),
        Returns::Argument(index) => argument(*index).widened(),
        // A null element has no order, so there is no result.
        Returns::Element(index) => argument(*index).element().not_null(),
        Returns::ElementsOf(index) => Ty::list(argument(*index).map_values()),
        Returns::Record(fields) => {
            let field = |(name, kinds, optional): &(&str, Kinds, bool)| {
                let ty = Ty::from_kinds(*kinds);
                (Arc::from(*name), RecordMember { ty, optional: *optional })
            };
            let fields = fields.iter().map(field).collect();
            Ty::record(Record { fields, rest: Rest::Nothing })
        }
        Returns::Maybe(present) => returned(present, function, arguments),
    }
}

/// The result of a call that does not depend on an event. `raw` remains a call, because it marks
/// its argument.
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

/// The names that a call can have.
fn callable<'n>(conditions: &'n [&'n str]) -> impl Iterator<Item = &'n str> + Clone {
    functions::all().map(|function| function.name).chain(conditions.iter().copied())
}

/// A suggestion for a function that does not exist.
fn suggestion(name: &Text, conditions: &[&str]) -> (Option<String>, Option<Fix>) {
    let known = callable(conditions);
    match foreign_functions::suggestion_for(&name.text) {
        Some(instead) => (Some(instead.to_owned()), None),
        None => (None, suggest::fix(&name.text, name.span, known)),
    }
}

/// A suggestion for `module.name(…)` if there is no such condition in the standard library.
fn qualified_suggestion(
    name: &Text,
    module: &str,
    method: &str,
    conditions: &[&str],
) -> (Option<String>, Option<Fix>) {
    let of_module = |one: &&&str| one.split_once('.').is_some_and(|(known, _)| known == module);
    let used: Vec<&str> = conditions.iter().filter(of_module).copied().collect();
    if !used.is_empty() {
        let help = suggest::help(&name.text, used.iter().copied(), "its conditions are");
        return (help, suggest::fix(&name.text, name.span, used));
    }
    let help = match foreign_functions::suggestion_for(method) {
        _ if stdlib::has_conditions(module) => {
            format!("add `use std \"{module}\"` at the top of this file")
        }
        Some(instead) => instead.to_owned(),
        None => "values have no methods; functions are called as in `len(body.items)`".to_owned(),
    };
    (Some(help), None)
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
