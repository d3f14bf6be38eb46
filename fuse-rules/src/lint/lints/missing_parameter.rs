//! `missing-parameter`

use crate::diagnostic::suggest;
use crate::lint::context::{Context, Findings};
use crate::lint::template_calls::{self, Parameter};
use crate::lint::templates::{WorkflowTemplate, span};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "missing-parameter",
    title: "a parameter that the workflow template needs",
    level: Level::Deny,
    finds: "\
A template declares a parameter without a value of its own, and a rule that runs it does not \
give it, or leaves it out where its value is missing. Argo refuses such a workflow.

It runs where `fuse lint --templates DIR` names the folder of the templates.",
    instead: "Give the parameter, or give it a `value` in the template.",
    flags: &[
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
#~ workflow
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        depth = 2
      }
    }
  }
}
",
            build_template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref? = body.ref
#~ body.ref
      }
    }
  }
}
",
            build_template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
#~ workflow
      template  = \"build\"
      namespace = \"ci\"
    }
  }
}
",
            build_template!()
        ),
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
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.ref, depth? = body.depth
      }
    }
  }
}
",
            build_template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        rfe = body.ref
      }
    }
  }
}
",
            build_template!()
        ),
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |given| {
        let Some((file, template)) = given.template(templates) else { return };
        let Some(parameters) = &given.parameters else { return };
        for needed in template.parameters.iter().filter(|parameter| parameter.required) {
            let name = &needed.name;
            let default = "or give it a `value` in the template";
            let (at, label, help) = match parameters.iter().find(|one| one.name == *name) {
                Some(one) if one.optional => (
                    one.value.span,
                    "left out where this is missing",
                    format!("write `{name} = … ?? \"…\"`, {default}"),
                ),
                Some(_) => continue,
                None if is_misspelt(name, parameters, template) => continue,
                None => (
                    given.trigger.span,
                    "does not give it",
                    format!("add `{name} = …` to `{}`, {default}", given.field),
                ),
            };
            out.add(at, format!("`{}` needs the parameter `{name}`", template.name), |problem| {
                let there = span(file, &needed.place);
                problem.label(label).related(there, "it has no value here").help(help)
            });
        }
    });
}

/// Whether it is given by a name that is near and that the template does not know, which
/// `unknown-parameter` says.
fn is_misspelt(name: &str, given: &[Parameter<'_>], template: &WorkflowTemplate) -> bool {
    let known = |name: &str| template.parameter(name).is_some() || template.mentions(name);
    let mut unknown = given.iter().filter(|one| !known(one.name));
    unknown.any(|one| suggest::misspelt(one.name, [name]).is_some())
}
