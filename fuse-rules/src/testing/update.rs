//! Tests that expect what happens: expectations that are not met are written anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::judge::{is_met, others};
use super::{Group, Tests, groups};
use crate::decision::Decision;
use crate::decision::Outcome;
use crate::diagnostic::Fix;
use crate::diagnostic::fix::Edits;
use crate::format;
use crate::literals::quoted;
use crate::span::Span;
use crate::syntax::is_name;
use crate::typed::{Expect, Expected, ExpectedRule};

impl Tests<'_> {
    /// The files of these tests, by their numbers, with every expectation that is not met replaced
    /// by what happens, and with expectations for tests that have none. Only files that change are
    /// given, by name, laid out.
    pub fn updated(&self, tests: impl IntoIterator<Item = usize>) -> BTreeMap<String, String> {
        let mut fixes = Vec::new();
        for number in tests {
            let Some(test) = self.all().get(number) else { continue };
            let Ok(played) = self.played(test, true) else { continue };
            let groups = groups(test, &played);
            if groups.iter().all(|group| group.expected.is_empty()) {
                let mut text = String::new();
                groups.iter().for_each(|group| self.all_that_happened(group, &mut text));
                let end = test.whole.range().end.saturating_sub(1);
                let at = Span::new(test.whole.file, end..end);
                fixes.push(Fix::safe("expect what happens", at, text));
                continue;
            }
            for group in &groups {
                for expect in group.expected.iter().filter(|expect| !is_met(expect, group)) {
                    // What has comments in it is left to who wrote them.
                    if !self.ruleset.files().text(expect.span).contains('#') {
                        let text = self.anew(expect, group);
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
            // What does not parse would be our fault, and is not written.
            let text = format::format(file.name(), &text).ok()?;
            changed.then(|| (file.name().to_owned(), text))
        });
        changed.collect()
    }

    /// An expectation that is met.
    fn anew(&self, expect: &Expect, group: &Group<'_, '_>) -> String {
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
                    let _ok = writeln!(text, "expect {}{outcome}", self.short(rule));
                }
                text.push_str("expect nothing else");
            }
            Expected::No(rule) => self.rule(rule, None, group, &mut text),
            Expected::Rule(expected) => {
                self.rule(&expected.rule, Some(expected), group, &mut text);
            }
        }
        text.trim_end().to_owned()
    }

    /// What a rule came to.
    fn rule(
        &self,
        rule: &str,
        expected: Option<&ExpectedRule>,
        group: &Group<'_, '_>,
        text: &mut String,
    ) {
        let element = expected.and_then(|expected| expected.element.as_deref());
        let fields = expected.and_then(|expected| expected.fields.as_ref()).map(|(f, _)| f);
        let decisions = group.sent.iter().enumerate().flat_map(|(event, sent)| {
            sent.evaluation.decisions.iter().map(move |decision| (event, decision))
        });
        let of_rule = |(_, d): &(usize, &Decision)| {
            d.rule == rule && (element.is_none() || d.element.as_deref() == element)
        };
        let decisions: Vec<(usize, &Decision)> = decisions.filter(of_rule).collect();
        // A rule with two triggers fires once.
        let mut fired: Vec<_> =
            decisions.iter().filter(|(_, d)| d.outcome == Outcome::Fired).collect();
        fired.dedup_by(|a, b| a.0 == b.0 && a.1.element == b.1.element);
        let told = |(_, d): &&(usize, &Decision)| {
            matches!(d.outcome, Outcome::Gated | Outcome::Suppressed | Outcome::Rejected)
        };
        match (fired.as_slice(), decisions.iter().find(told)) {
            ([], Some((_, other))) => {
                let _ok = writeln!(text, "expect {} {}", self.short(rule), other.outcome);
            }
            ([], None) => match (element, decisions.first()) {
                (Some(element), Some((_, other))) => {
                    let path: Vec<_> = element.iter().map(ToString::to_string).collect();
                    let (rule, path) = (self.short(rule), path.join(", "));
                    let _ok = writeln!(text, "expect {rule} {} for element {path}", other.outcome);
                }
                _ => {
                    let _ok = writeln!(text, "expect no {}", self.short(rule));
                }
            },
            ([(event, one)], _) => {
                // Of several triggers, the one that gives what was asked for.
                let has = |(_, d): &&(usize, &Decision)| {
                    let action = d.action.as_ref();
                    fields.is_none_or(|like| {
                        action.is_some_and(|action| {
                            like.keys().all(|k| action.fields.contains_key(k))
                        })
                    })
                };
                let alike = decisions.iter().filter(|(e, d)| {
                    e == event && d.element == one.element && d.outcome == Outcome::Fired
                });
                let one = alike.into_iter().find(has).map_or(*one, |(_, decision)| *decision);
                self.one(one, element, fields, text);
            }
            (many, _) if element.is_none() => {
                let _ok = writeln!(text, "expect {} {} times", self.short(rule), many.len());
            }
            ([(_, first), ..], _) => self.one(first, element, fields, text),
        }
    }

    fn all_that_happened(&self, group: &Group<'_, '_>, text: &mut String) {
        let decisions = group.sent.iter().flat_map(|sent| &sent.evaluation.decisions);
        let told = |d: &&Decision| !matches!(d.outcome, Outcome::NotMatched | Outcome::Unknown);
        let told: Vec<&Decision> = decisions.filter(told).collect();
        for decision in &told {
            let all = decision.action.as_ref().map(|action| &action.fields);
            let before = text.len();
            self.one(decision, decision.element.as_deref(), all, text);
            // Several events: how often is said of all of them together.
            if group.sent.len() > 1
                && let Some(line) = text.get(before..).map(|line| line.replacen(" once", "", 1))
            {
                text.truncate(before);
                text.push_str(&line);
            }
        }
        text.push_str("expect nothing else\n");
    }

    /// One decision. Of its fields those are written that `like` has.
    fn one(
        &self,
        decision: &Decision,
        element: Option<&[u32]>,
        like: Option<&Map<String, Json>>,
        text: &mut String,
    ) {
        // Writing to a string cannot fail.
        let _ok = write!(text, "expect {}", self.short(&decision.rule));
        if decision.outcome != Outcome::Fired {
            let _ok = write!(text, " {}", decision.outcome);
        } else if element.is_none() {
            text.push_str(" once");
        }
        if let Some(element) = element {
            let path: Vec<_> = element.iter().map(ToString::to_string).collect();
            let _ok = write!(text, " for element {}", path.join(", "));
        }
        if let (Some(like), Some(action)) = (like, &decision.action) {
            text.push(' ');
            block(like, &action.fields, text);
        }
        text.push('\n');
    }

    /// The rule's own name, where no other rule has it.
    fn short<'n>(&self, rule: &'n str) -> &'n str {
        let (_, short) = rule.rsplit_once('/').unwrap_or(("", rule));
        let sensors = self.ruleset.typed().sensors.iter().flat_map(|sensor| &sensor.rules);
        let alike = sensors.filter(|r| r.name.rsplit_once('/').is_some_and(|(_, s)| s == short));
        // Words of expectations are names only with their sensor.
        let is_word = matches!(short, "no" | "nothing");
        if alike.count() == 1 && !is_word { short } else { rule }
    }
}

/// The fields of an action that `like` has, too, as a block.
fn block(like: &Map<String, Json>, fields: &Map<String, Json>, text: &mut String) {
    text.push_str("{\n");
    for key in like.keys() {
        let Some(value) = fields.get(key) else { continue };
        self::key(key, text);
        match (like.get(key), value) {
            (Some(Json::Object(like)), Json::Object(inner)) => {
                text.push(' ');
                block(like, inner, text);
            }
            _ => {
                text.push_str(" = ");
                literal(value, text);
            }
        }
        text.push('\n');
    }
    text.push('}');
}

fn key(key: &str, text: &mut String) {
    if is_name(key) {
        text.push_str(key);
    } else {
        text.push_str(&quoted(key));
    }
}

/// A value as rules write it.
fn literal(value: &Json, text: &mut String) {
    match value {
        Json::String(value) => text.push_str(&quoted(value)),
        Json::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                literal(item, text);
            }
            text.push(']');
        }
        Json::Object(map) => {
            text.push_str("{ ");
            for (i, (name, value)) in map.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                key(name, text);
                text.push_str(" = ");
                literal(value, text);
            }
            text.push_str(" }");
        }
        other => text.push_str(&other.to_string()),
    }
}
