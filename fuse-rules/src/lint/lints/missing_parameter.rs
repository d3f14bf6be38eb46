//! `missing-parameter`

use crate::diagnostic::suggest;
use crate::lint::context::{Findings, LintContext};
use crate::lint::template_calls::{self, CallParameter};
use crate::lint::templates::{WorkflowTemplate, span};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "missing-parameter",
        title: "a required workflow parameter that is not set",
        level: Level::Deny,
        page: include_str!("../../../lints/missing-parameter.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |call| {
        let Some((file, template)) = call.template(templates) else { return };
        let Some(parameters) = &call.parameters else { return };
        for required in template.parameters.iter().filter(|parameter| parameter.required) {
            let name = &required.name;
            let or_default = "or give it a `value` in the template";
            let (at, label, help) = match parameters.iter().find(|one| one.name == *name) {
                Some(one) if one.optional => (
                    one.value.span,
                    "omitted if this is missing",
                    format!("write `{name} = … ?? \"…\"`, {or_default}"),
                ),
                Some(_) => continue,
                None if is_misspelt(name, parameters, template) => continue,
                None => (
                    call.trigger.span,
                    "does not set it",
                    format!("add `{name} = …` to `{}`, {or_default}", call.field),
                ),
            };
            out.add(
                at,
                format!("the template `{}` requires the parameter `{name}`", template.name),
                |problem| {
                    let there = span(file, &required.place);
                    problem
                        .label(label)
                        .related(there, "declared here without a default")
                        .help(help)
                },
            );
        }
    });
}

/// Whether the parameter is set under a misspelled name, which `unknown-parameter` reports.
fn is_misspelt(name: &str, parameters: &[CallParameter<'_>], template: &WorkflowTemplate) -> bool {
    let known = |name: &str| template.parameter(name).is_some() || template.mentions(name);
    let mut unknown = parameters.iter().filter(|one| !known(one.name));
    unknown.any(|one| suggest::misspelt(one.name, [name]).is_some())
}
