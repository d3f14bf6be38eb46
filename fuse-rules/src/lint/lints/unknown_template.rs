//! `unknown-template`

use crate::lint::context::{Findings, LintContext};
use crate::lint::template_calls::{self, TemplateCall};
use crate::lint::templates::span;
use crate::lint::{Level, Lint, Pass};
use crate::syntax::ast::Text;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unknown-template",
        title: "a workflow template that does not exist",
        level: Level::Deny,
        page: include_str!("../../../lints/unknown-template.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |call| {
        if call.template(templates).is_some() {
            return;
        }
        let (kind, name) = (call.kind, &call.name);
        let elsewhere = templates.of_kind(kind).find(|(_, template)| template.name == *name);
        out.add(call.span, format!("there is no {kind} `{name}`{}", place(&call)), |problem| {
            let problem = problem.label("not in the template files");
            match elsewhere {
                Some((file, template)) => {
                    let namespace = template.namespace.as_deref().unwrap_or_default();
                    let there = span(file, &template.place);
                    problem
                        .related(there, format!("this one is in `{namespace}`"))
                        .help(format!("run the workflow in `{namespace}`, or move the template"))
                }
                None => {
                    let known = templates.of_kind(kind).map(|(_, template)| template.name.as_str());
                    let name = Text { text: name.clone(), span: call.span };
                    problem.suggest(&name, known, "the templates are").fix_in_quotes()
                }
            }
        });
    });
}

fn place(call: &TemplateCall<'_>) -> String {
    match &call.namespace {
        Some(namespace) if call.kind == "WorkflowTemplate" => format!(" in `{namespace}`"),
        _ => String::new(),
    }
}
