//! `unknown-parameter`

use crate::diagnostic::suggest;
use crate::lint::context::{Findings, LintContext};
use crate::lint::template_calls;
use crate::lint::templates::span;
use crate::lint::{Level, Lint, Pass};
use crate::syntax::as_key;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unknown-parameter",
        title: "a parameter that the workflow template does not have",
        level: Level::Deny,
        page: include_str!("../../../lints/unknown-parameter.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |call| {
        let Some((file, template)) = call.template(templates) else { return };
        for parameter in call.parameters.iter().flatten() {
            let text = parameter.name;
            if template.parameter(text).is_some() || template.mentions(text) {
                continue;
            }
            let at = call.key(parameter, context);
            out.add(
                at,
                format!("the template `{}` has no parameter `{text}`", template.name),
                |problem| {
                    let known = template.parameters.iter().map(|one| one.name.as_str());
                    let problem = problem
                        .label("unknown parameter")
                        .related(span(file, &template.place), "the template")
                        .maybe_help(suggest::help(text, known.clone(), "its parameters are"));
                    // If the parameter comes from `defaults`, the span is that of its value.
                    let is_key = context.text(at) == text;
                    problem.maybe_fix(suggest::fix(text, at, known).filter(|_| is_key).map(as_key))
                },
            );
        }
    });
}
