//! Named conditions: checks their bodies once, and inlines them where they are called.

use super::Checker;
use super::calls::counted;
use super::expressions::{condition_known, unchecked};
use super::inline::{ConditionTemplate, depth, size};
use super::names::{DeclarationKind, declared_twice};
use super::operands::absence_of;
use super::scope::{Binding, Scope, ScopeKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions;
use crate::span::Span;
use crate::syntax::ast::{self, Text};
use crate::typed::Expr;
use crate::types::{Absence, Known, Missing, Ty};

/// The maximum number of nodes of a condition after the conditions that it uses are inlined.
pub(super) const MAX_CONDITION_SIZE: usize = 10_000;
/// The maximum depth after inlining, the same as for source text.
pub(super) const MAX_CONDITION_DEPTH: usize = 64;
/// The maximum number of nodes of all calls of all rules after inlining.
pub(super) const MAX_INLINED_SIZE: usize = 500_000;

impl Checker<'_> {
    /// A named condition, ready for its calls; `None` if it is invalid, which is reported. `uses_are_valid`
    /// is whether everything that it uses is valid.
    pub(super) fn named_condition(
        &mut self,
        declared: &ast::Condition,
        uses_are_valid: bool,
    ) -> Option<ConditionTemplate> {
        let before = self.problems.len();
        self.check_not_a_function(&declared.name);
        let mut scope = Scope::without_event(ScopeKind::Condition(declared.name.text.clone()));
        let mut seen: Vec<&Text> = Vec::new();
        for parameter in &declared.parameters {
            let name = &parameter.name;
            match seen.iter().find(|first| first.text == name.text) {
                Some(first) => self.report(declared_twice("parameter", name, first)),
                None => self.check_not_taken(name),
            }
            seen.push(name);
            let element = match &parameter.ty {
                Some(ty) => Known { ty: self.resolve(ty), absence: Absence::absent(Missing::Open) },
                // A parameter without a type may be of any kind, including times and durations.
                None => Known::unchecked(),
            };
            scope.bound.push(Binding { name: name.clone(), element });
        }
        let (body, known) = self.condition(&declared.body, &mut scope);
        self.only_first_too_large(before);
        if !uses_are_valid || self.problems.len() > before {
            return None;
        }
        if size(&body) > MAX_CONDITION_SIZE || depth(&body) > MAX_CONDITION_DEPTH {
            self.too_large(&declared.name, declared.name.span);
            return None;
        }
        let parameters = scope.bound.into_iter().map(|bound| bound.element.ty).collect();
        Some(ConditionTemplate::new(body, known.absence, parameters))
    }

    /// Of the problems since then, keeps only the first that says that a condition is too large.
    fn only_first_too_large(&mut self, since: usize) {
        let since = since.min(self.problems.len());
        let mut reported = false;
        let problems = self.problems.split_off(since);
        self.problems.extend(problems.into_iter().filter(|problem| {
            let too_large = problem.topic == Code::E0216;
            let again = too_large && reported;
            reported |= too_large;
            !again
        }));
    }

    /// A call of a named condition; `None` if there is no condition of this name.
    pub(super) fn call_condition(
        &mut self,
        name: &Text,
        arguments: &[(Expr, Known)],
        span: Span,
        scope: &Scope,
    ) -> Option<(Expr, Known)> {
        let Some(index) = self.names.seen(DeclarationKind::Condition, name) else {
            let problem = self.names.not_visible(DeclarationKind::Condition, name)?;
            self.report(problem);
            return Some(unchecked(span));
        };
        let declared = self.names.conditions().get(index)?;
        let without = (unchecked(span).0, condition_known(Absence::absent(Missing::Open)));
        let (given, wanted) = (arguments.len(), declared.parameters.len());
        if given != wanted {
            self.report(
                Diagnostic::error(
                    Code::E0303,
                    span,
                    format!("`{}` takes {}, not {given}", name.text, counted(wanted, "argument")),
                )
                .label("wrong number of arguments")
                .related(declared.name.span, "declared here")
                .help(format!("call it as `{}`", signature(name, declared))),
            );
            return Some(without);
        }
        // An invalid condition is reported at its declaration.
        let Some(template) = self.templates.get(index).and_then(Option::as_ref) else {
            return Some(without);
        };
        let mut absence = template.absence.clone();
        let mut unfit = Vec::new();
        for ((argument, known), (parameter, wanted)) in
            arguments.iter().zip(declared.parameters.iter().zip(&template.parameters))
        {
            absence = absence.max(absence_of(argument, known));
            if !known.ty.clone().not_null().within(wanted) {
                unfit.push(unfit_argument((name, declared), parameter, wanted, argument, known));
            }
        }
        let arguments: Vec<Expr> = arguments.iter().map(|(argument, _)| argument.clone()).collect();
        let size = template.size_with(&arguments);
        unfit.into_iter().for_each(|problem| self.report(problem));
        if size > MAX_CONDITION_SIZE {
            self.too_large(name, span);
            return Some(without);
        }
        // The exhausted budget is reported only once.
        let Some(left) = self.inline_budget else { return Some(without) };
        self.inline_budget = left.checked_sub(size);
        if self.inline_budget.is_none() {
            self.report(
                Diagnostic::error(
                    Code::E0216,
                    span,
                    "the calls of conditions are too large in total",
                )
                .label(format!("from here on, more than {MAX_INLINED_SIZE} parts"))
                .help(
                    "call large conditions less often, for example in the sensor instead of in each of its rules",
                ),
            );
            return Some(without);
        }
        let template = self.templates.get(index)?.as_ref()?;
        self.calls.insert(span, template.span());
        Some((template.call(&arguments, scope.bound.len(), span), condition_known(absence)))
    }

    fn too_large(&mut self, name: &Text, span: Span) {
        self.report(
            Diagnostic::error(
                Code::E0216,
                span,
                format!(
                    "condition `{}` is too large once the conditions that it uses are inlined",
                    name.text
                ),
            )
            .label(format!("more than {MAX_CONDITION_SIZE} parts, or nested more than {MAX_CONDITION_DEPTH} deep"))
            .help("use fewer conditions in it, or use each of them less often"),
        );
    }

    /// Reports a condition with the name of a function or quantifier.
    fn check_not_a_function(&mut self, name: &Text) {
        const QUANTIFIERS: [&str; 7] = ["any", "all", "none", "count", "filter", "map", "first"];
        let what = if functions::find(&name.text).is_some() {
            "function"
        } else if QUANTIFIERS.contains(&name.text.as_str()) {
            "quantifier"
        } else {
            return;
        };
        self.report(
            Diagnostic::error(
                Code::E0207,
                name.span,
                format!("`{}` is already a {what} of the language", name.text),
            )
            .label("taken")
            .help("choose another name"),
        );
    }
}

/// The problem of an argument that is not of its parameter's type.
fn unfit_argument(
    (called, declared): (&Text, &ast::Condition),
    parameter: &ast::Parameter,
    wanted: &Ty,
    argument: &Expr,
    known: &Known,
) -> Diagnostic {
    let message =
        format!("`{}` of `{}` must be {wanted}", parameter.name.text, signature(called, declared));
    Diagnostic::error(Code::E0303, argument.span, message)
        .label(format!("this is {}", known.ty))
        .related(parameter.name.span, "declared here")
}

/// `is-prod(name)`, or `github.from-fork(change)`.
fn signature(called: &Text, declared: &ast::Condition) -> String {
    let parameters: Vec<_> =
        declared.parameters.iter().map(|parameter| parameter.name.text.as_str()).collect();
    format!("{}({})", called.text, parameters.join(", "))
}
