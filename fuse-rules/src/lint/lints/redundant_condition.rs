//! `redundant-condition`

use crate::analysis::{Events, Finding};
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "redundant-condition",
    title: "a condition that says nothing new",
    level: Level::Warn,
    finds: "Where the conditions before it hold, it does, too: it stands there twice, or another one says more. Perhaps something else was \
meant. This is proven for every event, of its declared type where it has one.",
    instead: "Remove it, or correct it where something else was meant.",
    flags: &[
        "\
when body.ref == \"main\"
when body.ref == \"main\"
#~ body.ref == \"main\"
",
        "\
when body.size > 10 and body.size > 5
#~ body.size > 5
",
        "\
when body.ref in [\"main\", \"master\"]
when body.ref matches r\"ma.*\"
#~ body.ref matches r\"ma.*\"
",
        "\
when body.ref starts-with \"refs/heads/\"
when body.ref is present
#~ body.ref is present
",
    ],
    passes: &[
        "\
when body.ref in [\"main\", \"master\"]
when body.ref != \"main\"
",
        "\
when body.ref is present
when body.ref == \"main\"
",
        "when body.size > 5 and body.size > 10",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let study = context.study();
    let whole = study.rules.iter().filter(|studied| !studied.always);
    let of_rules = whole.flat_map(|studied| &studied.clauses);
    for clause in study.shared.iter().chain(of_rules) {
        if clause.finding != Finding::Idle {
            continue;
        }
        let text = context.text(clause.span);
        let message = match clause.because.as_slice() {
            [] => format!("`{text}` is always true"),
            [other] => format!("`{text}` is always true where `{}` is", context.text(*other)),
            _ => format!("`{text}` is always true where the conditions before it are"),
        };
        out.add(clause.span, message, |mut problem| {
            for other in &clause.because {
                problem = problem.related(*other, "where this is true");
            }
            problem.label("says nothing new").help(match clause.of {
                Events::Typed => "remove it, or correct it: by its type it always holds",
                Events::Any => "remove it, or correct it where something else was meant",
            })
        });
    }
}
