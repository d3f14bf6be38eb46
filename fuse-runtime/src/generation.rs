//! A generation: the rules and fuses in use, and everything that is derived from them. A reload replaces all of it
//! at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use fuse_rules::{Fuses, Plan, Ruleset};
use sha2::{Digest as _, Sha256};

use crate::engine::Gate;

/// One version of the rules and fuses. It does not change.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) plan: Plan,
    /// The hash of the rules from which the plan was compiled.
    pub(crate) plan_hash: String,
    pub(crate) fuses: Fuses,
    pub(crate) gate: Gate,
    /// The kinds of triggers that the rules use, sorted.
    pub(crate) used_triggers: Vec<String>,
    /// The names of the declared events, by their sources.
    events: BTreeMap<String, BTreeSet<String>>,
}

impl Generation {
    /// Compiles rules. Takes long if there are many.
    pub(crate) fn new(ruleset: Ruleset, fuses: Fuses) -> Self {
        let kinds = ruleset
            .rules()
            .flat_map(|rule| {
                rule.all_triggers().map(|trigger| trigger.kind.clone()).collect::<Vec<_>>()
            })
            .collect::<BTreeSet<String>>();
        let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in ruleset.events() {
            events.entry(event.source.to_owned()).or_default().insert(event.name.to_owned());
        }
        Self {
            plan: ruleset.plan(),
            plan_hash: plan_hash(&ruleset),
            gate: Gate::new(&ruleset, &fuses),
            used_triggers: kinds.into_iter().collect(),
            events,
            ruleset: Arc::new(ruleset),
            fuses,
        }
    }

    /// The same with fuses switched off.
    pub(crate) fn with_fuses_off(&self, names: &BTreeSet<String>) -> Self {
        let fuses = names.iter().fold(self.fuses.clone(), |fuses, name| fuses.set(name, false));
        Self { gate: self.gate.with_fuses_off(names), fuses, ..self.clone() }
    }

    /// Whether the rules declare this event.
    pub(crate) fn declares(&self, source: &str, name: &str) -> bool {
        self.events.get(source).is_some_and(|names| names.contains(name))
    }

    /// The fuses and their values.
    pub(crate) fn fuse_values(&self) -> impl Iterator<Item = (&str, bool)> {
        let value = |name: &str, default| self.fuses.get(name).unwrap_or(default);
        self.ruleset.fuses().map(move |fuse| (fuse.name, value(fuse.name, fuse.default_on)))
    }
}

/// The generation in use. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ActiveGeneration {
    current: Arc<RwLock<Arc<Generation>>>,
}

impl ActiveGeneration {
    pub(crate) fn new(generation: Generation) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(generation))) }
    }

    /// The generation in use now. Read it once per piece of work, so that the work sees one version.
    pub(crate) fn get(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the generation, and returns the previous one.
    pub(crate) fn replace(&self, next: Arc<Generation>) -> Arc<Generation> {
        std::mem::replace(&mut *self.current.write().unwrap_or_else(PoisonError::into_inner), next)
    }
}

/// A hash of the text of the rules. The ledger records it with each decision.
pub fn plan_hash(ruleset: &Ruleset) -> String {
    let mut hash = Sha256::new();
    for file in ruleset.files().iter() {
        for part in [file.name(), file.text()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}
