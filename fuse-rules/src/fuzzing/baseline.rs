//! The tests of the rules as a baseline: the outcomes that they expect are not findings, and their
//! events are seed inputs.

use std::collections::BTreeSet;

use super::finding::{FindingKey, FindingKind};
use super::input::Input;
use super::run::detail;
use crate::decision::Outcome;
use crate::testing::Tests;

/// The rejected and unknown outcomes that tests expect.
#[derive(Debug, Default)]
pub(super) struct Baseline(BTreeSet<FindingKey>);

impl Baseline {
    pub(super) fn from_tests(tests: &Tests<'_>) -> Self {
        let mut keys = BTreeSet::new();
        tests.expected(&mut |decision| {
            let rule = decision.rule.clone();
            let kind = match decision.outcome {
                Outcome::Rejected => FindingKind::Rejected,
                Outcome::Unknown => FindingKind::Unknown,
                _ => return,
            };
            let detail = detail(decision);
            keys.insert(FindingKey { rule, kind, detail });
        });
        Self(keys)
    }

    pub(super) fn contains(&self, key: &FindingKey) -> bool {
        self.0.contains(key)
    }
}

/// The events that tests send, each with its source and name.
pub(super) fn events(tests: &Tests<'_>) -> Vec<(String, String, Input)> {
    let mut inputs = Vec::new();
    tests.sent(&mut |event| {
        if let Some(mut input) = Input::parse(event.body()) {
            input.headers = event.headers().clone();
            input.query = event.queries().clone();
            input.path = event.path_parameters().clone();
            inputs.push((event.source().to_owned(), event.name().to_owned(), input));
        }
    });
    inputs
}
