//! Runs the `test` blocks of rules: evaluates the events that a test sends, and compares the decisions
//! with the expectations. Coverage and mutation testing measure the quality of the tests.
//!
//! This module reads no files and starts no threads. The caller provides both.

mod blow;
mod blown;
mod body_encoder;
mod coverage;
mod execute;
mod expectations;
mod fields;
mod mutants;
mod reactions;
mod scope;
#[cfg(test)]
mod tests;
mod timeline;
mod update;

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::decision::Decision;
use crate::decision::Outcome;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::eval::{ArrivedEvent, Plan};
use crate::event::Event;
use crate::loader::{Loader, normalized};
use crate::ruleset::Ruleset;
use crate::span::{Files, Span};
use crate::typed::{self, Body, TestStep};
pub(crate) use body_encoder::BodyEncoder;
pub(crate) use coverage::guarded_atoms;
pub use coverage::{AtomCoverage, Coverage, FuseCoverage, RuleCoverage};
use execute::SentEvent;
pub use mutants::Mutant;
use scope::{TestScope, Visibility};
use timeline::Ended;

/// A check that the backend of a trigger makes before it acts. It may turn a fired decision into a
/// rejected one.
pub type Backends<'a> = &'a (dyn Fn(&mut Decision, &Event<'_>) + Sync);

/// What a source does with an event before any rule sees it, except for decoding its body.
pub trait EventAdmission: Sync {
    /// Adds the headers, which a test gives as the sender would send them, and the sender's id.
    ///
    /// # Errors
    /// Why the source refuses the event.
    fn admit<'e>(
        &self,
        plan: &'e Plan,
        event: Event<'e>,
        headers: &[(String, String)],
    ) -> Admitted<'e>;
}

/// The event that a source admits; `None` if the request matches no event; or why the source refuses it.
pub type Admitted<'e> = Result<Option<ArrivedEvent<'e>>, Box<dyn std::error::Error>>;

/// The tests of a rule set, with their events loaded.
///
/// ```
/// use std::collections::BTreeMap;
/// use fuse_rules::{Registry, Ruleset};
/// use fuse_rules::schema::{Schema, SourceSchema};
/// use fuse_rules::testing::Tests;
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Pages the engineer on call."));
/// let files = BTreeMap::from([("a.rules", r#"
///     source tickets queue { event opened }
///     sensor urgent on tickets.opened { rule call { when body.severity >= 4  trigger page {} } }
///
///     test "a severe ticket pages someone" {
///       send tickets.opened body { severity = 5 }
///       expect call once
///     }
/// "#)]);
/// let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry)?;
/// let tests = Tests::new(&ruleset, &files);
/// assert_eq!(tests.name(0), "a severe ticket pages someone");
/// assert!(tests.run(0).is_ok());
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
pub struct Tests<'r> {
    ruleset: &'r Ruleset,
    plan: Plan,
    files: BTreeMap<String, Result<String, String>>,
    backends: Option<Backends<'r>>,
    admission: Option<&'r dyn EventAdmission>,
    /// The sensors that listen to each event, by source and name.
    listening: FxHashMap<(&'r str, &'r str), Vec<&'r typed::Sensor>>,
    visibility: Visibility<'r>,
}

impl std::fmt::Debug for Tests<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tests").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'r> Tests<'r> {
    /// Loads the tests of a rule set that was [loaded in detail](Ruleset::load_in_detail), including the
    /// event files that they send. If a file cannot be read, the tests that send it fail.
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
            for event in &sensor.events {
                listening.entry(event.as_pair()).or_default().push(&**sensor);
            }
        }
        let (plan, visibility) = (ruleset.plan(), Visibility::new(ruleset));
        Self { ruleset, plan, files, backends: None, admission: None, listening, visibility }
    }

    /// Passes every fired decision to a backend, which may reject it.
    #[must_use]
    pub fn backends(self, backends: Backends<'r>) -> Self {
        Self { backends: Some(backends), ..self }
    }

    /// Passes every event to its source, which may refuse it: the test then fails. Without this, every event
    /// that is JSON is accepted.
    #[must_use]
    pub fn admission(self, admission: &'r dyn EventAdmission) -> Self {
        Self { admission: Some(admission), ..self }
    }

    /// The number of tests.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether there are no tests.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// The name of a test; empty if the index is out of range.
    pub fn name(&self, test: usize) -> &str {
        self.all().get(test).map_or("", |test| &test.name)
    }

    /// The file that contains a test; empty if the index is out of range.
    pub fn file(&self, test: usize) -> &str {
        let file = self.all().get(test).and_then(|test| self.ruleset.files().get(test.span.file));
        file.map_or("", |file| file.name())
    }

    /// The indexes of the tests in these files. Use the names that the rule set was loaded with.
    pub fn in_files<S: AsRef<str>>(&self, names: &[S]) -> Vec<usize> {
        let names: FxHashSet<String> = names.iter().map(|name| normalized(name.as_ref())).collect();
        (0..self.len()).filter(|test| names.contains(self.file(*test))).collect()
    }

    /// The location of a test, as `file:line:column`.
    pub fn place(&self, test: usize) -> String {
        let test = self.all().get(test);
        test.map_or_else(String::new, |test| self.ruleset.files().locate(test.span))
    }

    /// Calls `each` with every decision whose outcome a test expects.
    pub(crate) fn expected(&self, each: &mut dyn FnMut(&Decision)) {
        for test in self.all() {
            let Ok(events) = self.execute(test) else { continue };
            for group in self.groups(test, &events) {
                for expect in &group.expected {
                    if let typed::Expected::Rule(expected) = &expect.what {
                        let decisions = group.decisions().map(|(_, decision)| decision);
                        decisions
                            .filter(|d| d.rule == expected.rule && d.outcome == expected.outcome)
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

    /// Runs a test. Evaluates its events in order; an earlier event may suppress the action of a later one
    /// through `once`, and end its wait. `at` ends the waits that are due by then. Triggers do not act.
    ///
    /// # Errors
    /// One or more expectations are not met. The diagnostics show what happened instead and why.
    pub fn run(&self, test: usize) -> Result<(), Diagnostics> {
        let Some(test) = self.all().get(test) else { return Ok(()) };
        let problems = match self.execute(test) {
            Ok(events) => self.failures(test, &events),
            Err(problem) => vec![*problem],
        };
        if problems.is_empty() {
            return Ok(());
        }
        Err(Diagnostics::new(self.ruleset.files().clone(), problems))
    }

    /// The problems of those tests, given by index, whose events cannot be sent: nothing can be expected of them.
    pub fn unsent(&self, tests: impl IntoIterator<Item = usize>) -> Diagnostics {
        let tests = tests.into_iter().filter_map(|test| self.all().get(test));
        let problems = tests.filter_map(|test| self.events(test).err()).map(|problem| *problem);
        Diagnostics::new(self.ruleset.files().clone(), problems.collect())
    }

    /// The parts of the rules that the tests do not cover, as warnings.
    pub fn uncovered(&self, coverage: &Coverage) -> Diagnostics {
        let rules = coverage.rules.iter().flat_map(|rule| {
            rule.missing().map(|outcome| {
                let message = format!("rule `{}` {} in a test", rule.rule, never(outcome));
                Diagnostic::warning(Code::E0606, rule.span, message).label("here")
            })
        });
        let flow = coverage.rules.iter().flat_map(|rule| {
            rule.missing_flow().map(|clause| {
                let message =
                    format!("`{clause}` never holds rule `{}` back in a test", rule.rule);
                Diagnostic::warning(Code::E0606, rule.span, message).label("here").help(
                    "send events until the clause holds one back, and expect it to be `suppressed`, or \
                     `counted` by `after`",
                )
            })
        });
        let reactions = coverage.rules.iter().flat_map(|rule| {
            rule.missing_reactions().map(|kind| {
                let message = format!("no test expects what rule `{}` does `on {kind}`", rule.rule);
                Diagnostic::warning(Code::E0606, rule.span, message)
                    .label("here")
                    .help(format!("write `expect {} on {kind} once {{ … }}`", rule.rule))
            })
        });
        let fuses = coverage.fuses.iter().filter(|fuse| !fuse.blew).map(|fuse| {
            let message = format!("`{}` never blows fuse `{}` in a test", fuse.clause, fuse.fuse);
            Diagnostic::warning(Code::E0606, fuse.span, message).label("here").help(format!(
                "send more events than it lets through, and write `expect fuse {} blown`",
                fuse.fuse
            ))
        });
        let flow = flow.chain(reactions).chain(fuses);
        let atoms = coverage.atoms.iter().filter_map(|atom| {
            let missing = atom.missing();
            let missing = (!missing.is_empty()).then(|| missing.join(" or "))?;
            let message = format!("`{}` is never {missing} in a test", atom.text);
            Some(
                Diagnostic::warning(Code::E0606, atom.span, message)
                    .label(format!("never {}", atom.missing().join(", never ")))
                    .help(help(atom)),
            )
        });
        Diagnostics::new(self.ruleset.files().clone(), rules.chain(flow).chain(atoms).collect())
    }

    /// The surviving mutants, as warnings.
    pub fn survivors(&self, mutants: &[Mutant]) -> Diagnostics {
        let survivors = mutants.iter().filter(|mutant| mutant.killed_by.is_none());
        let problems = survivors.map(|mutant| {
            let message = format!("no test fails if {}", mutant.what);
            Diagnostic::warning(Code::E0607, mutant.span, message)
                .label(format!("in {}", names(&mutant.rules)))
                .help(match (&mutant.test, &mutant.event) {
                    (Some(test), _) => format!("add this test:\n\n{}", test.trim_end()),
                    (None, Some(body)) if mutant.is_decoded => {
                        format!("add a test whose decoded body is {body}")
                    }
                    (None, Some(body)) => format!("add a test that sends this event: {body}"),
                    (None, None) => {
                        "add a test with an event for which this makes a difference".into()
                    }
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

/// Consecutive steps of a test without an expectation, with the expectations that follow them.
struct Group<'t, 'p> {
    /// The events that it sends.
    sent: Vec<&'p SentEvent<'t>>,
    /// What ended in these steps, with the index of its event.
    ended: Vec<(usize, &'p Ended)>,
    expected: Vec<&'t typed::Expect>,
    scope: Rc<TestScope<'t>>,
}

impl<'p> Group<'_, 'p> {
    /// The decisions about its events, and about what ended, each with the index of its event.
    fn decisions(&self) -> impl Iterator<Item = (usize, &'p Decision)> {
        let ended = self.ended.iter().filter(|(_, ended)| !ended.is_assumed);
        let ended = ended.map(|(event, ended)| (*event, &ended.decision));
        let sent = self.sent.iter().flat_map(|sent| {
            sent.evaluation.decisions.iter().map(move |decision| (sent.number, decision))
        });
        sent.chain(ended)
    }

    /// The same with the decisions that would follow if actions failed or succeeded.
    fn all_decisions(&self) -> impl Iterator<Item = (usize, &'p Decision)> {
        let ended = self.ended.iter().filter(|(_, ended)| ended.is_assumed);
        let ended = ended.map(|(event, ended)| (*event, &ended.decision));
        let sent = self
            .sent
            .iter()
            .flat_map(|sent| sent.assumed.iter().map(move |decision| (sent.number, decision)));
        self.decisions().chain(sent).chain(ended)
    }
}

impl Tests<'_> {
    /// Splits a test into groups.
    fn groups<'t, 'p>(
        &'t self,
        test: &'t typed::Test,
        events: &'p [SentEvent<'t>],
    ) -> Vec<Group<'t, 'p>> {
        let scope = Rc::new(self.scope(test));
        let mut groups: Vec<Group<'t, 'p>> = Vec::new();
        let mut sent = events.iter();
        for (number, step) in test.steps.iter().enumerate() {
            if let TestStep::Expect(expect) = step {
                if let Some(group) = groups.last_mut() {
                    group.expected.push(expect);
                }
                continue;
            }
            if groups.last().is_none_or(|group| !group.expected.is_empty()) {
                let scope = Rc::clone(&scope);
                let (sent, ended, expected) = (Vec::new(), Vec::new(), Vec::new());
                groups.push(Group { sent, ended, expected, scope });
            }
            let Some(group) = groups.last_mut() else { continue };
            if let TestStep::Send(_) = step {
                group.sent.extend(sent.next());
            }
            for sent in events {
                let ended = sent.ended.iter().filter(|ended| ended.step == number);
                group.ended.extend(ended.map(|ended| (sent.number, ended)));
            }
        }
        groups
    }
}

/// The absence of an outcome, as a verb phrase after the name of a rule.
fn never(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fired => "never fires",
        Outcome::NotMatched => "never fails to match",
        Outcome::Unknown => "is never unknown",
        Outcome::Gated => "is never gated",
        Outcome::Counted => "is never counted",
        Outcome::Suppressed => "is never suppressed",
        Outcome::Waiting => "never waits",
        Outcome::Cancelled => "is never cancelled",
        Outcome::Superseded => "is never superseded",
        Outcome::Declined => "is never declined",
        Outcome::Expired => "never expires",
        Outcome::Shadow => "is never in shadow",
        Outcome::Rejected => "is never rejected",
    }
}

fn help(atom: &AtomCoverage) -> &'static str {
    match atom.missing().as_slice() {
        ["unknown"] => "send an event without the value, or with a value of another type",
        _ => "send an event for which it is, and state what you expect",
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

/// Whether a test expects an outcome that only a full evaluation reports.
fn wants_all(test: &typed::Test) -> bool {
    test.steps.iter().any(|step| match step {
        TestStep::Expect(typed::Expect { what: typed::Expected::Rule(rule), .. }) => {
            matches!(rule.outcome, Outcome::Unknown | Outcome::NotMatched | Outcome::Rejected)
        }
        _ => false,
    })
}
