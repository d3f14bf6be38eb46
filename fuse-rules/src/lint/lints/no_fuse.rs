//! `no-fuse`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "no-fuse",
    title: "a rule that changes something and requires no fuse",
    level: Level::Warn,
    finds: "\
A fuse is how a person stops rules at once, without a change of them. A rule that starts a \
workflow or a job, or changes an object, and that neither requires a fuse nor stands in a \
sensor that does, can only be stopped by stopping fuse. Rules that write log lines need \
none.",
    instead: "Declare a fuse, and let the sensor require it.",
    flags: &[
        "\
sensor example on gh.push {
  rule build {
#~ build
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
    }
  }
}
",
        "\
sensor example on gh.push {
  rule one {
#~ one
    trigger log { message = \"x\" }
    trigger workflow { template = \"build\", namespace = \"ci\" }
  }
  rule two {
    requires cicd
    trigger workflow { template = \"build\", namespace = \"ci\" }
  }
}
",
    ],
    passes: &[
        "\
sensor example on gh.push {
  requires cicd

  rule build {
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
    }
  }
}
",
        "\
sensor example on gh.push {
  rule tell { trigger log { message = \"x\" } }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for rule in context.rules.sensors.iter().flat_map(|sensor| &sensor.rules) {
        let changes = rule.triggers.iter().find(|trigger| {
            let schema = context.registry.find_trigger(&trigger.kind);
            schema.is_some_and(|schema| !schema.is_notification())
        });
        let Some(trigger) = changes.filter(|_| rule.requires.is_empty()) else { continue };
        let name = context.text(rule.span);
        out.add(rule.span, format!("rule `{name}` requires no fuse"), |problem| {
            problem
                .label("nothing can hold it back")
                .related(trigger.span, "this changes something")
                .help(
                    "declare one as `fuse NAME default off`, and add `requires NAME` to the rule \
                     or its sensor",
                )
        });
    }
}
