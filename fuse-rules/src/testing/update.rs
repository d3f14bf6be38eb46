//! Updates tests: replaces the expectations that are not met with what actually happens.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::expectations::{is_met, others};
use super::{Group, Tests};
use crate::decision::Decision;
use crate::decision::Outcome;
use crate::diagnostic::Fix;
use crate::diagnostic::fix::Edits;
use crate::format;
use crate::span::Span;
use crate::typed::{Expect, Expected, ExpectedRule};

/// The fields that an expectation names, and the paths of those that it expects to be left out.
type LikeFields<'f> = (&'f Map<String, Json>, &'f [Vec<String>]);

impl Tests<'_> {
    /// Replaces every expectation that is not met with what actually happens, and adds expectations to tests
    /// that have none. Takes the indexes of the tests. Returns the formatted text of each changed file, by
    /// name.
    pub fn updated(&self, tests: impl IntoIterator<Item = usize>) -> BTreeMap<String, String> {
        let mut fixes = Vec::new();
        for number in tests {
            let Some(test) = self.all().get(number) else { continue };
            let Ok(events) = self.execute_with(test, true) else { continue };
            let groups = self.groups(test, &events);
            if groups.iter().all(|group| group.expected.is_empty()) {
                let mut text = String::new();
                groups.iter().for_each(|group| self.write_all(group, &mut text));
                let end = test.whole.range().end.saturating_sub(1);
                let at = Span::new(test.whole.file, end..end);
                fixes.push(Fix::safe("expect what happens", at, text));
                continue;
            }
            for group in &groups {
                for expect in group.expected.iter().filter(|expect| !is_met(expect, group)) {
                    // Replacing an expectation would delete the comments in it.
                    if !self.ruleset.files().text(expect.span).contains('#') {
                        let text = self.actual(expect, group);
                        fixes.push(Fix::safe("expect what happens", expect.span, text));
                    }
                }
            }
        }
        let mut edits = Edits::default();
        for fix in &fixes {
            edits.take(fix);
        }
        let files = self.ruleset.files().ids();
        let changed = files.filter_map(|(id, file)| {
            let text = edits.apply(id, file.text());
            let changed = text != file.text();
            // A text that does not parse is a bug in fuse. Do not write it.
            let text = format::format(file.name(), &text).ok()?;
            changed.then(|| (file.name().to_owned(), text))
        });
        changed.collect()
    }

    /// The text of an expectation for what actually happened.
    fn actual(&self, expect: &Expect, group: &Group<'_, '_>) -> String {
        let mut text = String::new();
        match &expect.what {
            Expected::NothingElse => {
                let mut rules: Vec<(&str, Outcome)> = Vec::new();
                for decision in others(group) {
                    let one = (decision.rule.as_str(), decision.outcome);
                    if !rules.contains(&one) {
                        rules.push(one);
                    }
                }
                for (rule, outcome) in rules {
                    let outcome = match outcome {
                        Outcome::Fired => String::new(),
                        other => format!(" {other}"),
                    };
                    let _ok = writeln!(text, "expect {}{outcome}", self.short_name(rule));
                }
                text.push_str("expect nothing else");
            }
            // The fuse is not blown. No expectation says so.
            Expected::Blown(..) => {}
            Expected::No(rule) => self.write_rule(rule, None, group, &mut text),
            Expected::Rule(expected) => {
                self.write_rule(&expected.rule, Some(expected), group, &mut text);
            }
        }
        text.trim_end().to_owned()
    }

    /// Writes an expectation for the decisions of a rule.
    fn write_rule(
        &self,
        rule: &str,
        expected: Option<&ExpectedRule>,
        group: &Group<'_, '_>,
        text: &mut String,
    ) {
        let element = expected.and_then(|expected| expected.element.as_deref());
        let fields = expected.and_then(|expected| expected.fields.as_ref());
        let like = fields.map(|fields| (&fields.values, fields.left_out.as_slice()));
        let of_rule = |(_, d): &(usize, &Decision)| {
            d.rule == rule && (element.is_none() || d.element.as_deref() == element)
        };
        let decisions: Vec<(usize, &Decision)> = group.decisions().filter(of_rule).collect();
        // A rule with two triggers fires once.
        let mut fired: Vec<_> =
            decisions.iter().filter(|(_, d)| d.outcome == Outcome::Fired).collect();
        fired.dedup_by(|a, b| a.0 == b.0 && a.1.element == b.1.element);
        // What became of something that waited comes last.
        let shown = |(_, d): &&(usize, &Decision)| {
            !matches!(d.outcome, Outcome::Fired | Outcome::NotMatched | Outcome::Unknown)
        };
        match (fired.as_slice(), decisions.iter().rfind(shown)) {
            ([], Some((_, other))) => {
                let _ok = writeln!(text, "expect {} {}", self.short_name(rule), other.outcome);
            }
            ([], None) => match (element, decisions.first()) {
                (Some(element), Some((_, other))) => {
                    let path: Vec<_> = element.iter().map(ToString::to_string).collect();
                    let (rule, path) = (self.short_name(rule), path.join(", "));
                    let _ok = writeln!(text, "expect {rule} {} for element {path}", other.outcome);
                }
                _ => {
                    let _ok = writeln!(text, "expect no {}", self.short_name(rule));
                }
            },
            ([(event, one)], _) => {
                // If the rule has several triggers, use the one with the expected fields.
                let has = |(_, d): &&(usize, &Decision)| {
                    let action = d.action.as_ref();
                    fields.is_none_or(|like| {
                        action.is_some_and(|action| like.triggers.contains(&action.ordinal))
                    })
                };
                let alike = decisions.iter().filter(|(e, d)| {
                    e == event && d.element == one.element && d.outcome == Outcome::Fired
                });
                let one = alike.into_iter().find(has).map_or(*one, |(_, decision)| *decision);
                self.write_decision(one, element, like, text);
            }
            (many, _) if element.is_none() => {
                let _ok = writeln!(text, "expect {} {} times", self.short_name(rule), many.len());
            }
            ([(_, first), ..], _) => self.write_decision(first, element, like, text),
        }
    }

    /// Writes expectations for everything that happened.
    fn write_all(&self, group: &Group<'_, '_>, text: &mut String) {
        let decisions = group.sent.iter().flat_map(|sent| &sent.evaluation.decisions);
        let shown = |d: &&Decision| {
            !matches!(d.outcome, Outcome::NotMatched | Outcome::Unknown)
                && group.scope.covers(&d.rule)
        };
        let shown: Vec<&Decision> = decisions.filter(shown).collect();
        for decision in &shown {
            let all = decision.action.as_ref().map(|action| (&action.fields, [].as_slice()));
            let before = text.len();
            self.write_decision(decision, decision.element.as_deref(), all, text);
            // A count would apply to all events of the group together.
            if group.sent.len() > 1
                && let Some(line) = text.get(before..).map(|line| line.replacen(" once", "", 1))
            {
                text.truncate(before);
                text.push_str(&line);
            }
        }
        text.push_str("expect nothing else\n");
    }

    /// Writes an expectation for one decision, with the fields that `like` has, and those of these paths
    /// that it leaves out.
    pub(super) fn write_decision(
        &self,
        decision: &Decision,
        element: Option<&[u32]>,
        like: Option<LikeFields<'_>>,
        text: &mut String,
    ) {
        // Writing to a string cannot fail.
        let _ok = write!(text, "expect {}", self.short_name(&decision.rule));
        if decision.outcome != Outcome::Fired {
            let _ok = write!(text, " {}", decision.outcome);
        } else if element.is_none() {
            text.push_str(" once");
        }
        if let Some(element) = element {
            let path: Vec<_> = element.iter().map(ToString::to_string).collect();
            let _ok = write!(text, " for element {}", path.join(", "));
        }
        if let (Some((like, left_out)), Some(action)) = (like, &decision.action) {
            text.push(' ');
            let left_out: Vec<&[String]> = left_out.iter().map(Vec::as_slice).collect();
            text.push_str(&self.shape(action).block(like, &left_out, &action.fields));
        }
        text.push('\n');
    }

    /// The name of a rule without its sensor, if that is unambiguous.
    pub(super) fn short_name<'n>(&self, rule: &'n str) -> &'n str {
        let (_, short) = rule.rsplit_once('/').unwrap_or(("", rule));
        let sensors = self.ruleset.typed().sensors.iter().flat_map(|sensor| &sensor.rules);
        let alike = sensors.filter(|r| r.name.rsplit_once('/').is_some_and(|(_, s)| s == short));
        // Keywords need the name of the sensor.
        let is_word = matches!(short, "no" | "nothing");
        if alike.count() == 1 && !is_word { short } else { rule }
    }
}
