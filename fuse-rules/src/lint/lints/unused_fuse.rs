//! `unused-fuse`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "unused-fuse",
    title: "a fuse that no rule requires",
    level: Level::Warn,
    finds: "\
No sensor and no rule requires the fuse, so that turning it off stops nothing. Whoever \
relies on it finds out when it matters.

Of a file of fuses that is linted without any file that uses it, nothing is said.",
    instead: "Require it where it should gate, or remove it.",
    flags: &[
        "\
source gh webhook {
  port = 12000
  path = \"/gh\"
  event push
}

fuse deploys default off
#~ deploys

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

fuse deploys default off

sensor example on gh.push {
  requires deploys

  rule one {
    trigger log { message = \"x\" }
  }
}
",
        "fuse for-others default on",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for file in context.judged(out).files() {
        for declared in &file.tree.fuses {
            let name = &declared.name;
            if !context.uses().is_required(&name.text) {
                out.add(name.span, format!("no rule requires the fuse `{}`", name.text), |problem| {
                    problem.label("gates nothing").help(format!(
                        "add `requires {}` to what it should gate, or remove it",
                        name.text
                    ))
                });
            }
        }
    }
}
