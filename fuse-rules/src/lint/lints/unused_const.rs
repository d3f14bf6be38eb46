//! `unused-const`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "unused-const",
    title: "a constant that nothing uses",
    level: Level::Warn,
    finds: "\
A constant stands in no condition, mapping or other constant. Often something else was \
written in its place, such as the value itself or the name of another constant.

Of a file of constants that is linted without any file that uses it, nothing is said.",
    instead: "Use the constant, or remove it.",
    flags: &[
        "\
source gh webhook {
  port = 12080
  path = \"/gh\"
  event push
}

const severe = [\"critical\", \"page\"]
#~ severe

sensor example on gh.push {
  rule one {
    when body.severity in [\"critical\", \"page\"]
    trigger log { message = \"x\" }
  }
}
",
        "\
const body-limit = 3
#~ body-limit
sensor example on gh.push {
  rule one {
    when any(body-limit2 in body.list: body-limit2 == 3)
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
source gh webhook {
  port = 12080
  path = \"/gh\"
  event push
}

const severe = [\"critical\", \"page\"]

sensor example on gh.push {
  rule one {
    when body.severity in severe
    trigger log { message = \"x\" }
  }
}
",
        "\
const hour = 1h
const day = [hour, 2h]
condition in-day(x) = x in day
sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
        "const for-others = 1",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for file in context.judged(out).files() {
        for declared in &file.tree.consts {
            let name = &declared.name;
            if !context.uses().is_used_as_value(&name.text) {
                out.add(name.span, format!("nothing uses the constant `{}`", name.text), |problem| {
                    problem.label("not used").help("use it, or remove it")
                });
            }
        }
    }
}
