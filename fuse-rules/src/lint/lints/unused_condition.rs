//! `unused-condition`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "unused-condition",
    title: "a condition that nothing calls",
    level: Level::Warn,
    finds: "\
A named condition stands in no `when`, mapping or other condition. Often the condition was \
written out in its place, and now one of both is stale.

Of a file of conditions that is linted without any file that uses it, nothing is said.",
    instead: "Call it, or remove it.",
    flags: &[
        "\
condition is-main(ref) = ref == \"refs/heads/main\"
#~ is-main

sensor example on gh.push {
  rule one {
    when body.ref == \"refs/heads/main\"
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
condition is-main(ref) = ref == \"refs/heads/main\"
condition is-ours(ref) = is-main(ref) or ref == \"refs/heads/next\"

sensor example on gh.push {
  rule one {
    when is-ours(body.ref)
    trigger log { message = \"x\" }
  }
}
",
        "condition for-others(x) = x == 1",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for file in context.judged(out).files() {
        for declared in &file.tree.conditions {
            let name = &declared.name;
            if !context.uses().is_called(&name.text) {
                let message = format!("nothing calls the condition `{}`", name.text);
                out.add(name.span, message, |problem| {
                    problem.label("not used").help("call it, or remove it")
                });
            }
        }
    }
}
