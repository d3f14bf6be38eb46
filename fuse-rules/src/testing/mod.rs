//! Tests of rules: `test` declarations are played through the plan, and what came of them is held
//! against what they expect. Coverage and mutants say how much such tests are worth.
//!
//! Nothing here reads a file or starts a thread: who runs tests brings both.

mod coverage;
mod fields;
mod judge;
mod mutants;
mod play;
#[cfg(test)]
mod tests;
mod update;

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::decision::Decision;
use crate::decision::Outcome;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::eval::Plan;
use crate::event::Event;
use crate::loader::{Loader, normalized};
use crate::ruleset::Ruleset;
use crate::span::{Files, Span};
use crate::typed::{self, Body, TestStep};
pub(crate) use coverage::looked_at;
pub use coverage::{AtomCoverage, Coverage, RuleCoverage};
pub use mutants::Mutant;
use play::Played;

/// What a backend would make of what fired, for whoever has one at hand: it may turn a fired
/// decision into a rejected one.
pub type Backends<'a> = &'a (dyn Fn(&mut Decision, &Event<'_>) + Sync);

/// The tests of a rule set, ready to run: their events are read.
///
/// ```
/// use std::collections::BTreeMap;
/// use fuse_rules::{Registry, Ruleset, Schema, SourceSchema, Tests};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Calls a human."));
/// let files = BTreeMap::from([("a.rules", r#"
///     source tickets queue { event opened }
///     sensor urgent on tickets.opened { rule call { when body.severity >= 4  trigger page {} } }
///
///     test "a severe one calls" {
///       send tickets.opened body { severity = 5 }
///       expect call once
///     }
/// "#)]);
/// let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry)?;
/// let tests = Tests::new(&ruleset, &files);
/// assert_eq!(tests.name(0), "a severe one calls");
/// assert!(tests.run(0).is_ok());
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
pub struct Tests<'r> {
    ruleset: &'r Ruleset,
    plan: Plan,
    files: BTreeMap<String, Result<String, String>>,
    backends: Option<Backends<'r>>,
    /// The sensors of each event.
    listening: FxHashMap<(&'r str, &'r str), Vec<&'r typed::Sensor>>,
}

impl std::fmt::Debug for Tests<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tests").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'r> Tests<'r> {
    /// The tests of a rule set that was [loaded in detail](Ruleset::load_in_detail), with the events
    /// that they send from files. A file that cannot be read fails the tests that send it.
    pub fn new(ruleset: &'r Ruleset, loader: &dyn Loader) -> Self {
        let mut files = BTreeMap::new();
        for test in &ruleset.typed().tests {
            for step in &test.steps {
                if let TestStep::Send(typed::Send { body: Body::File { name, .. }, .. }) = step {
                    files
                        .entry(name.clone())
                        .or_insert_with(|| loader.load(name).map_err(|why| why.to_string()));
                }
            }
        }
        let mut listening: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for sensor in &ruleset.typed().sensors {
            let key = (sensor.source.as_str(), sensor.event.as_str());
            listening.entry(key).or_default().push(sensor);
        }
        Self { ruleset, plan: ruleset.plan(), files, backends: None, listening }
    }

    /// Has a backend look at everything that fires.
    #[must_use]
    pub fn backends(self, backends: Backends<'r>) -> Self {
        Self { backends: Some(backends), ..self }
    }

    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// The name of a test; empty for a number that no test has.
    pub fn name(&self, test: usize) -> &str {
        self.all().get(test).map_or("", |test| &test.name)
    }

    /// The file that a test stands in; empty for a number that no test has.
    pub fn file(&self, test: usize) -> &str {
        let file = self.all().get(test).and_then(|test| self.ruleset.files().get(test.span.file));
        file.map_or("", |file| file.name())
    }

    /// The tests that stand in these files, named as they were for loading them.
    pub fn of_files<S: AsRef<str>>(&self, names: &[S]) -> Vec<usize> {
        let names: FxHashSet<String> = names.iter().map(|name| normalized(name.as_ref())).collect();
        (0..self.len()).filter(|test| names.contains(self.file(*test))).collect()
    }

    /// Where a test stands, as `file:line:column`.
    pub fn place(&self, test: usize) -> String {
        let test = self.all().get(test);
        test.map_or_else(String::new, |test| self.ruleset.files().locate(test.span))
    }

    /// Calls `each` with every decision that a test expects by its outcome.
    pub(crate) fn expected(&self, each: &mut dyn FnMut(&Decision)) {
        for test in self.all() {
            let Ok(played) = self.play(test) else { continue };
            for group in groups(test, &played) {
                for expect in &group.expected {
                    if let typed::Expected::Rule(expected) = &expect.what {
                        let sent = group.sent.iter().flat_map(|sent| &sent.evaluation.decisions);
                        sent.filter(|d| d.rule == expected.rule && d.outcome == expected.outcome)
                            .for_each(&mut *each);
                    }
                }
            }
        }
    }

    /// Calls `each` with every event that a test sends.
    pub(crate) fn sent(&self, each: &mut dyn FnMut(&Event<'_>)) {
        for test in self.all() {
            self.events(test).iter().flatten().for_each(|sent| each(&sent.event));
        }
    }

    /// The files of the rules.
    pub fn files(&self) -> &'r Files {
        self.ruleset.files()
    }

    /// Runs a test. Its events are decided one after the other; what `once` holds back because of an
    /// earlier one is held back. Nothing is triggered.
    ///
    /// # Errors
    /// Every expectation that is not met, with what came instead and why.
    pub fn run(&self, test: usize) -> Result<(), Diagnostics> {
        let Some(test) = self.all().get(test) else { return Ok(()) };
        let problems = match self.play(test) {
            Ok(played) => self.judge(test, &played),
            Err(problem) => vec![*problem],
        };
        if problems.is_empty() {
            return Ok(());
        }
        Err(Diagnostics::new(self.ruleset.files().clone(), problems))
    }

    /// What of the rules these tests do not cover, each at its place, as warnings.
    pub fn uncovered(&self, coverage: &Coverage) -> Diagnostics {
        let rules = coverage.rules.iter().flat_map(|rule| {
            rule.missing().map(|outcome| {
                let message = format!("in no test rule `{}` {}", rule.rule, does(outcome));
                Diagnostic::warning(Code::E0606, rule.span, message).label("here")
            })
        });
        let atoms = coverage.atoms.iter().filter_map(|atom| {
            let missing = atom.missing();
            let missing = (!missing.is_empty()).then(|| missing.join(" or "))?;
            let message = format!("in no test `{}` is {missing}", atom.text);
            Some(
                Diagnostic::warning(Code::E0606, atom.span, message)
                    .label(format!("never {}", atom.missing().join(", never ")))
                    .help(help(atom)),
            )
        });
        Diagnostics::new(self.ruleset.files().clone(), rules.chain(atoms).collect())
    }

    /// The mutants that survived, each at its place, as warnings.
    pub fn survivors(&self, mutants: &[Mutant]) -> Diagnostics {
        let survivors = mutants.iter().filter(|mutant| mutant.killed_by.is_none());
        let problems = survivors.map(|mutant| {
            let message = format!("no test fails when {}", mutant.what);
            Diagnostic::warning(Code::E0607, mutant.span, message)
                .label(format!("in {}", names(&mutant.rules)))
                .help(match &mutant.event {
                    Some(body) => format!("say what is expected of this event: {body}"),
                    None => "expect something of an event for which it makes a difference".into(),
                })
        });
        Diagnostics::new(self.ruleset.files().clone(), problems.collect())
    }

    fn all(&self) -> &'r [typed::Test] {
        &self.ruleset.typed().tests
    }

    /// The rules that listen to an event, with their sensors.
    fn rules(
        &self,
        source: &str,
        event: &str,
    ) -> impl Iterator<Item = (&'r typed::Sensor, &'r typed::Rule)> {
        let sensors = self.listening.get(&(source, event)).map_or(&[] as &[_], Vec::as_slice);
        let sensors: Vec<&'r typed::Sensor> = sensors.to_vec();
        sensors.into_iter().flat_map(|sensor| sensor.rules.iter().map(move |rule| (sensor, rule)))
    }
}

/// The events of a test up to the next expectations, and these.
struct Group<'t, 'p> {
    sent: Vec<&'p Played<'t>>,
    expected: Vec<&'t typed::Expect>,
}

/// A test in groups.
fn groups<'t, 'p>(test: &'t typed::Test, played: &'p [Played<'t>]) -> Vec<Group<'t, 'p>> {
    let mut groups: Vec<Group<'t, 'p>> = Vec::new();
    let mut played = played.iter();
    for step in &test.steps {
        match step {
            TestStep::Send(_) => {
                if groups.last().is_none_or(|group| !group.expected.is_empty()) {
                    groups.push(Group { sent: Vec::new(), expected: Vec::new() });
                }
                if let Some(group) = groups.last_mut() {
                    group.sent.extend(played.next());
                }
            }
            TestStep::Expect(expect) => {
                if let Some(group) = groups.last_mut() {
                    group.expected.push(expect);
                }
            }
            TestStep::With { .. } | TestStep::At(_) => {}
        }
    }
    groups
}

/// What a rule does that comes to an outcome.
fn does(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fired => "fires",
        Outcome::NotMatched => "fails to match",
        Outcome::Unknown => "is unknown",
        Outcome::Gated => "is gated",
        Outcome::Suppressed => "is suppressed",
        Outcome::Rejected => "is rejected",
    }
}

fn help(atom: &AtomCoverage) -> &'static str {
    match atom.missing().as_slice() {
        ["unknown"] => "send an event that lacks the value, or has one of another kind",
        _ => "send an event for which it is, and say what is expected of it",
    }
}

/// `a`, or `a and 2 more`.
fn names(rules: &[String]) -> String {
    match rules {
        [] => "no rule".into(),
        [one] => format!("`{one}`"),
        [first, more @ ..] => format!("`{first}` and {} more", more.len()),
    }
}

fn failed(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::E0605, span, message)
}

/// Whether a test asks for outcomes that only every decision tells.
fn wants_all(test: &typed::Test) -> bool {
    test.steps.iter().any(|step| match step {
        TestStep::Expect(typed::Expect { what: typed::Expected::Rule(rule), .. }) => {
            matches!(rule.outcome, Outcome::Unknown | Outcome::NotMatched | Outcome::Rejected)
        }
        _ => false,
    })
}
