//! Checks that a value which is called missing can be missing: a request for it exists, and the action is rejected.

use std::sync::LazyLock;

use regex::Regex;

use super::super::try_load;
use super::Finding;
use super::claim::{ask, possible};
use super::text::Lines;
use crate::Outcome;

/// A value of the event, or the name of a `let`.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:(?:body|headers|event|alert|q|x|y)(?:\.[a-z][a-z-]*)+|own\b)").unwrap()
});

/// The first path in an expression.
pub(super) fn path(expr: &str) -> Option<&str> {
    PATH.find(expr).map(|found| found.as_str())
}

/// What is missing if an expression has no value: a lookup itself, because its table may lack the key, or else its
/// first path.
pub(super) fn subject(expr: &str) -> Option<&str> {
    if expr.ends_with(']') { Some(expr) } else { path(expr) }
}

/// Whether the checker accepts a further condition in the rule of a line. It rejects, for example, text tests on
/// numbers.
pub(super) fn checks(lines: Lines<'_>, line: usize, condition: &str) -> bool {
    let rule = lines.at(line).unwrap().rule.unwrap().start;
    try_load(&lines.with_condition(rule, condition)).is_ok()
}

/// A condition for the default of a value to apply.
pub(super) fn lacks(lines: Lines<'_>, line: usize, path: &str) -> Option<String> {
    let lacks = [
        format!("({path} is missing or {path} is null)"),
        format!("{path} is missing"),
        format!("{path} is null"),
    ];
    lacks.into_iter().find(|condition| checks(lines, line, condition))
}

/// The condition under which a value with defaults is missing. A constant is never missing.
fn without_value(lines: Lines<'_>, line: usize, expr: &str) -> Option<String> {
    let sides: Vec<_> = expr.split(" ?? ").map(subject).collect();
    let (last, before) = sides.split_last()?;
    let last = format!("{} is missing", (*last)?);
    let before = before.iter().map(|path| lacks(lines, line, (*path)?));
    Some(before.chain([Some(last)]).flatten().collect::<Vec<_>>().join(" and "))
}

/// The condition, and the values of the two branches, of `if C then A else B`.
fn conditional(expr: &str) -> Option<(&str, &str, &str)> {
    let (condition, rest) = expr.strip_prefix("if ")?.split_once(" then ")?;
    let (chosen, otherwise) = rest.rsplit_once(" else ")?;
    Some((condition, chosen, otherwise))
}

/// The values that an expression may have, with the conditions that choose them.
pub(super) fn branches(expr: &str) -> Vec<(Option<String>, &str)> {
    match conditional(expr) {
        Some((condition, chosen, otherwise)) => vec![
            (Some(format!("({condition})")), chosen),
            (Some(format!("not ({condition})")), otherwise),
        ],
        None => vec![(None, expr)],
    }
}

/// The conditions under which `if C then A else B` is missing: C holds and A is missing, C does not hold and B is
/// missing, or a value that C compares is missing.
fn without_branch(lines: Lines<'_>, line: usize, expr: &str) -> Option<Vec<String>> {
    let (condition, ..) = conditional(expr)?;
    let mut ways = Vec::new();
    for (guard, branch) in branches(expr) {
        let missing = without_value(lines, line, branch);
        ways.extend(missing.and_then(|missing| Some(format!("{} and {missing}", guard?))));
    }
    // `is` knows a missing value.
    if !condition.contains(" is ") {
        ways.push(format!("{} is missing", path(condition)?));
    }
    Some(ways)
}

/// Fails if the value of a field is never missing, although the finding claims that it may be, or if an event without
/// the value leads to an action.
pub(super) fn may_be_missing(text: &str, finding: &Finding) {
    let lines = Lines(text);
    let (line, own) = (lines.number(finding.span), lines.of(finding.span));
    let outcomes = match without_branch(lines, line, own) {
        Some(ways) => {
            let answers: Vec<_> = ways.iter().filter_map(|way| ask(text, finding, way)).collect();
            let is_possible = answers.iter().any(|(is_possible, _)| *is_possible);
            assert!(is_possible, "{ways:?} are impossible: {finding:?}\n{text}");
            answers.into_iter().flat_map(|(_, outcomes)| outcomes).collect()
        }
        None => possible(text, finding, &[&without_value(lines, line, own).unwrap()]),
    };
    let acting = outcomes.iter().find(|outcome| **outcome != Outcome::Rejected);
    assert_eq!(acting, None, "this is not needed: {finding:?}\n{text}");
}
