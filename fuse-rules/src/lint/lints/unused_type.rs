//! `unused-type`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "unused-type",
    title: "a type that nothing uses",
    level: Level::Warn,
    finds: "\
A type is given to no event, to no parameter of a condition, and stands in no other type. An \
event that was meant to have it is not checked against it.

Of a file of types that is linted without any file that uses it, nothing is said.",
    instead: "Give it to the event that it describes, as in `event placed : order`, or remove it.",
    flags: &[
        "\
source shop webhook {
  port = 12000
  path = \"/shop\"
  event placed
}

type order = { id: string, ... }
#~ order

sensor example on shop.placed {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
source shop webhook {
  port = 12000
  path = \"/shop\"
  event placed : order
}

type order = { id: string, items: list<item>, ... }
type item = { name: name, ... }
type name = string
type amount = int

condition few(n: amount) = n < 3

sensor example on shop.placed {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
        "type for-others = string",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for file in context.judged(out).files() {
        for declared in &file.tree.types {
            let name = &declared.name;
            if !context.uses().is_type(None, &name.text) {
                out.add(name.span, format!("nothing uses the type `{}`", name.text), |problem| {
                    problem.label("not used").help("give it to what it describes, or remove it")
                });
            }
        }
    }
}
