//! `unused-event`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-event",
        title: "an event that no sensor listens to",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-event.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let (judged, uses) = (context.conclusive_files(out), context.references());
    let sources = context.rules.sources.iter().filter(|source| uses.is_used_by_rules(source.span));
    for source in sources.filter(|source| judged.contains(source.span.file)) {
        for event in source.events.iter().filter(|event| !uses.is_used_by_rules(event.span)) {
            let name = format!("{}.{}", source.name, event.name);
            out.add(event.span, format!("no sensor listens to `{name}`"), |problem| {
                problem.label("no rule evaluates it").help(format!(
                    "add a sensor, as in `sensor NAME on {name}`, or remove the event"
                ))
            });
        }
    }
}
