//! `undocumented-rule`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "undocumented-rule",
    title: "a rule or sensor without a comment",
    level: Level::Warn,
    finds: "\
A rule acts on its own, at night, for reasons that its author knew. The comment straight \
above a rule or sensor says what it is for; `fuse doc` and the decisions show it to whoever \
wonders. What a sensor's comment says does not say what each of its rules is for.",
    instead: "Write a sentence straight above it, with no empty line between.",
    flags: &[
        "\
# What happens on a push.
sensor example on gh.push {
  rule tell {
#~ tell
    trigger log { message = \"pushed\" }
  }
}
",
        "\
# Not its comment: a line stands between.

sensor example on gh.push {
#~ example
  # fuse: allow(no-fuse) because it says what is allowed and not what it is for
  rule tell {
#~ tell
    trigger log { message = \"pushed\" }
  }
}
",
    ],
    passes: &[
        "\
# What happens on a push.
sensor example on gh.push {
  # Tells of it.
  rule tell {
    trigger log { message = \"pushed\" }
  }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        let of_sensor = ("sensor", sensor.span, &sensor.doc);
        let of_rules = sensor.rules.iter().map(|rule| ("rule", rule.span, &rule.doc));
        for (what, span, doc) in std::iter::once(of_sensor).chain(of_rules) {
            let says = |doc: &String| !doc.trim().is_empty();
            if doc.as_ref().is_some_and(says) {
                continue;
            }
            let name = context.text(span);
            out.add(span, format!("{what} `{name}` says nowhere what it is for"), |problem| {
                problem.label("no comment straight above").help(format!(
                    "say in a comment straight above the {what} what it is for"
                ))
            });
        }
    }
}
