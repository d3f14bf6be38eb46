//! Holding what came of a test's events against what it expects.

use std::collections::BTreeSet;

use super::fields::differences;
use super::play::Played;
use super::{Group, Tests, failed, groups};
use crate::decision::Decision;
use crate::decision::Outcome;
use crate::diagnostic::Diagnostic;
use crate::typed::{Expect, Expected, ExpectedRule, Test};

/// How many decisions or reasons a problem tells of.
const MOST: usize = 5;

impl Tests<'_> {
    /// What of a test is not met.
    pub(super) fn judge(&self, test: &Test, played: &[Played<'_>]) -> Vec<Diagnostic> {
        let groups = groups(test, played);
        if groups.iter().all(|group| group.expected.is_empty()) {
            return vec![
                failed(test.span, format!("test `{}` expects nothing", test.name))
                    .label("it would always pass")
                    .help("`fuse test --update` writes down what happens"),
            ];
        }
        let judged = groups.iter().flat_map(|group| {
            let problems = group.expected.iter().filter_map(|expect| self.met(expect, group));
            problems.collect::<Vec<_>>()
        });
        judged.collect()
    }

    /// Whether all of it is met, without saying why not.
    pub(super) fn passes(&self, test: &Test, played: &[Played<'_>]) -> bool {
        groups(test, played)
            .iter()
            .all(|group| group.expected.iter().all(|expect| is_met(expect, group)))
    }

    fn met(&self, expect: &Expect, group: &Group<'_, '_>) -> Option<Diagnostic> {
        if is_met(expect, group) {
            return None;
        }
        Some(match &expect.what {
            Expected::NothingElse => {
                let others = others(group);
                if let Some(why) =
                    group.sent.iter().find_map(|sent| sent.evaluation.refused.as_ref())
                {
                    return Some(failed(expect.span, "an event was refused").label(why.clone()));
                }
                failed(expect.span, "something else happened")
                    .label(all_told(&others))
                    .help("expect it, or change the rules so that it does not happen")
            }
            Expected::No(rule) => {
                let fired: Vec<_> = of(group, rule, Outcome::Fired).collect();
                failed(expect.span, format!("`{rule}` fired")).label(all_told(&fired))
            }
            Expected::Rule(expected) => self.unmet(expect, expected, group),
        })
    }

    fn unmet(&self, expect: &Expect, expected: &ExpectedRule, group: &Group<'_, '_>) -> Diagnostic {
        let rule = &expected.rule;
        let hits = hits(group, expected);
        let happened: Vec<&Decision> = hits.iter().map(|(_, decision)| *decision).collect();
        let what = past(expected.outcome);
        if happened.is_empty() {
            let place = expected.element.as_ref().map(|path| format!(" for {}", element(path)));
            let message =
                format!("`{rule}` {}{}", did_not(expected.outcome), place.unwrap_or_default());
            return failed(expect.span, message).label(self.instead(expected, group));
        }
        let fitting: Vec<&&Decision> = happened.iter().filter(|d| fits(d, expected)).collect();
        let times = occurrences(&hits);
        if let Some(count) = expected.count.filter(|count| *count as usize != times) {
            return failed(
                expect.span,
                format!("`{rule}` {what} {}, not {}", often(times), often(count as usize)),
            )
            .label(all_told(&happened));
        }
        let first = happened.iter().find(|d| !fits(d, expected)).or(happened.first());
        let Some(first) = first.filter(|_| fitting.len() < happened.len()) else {
            return failed(expect.span, format!("`{rule}` {what} otherwise"));
        };
        let place = first.element.as_ref().map(|path| format!(" for {}", element(path)));
        if let Some(because) =
            expected.because.as_ref().filter(|text| !first.reason.contains(*text))
        {
            let message = format!(
                "`{rule}` {what}{}, but not because of `{because}`",
                place.unwrap_or_default()
            );
            return failed(expect.span, message).label(format!("because {}", first.reason));
        }
        let fields = expected.fields.as_ref();
        let differences = fields.zip(first.action.as_ref());
        let differences = differences.map(|((fields, _), action)| differences_of(fields, action));
        let span = fields.map_or(expect.span, |(_, span)| *span);
        failed(span, format!("`{rule}` {what}{} with other fields", place.unwrap_or_default()))
            .label(differences.unwrap_or_default().join("; "))
    }

    /// What a rule decided instead, and why.
    fn instead(&self, expected: &ExpectedRule, group: &Group<'_, '_>) -> String {
        let mut told = Vec::new();
        for sent in &group.sent {
            let settled: Vec<_> = sent
                .evaluation
                .decisions
                .iter()
                .filter(|d| d.rule == expected.rule && at(d, expected))
                .filter(|d| matches!(d.outcome, Outcome::Suppressed | Outcome::Rejected))
                .collect();
            if !settled.is_empty() {
                told.extend(
                    settled.into_iter().map(|decision| because(decision, &decision.reason)),
                );
                continue;
            }
            let explanation = self.plan.explain(&sent.event, &sent.fuses);
            if let Some(why) = &explanation.refused {
                told.push(format!("the event is refused: {why}"));
                continue;
            }
            let of_rule = explanation.decisions.iter().map(|explained| &explained.decision);
            let of_rule = of_rule.filter(|d| d.rule == expected.rule && at(d, expected));
            told.extend(of_rule.map(|decision| because(decision, &decision.reason)));
        }
        if told.is_empty() { "there is no such element".into() } else { listed(told) }
    }
}

pub(super) fn is_met(expect: &Expect, group: &Group<'_, '_>) -> bool {
    match &expect.what {
        Expected::NothingElse => others(group).is_empty() && !is_refused(group),
        Expected::No(rule) => of(group, rule, Outcome::Fired).next().is_none(),
        Expected::Rule(expected) => {
            let hits = hits(group, expected);
            match expected.count {
                Some(count) => occurrences(&hits) == count as usize && all_fit(&hits, expected),
                None => hits.iter().any(|(_, decision)| fits(decision, expected)),
            }
        }
    }
}

/// A decision, and which of the events it is of.
type Hit<'g> = (usize, &'g Decision);

/// What happened as expected, fields and reasons aside.
fn hits<'g>(group: &'g Group<'_, '_>, expected: &ExpectedRule) -> Vec<Hit<'g>> {
    let decisions = group.sent.iter().enumerate().flat_map(|(number, sent)| {
        sent.evaluation.decisions.iter().map(move |decision| (number, decision))
    });
    let like = |(_, decision): &Hit<'_>| {
        decision.rule == expected.rule
            && decision.outcome == expected.outcome
            && at(decision, expected)
    };
    decisions.filter(like).collect()
}

/// How often it happened: a rule with two triggers fires once an element.
fn occurrences(hits: &[Hit<'_>]) -> usize {
    let places: BTreeSet<_> = hits.iter().map(|(event, d)| (*event, &d.element)).collect();
    places.len()
}

/// Whether every occurrence has a decision that fits: a rule may have several triggers.
fn all_fit(hits: &[Hit<'_>], expected: &ExpectedRule) -> bool {
    hits.iter().all(|(event, decision)| {
        let alike = |(e, d): &&Hit<'_>| e == event && d.element == decision.element;
        hits.iter().filter(alike).any(|(_, other)| fits(other, expected))
    })
}

/// The decisions of a rule with an outcome.
fn of<'g>(
    group: &'g Group<'_, '_>,
    rule: &'g str,
    outcome: Outcome,
) -> impl Iterator<Item = &'g Decision> {
    let decisions = group.sent.iter().flat_map(|sent| &sent.evaluation.decisions);
    decisions.filter(move |decision| decision.rule == rule && decision.outcome == outcome)
}

fn at(decision: &Decision, expected: &ExpectedRule) -> bool {
    expected.element.is_none() || decision.element == expected.element
}

fn fits(decision: &Decision, expected: &ExpectedRule) -> bool {
    let because = expected.because.as_ref().is_none_or(|text| decision.reason.contains(text));
    because
        && expected.fields.as_ref().is_none_or(|(fields, _)| {
            let action = decision.action.as_ref();
            action.is_some_and(|action| differences_of(fields, action).is_empty())
        })
}

fn differences_of(
    fields: &serde_json::Map<String, serde_json::Value>,
    action: &crate::decision::Action,
) -> Vec<String> {
    differences(fields, &action.fields)
}

/// What fired or was rejected though nothing expects it, but for events that are refused.
pub(super) fn others<'g>(group: &'g Group<'_, '_>) -> Vec<&'g Decision> {
    let expected: Vec<&ExpectedRule> = group
        .expected
        .iter()
        .filter_map(|expect| match &expect.what {
            Expected::Rule(expected) => Some(&**expected),
            _ => None,
        })
        .collect();
    let counts = |d: &&Decision| matches!(d.outcome, Outcome::Fired | Outcome::Rejected);
    let mut others = Vec::new();
    for sent in &group.sent {
        let decisions = &sent.evaluation.decisions;
        // One refusal is told by itself, and not once a rule.
        if sent.evaluation.refused.is_some() {
            continue;
        }
        others.extend(decisions.iter().filter(counts).filter(|decision| {
            // A rule with several triggers is expected by what one of them gives.
            let alike = |other: &&Decision| {
                other.rule == decision.rule
                    && other.outcome == decision.outcome
                    && other.element == decision.element
            };
            !expected.iter().any(|expected| {
                expected.rule == decision.rule
                    && expected.outcome == decision.outcome
                    && at(decision, expected)
                    && (expected.count.is_some()
                        || decisions.iter().filter(alike).any(|other| fits(other, expected)))
            })
        }));
    }
    others
}

/// Whether an event was refused as a whole though no rejection is expected.
fn is_refused(group: &Group<'_, '_>) -> bool {
    let rejections = group.expected.iter().any(|expect| match &expect.what {
        Expected::Rule(expected) => expected.outcome == Outcome::Rejected,
        _ => false,
    });
    !rejections && group.sent.iter().any(|sent| sent.evaluation.refused.is_some())
}

/// What happened, each once: every trigger of a rule has a decision.
fn all_told(decisions: &[&Decision]) -> String {
    listed(decisions.iter().map(|decision| told(decision)).collect())
}

fn listed(mut told: Vec<String>) -> String {
    told.dedup();
    let more = told.len().saturating_sub(MOST);
    told.truncate(MOST);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join("; ")
}

/// `releases/deploy fired for element 1`.
fn told(decision: &Decision) -> String {
    let place = decision.element.as_ref().map(|path: &Vec<u32>| format!(" for {}", element(path)));
    let place = place.unwrap_or_default();
    match decision.outcome {
        Outcome::Fired => format!("`{}` fired{place}", decision.rule),
        _ => because(decision, &decision.reason),
    }
}

fn because(decision: &Decision, reason: &str) -> String {
    let place = decision.element.as_ref().map(|path| format!("{}: ", element(path)));
    let outcome = decision.outcome.as_str().replace('-', " ");
    let why = if reason.is_empty() { String::new() } else { format!(", because {reason}") };
    format!("{}{outcome}{why}", place.unwrap_or_default())
}

fn element(path: &[u32]) -> String {
    let path: Vec<_> = path.iter().map(ToString::to_string).collect();
    format!("element {}", path.join(", "))
}

fn often(times: usize) -> String {
    match times {
        1 => "once".into(),
        times => format!("{times} times"),
    }
}

/// `fired`, `was gated`.
fn past(outcome: Outcome) -> String {
    match outcome {
        Outcome::Fired => "fired".into(),
        Outcome::NotMatched => "did not match".into(),
        other => format!("was {other}"),
    }
}

fn did_not(outcome: Outcome) -> String {
    match outcome {
        Outcome::Fired => "did not fire".into(),
        Outcome::NotMatched => "did not end as `not-matched`".into(),
        other => format!("was not {other}"),
    }
}
