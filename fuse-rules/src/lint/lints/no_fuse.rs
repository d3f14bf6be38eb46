//! `no-fuse`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::reaction::ReactionKind;
use crate::typed::{Reaction, Rule, Trigger};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "no-fuse",
        title: "a rule that changes something and requires no fuse",
        level: Level::Warn,
        page: include_str!("../../../lints/no-fuse.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let all = context.rules.sensors.iter().flat_map(|sensor| &sensor.rules);
    for rule in all.filter(|rule| !rule.is_shadow) {
        let changes = |trigger: &&Trigger| {
            let schema = context.registry.find_trigger(&trigger.kind);
            schema.is_some_and(|schema| !schema.is_notification())
        };
        let name = context.text(rule.span);
        for (reaction, trigger) in
            runs_while_off(rule).filter_map(|one| Some((one, one.triggers.iter().find(&changes)?)))
        {
            let message = format!("rule `{name}` changes something while its fuse is off");
            out.add(trigger.span, message, |problem| {
                problem
                    .label("no fuse can stop it")
                    .related(reaction.span, "this reacts to a fuse that is off")
                    .help("only send a message here, or put the trigger into a rule of its own")
            });
        }
        let changes = rule.all_triggers().find(changes);
        let Some(trigger) = changes.filter(|_| rule.requires.is_empty()) else {
            continue;
        };
        out.add(rule.span, format!("rule `{name}` requires no fuse"), |problem| {
            problem
                .label("no fuse can stop it")
                .related(trigger.span, "this changes something")
                .help(
                    "declare `fuse NAME default off`, and add `requires NAME` to the rule \
                     or its sensor",
                )
        });
    }
}

/// The reactions to fuses that are off. They run while these are off.
fn runs_while_off(rule: &Rule) -> impl Iterator<Item = &Reaction> {
    let holds = rule.holds().next().is_some();
    let expired = rule.reaction(ReactionKind::Expired).filter(|_| holds);
    rule.reaction(ReactionKind::Gated).into_iter().chain(expired)
}
