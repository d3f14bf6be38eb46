//! Loads rule files and checks them.

mod cache;
mod examined;
mod preset_info;
mod presets;
mod reader;
mod routes;

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

pub use cache::LoadCache;
pub use examined::Examined;
pub use preset_info::{PresetEvent, PresetInfo, PresetSecret, PresetSetting};

use crate::check::{self, CheckedFiles, ParsedFile};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::eval::Plan;
use crate::flow::RuleLimits;
use crate::loader::{Loader, resolved};
use crate::schema::Registry;
use crate::semantics::DEFAULT_MAX_WORK;
use crate::span::{FileId, Files, SourceFile};
use crate::stdlib;
use crate::syntax::ast::Use;
use crate::typed;
use reader::FileReader;

/// A set of rules that was loaded and checked without errors.
///
/// ```
/// use fuse_rules::{Event, Fuses, Registry, Ruleset};
/// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Calls a human.").field(Field::required(
///         "team",
///         FieldType::String,
///         "Whom to call.",
///     )));
/// let rules = r#"
///     source tickets queue { event opened }
///     sensor urgent on tickets.opened {
///       rule call { when body.severity >= 4  trigger page { team = body.team } }
///     }
/// "#;
/// let ruleset = Ruleset::parse("tickets.rules", rules, &registry)?;
/// let plan = ruleset.plan();
///
/// let event = Event::new("tickets", "opened", br#"{"severity": 5, "team": "db"}"#)?;
/// let evaluation = plan.evaluate(&event, &Fuses::default());
/// let action = evaluation.decisions[0].action.as_ref().expect("it fires");
/// assert_eq!(action.fields["team"], "db");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Ruleset {
    rules: typed::Rules,
    /// The files that the caller named.
    named: Vec<FileId>,
    detail: Option<Detail>,
    warnings: Diagnostics,
    /// The maximum number of values that a rule may examine of one event.
    max_work: u64,
}

/// Additional data for tools.
#[derive(Debug)]
struct Detail {
    /// The syntax trees.
    trees: Vec<ParsedFile>,
    registry: Registry,
}

impl Ruleset {
    /// Loads files and the files that they `use`. If there is any error, nothing is loaded.
    ///
    /// # Errors
    /// All problems of all files.
    pub fn load<S: AsRef<str>>(
        names: &[S],
        loader: &dyn Loader,
        registry: &Registry,
    ) -> Result<Self, Diagnostics> {
        // The tests of this crate compare the checker's claims with evaluation.
        Self::read(names, loader, registry, cfg!(test)).into_result()
    }

    /// Loads files like [`Ruleset::load`], and keeps additional data for tools: the syntax trees,
    /// what the checker knows about each expression, and the tests of the rules, which are checked,
    /// too. This takes several times the memory; the plan is the same.
    ///
    /// # Errors
    /// All problems of all files.
    pub fn load_in_detail<S: AsRef<str>>(
        names: &[S],
        loader: &dyn Loader,
        registry: &Registry,
    ) -> Result<Self, Diagnostics> {
        Self::read(names, loader, registry, true).into_result()
    }

    /// Reads and checks files like [`Ruleset::load_in_detail`], and returns everything that is known about
    /// them even if there are errors: for editors.
    pub fn examine<S: AsRef<str>>(
        names: &[S],
        loader: &dyn Loader,
        registry: &Registry,
    ) -> Examined {
        Self::read(names, loader, registry, true)
    }

    fn read<S: AsRef<str>>(
        names: &[S],
        loader: &dyn Loader,
        registry: &Registry,
        keep: bool,
    ) -> Examined {
        let mut reader = FileReader::new(loader, registry, None);
        reader.read_all(names);
        let named = reader.named(names);
        let FileReader { files, problems, parsed, .. } = reader;
        let mut known = CheckedFiles::default();
        let (rules, problems) =
            Self::checked(files, &parsed, registry, loader, keep, &mut known, problems);
        let rules = rules.map(|rules| {
            let detail = || Detail { trees: parsed, registry: registry.clone() };
            Self { detail: keep.then(detail), ..Self::new(rules, named, &problems) }
        });
        Examined { rules, problems }
    }

    /// The rules, or what is known about them if there are errors; and the problems.
    fn checked(
        files: Files,
        parsed: &[ParsedFile],
        registry: &Registry,
        loader: &dyn Loader,
        keep: bool,
        known: &mut CheckedFiles,
        mut problems: Vec<Diagnostic>,
    ) -> (Result<typed::Rules, Box<typed::Rules>>, Diagnostics) {
        let rules = check::check(files, parsed, registry, loader, keep, known, &mut problems);
        let failed = |problems: &[Diagnostic]| {
            problems.iter().any(|problem| problem.severity == Severity::Error)
        };
        if !failed(&problems) {
            problems.extend(routes::problems(&rules));
        }
        let failed = failed(&problems);
        let problems = Diagnostics::new(rules.files.clone(), problems);
        (if failed { Err(Box::new(rules)) } else { Ok(rules) }, problems)
    }

    fn new(rules: typed::Rules, named: Vec<FileId>, warnings: &Diagnostics) -> Self {
        let (warnings, max_work) = (warnings.clone(), DEFAULT_MAX_WORK);
        Self { rules, named, detail: None, warnings, max_work }
    }

    /// Loads one text that uses no other file.
    ///
    /// # Errors
    /// All its problems.
    pub fn parse(name: &str, text: &str, registry: &Registry) -> Result<Self, Diagnostics> {
        Self::load(&[name], &BTreeMap::from([(name, text)]), registry)
    }

    /// The warnings. The rules can be loaded despite them. Often there are none.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Whether a rule has a `concurrency`.
    pub fn limits_concurrency(&self) -> bool {
        let mut rules = self.rules.sensors.iter().flat_map(|sensor| &sensor.rules);
        rules.any(|rule| rule.flow.iter().any(|clause| clause.flow.holds_places()))
    }

    /// The limits of all rules.
    pub fn limits(&self) -> RuleLimits {
        let mut limits = RuleLimits::default();
        for rule in self.typed().sensors.iter().flat_map(|sensor| &sensor.rules) {
            for clause in &rule.flow {
                let limiter = clause.limiter.as_deref();
                limits.add(&rule.name, &clause.identity, limiter, clause.flow);
            }
        }
        limits
    }

    /// Compiles the rules for evaluation.
    pub fn plan(&self) -> Plan {
        Plan::compile(&self.rules).with_max_work(self.max_work)
    }

    /// Changes the limit on the work of plans for one event: the number of values that one rule may
    /// examine. The default is 50 million. If a rule would have to examine more, it is
    /// rejected, and the other rules decide the event. Whether it would depends only on the rule
    /// and on the lengths of the event's lists and texts.
    ///
    /// ```
    /// use fuse_rules::{Event, Fuses, Outcome, Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let rules = r#"source q queue { event e }
    ///                sensor s on q.e {
    ///                  rule expensive { when any(x in body.list: x == 1)  trigger page {} }
    ///                  rule cheap { when body.first == 0  trigger page {} }
    ///                }"#;
    /// let plan = Ruleset::parse("a.rules", rules, &registry)?.with_max_work(40).plan();
    /// let event = Event::new("q", "e", br#"{"first": 0, "list": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}"#)?;
    /// let decisions = plan.evaluate(&event, &Fuses::default()).decisions;
    /// let outcomes: Vec<_> = decisions.iter().map(|decision| &decision.outcome).collect();
    /// assert_eq!(outcomes, [&Outcome::Rejected, &Outcome::Fired]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_max_work(self, max_work: u64) -> Self {
        Self { max_work, ..self }
    }

    /// The files that were read, in reading order.
    pub fn files(&self) -> &Files {
        &self.rules.files
    }

    /// Decides an event with the reference evaluator. Fuzzers compare the plan with it.
    #[cfg(fuzzing)]
    #[doc(hidden)]
    pub fn reference(
        &self,
        event: &crate::event::Event<'_>,
        fuses: &crate::fuses::Fuses,
    ) -> crate::decision::Evaluation {
        self.plan().seen(event, |seen| match seen {
            Ok(event) => {
                crate::reference::evaluate_within(&self.rules, event, fuses, None, self.max_work)
            }
            Err(why) => crate::decision::Evaluation::refused(&why.to_string(), std::iter::empty()),
        })
    }

    /// The syntax trees; empty unless the rules were loaded in detail.
    pub(crate) fn trees(&self) -> &[ParsedFile] {
        self.detail.as_ref().map_or(&[], |detail| &detail.trees)
    }

    /// The files that the caller named, without the files that they use.
    pub(crate) fn named(&self) -> &[FileId] {
        &self.named
    }

    /// The files that the loader read, and whether the caller named them. With these, the rules can be loaded again.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use fuse_rules::{Registry, Ruleset};
    ///
    /// let files = BTreeMap::from([
    ///     ("main.rules", "use \"teams.rules\"\nuse std \"github\""),
    ///     ("teams.rules", "const on-call = \"db\""),
    /// ]);
    /// let ruleset = Ruleset::load(&["main.rules"], &files, &Registry::new())?;
    /// let read: Vec<_> = ruleset.loaded_files().map(|(file, named)| (file.name(), named)).collect();
    /// assert_eq!(read, [("main.rules", true), ("teams.rules", false)]);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    pub fn loaded_files(&self) -> impl Iterator<Item = (&SourceFile, bool)> {
        let named: FxHashSet<FileId> = self.named.iter().copied().collect();
        let files = self.files().ids().map(move |(id, file)| (file, named.contains(&id)));
        files.filter(|(file, _)| {
            stdlib::module_of(file.name()).is_none() && !stdlib::is_preset(file.name())
        })
    }

    /// The registry that the rules were checked with, if they were loaded in detail.
    pub(crate) fn registry(&self) -> Option<&Registry> {
        self.detail.as_ref().map(|detail| &detail.registry)
    }

    pub(crate) fn typed(&self) -> &typed::Rules {
        &self.rules
    }
}

/// The name of the file that a `use` refers to.
pub(crate) fn target(from: &str, used: &Use) -> String {
    if used.std { stdlib::file_name(&used.name.text) } else { resolved(from, &used.name.text) }
}
