//! `always-matches`

use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "always-matches",
    title: "a rule with conditions that matches whatever comes",
    level: Level::Warn,
    finds: "The rule has conditions, and they hold for every event, of its declared type where it has one, and for every element that it goes \
through. So they say nothing, and the rule acts on all. This is proven. A rule without any condition is meant so, and not told.",
    instead: "Correct the condition, often an `or` that should be an `and`, or leave it out.",
    flags: &[
        "\
sensor example on gh.push {
  rule tell {
#~ tell
    when body.ref is missing or body.ref is present
    trigger log { message = \"pushed\" }
  }
}
",
    ],
    passes: &[
        "trigger log { message = \"pushed\" }",
        "when body.ref != \"main\" or body.size != 1",
        "when body.ref is present",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let study = context.study();
    for studied in study.rules.iter().filter(|studied| studied.always) {
        let message = format!("rule `{}` matches whatever comes", studied.name());
        out.add(studied.span(), message, |problem| {
            problem
                .label("its conditions always hold")
                .help("correct the condition, or leave it out where every event is meant")
        });
    }
}
