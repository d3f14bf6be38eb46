//! `unused-source`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "unused-source",
    title: "a source to which no sensor listens",
    level: Level::Warn,
    finds: "\
A source takes in events that no rule looks at: it listens on a port, keeps what comes, and \
nothing is done.

Of a file of sources that is linted without any file that uses it, nothing is said.",
    instead: "Write a sensor on one of its events, or remove it.",
    flags: &[
        "\
source gh webhook {
  port = 12000
  path = \"/gh\"
  event push
}

source ci webhook {
#~ ci
  port = 12001
  path = \"/ci\"
  event run
}

sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
source gh webhook {
  port = 12000
  path = \"/gh\"
  event push
}

sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
        "\
source gh webhook {
  port = 12000
  path = \"/gh\"
  event push
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let judged = context.judged(out);
    let sources = context.rules.sources.iter();
    for source in sources.filter(|source| judged.contains(source.span.file)) {
        let name = &source.name;
        if !context.uses().is_source(name) {
            out.add(source.span, format!("no sensor listens to the source `{name}`"), |problem| {
                problem.label("nothing is done with what it takes in").help(format!(
                    "add a sensor as in `sensor NAME on {name}.EVENT`, or remove the source"
                ))
            });
        }
    }
}
