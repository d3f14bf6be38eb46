//! `contradictory-condition`

use crate::analysis::{Clause, Events};
use crate::lint::context::{Context, Findings};
use crate::lint::facts::is_impossible;
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "contradictory-condition",
    title: "a condition that another one excludes",
    level: Level::Deny,
    finds: "Where the one holds, the other never does: `a == \"x\"` with `a == \"y\"`, ranges that have nothing in common, a text that starts in \
two ways. So the rule, or every rule of the sensor, never matches. This is proven for every event, of its declared type where it has one.",
    instead: "Correct the one that was meant otherwise. Where either shall do, join them by `or`.",
    flags: &[
        "\
when body.ref == \"main\"
when body.ref starts-with \"dev\"
#~ body.ref starts-with \"dev\"
",
        "\
when body.size > 10 and body.size < 5
#~ body.size < 5
",
        "\
sensor example on gh.push {
  when body.ref starts-with \"refs/heads/\"
  rule tell {
    when body.ref matches r\"refs/tags/.*\"
#~ body.ref matches r\"refs/tags/.*\"
    trigger log { message = \"pushed\" }
  }
}
",
        "\
when body.tags[0] is present
when body.tags.first is present
#~ body.tags.first is present
",
    ],
    passes: &[
        "when body.ref == \"main\" or body.ref == \"dev\"",
        "\
when body.size > 5
when body.size < 10
",
        "when body.a == 1 and body.b == 2",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let study = context.study();
    let of_rules = study.rules.iter().flat_map(|studied| &studied.clauses);
    for clause in study.shared.iter().chain(of_rules).filter(|clause| is_impossible(clause)) {
        // What several others exclude only together is told of the rule as a whole.
        if clause.because.len() < 2 {
            tell(clause, context, out);
        }
    }
}

fn tell(clause: &Clause, context: &Context<'_>, out: &mut Findings) {
    let text = context.text(clause.span);
    let message = match clause.because.first() {
        Some(other) => format!("`{text}` is never true where `{}` is", context.text(*other)),
        None => format!("`{text}` is never true"),
    };
    out.add(clause.span, message, |mut problem| {
        for other in &clause.because {
            problem = problem.related(*other, "where this is true");
        }
        problem.label("never true here").help(match (clause.events, clause.because.is_empty()) {
            (Events::Typed, _) => "its type says so; correct the condition, or the type",
            (Events::Any, false) => "correct one of them, or join them by `or` where either shall do",
            (Events::Any, true) => "correct it: whatever the event has, it does not hold",
        })
    });
}
