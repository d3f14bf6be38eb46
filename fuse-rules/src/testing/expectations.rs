//! Compares the decisions about a test's events with its expectations.

use std::collections::BTreeSet;

use super::blown;
use super::execute::SentEvent;
use super::fields::{Shape, differences};
use super::{Group, Tests, failed};
use crate::decision::{Action, Decision, Outcome};
use crate::diagnostic::Diagnostic;
use crate::literals::quoted;
use crate::span::Span;
use crate::typed::{Expect, Expected, ExpectedRule, Test, TestStep};

/// The most decisions or reasons that a diagnostic lists.
const MAX_LISTED: usize = 5;

impl Tests<'_> {
    /// The expectations of a test that are not met.
    pub(super) fn failures(&self, test: &Test, events: &[SentEvent<'_>]) -> Vec<Diagnostic> {
        let groups = self.groups(test, events);
        if groups.iter().all(|group| group.expected.is_empty()) {
            return vec![
                failed(test.span, format!("test `{}` expects nothing", test.name))
                    .label("this test always passes")
                    .help("`fuse test --update` adds expectations for what happens"),
            ];
        }
        let failures = groups.iter().flat_map(|group| {
            let problems = group.expected.iter().filter_map(|expect| self.failure(expect, group));
            problems.collect::<Vec<_>>()
        });
        unasked(test, events).map(nothing_to_answer).chain(failures).collect()
    }

    /// Whether all expectations of a test are met.
    pub(super) fn passes(&self, test: &Test, events: &[SentEvent<'_>]) -> bool {
        unasked(test, events).next().is_none()
            && self
                .groups(test, events)
                .iter()
                .all(|group| group.expected.iter().all(|expect| is_met(expect, group)))
    }

    /// The diagnostic for an expectation that is not met.
    fn failure(&self, expect: &Expect, group: &Group<'_, '_>) -> Option<Diagnostic> {
        let is_vacuous = matches!(expect.what, Expected::NothingElse) && self.has_no_scope(group);
        if is_met(expect, group) && !is_vacuous {
            return None;
        }
        Some(match &expect.what {
            Expected::NothingElse if self.has_no_scope(group) => {
                failed(expect.span, "this expectation applies to no rule")
                    .label("always true")
                    .help("`use` the file with the rules for this event")
            }
            Expected::NothingElse => {
                let others = others(group);
                if let Some(why) =
                    group.sent.iter().find_map(|sent| sent.evaluation.refused.as_ref())
                {
                    return Some(failed(expect.span, "an event was refused").label(why.clone()));
                }
                failed(expect.span, "something else happened")
                    .label(summary(&others))
                    .help("expect it, or change the rules so that it does not happen")
            }
            Expected::Blown(fuse, fields) => {
                self.blown_failure((expect.span, fuse), fields.as_ref(), group)
            }
            Expected::No(rule) => {
                let fired: Vec<_> = decisions_of(group, rule, Outcome::Fired).collect();
                failed(expect.span, format!("`{rule}` fired")).label(summary(&fired))
            }
            Expected::Rule(expected) => self.rule_failure(expect, expected, group),
        })
    }

    /// Whether no rule for the events of a group is in the scope of its test.
    fn has_no_scope(&self, group: &Group<'_, '_>) -> bool {
        !group.sent.is_empty()
            && group.sent.iter().all(|sent| {
                let key = (sent.event.source(), sent.event.name());
                let mut sensors = self.listening.get(&key).into_iter().flatten();
                !sensors.any(|sensor| group.scope.covers_sensor(&sensor.name))
            })
    }

    /// The diagnostic for an expectation about a rule that is not met.
    fn rule_failure(
        &self,
        expect: &Expect,
        expected: &ExpectedRule,
        group: &Group<'_, '_>,
    ) -> Diagnostic {
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
            .label(summary(&happened));
        }
        let first = happened.iter().find(|d| !fits(d, expected)).or(happened.first());
        let Some(first) = first.filter(|_| fitting.len() < happened.len()) else {
            return failed(expect.span, format!("`{rule}` {what} differently"));
        };
        let place = first.element.as_ref().map(|path| format!(" for {}", element(path)));
        if let Some(because) =
            expected.because.as_ref().filter(|text| !first.reason.contains(*text))
        {
            let message = format!(
                "`{rule}` {what}{}, but the reason does not contain {}",
                place.unwrap_or_default(),
                quoted(because)
            );
            return failed(expect.span, message).label(format!("because {}", first.reason));
        }
        let fields = expected.fields.as_ref();
        let differences = fields
            .zip(first.action.as_ref())
            .map(|(fields, action)| differences(fields, &action.fields, self.shape(action)));
        let span = fields.map_or(expect.span, |fields| fields.span);
        let problem =
            failed(span, format!("`{rule}` {what}{} with other fields", place.unwrap_or_default()));
        match differences.unwrap_or_default().as_slice() {
            [one] => problem.label(one.as_str()),
            several => {
                problem.label(format!("{} fields differ", several.len())).help(several.join("\n"))
            }
        }
    }

    /// The types of the fields of an action.
    pub(super) fn shape(&self, action: &Action) -> Shape<'_> {
        let sensors = &self.ruleset.typed().sensors;
        let rules = || sensors.iter().flat_map(|sensor| &sensor.rules);
        let rule = rules().find(|rule| rule.name == action.rule).map(|rule| &rule.triggers);
        let reaction = || {
            let mut reactions = rules().flat_map(|rule| &rule.reactions);
            Some(&reactions.find(|reaction| reaction.name == action.rule)?.triggers)
        };
        let triggers = rule.or_else(reaction);
        let fuse = || Some(&self.fuse_reaction(&action.rule)?.triggers);
        let triggers = triggers.or_else(fuse);
        let trigger = triggers.and_then(|all| all.get(action.ordinal as usize));
        trigger.map_or(Shape::Unknown, |trigger| Shape::Block(&trigger.fields))
    }

    /// The decisions of the rule that happened instead, with reasons.
    fn instead(&self, expected: &ExpectedRule, group: &Group<'_, '_>) -> String {
        if expected.reaction.is_some() {
            return self.why_no_reaction(&expected.rule, group);
        }
        let ended = group.ended.iter().map(|(_, ended)| &ended.decision);
        let ended = ended.filter(|d| d.rule == expected.rule && is_for_element(d, expected));
        let mut lines: Vec<String> =
            ended.map(|decision| because(decision, &decision.reason)).collect();
        for sent in &group.sent {
            let settled: Vec<_> = sent
                .evaluation
                .decisions
                .iter()
                .filter(|d| d.rule == expected.rule && is_for_element(d, expected))
                .filter(|d| {
                    !matches!(
                        d.outcome,
                        Outcome::Fired | Outcome::NotMatched | Outcome::Unknown | Outcome::Gated
                    )
                })
                .collect();
            if !settled.is_empty() {
                lines.extend(
                    settled.into_iter().map(|decision| because(decision, &decision.reason)),
                );
                continue;
            }
            let explanation = self.plan.explain(&sent.event, &sent.fuses);
            if let Some(why) = &explanation.refused {
                lines.push(format!("the event is refused: {why}"));
                continue;
            }
            let of_rule = explanation.decisions.iter().map(|explained| &explained.decision);
            let of_rule =
                of_rule.filter(|d| d.rule == expected.rule && is_for_element(d, expected));
            lines.extend(of_rule.map(|decision| because(decision, &decision.reason)));
        }
        match lines.is_empty() {
            true if group.sent.is_empty() => "nothing that waited has ended".into(),
            true => "the rule has no decision about this element".into(),
            false => listed(lines),
        }
    }
}

pub(super) fn is_met(expect: &Expect, group: &Group<'_, '_>) -> bool {
    match &expect.what {
        Expected::NothingElse => others(group).is_empty() && !is_refused(group),
        Expected::Blown(fuse, fields) => blown::is_met(fuse, fields.as_ref(), group),
        Expected::No(rule) => decisions_of(group, rule, Outcome::Fired).next().is_none(),
        Expected::Rule(expected) => {
            let hits = hits(group, expected);
            match expected.count {
                Some(count) => occurrences(&hits) == count as usize && all_fit(&hits, expected),
                None => hits.iter().any(|(_, decision)| fits(decision, expected)),
            }
        }
    }
}

/// The index of an event and a decision about it.
type Hit<'g> = (usize, &'g Decision);

/// The decisions with the expected outcome, regardless of fields and reasons.
fn hits<'g>(group: &'g Group<'_, '_>, expected: &ExpectedRule) -> Vec<Hit<'g>> {
    let like = |(_, decision): &Hit<'_>| {
        decision.rule == expected.rule
            && decision.outcome == expected.outcome
            && is_for_element(decision, expected)
    };
    group.all_decisions().filter(like).collect()
}

/// The number of occurrences. A rule with two triggers fires once per element, but has two decisions.
fn occurrences(hits: &[Hit<'_>]) -> usize {
    let places: BTreeSet<_> = hits.iter().map(|(event, d)| (*event, &d.element)).collect();
    places.len()
}

/// Whether every occurrence has a decision that fits, whichever trigger it is for.
fn all_fit(hits: &[Hit<'_>], expected: &ExpectedRule) -> bool {
    hits.iter().all(|(event, decision)| {
        let alike = |(e, d): &&Hit<'_>| e == event && d.element == decision.element;
        hits.iter().filter(alike).any(|(_, other)| fits(other, expected))
    })
}

/// The decisions of a rule with this outcome.
fn decisions_of<'g>(
    group: &'g Group<'_, '_>,
    rule: &'g str,
    outcome: Outcome,
) -> impl Iterator<Item = &'g Decision> {
    let decisions = group.all_decisions().map(|(_, decision)| decision);
    decisions.filter(move |decision| decision.rule == rule && decision.outcome == outcome)
}

/// Whether a decision is about the expected element, if the expectation names one.
fn is_for_element(decision: &Decision, expected: &ExpectedRule) -> bool {
    expected.element.is_none() || decision.element == expected.element
}

/// Whether the reason and the fields of a decision are as expected.
fn fits(decision: &Decision, expected: &ExpectedRule) -> bool {
    let because = expected.because.as_ref().is_none_or(|text| decision.reason.contains(text));
    because
        && expected.fields.as_ref().is_none_or(|fields| {
            let action = decision.action.as_ref();
            action.is_some_and(|action| {
                fields.triggers.contains(&action.ordinal)
                    && differences(fields, &action.fields, Shape::Unknown).is_empty()
            })
        })
}

/// The fired and rejected decisions that no expectation covers, of the rules that `expect nothing else` is about.
/// Ignores refused events.
pub(super) fn others<'g>(group: &'g Group<'_, '_>) -> Vec<&'g Decision> {
    let expected: Vec<&ExpectedRule> = group
        .expected
        .iter()
        .filter_map(|expect| match &expect.what {
            Expected::Rule(expected) => Some(&**expected),
            _ => None,
        })
        .collect();
    let counts = |d: &Decision| {
        matches!(d.outcome, Outcome::Fired | Outcome::Rejected) && group.scope.covers(&d.rule)
    };
    // A refused event is reported once, not once per rule.
    let refused: BTreeSet<usize> = group
        .sent
        .iter()
        .filter(|sent| sent.evaluation.refused.is_some())
        .map(|sent| sent.number)
        .collect();
    let decisions: Vec<(usize, &Decision)> =
        group.decisions().filter(|(event, _)| !refused.contains(event)).collect();
    let others =
        decisions.iter().filter(|(_, decision)| counts(decision)).filter(|(event, decision)| {
            // An expectation about one trigger of a rule covers its other triggers.
            let alike = |(of, other): &&(usize, &Decision)| {
                of == event
                    && other.rule == decision.rule
                    && other.outcome == decision.outcome
                    && other.element == decision.element
            };
            !expected.iter().any(|expected| {
                expected.rule == decision.rule
                    && expected.outcome == decision.outcome
                    && is_for_element(decision, expected)
                    && (expected.count.is_some()
                        || decisions.iter().filter(alike).any(|(_, other)| fits(other, expected)))
            })
        });
    others.map(|(_, decision)| *decision).collect()
}

/// Whether an event was refused although the test expects no rejection.
fn is_refused(group: &Group<'_, '_>) -> bool {
    let rejections = group.expected.iter().any(|expect| match &expect.what {
        Expected::Rule(expected) => expected.outcome == Outcome::Rejected,
        _ => false,
    });
    !rejections && group.sent.iter().any(|sent| sent.evaluation.refused.is_some())
}

/// Summarizes decisions. A rule has one decision per trigger, so duplicates are removed.
pub(super) fn summary(decisions: &[&Decision]) -> String {
    listed(decisions.iter().map(|decision| describe(decision)).collect())
}

fn listed(mut lines: Vec<String>) -> String {
    lines.dedup();
    let more = lines.len().saturating_sub(MAX_LISTED);
    lines.truncate(MAX_LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("; ")
}

/// `releases/deploy fired for element 1`.
fn describe(decision: &Decision) -> String {
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
        Outcome::Shadow => "was in shadow".into(),
        Outcome::Waiting => "waited".into(),
        other => format!("was {other}"),
    }
}

fn did_not(outcome: Outcome) -> String {
    match outcome {
        Outcome::Fired => "did not fire".into(),
        Outcome::NotMatched => "did not end as `not-matched`".into(),
        Outcome::Shadow => "was not in shadow".into(),
        Outcome::Waiting => "did not wait".into(),
        other => format!("was not {other}"),
    }
}

/// The steps of a test that answer although nothing waits for approval.
fn unasked<'t>(test: &'t Test, events: &[SentEvent<'_>]) -> impl Iterator<Item = (&'t str, Span)> {
    let steps = events.iter().flat_map(|sent| sent.unanswered.clone());
    steps.filter_map(|step| match test.steps.get(step)? {
        TestStep::Answer { rule, span, .. } => Some((rule.as_str(), *span)),
        _ => None,
    })
}

fn nothing_to_answer((rule, span): (&str, Span)) -> Diagnostic {
    failed(span, format!("nothing of rule `{rule}` waits for approval here"))
        .label("there is nothing to answer")
        .help("send an event for which the rule waits, or remove this step")
}
