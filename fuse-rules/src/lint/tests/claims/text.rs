//! Rules as lines of text: finds the rule of a line, and replaces parts of the text.

use std::ops::Range;

use super::super::load;
use crate::span::Span;

/// The text of a rule set. Each declaration, clause and field has its own lines.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a>(pub(super) &'a str);

/// The lines of a sensor, and of a rule in it.
pub(super) struct At {
    pub(super) sensor: Range<usize>,
    pub(super) rule: Option<Range<usize>>,
}

impl<'a> Lines<'a> {
    pub(super) fn all(self) -> Vec<&'a str> {
        self.0.lines().collect()
    }

    pub(super) fn of(self, span: Span) -> &'a str {
        &self.0[span.range()]
    }

    pub(super) fn number(self, span: Span) -> usize {
        self.0[..span.range().start].matches('\n').count()
    }

    /// The sensor and the rule of a line.
    pub(super) fn at(self, line: usize) -> Option<At> {
        let all = self.all();
        let last = |starts: &[&str]| {
            (0..=line).rev().find(|at| starts.iter().any(|start| all[*at].starts_with(start)))
        };
        let declared = last(&["sensor ", "source ", "test ", "const ", "condition ", "fuse "])?;
        if !all[declared].starts_with("sensor ") {
            return None;
        }
        let end_of = |from: usize| {
            let mut depth = 0_isize;
            let end = (from..all.len()).find(|at| {
                depth += isize::from(all[*at].ends_with('{'));
                depth -= isize::from(all[*at] == "}");
                depth == 0
            });
            end.unwrap() + 1
        };
        let rule = last(&["rule "]).filter(|at| *at > declared).map(|at| at..end_of(at));
        let rule = rule.filter(|rule| rule.contains(&line));
        Some(At { sensor: declared..end_of(declared), rule })
    }

    /// The name of the rule that begins at a line.
    pub(super) fn name(self, line: usize) -> String {
        let all = self.all();
        let sensor = all[self.at(line).unwrap().sensor.start].split(' ').nth(1).unwrap();
        format!("{sensor}/{}", all[line].split(' ').nth(1).unwrap())
    }

    /// The rules that a line affects: its rule, or all rules of its sensor.
    pub(super) fn names(self, line: usize) -> Vec<String> {
        let Some(at) = self.at(line) else { return Vec::new() };
        let all = self.all();
        match at.rule {
            Some(rule) => vec![self.name(rule.start)],
            None => at
                .sensor
                .filter(|line| all[*line].starts_with("rule "))
                .map(|line| self.name(line))
                .collect(),
        }
    }

    /// The number of nested lists that a rule iterates over.
    pub(super) fn depth(self, rule: &str) -> usize {
        let all = self.all();
        let line = (0..all.len())
            .find(|at| all[*at].starts_with("rule ") && self.name(*at) == rule)
            .unwrap();
        let At { sensor, rule } = self.at(line).unwrap();
        let head = all[sensor].iter().take_while(|line| !line.starts_with("rule "));
        let own = &all[rule.unwrap()];
        head.chain(own).filter(|line| line.starts_with("each ")).count()
    }

    pub(super) fn without(self, lines: Range<usize>) -> String {
        let kept = self.all().into_iter().enumerate().filter(|(at, _)| !lines.contains(at));
        kept.map(|(_, line)| format!("{line}\n")).collect()
    }

    pub(super) fn replaced(self, span: Span, by: &str) -> String {
        let range = span.range();
        format!("{}{by}{}", &self.0[..range.start], &self.0[range.end..])
    }

    /// The text in which the rule that begins at a line has a further condition and only logs.
    pub(super) fn with_condition(self, rule: usize, condition: &str) -> String {
        let all = self.all();
        let own = self.at(rule).unwrap().rule.unwrap();
        let end = own.clone().find(|at| all[*at].starts_with("trigger ")).unwrap();
        let mut lines = all[..own.start].to_vec();
        let is_flow = |line: &&&str| {
            ["after ", "once ", "quiet ", "still ", "unless ", "limit "]
                .iter()
                .any(|word| line.starts_with(word))
        };
        lines.extend(all[own.start..end].iter().filter(|line| !is_flow(line)));
        let when = format!("when {condition}");
        lines.extend([when.as_str(), "trigger log { message = \"x\" }", "}"]);
        lines.extend(&all[own.end..]);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Whether changed rules behave like the original ones for every event.
pub(super) fn is_same(text: &str, changed: &str) -> bool {
    // Events without a sensor do not matter.
    let rules = |text: &str| {
        let listing = load(text).plan().listing();
        let events = listing.split("event ").filter(|event| event.contains("sensor "));
        events.map(str::to_owned).collect::<Vec<_>>()
    };
    rules(text) == rules(changed)
}
