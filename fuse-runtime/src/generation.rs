//! A generation: the rules and fuses in use, and everything that is derived from them. A reload replaces all of it
//! at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use fuse_rules::flow::{BlowCounts, BlowingFuse, RuleLimits};
use fuse_rules::inventory::FuseInfo;
use fuse_rules::{Fuses, Plan, Ruleset};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::config::variable;
use crate::engine::Gate;
use crate::fuses::{self, ConfiguredFuses, FuseOrigin, FuseState};
use crate::ledger::{CurrentRules, FuseHistories};

/// One version of the rules and fuses. It does not change.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) plan: Plan,
    /// The hash of the rules from which the plan was compiled.
    pub(crate) plan_hash: String,
    /// The values of fuses by the environment and the configuration.
    configured: ConfiguredFuses,
    /// The value of each declared fuse, and where it comes from.
    pub(crate) states: BTreeMap<String, FuseState>,
    /// The same values, as rules are evaluated with them.
    pub(crate) fuses: Fuses,
    pub(crate) gate: Gate,
    /// The fuses that may blow: not those that the environment sets.
    pub(crate) blowing: Arc<[BlowingFuse]>,
    /// Whether a rule has a `concurrency`, so that others may wait for the end of an action.
    pub(crate) limits_concurrency: bool,
    /// The limits of the rules.
    limits: Arc<RuleLimits>,
    /// The fuses of each clause at which matches of rules wait for fuses, by the rules' full names.
    holds: Arc<BTreeMap<String, Vec<Vec<String>>>>,
    /// The kinds of triggers that the rules use, sorted.
    pub(crate) used_triggers: Vec<String>,
    /// The names of the declared events, by their sources.
    events: BTreeMap<String, BTreeSet<String>>,
}

impl Generation {
    /// Compiles rules. Takes long if there are many. No fuse is switched at run time.
    pub(crate) fn new(ruleset: Ruleset, configured: impl Into<ConfiguredFuses>) -> Self {
        let configured = configured.into();
        let kinds = ruleset
            .rules()
            .flat_map(|rule| {
                rule.all_triggers().map(|trigger| trigger.kind.clone()).collect::<Vec<_>>()
            })
            .chain(ruleset.fuse_reactions().flat_map(|(_, reaction)| {
                reaction.triggers.into_iter().map(|trigger| trigger.kind).collect::<Vec<_>>()
            }))
            .collect::<BTreeSet<String>>();
        let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in ruleset.events() {
            events.entry(event.source.to_owned()).or_default().insert(event.name.to_owned());
        }
        let states =
            fuses::states(&ruleset, &configured, &FuseHistories::new(), Timestamp::UNIX_EPOCH);
        let fuses = values(&states);
        Self {
            plan: ruleset.plan(),
            plan_hash: plan_hash(&ruleset),
            gate: Gate::new(&ruleset, &fuses),
            blowing: ruleset
                .fuses()
                .filter(|fuse| !configured.is_fixed(fuse.name))
                .filter_map(|fuse| fuse.blowing())
                .collect(),
            limits_concurrency: ruleset.limits_concurrency(),
            limits: Arc::new(ruleset.limits()),
            holds: Arc::new(
                ruleset
                    .rules()
                    .filter(|rule| !rule.holds.is_empty())
                    .map(|rule| {
                        let owned =
                            |fuses: Vec<&str>| fuses.into_iter().map(str::to_owned).collect();
                        (rule.name.to_owned(), rule.holds.into_iter().map(owned).collect())
                    })
                    .collect(),
            ),
            used_triggers: kinds.into_iter().collect(),
            events,
            ruleset: Arc::new(ruleset),
            configured,
            states,
            fuses,
        }
    }

    /// The same with fuses that the configuration turns off.
    pub(crate) fn configured_off(&self, names: &BTreeSet<String>) -> Self {
        let off = names.iter().filter(|name| !self.configured.is_fixed(name));
        let configured = off.fold(self.configured.clone(), |fuses, name| fuses.set(name, false));
        Self { configured, ..self.clone() }
    }

    /// The same with these switches of fuses.
    fn switched(&self, histories: &FuseHistories, now: Timestamp) -> Self {
        let states = fuses::states(&self.ruleset, &self.configured, histories, now);
        let fuses = values(&states);
        Self { gate: self.gate.with_fuses(&fuses), states, fuses, ..self.clone() }
    }

    /// Whether the rules declare this event.
    pub(crate) fn declares(&self, source: &str, name: &str) -> bool {
        self.events.get(source).is_some_and(|names| names.contains(name))
    }

    /// The fuses that can blow when waits are over. The ledger knows those that are off because they blew or were switched.
    /// Others that are off count nothing.
    fn counting_actions(&self) -> Vec<BlowingFuse> {
        let counts = |fuse: &&BlowingFuse| {
            let state = self.states.get(&fuse.name);
            state.is_none_or(|state| state.on || matches!(state.origin, FuseOrigin::Switched(_)))
        };
        self.blowing.iter().filter(counts).cloned().collect()
    }

    /// What waits have to obey when they resume.
    pub(crate) fn current_rules(&self) -> CurrentRules {
        let off = self.states.iter().filter(|(_, state)| !state.on);
        CurrentRules {
            blow: self.counting_actions(),
            limits: Arc::clone(&self.limits),
            off: off.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// The rules whose waits may be over with this generation: a limit was edited, or their fuses are on.
    pub(crate) fn rules_to_recheck(&self, former: Option<&Self>) -> BTreeSet<String> {
        let is_on = |fuse: &str| self.states.get(fuse).is_none_or(|state| state.on);
        let holds = self.holds.iter();
        // The former generation does not tell: between the two, the fuse may have been off.
        let released = holds
            .filter(|(_, clauses)| clauses.iter().any(|fuses| fuses.iter().all(|one| is_on(one))));
        let mut rules = self.limits.changed_since(former.map(|former| &*former.limits));
        rules.extend(released.map(|(rule, _)| rule.clone()));
        rules
    }

    /// The fuses that count the failures of the actions of a rule.
    pub(crate) fn counting_failures(&self, rule: &str) -> Vec<BlowingFuse> {
        let required = self.gate.required(rule).map_or(&[][..], Vec::as_slice);
        // What is off counts nothing.
        let is_on = |fuse: &str| self.states.get(fuse).is_none_or(|state| state.on);
        let counts = |fuse: &&BlowingFuse| {
            required.contains(&fuse.name) && fuse.counts(BlowCounts::Failures) && is_on(&fuse.name)
        };
        self.blowing.iter().filter(counts).cloned().collect()
    }

    /// Warns of fuses that would blow if the environment did not set them.
    pub(crate) fn warn_of_fixed_fuses(&self) {
        let fixed = |fuse: &FuseInfo<'_>| self.configured.is_fixed(fuse.name);
        for fuse in self.ruleset.fuses().filter(fixed).filter(|fuse| fuse.blowing().is_some()) {
            let (fuse, variable) = (fuse.name, variable(fuse.name));
            tracing::warn!(fuse, variable, "a fuse cannot blow, because the environment sets it");
        }
    }

    /// The fuses and their values.
    pub(crate) fn fuse_values(&self) -> impl Iterator<Item = (&str, bool)> {
        self.states.iter().map(|(name, state)| (name.as_str(), state.on))
    }
}

fn values(states: &BTreeMap<String, FuseState>) -> Fuses {
    states.iter().fold(Fuses::default(), |fuses, (name, state)| fuses.set(name, state.on))
}

/// The generation in use. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ActiveGeneration {
    in_use: Arc<RwLock<InUse>>,
    /// How often waits had to be asked again: with each replacement, and if a decision missed one.
    rechecks: Arc<watch::Sender<u64>>,
}

#[derive(Debug)]
struct InUse {
    generation: Arc<Generation>,
    /// The switches of fuses. They stay when the generation is replaced.
    switches: FuseHistories,
}

/// A generation, and the one that replaced it.
pub(crate) type Replaced = (Arc<Generation>, Arc<Generation>);

impl ActiveGeneration {
    pub(crate) fn new(generation: Generation) -> Self {
        let in_use = InUse { generation: Arc::new(generation), switches: FuseHistories::new() };
        let rechecks = Arc::new(watch::Sender::new(0));
        Self { in_use: Arc::new(RwLock::new(in_use)), rechecks }
    }

    /// Changes whenever waits may be over, because another generation is in use.
    pub(crate) fn rechecks(&self) -> watch::Receiver<u64> {
        self.rechecks.subscribe()
    }

    /// What waits by an older generation has to be asked again.
    pub(crate) fn recheck(&self) {
        self.rechecks.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The generation in use now. Read it once per piece of work, so that the work sees one version.
    pub(crate) fn get(&self) -> Arc<Generation> {
        Arc::clone(&self.in_use.read().unwrap_or_else(PoisonError::into_inner).generation)
    }

    /// Replaces the generation with the one that `next` makes of it. The switches of fuses stay in effect, except
    /// those that have ended by this steady time.
    pub(crate) fn replace(
        &self,
        now: Timestamp,
        next: impl FnOnce(&Generation) -> Generation,
    ) -> Replaced {
        let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        let next = Arc::new(next(&in_use.generation).switched(&in_use.switches, now));
        let former = std::mem::replace(&mut in_use.generation, Arc::clone(&next));
        drop(in_use);
        self.recheck();
        (former, next)
    }

    /// Puts these switches of fuses into effect. `None` if that changes nothing.
    pub(crate) fn switch(&self, switches: &FuseHistories, now: Timestamp) -> Option<Replaced> {
        let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        if in_use.switches != *switches {
            in_use.switches.clone_from(switches);
        }
        let next = in_use.generation.switched(switches, now);
        if next.states == in_use.generation.states {
            return None;
        }
        let next = Arc::new(next);
        let former = std::mem::replace(&mut in_use.generation, Arc::clone(&next));
        drop(in_use);
        self.recheck();
        Some((former, next))
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
