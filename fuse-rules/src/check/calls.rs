//! Calls of functions: names, arguments, and results that do not depend on an event.

use std::sync::Arc;

use jiff::Timestamp;

use super::expressions::unchecked;
use super::names::DeclarationKind;
use super::operands::absence_of_operand;
use super::scope::Scope;
use super::{Checker, foreign_functions, results, secrets};
use crate::diagnostic::{Code, Diagnostic, Fix, Severity, suggest};
use crate::functions::{self, CallContext, Function, NoResult, SearchPattern};
use crate::semantics::ops;
use crate::span::Span;
use crate::stdlib;
use crate::syntax::ast::{self, Text};
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind};
use crate::types::{Absence, Known, Ty};
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
        let joins_texts = function.name == "concat"
            && known
                .iter()
                .take(function.params.len())
                .any(|known| !known.ty.is_any() && known.kinds() == Kinds::STRING);
        if !joins_texts && !(function.required()..=function.params.len()).contains(&arguments.len())
        {
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
            let param = param.trim_end_matches('?');
            if !kinds.meets(*wanted) && !known.ty.is_nothing() {
                self.report(
                    Diagnostic::error(
                        Code::E0303,
                        argument.span,
                        format!("`{param}` of `{signature}` must be {wanted}"),
                    )
                    .label(format!("this is {kinds}"))
                    .maybe_help(kind_help(function.name, kinds)),
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
        let Ok(pattern) = self.search_pattern(function, &arguments) else {
            return unchecked(span);
        };
        let pattern = pattern.map(Arc::new);
        match folded(function, &arguments, pattern.as_deref()) {
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
                let absence = absence.max(results::absence(function, &arguments, &known));
                let ty = results::ty(function, &known, pattern.as_deref());
                let kind = ExprKind::Call { function, arguments, pattern };
                (Expr { kind, span }, Known { ty, absence })
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

/// The result of a call that does not depend on an event. `raw` remains a call, because it marks
/// its argument.
fn folded(
    function: &Function,
    arguments: &[Expr],
    pattern: Option<&SearchPattern>,
) -> Option<functions::CallResult> {
    if function.reads_clock() || function.name == "raw" {
        return None;
    }
    let values: Option<Vec<_>> = arguments.iter().map(|it| constant(it).cloned()).collect();
    Some(function.call(&values?, pattern, &CallContext::new(Timestamp::UNIX_EPOCH)))
}

pub(super) fn constant(expr: &Expr) -> Option<&Value<'static>> {
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
    let plain = foreign_functions::plain(&name.text);
    let same = callable(conditions).find(|known| foreign_functions::plain(known) == plain);
    match (same, foreign_functions::suggestion_for(&name.text)) {
        (None, Some(instead)) => (Some(instead.to_owned()), None),
        (same, _) => {
            let near = same.or_else(|| suggest::slip(&name.text, callable(conditions)));
            let fix = near.map(|near| Fix::new(format!("did you mean `{near}`?"), name.span, near));
            (None, fix)
        }
    }
}

/// What is probably meant where an argument has the wrong kind.
fn kind_help(function: &str, kinds: Kinds) -> Option<String> {
    match function {
        "concat" if kinds == Kinds::STRING => {
            Some("`concat` joins lists; fill values into a text: `\"${a}-${b}\"`".into())
        }
        "string" if kinds.meets(Kinds::LIST.or(Kinds::MAP)) => {
            Some("write `text(…)`, which gives lists and maps as JSON".into())
        }
        _ => None,
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
    let (least, most) = (function.required(), function.params.len());
    let wanted = match least == most {
        true => counted(most, "argument"),
        false => format!("{least} to {most} arguments"),
    };
    Diagnostic::error(Code::E0303, span, format!("`{}` takes {wanted}, not {given}", function.name))
        .label("wrong number of arguments")
        .help(format!("call it as `{}`", function.signature()))
}
