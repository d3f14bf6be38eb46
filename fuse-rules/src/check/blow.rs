//! Checks the clauses of fuses that blow: `blow after 20 actions within 10m`, `reset after 1h`.

use super::Checker;
use super::sensors::repeated_clause;
use crate::diagnostic::{Code, Diagnostic};
use crate::flow::{BlowClause, BlowCounts};
use crate::literals::duration_text;
use crate::syntax::ast::{self, Block, Blow, Reset, Text};
use crate::typed::{Expected, Fuse, Rules};

/// The largest number that `blow` accepts. The state of a clause contains each action or failure that counts, about 90
/// bytes, and is read as a whole for each decision.
const MAX_COUNT: u32 = 10_000;

/// Checks the clauses of a fuse. Returns the `reset`, if there is one.
pub(super) fn check<'f>(fuse: &'f ast::Fuse, problems: &mut Vec<Diagnostic>) -> Option<&'f Reset> {
    let mut seen: Vec<&Blow> = Vec::new();
    for blow in &fuse.blow {
        let BlowClause { counts, count, within } = blow.clause;
        let is_same = |one: &&&Blow| one.clause.counts == counts && one.clause.within == within;
        if let Some(first) = seen.iter().find(is_same) {
            problems.push(same_window(blow, first));
        }
        seen.push(blow);
        if !(1..=MAX_COUNT).contains(&count) {
            let message = "`blow` takes a number from 1 to 10,000";
            let problem = Diagnostic::error(Code::E0506, blow.count_span, message);
            problems.push(problem.label("out of range").help(
                "write how many may be too many, as in `blow after 20 actions within 10m`; fuse stores each action or \
                 failure that counts, and reads all of them for each decision",
            ));
        }
        if within.is_zero() {
            let message = "`blow` takes a duration longer than zero";
            let problem = Diagnostic::error(Code::E0506, blow.duration_span, message);
            problems.push(problem.label("counts nothing").help(
                "write the time in which they are counted, as in `blow after 20 actions within 10m`",
            ));
        }
    }
    let mut resets = fuse.resets.iter();
    let reset = resets.next()?;
    if let Some(second) = resets.next() {
        let problem = repeated_clause("reset", second.span, reset.span);
        problems
            .push(problem.help("keep one of them: a fuse closes by itself, or a person closes it"));
    }
    if reset.after.is_some_and(|after| after.is_zero()) {
        let message = "`reset after` takes a duration longer than zero";
        let problem = Diagnostic::error(Code::E0506, reset.span, message);
        problems.push(
            problem
                .label("the fuse would never be off")
                .help("write how long it stays off, as in `reset after 1h`"),
        );
    }
    let is_incomplete = fuse.settings.as_ref().is_some_and(|block| block.incomplete);
    if fuse.blow.is_empty() && !is_incomplete {
        let message = format!("the fuse `{}` never blows", fuse.name.text);
        let problem = Diagnostic::error(Code::E0511, reset.span, message);
        problems.push(problem.label("there is nothing to reset").help(
            "add when it blows, as in `blow after 20 actions within 10m`, or remove this clause",
        ));
    }
    Some(reset)
}

fn same_window(second: &Blow, first: &Blow) -> Diagnostic {
    let BlowClause { counts, within, .. } = second.clause;
    let (what, within) = (counts.as_str(), duration_text(within));
    let message = format!("this fuse counts the {what} within {within} twice");
    Diagnostic::error(Code::E0501, second.span, message)
        .label("the second one")
        .related(first.span, "the first one")
        .help("keep the clause with the smaller number: it is reached first")
}

/// Reports rules with more triggers than one of their fuses ever lets through.
pub(super) fn check_rules(rules: &Rules, problems: &mut Vec<Diagnostic>) {
    let all = rules.sensors.iter().flat_map(|sensor| &sensor.rules);
    for rule in all.filter(|rule| !rule.is_shadow) {
        let triggers = rule.triggers.len();
        let fuses = rule.requires.iter().filter_map(|index| rules.fuses.get(*index));
        let clauses = fuses.flat_map(|fuse| fuse.blow.iter().map(move |blow| (fuse, *blow)));
        let too_small = |clause: &BlowClause| {
            clause.counts == BlowCounts::Actions && (1..triggers).contains(&(clause.count as usize))
        };
        for (fuse, (clause, span)) in clauses.filter(|(_, (clause, _))| too_small(clause)) {
            let message = format!("rule `{}` always blows its fuse `{}`", rule.name, fuse.name);
            let label = format!("it has {triggers} triggers, and they act together");
            problems.push(
                Diagnostic::error(Code::E0511, rule.span, message)
                    .label(label)
                    .related(span, format!("lets {} through", clause.count))
                    .help(format!("write a number of at least {triggers} in the fuse")),
            );
        }
    }
}

impl Checker<'_> {
    /// Checks `expect fuse NAME blown`, with the fields of its reaction.
    pub(super) fn expected_blown(
        &mut self,
        fuse: &Text,
        fields: Option<&Block>,
        fuses: &[Fuse],
    ) -> Option<Expected> {
        let declared = match self.names.fuse_declaration(fuse) {
            Ok(declared) => declared,
            Err(problem) => {
                self.report(*problem);
                return None;
            }
        };
        if !declared.blow.iter().any(|blow| blow.clause.counts == BlowCounts::Actions) {
            let message = match declared.blow.is_empty() {
                true => format!("the fuse `{}` never blows", fuse.text),
                // No action fails in a test.
                false => {
                    format!("the fuse `{}` never blows in a test: it counts failures", fuse.text)
                }
            };
            let help = "add `blow after N actions within D` to the fuse, or remove the expectation";
            self.never(fuse.span, message, help);
            return None;
        }
        let name = fuse.text.clone();
        let Some(block) = fields else { return Some(Expected::Blown(name, None)) };
        let known = fuses.iter().find(|known| known.name == name);
        match known.and_then(|known| known.reaction.as_ref()) {
            Some(reaction) => {
                let fields = self.expected_fields(block, &reaction.name, &reaction.triggers)?;
                Some(Expected::Blown(name, Some(fields)))
            }
            None => {
                let message = format!("the fuse `{name}` has no reaction `on blown`");
                let help = "add the reaction to the fuse, or leave the block out";
                self.never(block.span, message, help);
                None
            }
        }
    }
}
