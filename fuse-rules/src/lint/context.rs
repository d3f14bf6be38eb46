//! What lints know of the rules, and where they put what they find.

use std::cell::{OnceCell, RefCell, RefMut};

use rustc_hash::{FxHashMap, FxHashSet};

use super::allow::Allows;
use super::facts::Study;
use super::references::Uses;
use super::templates::Templates;
use super::{Lint, visit};
use crate::check::ParsedFile;
use crate::diagnostic::{Diagnostic, Severity, Topic};
use crate::ruleset::{Ruleset, target};
use crate::schema::Registry;
use crate::span::{FileId, Files, Span};
use crate::stdlib;
use crate::syntax::ast;
use crate::typed;
use crate::types::Known;

/// Rules as lints see them: as they are written, as they were checked, and what the checker found.
pub(crate) struct Context<'a> {
    /// The checked rules. Nothing of them stands in the standard library.
    pub(crate) rules: &'a typed::Rules,
    /// The kinds of sources and triggers.
    pub(crate) registry: &'a Registry,
    /// The files of the rules, and those of workflow templates.
    pub(crate) files: &'a Files,
    templates: Option<&'a Templates<'a>>,
    /// The comments that allow something.
    pub(super) allows: Allows,
    trees: &'a [ParsedFile],
    named: &'a [FileId],
    written: OnceCell<FxHashMap<Span, &'a ast::Expr>>,
    uses: OnceCell<Uses<'a>>,
    by_name: OnceCell<FxHashMap<&'a str, usize>>,
    triggers: OnceCell<FxHashMap<Span, &'a ast::Trigger>>,
    ruleset: &'a Ruleset,
    study: OnceCell<RefCell<Study<'a>>>,
}

impl<'a> Context<'a> {
    /// `None` for rules that were not loaded in detail.
    pub(super) fn new(
        ruleset: &'a Ruleset,
        files: &'a Files,
        templates: Option<&'a Templates<'a>>,
    ) -> Option<Self> {
        let context = Self {
            rules: ruleset.typed(),
            registry: ruleset.registry()?,
            files,
            templates,
            allows: Allows::default(),
            trees: ruleset.trees(),
            named: ruleset.named(),
            written: OnceCell::new(),
            uses: OnceCell::new(),
            by_name: OnceCell::new(),
            triggers: OnceCell::new(),
            ruleset,
            study: OnceCell::new(),
        };
        let allows = context.trees().map(|file| Allows::of(file.id, files)).collect();
        Some(Self { allows, ..context })
    }

    /// The files as they are written, without those of the standard library.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &'a ParsedFile> + use<'a> {
        let files = self.files;
        self.trees.iter().filter(move |file| {
            files.get(file.id).is_some_and(|file| stdlib::module_of(file.name()).is_none())
        })
    }

    /// The workflow templates, where they are known. Else the lint says that it is unsure of all files.
    pub(crate) fn templates(&self, out: &mut Findings) -> Option<&'a Templates<'a>> {
        if self.templates.is_none() {
            self.trees().for_each(|file| out.is_unsure_of(file.id));
        }
        self.templates
    }

    /// The trigger whose kind stands at a place, as it is written.
    pub(crate) fn trigger(&self, kind: Span) -> Option<&'a ast::Trigger> {
        let triggers = self.triggers.get_or_init(|| {
            let sensors = self.trees().flat_map(|file| &file.tree.sensors);
            let triggers = sensors.flat_map(|sensor| &sensor.rules).flat_map(|rule| &rule.triggers);
            triggers.map(|trigger| (trigger.kind.span, trigger)).collect()
        });
        triggers.get(&kind).copied()
    }

    /// What the analysis tells of the rules. One lint at a time has it.
    pub(crate) fn study(&self) -> RefMut<'_, Study<'a>> {
        let study = || RefCell::new(Study::of(self.rules, self.ruleset.plan()));
        self.study.get_or_init(study).borrow_mut()
    }

    /// The file that a `use` of another one takes in.
    pub(crate) fn used(&self, file: &ParsedFile, used: &ast::Use) -> Option<&'a ParsedFile> {
        let name = self.files.get(file.id)?.name();
        let id = self.by_name().get(target(name, used).as_str())?;
        self.trees.get(*id)
    }

    fn by_name(&self) -> &FxHashMap<&'a str, usize> {
        self.by_name.get_or_init(|| {
            let name = |file: &ParsedFile| Some(self.files.get(file.id)?.name());
            let all = self.trees.iter().enumerate();
            all.filter_map(|(at, file)| Some((name(file)?, at))).collect()
        })
    }

    /// The files of whose declarations it can be told that nothing uses them: the caller named them, and
    /// they do not stand there for others alone. Of the others the lint says that it is unsure.
    pub(crate) fn judged(&self, out: &mut Findings) -> Judged<'a> {
        let used: FxHashSet<FileId> =
            self.trees().flat_map(|file| file.uses.iter().copied()).collect();
        let named: FxHashSet<FileId> = self.named.iter().copied().collect();
        let mut files = Vec::new();
        for file in self.trees() {
            if named.contains(&file.id)
                && (!file.tree.sensors.is_empty() || used.contains(&file.id))
            {
                files.push(file);
            } else {
                out.is_unsure_of(file.id);
            }
        }
        Judged { ids: files.iter().map(|file| file.id).collect(), files }
    }

    /// The expression that stands at a place, as it is written. Where parentheses stand around one
    /// that begins and ends with them, it is with them.
    pub(crate) fn written(&self, span: Span) -> Option<&'a ast::Expr> {
        let written = self.written.get_or_init(|| {
            let mut written = FxHashMap::default();
            for file in self.trees() {
                visit::expressions(&file.tree, &mut |expr| {
                    written.entry(expr.span).or_insert(expr);
                });
            }
            written
        });
        written.get(&span).copied()
    }

    /// Which names of declarations are used.
    pub(crate) fn uses(&self) -> &Uses<'a> {
        self.uses.get_or_init(|| Uses::of(self.trees()))
    }

    /// What the checker found of the expression at a place.
    pub(crate) fn known(&self, span: Span) -> Option<&'a Known> {
        self.rules.known.get(&span)
    }

    /// What stands at a place.
    pub(crate) fn text(&self, span: Span) -> &'a str {
        self.files.text(span)
    }
}

/// The files of whose declarations it can be told whether anything uses them.
pub(crate) struct Judged<'a> {
    files: Vec<&'a ParsedFile>,
    ids: FxHashSet<FileId>,
}

impl<'a> Judged<'a> {
    pub(crate) fn files(&self) -> impl Iterator<Item = &'a ParsedFile> {
        self.files.iter().copied()
    }

    pub(crate) fn contains(&self, file: FileId) -> bool {
        self.ids.contains(&file)
    }
}

/// What one lint finds.
pub(crate) struct Findings {
    lint: &'static Lint,
    severity: Severity,
    problems: Vec<Diagnostic>,
    unsure_of: FxHashSet<FileId>,
}

impl Findings {
    pub(super) fn new(lint: &'static Lint, severity: Severity) -> Self {
        Self { lint, severity, problems: Vec::new(), unsure_of: FxHashSet::default() }
    }

    /// Adds something that was found at a place; `more` says what else there is to say of it.
    pub(crate) fn add(
        &mut self,
        span: Span,
        message: impl Into<String>,
        more: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let mut problem = more(Diagnostic::error(Topic::Lint(self.lint), span, message));
        problem.severity = self.severity;
        self.problems.push(problem);
    }

    /// Says that the lint cannot tell what is to be found in a file.
    pub(crate) fn is_unsure_of(&mut self, file: FileId) {
        self.unsure_of.insert(file);
    }

    /// Those that no comment allows.
    pub(super) fn without_allowed(self, allows: &Allows) -> Vec<Diagnostic> {
        allows.filter(self.lint, self.problems, &self.unsure_of)
    }
}
