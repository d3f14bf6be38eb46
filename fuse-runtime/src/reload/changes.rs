//! What is different between two generations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fuse_rules::comparison::ReconfiguredEvent;
use fuse_rules::inventory::RuleDifferences;
use serde::Serialize;

use crate::generation::Generation;

/// How many names one line of the log has.
const MAX_NAMED: usize = 20;

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleChanges {
    /// Rules that are new, by their full names.
    pub added: Vec<String>,
    /// Rules that are gone.
    pub removed: Vec<String>,
    /// Rules that have the same name, and another text.
    pub changed: Vec<String>,
    /// Events whose source or own block changed, with the names of the fields.
    pub events: Vec<ReconfiguredEvent>,
    /// Fuses that are new, gone or switched.
    pub fuses: Vec<FuseChange>,
    /// What is listened to now and was not before, as in `slo.alert at POST http://0.0.0.0:12000/alerts`.
    pub opened: Vec<String>,
    /// What is no longer listened to.
    pub closed: Vec<String>,
}

/// A fuse that is new, gone or switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FuseChange {
    /// The fuse's name.
    pub fuse: String,
    /// Whether it was on, if it existed.
    pub was_on: Option<bool>,
    /// Whether it is on, if it exists.
    pub is_on: Option<bool>,
}

impl fmt::Display for FuseChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |on| if on { "on" } else { "off" };
        match (self.was_on, self.is_on) {
            (_, None) => write!(f, "{} is gone", self.fuse),
            (None, Some(on)) => write!(f, "{} is new and {}", self.fuse, name(on)),
            (Some(_), Some(on)) => write!(f, "{} is {} now", self.fuse, name(on)),
        }
    }
}

impl RuleChanges {
    /// Compares two generations, and what they listen to.
    pub(super) fn between(
        (old, old_listening): (&Generation, &BTreeSet<String>),
        (new, new_listening): (&Generation, &BTreeSet<String>),
    ) -> Self {
        let RuleDifferences { added, removed, changed } = new.ruleset.different_rules(&old.ruleset);
        Self {
            added,
            removed,
            changed,
            events: new.ruleset.changed_events(&old.ruleset),
            fuses: fuse_changes(old, new),
            opened: new_listening.difference(old_listening).cloned().collect(),
            closed: old_listening.difference(new_listening).cloned().collect(),
        }
    }

    /// Whether nothing changed that decides, listens or authenticates.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Logs each change.
    pub(super) fn log(&self) {
        let events: Vec<String> = self.events.iter().map(ToString::to_string).collect();
        let fuses: Vec<String> = self.fuses.iter().map(ToString::to_string).collect();
        for (what, names) in [
            ("rules added", &self.added),
            ("rules removed", &self.removed),
            ("rules changed", &self.changed),
            ("events changed", &events),
            ("fuses changed", &fuses),
            ("listening", &self.opened),
            ("no longer listening", &self.closed),
        ] {
            if !names.is_empty() {
                let named = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
                let left_out = names.len().saturating_sub(MAX_NAMED);
                tracing::info!(count = names.len(), names = named, left_out, "{what}");
            }
        }
    }
}

fn fuse_changes(old: &Generation, new: &Generation) -> Vec<FuseChange> {
    let mut fuses: BTreeMap<&str, (Option<bool>, Option<bool>)> = BTreeMap::new();
    for (name, on) in old.fuse_values() {
        fuses.entry(name).or_default().0 = Some(on);
    }
    for (name, on) in new.fuse_values() {
        fuses.entry(name).or_default().1 = Some(on);
    }
    let changed = fuses.into_iter().filter(|(_, (was, is))| was != is);
    changed
        .map(|(name, (was_on, is_on))| FuseChange { fuse: name.to_owned(), was_on, is_on })
        .collect()
}
