//! `unsafe-parameter`

use crate::analysis::Placed;
use crate::lint::context::{Findings, LintContext};
use crate::lint::event_paths::{self, Bindings, EventPath};
use crate::lint::template_calls::{self, TemplateCall};
use crate::lint::templates::span;
use crate::lint::{Level, Lint, Pass, guards};
use crate::typed::{Expr, ExprKind};
use crate::value::Kinds;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unsafe-parameter",
        title: "an event value inserted into a script",
        level: Level::Warn,
        page: include_str!("../../../lints/unsafe-parameter.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |call| {
        let Some((file, template)) = call.template(templates) else { return };
        let tested = guards::tested_values(call.sensor, call.rule);
        for parameter in call.parameters.iter().flatten() {
            let substituted = template
                .substitutions
                .iter()
                .find(|substitution| substitution.parameter == parameter.name);
            let Some(substitution) = substituted else { continue };
            let value = parameter.value;
            let placed = Placed { sensor: call.sensor, rule: call.rule };
            if is_harmless(value, context)
                || is_tested(&call, value, &tested)
                || context.facts().analysis.is_plain(placed, value, &[])
            {
                continue;
            }
            let message = format!(
                "the template `{}` inserts this value into {}, so the sender can run commands",
                template.name, substitution.target
            );
            out.add(parameter.value.span, message, |problem| {
                problem
                    .label("a value from the event")
                    .related(span(file, &substitution.place), "inserted here")
                    .help("pass it through `env` in the template, or test it with a pattern in the rule")
            });
        }
    });
}

/// Whether no possible value of an expression can do harm in a shell.
fn is_harmless(value: &Expr, context: &LintContext<'_>) -> bool {
    let by_type = context.known(value.span).is_some_and(|known| {
        let scalar = Kinds::NUMBER.or(Kinds::BOOL).or(Kinds::DURATION);
        known.kinds().within(scalar) || known.ty.literal_strings().is_some()
    });
    let by_form = match &value.kind {
        ExprKind::Const(_) => true,
        ExprKind::Call { function, .. } => matches!(function.name, "sha256" | "hex" | "base64"),
        ExprKind::Concat(parts) => parts.iter().all(|part| is_harmless(part, context)),
        ExprKind::If { chosen, otherwise, .. } => {
            is_harmless(chosen, context) && is_harmless(otherwise, context)
        }
        _ => value.is_condition(),
    };
    by_type || by_form
}

/// Whether the conditions of the rule test all values in an expression.
fn is_tested(call: &TemplateCall<'_>, value: &Expr, tested: &[EventPath<'_>]) -> bool {
    let mut bindings = Bindings::default();
    let each = [&call.sensor.each, &call.rule.each];
    each.into_iter().flatten().for_each(|each| bindings.bind(&each.list));
    let mut all = true;
    event_paths::walk(value, &mut bindings, &mut |expr, bindings| {
        if let ExprKind::Path(path) = &expr.kind {
            all &= bindings.resolve_path(path).is_some_and(|path| tested.contains(&path));
        }
    });
    all
}
