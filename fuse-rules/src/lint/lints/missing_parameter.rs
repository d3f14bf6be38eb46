//! `missing-parameter`

use crate::lint::context::{Context, Findings};
use crate::lint::given;
use crate::lint::templates::span;
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "missing-parameter",
    title: "a parameter that the workflow template needs",
    level: Level::Deny,
    finds: "A template declares a parameter without a value of its own, and a rule that runs it does not give it, or leaves it out where its value is \
missing. Argo refuses such a workflow.\n\n\
It runs where `fuse lint --templates DIR` names the folder of the templates.",
    instead: "Give the parameter, or give it a `value` in the template.",
    flags: &[
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
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
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
      namespace = \"ci\"
      parameters {
        ref? = body.ref
#~ body.ref
      }
    }
  }
}
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
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
#~ workflow
      template  = \"build\"
      namespace = \"ci\"
    }
  }
}
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
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
      namespace = \"ci\"
      parameters {
        ref = body.ref, depth? = body.depth
      }
    }
  }
}
--- templates.yaml
kind: WorkflowTemplate
metadata:
  name: build
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
    given::all(context, &mut |given| {
        let Some((file, template)) = given.template(templates) else { return };
        let Some(parameters) = &given.parameters else { return };
        for needed in template.parameters.iter().filter(|parameter| parameter.required) {
            let name = &needed.name;
            let (at, label, help) = match parameters.iter().find(|one| one.name == *name) {
                Some(one) if one.optional => (
                    one.value.span,
                    "left out where this is missing",
                    format!("write `{name} = … ?? \"…\"`, or give it a `value` in the template"),
                ),
                Some(_) => continue,
                None => (
                    given.trigger.span,
                    "does not give it",
                    format!("add `{name} = …` to `{}`, or give it a `value` in the template", given.field),
                ),
            };
            out.add(at, format!("`{}` needs the parameter `{name}`", template.name), |problem| {
                problem.label(label).related(span(file, &needed.place), "it has no value here").help(help)
            });
        }
    });
}
