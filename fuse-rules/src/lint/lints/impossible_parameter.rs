//! `impossible-parameter`

use crate::diagnostic::suggest;
use crate::lint::context::{Findings, LintContext};
use crate::lint::template_calls;
use crate::lint::templates::span;
use crate::lint::{Level, Lint, Pass};
use crate::typed::{Expr, ExprKind};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "impossible-parameter",
        title: "a parameter value that the workflow template does not allow",
        level: Level::Deny,
        page: include_str!("../../../lints/impossible-parameter.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |call| {
        let Some((file, template)) = call.template(templates) else { return };
        for parameter in call.parameters.iter().flatten() {
            let Some(declared) = template.parameter(parameter.name) else { continue };
            let Some(choices) = &declared.choices else { continue };
            let Some(refused) = refused(parameter.value, choices, context) else { continue };
            let name = parameter.name;
            let message = format!("the parameter `{name}` does not allow the value `{refused}`");
            out.add(parameter.value.span, message, |problem| {
                let all: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                let known = choices.iter().map(String::as_str);
                let near = suggest::misspelt(&refused, known);
                let label = match parameter.value.kind {
                    ExprKind::Const(_) => "not an allowed value",
                    _ => "may have a value that is not allowed",
                };
                problem
                    .label(label)
                    .related(span(file, &declared.place), "the parameter is declared here")
                    .help(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("use one of {}", all.join(", ")),
                    })
            });
        }
    });
}

/// A possible value of the parameter that is not one of the choices.
fn refused(value: &Expr, choices: &[String], context: &LintContext<'_>) -> Option<String> {
    let is_refused = |text: &str| !choices.iter().any(|choice| choice == text);
    match &value.kind {
        ExprKind::Const(constant) => {
            constant.canonical().map(|text| text.to_string()).filter(|text| is_refused(text))
        }
        _ => {
            let mut literals = context.known(value.span)?.ty.literal_strings()?;
            literals.find(|text| is_refused(text)).map(str::to_owned)
        }
    }
}
