//! `unsafe-parameter`

use crate::analysis::Placed;
use crate::typed::{Expr, ExprKind};
use crate::lint::context::{Context, Findings};
use crate::lint::template_calls::{self, Given};
use crate::lint::event_paths::{self, Bound, Whole};
use crate::lint::templates::span;
use crate::lint::{Level, Lint, guards};
use crate::value::Kinds;

/// The template of most examples.
macro_rules! template {
    () => {
        "\
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
spec:
  entrypoint: main
  arguments:
    parameters:
      - name: ref
  templates:
    - name: main
      inputs:
        parameters:
          - name: ref
      script:
        image: alpine/git
        command: [sh]
        source: |
          git clone --branch \"{{inputs.parameters.ref}}\" https://git.example.com/pay
"
    };
}

pub(super) static LINT: Lint = Lint {
    name: "unsafe-parameter",
    title: "a value of the event in the text of a script",
    level: Level::Warn,
    finds: "\
A template pastes a parameter into the `source` of a script, or into what a shell is told to \
run (the word after `-c` of `sh`, `bash` and their like, in `command` and `args`), and a \
rule gives it a value of the event. Argo puts the value in before anything reads the text, \
so that no quotes around it help: a value with a quote in it ends them, and what follows is \
run.

Parameters are followed from the workflow to the inputs of its steps. Nothing is said of a \
constant, of a number, a truth or one of some declared texts, of a value that a condition of \
the rule tests by `matches`, `in` or `==`, of a hash, and of what a template passes on \
through `env`.

It runs where `fuse lint --templates DIR` names the folder of the templates.",
    instead: "\
In the template, pass it through `env` and let the script read the variable; or test the \
value in the rule by a pattern that only has what is harmless.",
    flags: &[
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.ref
#~ body.ref
      }
    }
  }
}
",
            template!()
        ),
        "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = \"refs/${body.ref}\"
#~ \"refs/${body.ref}\"
      }
    }
  }
}
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
spec:
  entrypoint: main
  arguments:
    parameters:
      - name: ref
  templates:
    - name: main
      inputs:
        parameters:
          - name: ref
      container:
        command: [sh, -c, \"git clone {{workflow.parameters.ref}}\"]
",
    ],
    passes: &[
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
spec:
  entrypoint: main
  arguments:
    parameters:
      - name: ref
  templates:
    - name: main
      inputs:
        parameters:
          - name: ref
      script:
        image: alpine/git
        command: [sh]
        env:
          - name: REF
            value: \"{{inputs.parameters.ref}}\"
        source: |
          git clone --branch \"$REF\" https://git.example.com/pay
",
        concat!(
            "\
sensor example on gh.push {
  rule build {
    when body.ref matches r\"[a-z]+\"
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
            template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = \"main\"
      }
    }
  }
}
",
            template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = int(body.ref)
      }
    }
  }
}
",
            template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = sha256(body.ref)
      }
    }
  }
}
",
            template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    when body.number > 0
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.number ?? body.ref
      }
    }
  }
}
",
            template!()
        ),
        concat!(
            "\
sensor example on gh.push {
  rule build {
    when body.number > 0 and (body.base == \"main\" or body.base == \"next\")
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = \"refs/${body.base}/${body.number}\"
      }
    }
  }
}
",
            template!()
        ),
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let Some(templates) = context.templates(out) else { return };
    template_calls::all(context, &mut |given| {
        let Some((file, template)) = given.template(templates) else { return };
        let tested = guards::tested(given.sensor, given.rule);
        for parameter in given.parameters.iter().flatten() {
            let pasted = template.pastes.iter().find(|paste| paste.parameter == parameter.name);
            let Some(paste) = pasted else { continue };
            let value = parameter.value;
            let placed = Placed { sensor: given.sensor, rule: given.rule };
            if is_harmless(value, context)
                || is_tested(&given, value, &tested)
                || context.study().analysis.is_plain(placed, value, &[])
            {
                continue;
            }
            let message = format!(
                "`{}` makes this a part of {}, so that the event may say what is run",
                template.name, paste.into
            );
            out.add(parameter.value.span, message, |problem| {
                problem
                    .label("of the event")
                    .related(span(file, &paste.place), "pasted in here")
                    .help("pass it through `env` in the template, or test it here by a pattern")
            });
        }
    });
}

/// Whether no value of an expression says anything to a shell.
fn is_harmless(value: &Expr, context: &Context<'_>) -> bool {
    let of_type = context.known(value.span).is_some_and(|known| {
        let scalar = Kinds::NUMBER.or(Kinds::BOOL).or(Kinds::DURATION);
        known.kinds().within(scalar) || known.ty.literal_strings().is_some()
    });
    let by_form = match &value.kind {
        ExprKind::Const(_) => true,
        ExprKind::Call { function, .. } => matches!(function.name, "sha256" | "hex" | "base64"),
        ExprKind::Concat(parts) => parts.iter().all(|part| is_harmless(part, context)),
        _ => value.is_condition(),
    };
    of_type || by_form
}

/// Whether the rule's conditions test all values that an expression is made of.
fn is_tested(given: &Given<'_>, value: &Expr, tested: &[Whole<'_>]) -> bool {
    let mut bound = Bound::default();
    let each = [&given.sensor.each, &given.rule.each];
    each.into_iter().flatten().for_each(|each| bound.bind(&each.list));
    let mut all = true;
    event_paths::below(value, &mut bound, &mut |expr, bound| {
        if let ExprKind::Path(path) = &expr.kind {
            all &= bound.whole(path).is_some_and(|whole| tested.contains(&whole));
        }
    });
    all
}
