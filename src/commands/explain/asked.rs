//! The rules that `--why` and `--why-not` select.

use fuse_rules::diagnostic::nearest;
use fuse_rules::explain::Explained;
use fuse_rules::inventory::RuleInfo;
use fuse_rules::{Outcome, Ruleset};

use super::there_are;

/// The question.
pub(super) enum Asked {
    /// The outcomes of all rules.
    All,
    /// Everything about these rules.
    Why(Vec<String>),
    /// Why these rules did not fire.
    WhyNot(Vec<String>),
}

impl Asked {
    /// Finds the rules of the event with these names.
    pub(super) fn of(
        ruleset: &Ruleset,
        event: (&str, &str),
        why: &[String],
        why_not: &[String],
    ) -> Result<Self, String> {
        let rules: Vec<RuleInfo<'_>> = ruleset.rules().collect();
        let found = |given: &[String]| -> Result<Vec<String>, String> {
            given.iter().map(|name| find(&rules, event, name)).collect()
        };
        Ok(match (why, why_not) {
            ([], []) => Self::All,
            ([], given) => Self::WhyNot(found(given)?),
            (given, _) => Self::Why(found(given)?),
        })
    }

    /// The selected rules, unless all of them are.
    pub(super) fn rules(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Why(rules) | Self::WhyNot(rules) => Some(rules),
        }
    }

    /// Moves the decisions that the question is about to the front.
    pub(super) fn sort(&self, decisions: &mut [Explained]) {
        if matches!(self, Self::WhyNot(_)) {
            decisions.sort_by_key(|explained| explained.decision.outcome == Outcome::Fired);
        }
    }
}

/// The full name of a rule.
fn find(rules: &[RuleInfo<'_>], event: (&str, &str), given: &str) -> Result<String, String> {
    let own = |rule: &RuleInfo<'_>| rule.name.rsplit('/').next().unwrap_or_default().to_owned();
    let is_meant = |rule: &&RuleInfo<'_>| rule.name == given || own(rule) == given;
    let of_event = |rule: &&RuleInfo<'_>| rule.listens_to(event.0, event.1);
    let here: Vec<&str> = rules.iter().filter(of_event).map(|rule| rule.name).collect();
    let meant: Vec<&str> =
        rules.iter().filter(of_event).filter(is_meant).map(|rule| rule.name).collect();
    match meant.as_slice() {
        [one] => return Ok((*one).to_owned()),
        [] => {}
        several => return Err(format!("`{given}` could be any of {}", several.join(", "))),
    }
    let (source, name) = event;
    if let Some(rule) = rules.iter().find(is_meant) {
        let others: Vec<_> = rule.events.iter().map(|other| format!("`{other}`")).collect();
        let (rule, others) = (rule.name, others.join(" and "));
        return Err(format!("`{rule}` is a rule for {others}, not for `{source}.{name}`"));
    }
    let short: Vec<String> = rules.iter().filter(of_event).map(own).collect();
    let names = here.iter().copied().chain(short.iter().map(String::as_str));
    let help = match nearest(given, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => there_are(&here),
    };
    Err(format!("there is no rule `{given}` for `{source}.{name}`; {help}"))
}
