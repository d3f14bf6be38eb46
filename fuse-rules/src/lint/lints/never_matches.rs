//! `never-matches`

use crate::lint::context::{Context, Findings};
use crate::lint::facts::is_impossible;
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "never-matches",
    title: "a rule that can never match",
    level: Level::Deny,
    finds: "There is no event, of its declared type where it has one, for which the conditions of the rule and of its sensor hold together. \
This is proven, not guessed: values are followed through equalities, ranges, texts and patterns; where something is not understood, \
nothing is said. Where one condition excludes another one alone, `contradictory-condition` says so instead.",
    instead: "Correct the condition that was meant otherwise, often an `and` that should be an `or`, or remove the rule.",
    flags: &[
        "\
sensor example on gh.push {
  rule tell {
#~ tell
    when body.a == 1 or body.b == 2
    when body.a > 1
    when body.b < 2
    trigger log { message = \"pushed\" }
  }
}
",
    ],
    passes: &[
        "\
sensor example on gh.push {
  rule tell {
    when body.a == 1 or body.b == 2
    when body.a > 1
    when body.b > 1
    trigger log { message = \"pushed\" }
  }
}
",
        "\
sensor example on gh.push {
  when body.ref == \"main\" or body.ref == \"master\"
  rule tell {
    when body.ref starts-with \"ma\"
    trigger log { message = \"pushed\" }
  }
}
",
        "when body.x == lower(body.x)",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let study = context.study();
    let shared = study.shared.iter().filter(|clause| is_impossible(clause)).map(|c| c.span);
    let shared: Vec<_> = shared.collect();
    for studied in &study.rules {
        let of_sensor = studied.placed.sensor.when.iter();
        let excluded = studied.clauses.iter().any(is_impossible)
            && studied.clauses.iter().filter(|c| is_impossible(c)).all(|c| c.because.len() < 2)
            || of_sensor.into_iter().any(|when| shared.iter().any(|span| when.span.contains(*span)));
        if !studied.matching.is_never() || excluded {
            continue;
        }
        out.add(studied.span(), format!("rule `{}` can never match", studied.name()), |problem| {
            problem.label("its conditions never hold together").help(
                "correct the condition that was meant otherwise, or remove the rule",
            )
        });
    }
}
