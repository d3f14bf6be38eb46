//! Fuzzing rules: events are made from the types, paths and constants of the rules and changed again and
//! again; those that show something new of the rules are kept and changed further. What is found is
//! what an author would not have thought of: rules that never fire, values that are missing, texts of
//! outsiders that reach what acts.
//!
//! Everything follows from the seed. Nothing here asks a clock: who fuzzes decides when it is enough.

mod baseline;
mod finding;
mod input;
mod mutate;
mod mutation_points;
mod run;
mod shrink;
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
use crate::testing::{Backends, Tests, looked_at};
use crate::typed::{Rule, Sensor};
pub use finding::{Finding, FindingKind, FoundEvent};
use input::Draft;
use mutation_points::Spots;
use run::Feature;

/// How many events are kept of one event's kind for changing them further.
const MOST_KEPT: usize = 2_000;

/// How many elementary conditions of a rule events are looked for.
const MOST_ATOMS: usize = 50;

/// Fuzzes the rules of a rule set that was [loaded in detail](Ruleset::load_in_detail).
///
/// ```
/// use fuse_rules::{FindingKind, Fuzzer, Registry, Ruleset, Schema, SourceSchema};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Calls a human."));
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
    /// What is fuzzed, an event after the other in turns.
    targets: Vec<Target<'r>>,
    /// What was seen of the rules.
    features: FxHashSet<Feature>,
    /// The smallest event of each kind of thing that was found.
    found: BTreeMap<finding::Key, finding::Held>,
    /// How often each rule fired, and each two of them for one event and element.
    fired: FxHashMap<&'r str, u64>,
    together: FxHashMap<(&'r str, &'r str), u64>,
    /// What the rules' own tests expect.
    expected: baseline::Expected,
    runs: u64,
    begun: bool,
    /// The rules that are proven never to match.
    never: FxHashSet<&'r str>,
}

/// An event, with the rules that listen to it.
struct Target<'r> {
    source: &'r str,
    name: &'r str,
    rules: Vec<(&'r Sensor, &'r Rule)>,
    spots: Spots,
    /// The events that showed something new.
    kept: Vec<Draft>,
}

impl std::fmt::Debug for Fuzzer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fuzzer").field("runs", &self.runs).finish_non_exhaustive()
    }
}

impl<'r> Fuzzer<'r> {
    /// A fuzzer that does the same for the same rules and seed. All fuses are on.
    pub fn new(ruleset: &'r Ruleset, seed: u64) -> Self {
        let typed = ruleset.typed();
        let mut targets: Vec<Target<'r>> = Vec::new();
        for sensor in &typed.sensors {
            let at =
                targets.iter().position(|t| t.source == sensor.source && t.name == sensor.event);
            let at = at.unwrap_or_else(|| {
                targets.push(Target {
                    source: &sensor.source,
                    name: &sensor.event,
                    rules: Vec::new(),
                    spots: Spots::default(),
                    kept: Vec::new(),
                });
                targets.len() - 1
            });
            if let Some(target) = targets.get_mut(at) {
                target.rules.extend(sensor.rules.iter().map(|rule| (sensor, rule)));
            }
        }
        for target in &mut targets {
            let declared = typed.sources.iter().filter(|source| source.name == target.source);
            let declared = declared.flat_map(|source| &source.events);
            let ty = declared.filter(|event| event.name == target.name).find_map(|e| e.ty.clone());
            target.spots = Spots::of(&target.rules, ty);
        }
        let fuses = typed.fuses.iter().fold(Fuses::default(), |fuses, f| fuses.set(&f.name, true));
        Self {
            ruleset,
            plan: ruleset.plan(),
            rng: Rng::with_seed(seed),
            fuses,
            backends: None,
            targets,
            features: FxHashSet::default(),
            found: BTreeMap::new(),
            fired: FxHashMap::default(),
            together: FxHashMap::default(),
            expected: baseline::Expected::default(),
            runs: 0,
            begun: false,
            never: FxHashSet::default(),
        }
    }

    /// Fuzzes the rules of this name alone: a full name, or its last part.
    ///
    /// # Errors
    /// There is none; the names that there are.
    pub fn only(mut self, rule: &str) -> Result<Self, Vec<String>> {
        let named = |full: &str| full == rule || full.rsplit('/').next() == Some(rule);
        let all = self.ruleset.rules().map(|rule| rule.name.to_owned()).collect();
        for target in &mut self.targets {
            target.rules.retain(|(_, rule)| named(&rule.name));
        }
        self.targets.retain(|target| !target.rules.is_empty());
        if self.targets.is_empty() { Err(all) } else { Ok(self) }
    }

    /// Has a backend look at everything that fires.
    #[must_use]
    pub fn backends(self, backends: Backends<'r>) -> Self {
        Self { backends: Some(backends), ..self }
    }

    /// Takes what the rules' tests expect as known: a rejection or an unknown that a test expects is no
    /// news. The events of the tests are changed further, too.
    #[must_use]
    pub fn tests(mut self, tests: &Tests<'_>) -> Self {
        self.expected = baseline::Expected::of(tests);
        for (source, name, draft) in baseline::events(tests) {
            self.take(&source, &name, draft);
        }
        self
    }

    /// An event to begin with, its body as JSON; one that no rule listens to shows nothing. Gives whether it could be
    /// used: a body with a key twice in one object, or half of a surrogate pair, cannot be changed further.
    ///
    /// # Errors
    /// The body is not JSON.
    pub fn seed(&mut self, source: &str, name: &str, body: &[u8]) -> Result<bool, InvalidBody> {
        let event = Event::new(source, name, body)?;
        let draft = Draft::read(event.body());
        let usable = draft.is_some();
        if let Some(draft) = draft {
            self.take(source, name, draft);
        }
        Ok(usable)
    }

    fn take(&mut self, source: &str, name: &str, draft: Draft) {
        let at = self.targets.iter().position(|t| t.source == source && t.name == name);
        if let Some(at) = at {
            self.try_out(at, draft);
        }
    }

    /// The first events of a target: the simplest of its type, and one that each path is there in.
    fn begin(&mut self, at: usize) {
        let Some(target) = self.targets.get(at) else { return };
        let mut drafts = target.spots.beginnings(&mut self.rng);
        // What the analysis finds is further than chance comes for a long time.
        let mut analysis = Analysis::new(self.ruleset.typed());
        for (sensor, rule) in &target.rules {
            let placed = Placed { sensor, rule };
            let matching = analysis.matching(placed);
            drafts.extend(matching.witness().and_then(Draft::found));
            for (expr, _) in looked_at(sensor, rule).into_iter().take(MOST_ATOMS) {
                for want in [Truths::TRUE, Truths::FALSE, Truths::UNKNOWN] {
                    let reaching = analysis.reaching(placed, expr, want);
                    drafts.extend(reaching.witness().and_then(Draft::found));
                }
            }
            if matching.is_never() {
                self.never.insert(&rule.name);
            }
        }
        drafts.into_iter().for_each(|draft| self.try_out(at, draft));
    }

    /// Whether an event is known that one of two rules matches and the other one does not.
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

    /// Makes one event and decides it.
    pub fn step(&mut self) {
        if !self.begun {
            self.begun = true;
            (0..self.targets.len()).for_each(|at| self.begin(at));
        }
        if self.targets.is_empty() {
            return;
        }
        let at = usize::try_from(self.runs).unwrap_or(0) % self.targets.len();
        let Some(target) = self.targets.get(at) else { return };
        let draft = mutate::next(target, &mut self.rng);
        self.try_out(at, draft);
    }

    /// How many events were decided.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How many different things were seen of the rules: outcomes, truths, and how far each came.
    pub fn seen(&self) -> usize {
        self.features.len()
    }

    /// How many rules fired, of how many.
    pub fn fired(&self) -> (usize, usize) {
        let rules = self.targets.iter().flat_map(|target| &target.rules);
        (self.fired.len(), rules.count())
    }

    /// What was found, in the order of the rules.
    pub fn findings(&self) -> Vec<Finding> {
        finding::all(self)
    }

    /// The same as warnings, each at its place.
    pub fn problems(&self) -> Diagnostics {
        finding::problems(self)
    }
}
