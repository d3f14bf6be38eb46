//! `redundant-condition`

use crate::analysis::{Events, ClauseFinding};
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "redundant-condition",
    title: "a condition that says nothing new",
    level: Level::Warn,
    finds: "Where the conditions before it hold, it does, too: it stands there twice, or another one says more. Or it is an alternative \
that never holds, or only where another one does. Perhaps something else was meant. This is proven for every event, of its declared type \
where it has one.",
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
        "\
when body.size > 10 or (body.ref starts-with \"main\" and body.ref starts-with \"dev\")
#~ body.ref starts-with \"dev\"
",
        "\
when body.ref starts-with \"ma\" or body.ref == \"main\"
#~ body.ref == \"main\"
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
        "when body.ref == \"main\" or (body.ref == \"dev\" and body.size > 10)",
        "\
condition is-large(size) = size is present and size > 10
sensor example on gh.push {
  rule tell {
    when body.size != 12
    when is-large(body.size)
    trigger log { message = \"pushed\" }
  }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let study = context.study();
    let whole = study.rules.iter().filter(|studied| !studied.always);
    let of_rules = whole.flat_map(|studied| &studied.clauses);
    for clause in study.shared.iter().chain(of_rules) {
        let always = match clause.finding {
            ClauseFinding::Impossible => continue,
            ClauseFinding::Redundant => "always true",
            ClauseFinding::ImpossiblePart => "never true",
            ClauseFinding::Covered => "true only",
        };
        let text = context.text(clause.span);
        let message = match clause.because.as_slice() {
            [] => format!("`{text}` is {always}"),
            [other] => format!("`{text}` is {always} where `{}` is", context.text(*other)),
            _ => format!("`{text}` is {always} where the conditions before it are"),
        };
        out.add(clause.span, message, |mut problem| {
            for other in &clause.because {
                problem = problem.related(*other, "where this is true");
            }
            let (label, help) = match (clause.finding, clause.events) {
                (ClauseFinding::ImpossiblePart, _) => {
                    ("this alternative never holds", "remove the alternative, or correct it")
                }
                (ClauseFinding::Covered, _) => {
                    ("says nothing new", "remove it, or correct it: the other alternative says more")
                }
                (_, Events::Typed) => {
                    ("says nothing new", "remove it, or correct it: by its type it always holds")
                }
                (_, Events::Any) => {
                    ("says nothing new", "remove it, or correct it where something else was meant")
                }
            };
            problem.label(label).help(help)
        });
    }
}
