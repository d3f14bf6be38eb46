//! `unknown-template`

use crate::diagnostic::Diagnostic;
use crate::lint::context::{Context, Findings};
use crate::lint::template_calls::{self, Given};
use crate::lint::templates::span;
use crate::lint::{Level, Lint};
use crate::syntax::ast::Text;

pub(super) static LINT: Lint = Lint {
    name: "unknown-template",
    title: "a workflow template that does not exist",
    level: Level::Deny,
    finds: "\
A trigger names a WorkflowTemplate or ClusterWorkflowTemplate that none of the files of \
`--templates` has, or only in another namespace. Argo refuses the workflow; fuse holds the \
action until somebody applies the template.

It runs where `fuse lint --templates DIR` names the folder of the templates.",
    instead: "Correct the name, or add the template.",
    flags: &[
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"biuld\"
#~ \"biuld\"
      namespace = \"ci\"
      parameters {
        ref = body.ref
      }
    }
  }
}
",
            build_template!()
        ),
        "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
#~ \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.ref
      }
    }
  }
}
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
  namespace: cd
spec:
  arguments:
    parameters:
      - name: ref
      - name: depth
        value: \"1\"
      - name: mode
        value: fast
        enum: [fast, safe]
  templates:
    - name: main
      container:
        args: [\"{{workflow.parameters.trace}}\"]
",
    ],
    passes: &[
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.ref
      }
    }
  }
}
",
            build_template!()
        ),
        "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.ref
      }
    }
  }
}
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
  namespace: ci
spec:
  arguments:
    parameters:
      - name: ref
      - name: depth
        value: \"1\"
      - name: mode
        value: fast
        enum: [fast, safe]
  templates:
    - name: main
      container:
        args: [\"{{workflow.parameters.trace}}\"]
",
        "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = body.namespace
      parameters {
        ref = body.ref
      }
    }
  }
}
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
  namespace: ci
spec:
  arguments:
    parameters:
      - name: ref
      - name: depth
        value: \"1\"
      - name: mode
        value: fast
        enum: [fast, safe]
  templates:
    - name: main
      container:
        args: [\"{{workflow.parameters.trace}}\"]
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |given| {
        if given.template(templates).is_some() {
            return;
        }
        let (kind, name) = (given.kind, &given.name);
        let elsewhere = templates.of_kind(kind).find(|(_, template)| template.name == *name);
        out.add(given.span, format!("there is no {kind} `{name}`{}", place(&given)), |problem| {
            let problem = problem.label("not among the templates");
            match elsewhere {
                Some((file, template)) => {
                    let namespace = template.namespace.as_deref().unwrap_or_default();
                    let there = span(file, &template.place);
                    problem.related(there, format!("this one is in `{namespace}`")).help(format!(
                        "let the workflow run in `{namespace}`, or move the template"
                    ))
                }
                None => {
                    let known = templates.of_kind(kind).map(|(_, template)| template.name.as_str());
                    let name = Text { text: name.clone(), span: given.span };
                    quoted(problem.suggest(&name, known, "the templates are"))
                }
            }
        });
    });
}

fn place(given: &Given<'_>) -> String {
    match &given.namespace {
        Some(namespace) if given.kind == "WorkflowTemplate" => format!(" in `{namespace}`"),
        _ => String::new(),
    }
}

/// A fix that replaces the whole literal by a name, with its quotes.
fn quoted(mut problem: Diagnostic) -> Diagnostic {
    for edit in problem.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
        edit.text = format!("\"{}\"", edit.text);
    }
    problem
}
