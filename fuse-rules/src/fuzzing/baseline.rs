//! What the rules' own tests say: what they expect is no news, and their events are good ones to
//! change.

use std::collections::BTreeSet;

use super::finding::{FindingKind, Key};
use super::input::Draft;
use super::run::about;
use crate::decision::Outcome;
use crate::testing::Tests;

/// Rejections and unknowns that tests expect.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeSet<Key>);

impl Expected {
    pub(super) fn of(tests: &Tests<'_>) -> Self {
        let mut keys = BTreeSet::new();
        tests.expected(&mut |decision| {
            let rule = decision.rule.clone();
            let what = match decision.outcome {
                Outcome::Rejected => FindingKind::Rejected,
                Outcome::Unknown => FindingKind::Unknown,
                _ => return,
            };
            let detail = about(decision);
            keys.insert(Key { rule, what, detail });
        });
        Self(keys)
    }

    pub(super) fn knows(&self, key: &Key) -> bool {
        self.0.contains(key)
    }
}

/// The events of tests, with the names of their sources and their own.
pub(super) fn events(tests: &Tests<'_>) -> Vec<(String, String, Draft)> {
    let mut found = Vec::new();
    tests.sent(&mut |event| {
        if let Some(mut draft) = Draft::read(event.body()) {
            draft.headers = event.headers().clone();
            draft.query = event.queries().clone();
            found.push((event.source().to_owned(), event.name().to_owned(), draft));
        }
    });
    found
}
