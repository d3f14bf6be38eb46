//! `unknown-parameter`

use crate::diagnostic::suggest;
use crate::lint::context::{Context, Findings};
use crate::lint::template_calls;
use crate::lint::templates::span;
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "unknown-parameter",
    title: "a parameter that the workflow template does not take",
    level: Level::Deny,
    finds: "\
A rule gives a parameter that the template neither declares nor uses. Most often its name is \
misspelt, and the one that was meant keeps its default or is missing.

It runs where `fuse lint --templates DIR` names the folder of the templates.",
    instead: "Give it the name that the template has, or leave it out.",
    flags: &[
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref   = body.ref
        detph = 2
#~ detph
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
      parameters = { ref = body.ref, detph = 2 }
#~ 2
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
        ref   = body.ref
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
        ref   = body.ref
        trace = \"on\"
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
            let text = parameter.name;
            if template.parameter(text).is_some() || template.mentions(text) {
                continue;
            }
            let at = given.key(parameter, context);
            out.add(at, format!("`{}` takes no parameter `{text}`", template.name), |problem| {
                let known = template.parameters.iter().map(|one| one.name.as_str());
                let problem = problem
                    .label("not accepted")
                    .related(span(file, &template.place), "the template")
                    .maybe_help(suggest::help(text, known.clone(), "its parameters are"));
                // Only the key is the name; a value stands for it where `defaults` give it.
                let is_key = context.text(at) == text;
                problem.maybe_fix(suggest::fix(text, at, known).filter(|_| is_key))
            });
        }
    });
}
