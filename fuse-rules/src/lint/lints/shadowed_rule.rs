//! `shadowed-rule`

use crate::lint::context::{Findings, LintContext};
use crate::lint::facts::{Facts, shown};
use crate::lint::{Level, Lint, Pass};
use crate::typed::{Rule, Shown};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "shadowed-rule",
        title: "a rule that duplicates another rule",
        level: Level::Warn,
        page: include_str!("../../../lints/shadowed-rule.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let mut facts = context.facts();
    for number in 0..facts.rules.len() {
        let others = facts.shadow_candidates(number);
        let by = others.into_iter().find(|other| shadows(&mut facts, number, *other));
        let (Some(by), Some(rule)) = (by, facts.rules.get(number)) else { continue };
        let (Some(other), Some(witness)) = (facts.rules.get(by), rule.matching.witness()) else {
            continue;
        };
        let message = format!(
            "whenever rule `{}` matches, so does `{}`, which has the same triggers",
            rule.name(),
            other.name()
        );
        let event = shown(witness);
        let has_flow = !rule.placed.rule.flow.is_empty();
        out.add(rule.span(), message, |problem| {
            let label =
                if has_flow { "the action may happen twice" } else { "the action happens twice" };
            let fix = if has_flow {
                "make their conditions mutually exclusive, because each rule tracks its own `once`"
            } else {
                "remove it, or make their conditions mutually exclusive"
            };
            problem
                .label(label)
                .related(other.span(), "this rule does the same")
                .help(format!("{fix}; both match {event}"))
        });
    }
}

/// Whether the second rule does everything that the first one does, whenever the first one acts.
fn shadows(facts: &mut Facts<'_>, number: usize, by: usize) -> bool {
    let (Some(own), Some(other)) = (facts.rules.get(number), facts.rules.get(by)) else {
        return false;
    };
    let (rule, shadow) = (own.placed.rule, other.placed.rule);
    let flow = |rule: &Rule| -> Vec<_> {
        rule.flow
            .iter()
            .map(|clause| {
                let unless = clause.unless.as_ref();
                let unless = unless.map(|unless| unless.text(&|expr| Shown(expr).to_string()));
                (clause.identity.clone(), clause.flow, clause.limiter.clone(), unless)
            })
            .collect()
    };
    // A new rule is tried in shadow beside the one that it replaces.
    let same = !rule.is_shadow
        && !shadow.is_shadow
        && own.actions == other.actions
        && shadow.requires.iter().all(|fuse| rule.requires.contains(fuse))
        && flow(rule) == flow(shadow);
    // If two rules match the same events, only the later one is reported.
    same && facts.implies(number, by) && (by < number || !facts.implies(by, number))
}
