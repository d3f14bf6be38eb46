//! A coverage-guided fuzzer for rules. It generates events from the types, paths and constants of the
//! rules, and mutates them. Inputs that cover something new join the corpus. The findings are cases that
//! the author of the rules may not have considered: rules that never fire, missing values, and untrusted
//! texts that reach an action.
//!
//! The seed determines everything. The fuzzer reads no clock: the caller decides when to stop.

mod baseline;
mod finding;
mod input;
mod minimize;
mod mutate;
mod mutation_points;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use fastrand::Rng;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::analysis::{Analysis, Placed, Truths};
use crate::diagnostic::Diagnostics;
use crate::eval::Plan;
use crate::event::{Event, InvalidBody};
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;
use crate::testing::{Backends, BodyEncoder, EventAdmission, Tests, guarded_atoms};
use crate::typed::{Rule, Sensor};
use baseline::Baseline;
pub use finding::{Finding, FindingKind, FoundEvent};
use input::Input;
use mutation_points::MutationPoints;
use run::Feature;

/// The most inputs in the corpus of one target.
const MAX_CORPUS_SIZE: usize = 2_000;

/// The most elementary conditions per rule for which the analysis solves for initial inputs.
const MAX_SOLVED_ATOMS: usize = 50;

/// A fuzzer for a rule set that was [loaded in detail](Ruleset::load_in_detail).
///
/// ```
/// use fuse_rules::{Registry, Ruleset};
/// use fuse_rules::fuzzing::{FindingKind, Fuzzer};
/// use fuse_rules::schema::{Schema, SourceSchema};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Pages the engineer on call."));
/// let text = r#"source q queue { event e }
///               sensor s on q.e { rule r { when body.a > 2 and body.a < 2  trigger page {} } }"#;
/// let ruleset = Ruleset::load_in_detail(&["a.rules"], &|_: &str| Ok(text.into()), &registry)?;
/// let mut fuzzer = Fuzzer::new(&ruleset, 42);
/// for _ in 0..1_000 {
///     fuzzer.step();
/// }
/// let found = fuzzer.findings();
/// assert!(found.iter().any(|finding| finding.kind == FindingKind::NeverFired));
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
pub struct Fuzzer<'r> {
    ruleset: &'r Ruleset,
    plan: Plan,
    rng: Rng,
    fuses: Fuses,
    backends: Option<Backends<'r>>,
    admission: Option<&'r dyn EventAdmission>,
    /// The targets, which are fuzzed in turn.
    targets: Vec<Target<'r>>,
    /// The covered features.
    features: FxHashSet<Feature>,
    /// The findings, each with the smallest input that reproduces it.
    found: BTreeMap<finding::FindingKey, finding::SmallestInput>,
    /// How often each rule fired.
    fired: FxHashMap<&'r str, u64>,
    /// How often each pair of rules fired for the same event and element.
    fired_together: FxHashMap<(&'r str, &'r str), u64>,
    /// The outcomes that tests expect.
    baseline: Baseline,
    runs: u64,
    initialized: bool,
    /// The rules that provably never match.
    never_matching: FxHashSet<&'r str>,
}

/// A declared event, with the rules that listen to it.
struct Target<'r> {
    source: &'r str,
    name: &'r str,
    rules: Vec<(&'r Sensor, &'r Rule)>,
    points: MutationPoints,
    /// Whether the event has a `decode`. Inputs are decoded bodies.
    is_decoded: bool,
    /// Encodes inputs as their sender does.
    encoder: Option<BodyEncoder>,
    /// The inputs that covered something new.
    corpus: Vec<Input>,
}

impl std::fmt::Debug for Fuzzer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fuzzer").field("runs", &self.runs).finish_non_exhaustive()
    }
}

impl<'r> Fuzzer<'r> {
    /// Creates a fuzzer. The same rules and seed give the same results. All fuses are on.
    pub fn new(ruleset: &'r Ruleset, seed: u64) -> Self {
        let typed = ruleset.typed();
        let mut targets: Vec<Target<'r>> = Vec::new();
        let listening = typed
            .sensors
            .iter()
            .flat_map(|sensor| sensor.events.iter().map(move |event| (event.as_pair(), sensor)));
        for ((source, name), sensor) in listening {
            let at = targets.iter().position(|t| (t.source, t.name) == (source, name));
            let at = at.unwrap_or_else(|| {
                targets.push(Target {
                    source,
                    name,
                    rules: Vec::new(),
                    points: MutationPoints::default(),
                    is_decoded: false,
                    encoder: None,
                    corpus: Vec::new(),
                });
                targets.len() - 1
            });
            if let Some(target) = targets.get_mut(at) {
                target.rules.extend(sensor.rules.iter().map(|rule| (&**sensor, rule)));
            }
        }
        let mut analysis = Analysis::new(typed);
        for target in &mut targets {
            let declared = typed.sources.iter().filter(|source| source.name == target.source);
            let mut declared = declared.flat_map(|source| &source.events);
            let event = declared.find(|event| event.name == target.name);
            target.points = MutationPoints::collect(&target.rules, event);
            target.is_decoded = event.is_some_and(|event| event.decode.is_some());
            target.encoder =
                event.and_then(|event| BodyEncoder::new(&mut analysis, target.source, event));
        }
        let fuses = typed.fuses.iter().fold(Fuses::default(), |fuses, f| fuses.set(&f.name, true));
        Self {
            ruleset,
            plan: ruleset.plan(),
            rng: Rng::with_seed(seed),
            fuses,
            backends: None,
            admission: None,
            targets,
            features: FxHashSet::default(),
            found: BTreeMap::new(),
            fired: FxHashMap::default(),
            fired_together: FxHashMap::default(),
            baseline: Baseline::default(),
            runs: 0,
            initialized: false,
            never_matching: FxHashSet::default(),
        }
    }

    /// Fuzzes only the rules with this name: a full name, or its last part.
    ///
    /// # Errors
    /// No rule has this name. The error contains the names of all rules.
    pub fn only(mut self, rule: &str) -> Result<Self, Vec<String>> {
        let named = |full: &str| full == rule || full.rsplit('/').next() == Some(rule);
        let all = self.ruleset.rules().map(|rule| rule.name.to_owned()).collect();
        for target in &mut self.targets {
            target.rules.retain(|(_, rule)| named(&rule.name));
        }
        self.targets.retain(|target| !target.rules.is_empty());
        if self.targets.is_empty() { Err(all) } else { Ok(self) }
    }

    /// Passes every fired decision to a backend, which may reject it.
    #[must_use]
    pub fn backends(self, backends: Backends<'r>) -> Self {
        Self { backends: Some(backends), ..self }
    }

    /// Reports nothing about events that their source refuses.
    #[must_use]
    pub fn admission(self, admission: &'r dyn EventAdmission) -> Self {
        Self { admission: Some(admission), ..self }
    }

    /// Uses the tests of the rules: an outcome that a test expects is not a finding, and the events of the
    /// tests become seed inputs.
    #[must_use]
    pub fn tests(mut self, tests: &Tests<'_>) -> Self {
        self.baseline = Baseline::from_tests(tests);
        for (source, name, input) in baseline::events(tests) {
            self.add_input(&source, &name, input);
        }
        self
    }

    /// Adds a seed input with a JSON body. An event that no rule listens to has no effect. Returns whether the input
    /// is usable: a body with a duplicate key or a lone surrogate cannot be mutated.
    ///
    /// # Errors
    /// The body is not JSON.
    pub fn seed(&mut self, source: &str, name: &str, body: &[u8]) -> Result<bool, InvalidBody> {
        let event = Event::new(source, name, body)?;
        let input = self.plan.seen(&event).ok().and_then(|seen| Input::parse(seen.body()));
        let usable = input.is_some();
        if let Some(input) = input {
            self.add_input(source, name, input);
        }
        Ok(usable)
    }

    fn add_input(&mut self, source: &str, name: &str, input: Input) {
        let at = self.targets.iter().position(|t| t.source == source && t.name == name);
        if let Some(at) = at {
            self.run_one(at, input);
        }
    }

    /// Runs the initial inputs of a target: simple ones, and those that the analysis finds.
    fn add_initial_inputs(&mut self, at: usize) {
        let Some(target) = self.targets.get(at) else { return };
        let mut inputs = target.points.initial_inputs(&mut self.rng);
        // The analysis finds inputs that random mutation would need a long time for.
        let mut analysis = Analysis::new(self.ruleset.typed());
        for (sensor, rule) in &target.rules {
            let placed = Placed { sensor, rule };
            let matching = analysis.matching(placed);
            inputs.extend(matching.witness().and_then(Input::from_witness));
            for (expr, _) in guarded_atoms(sensor, rule).into_iter().take(MAX_SOLVED_ATOMS) {
                for want in [Truths::TRUE, Truths::FALSE, Truths::UNKNOWN] {
                    let reaching = analysis.reaching(placed, expr, want);
                    inputs.extend(reaching.witness().and_then(Input::from_witness));
                }
            }
            if matching.is_never() {
                self.never_matching.insert(&rule.name);
            }
        }
        inputs.into_iter().for_each(|input| self.run_one(at, input));
    }

    /// Whether the analysis finds an event that only one of two rules matches.
    fn differ(&self, first: &str, second: &str) -> bool {
        let placed = |name: &str| {
            let mut rules = self.targets.iter().flat_map(|target| &target.rules);
            let (sensor, rule) = rules.find(|(_, rule)| rule.name == name)?;
            Some(Placed { sensor, rule })
        };
        let (Some(first), Some(second)) = (placed(first), placed(second)) else { return false };
        let mut analysis = Analysis::new(self.ruleset.typed());
        [(first, second), (second, first)]
            .into_iter()
            .any(|(a, b)| analysis.separating(a, b).witness().is_some())
    }

    /// Generates and evaluates one input.
    pub fn step(&mut self) {
        if !self.initialized {
            self.initialized = true;
            (0..self.targets.len()).for_each(|at| self.add_initial_inputs(at));
        }
        if self.targets.is_empty() {
            return;
        }
        let at = usize::try_from(self.runs).unwrap_or(0) % self.targets.len();
        let Some(target) = self.targets.get(at) else { return };
        let input = mutate::next_input(target, &mut self.rng);
        self.run_one(at, input);
    }

    /// The number of evaluated inputs.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The number of covered features: outcomes of rules, and truth values of conditions.
    pub fn features(&self) -> usize {
        self.features.len()
    }

    /// The number of rules that fired, and the number of all rules.
    pub fn fired(&self) -> (usize, usize) {
        let rules = self.targets.iter().flat_map(|target| &target.rules);
        (self.fired.len(), rules.count())
    }

    /// The findings, in the order of the rules.
    pub fn findings(&self) -> Vec<Finding> {
        finding::findings(self)
    }

    /// The findings as warnings.
    pub fn problems(&self) -> Diagnostics {
        finding::problems(self)
    }
}
