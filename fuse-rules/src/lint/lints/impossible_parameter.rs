//! `impossible-parameter`

use crate::typed::{Expr, ExprKind};
use crate::diagnostic::suggest;
use crate::lint::context::{Context, Findings};
use crate::lint::template_calls;
use crate::lint::templates::span;
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "impossible-parameter",
    title: "a parameter's value that the workflow template does not allow",
    level: Level::Deny,
    finds: "\
A template lists the values of a parameter in its `enum`, and a rule gives one that is not \
among them: as a constant, or as a value of the event that is declared to be one of some \
others. Argo refuses the workflow.

It runs where `fuse lint --templates DIR` names the folder of the templates.",
    instead: "Give a value of the list, test for the values that are in it, or extend the list.",
    flags: &[
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref  = body.ref
        mode = \"quick\"
#~ \"quick\"
      }
    }
  }
}
",
            build_template!()
        ),
        concat!(
            "\
source gh webhook {
  port = 12000
  path = \"/gh\"
  event push : { mode: \"fast\" | \"slow\", ref: string }
}
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref  = body.ref
        mode = body.mode
#~ body.mode
      }
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
        ref  = body.ref
        mode = \"safe\"
      }
    }
  }
}
",
            build_template!()
        ),
        concat!(
            "\
source gh webhook {
  port = 12000
  path = \"/gh\"
  event push : { mode: \"fast\" | \"slow\", ref: string }
}
sensor example on gh.push {
  rule build {
    when body.mode == \"fast\"
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref  = body.ref
        mode = body.mode
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
        ref  = body.ref
        mode = body.mode
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
        for parameter in given.parameters.iter().flatten() {
            let Some(declared) = template.parameter(parameter.name) else { continue };
            let Some(choices) = &declared.choices else { continue };
            let Some(refused) = refused(parameter.value, choices, context) else { continue };
            let message = format!("`{}` may not be `{refused}`", parameter.name);
            out.add(parameter.value.span, message, |problem| {
                let all: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                let known = choices.iter().map(String::as_str);
                let near = suggest::misspelt(&refused, known);
                let label = match parameter.value.kind {
                    ExprKind::Const(_) => "not one of its values",
                    _ => "may be one that is not among its values",
                };
                problem
                    .label(label)
                    .related(span(file, &declared.place), "its values are listed here")
                    .help(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("give one of {}", all.join(", ")),
                    })
            });
        }
    });
}

/// A value that is given, or may be, and is not one of the choices.
fn refused(value: &Expr, choices: &[String], context: &Context<'_>) -> Option<String> {
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
