//! The input of the lints, and their findings.

use std::cell::{OnceCell, RefCell, RefMut};

use rustc_hash::{FxHashMap, FxHashSet};

use super::Lint;
use super::allow::Allows;
use super::facts::Facts;
use super::references::References;
use super::templates::TemplateSet;
use crate::check::ParsedFile;
use crate::diagnostic::{Diagnostic, Severity, Topic};
use crate::ruleset::{Ruleset, target};
use crate::schema::Registry;
use crate::span::{FileId, Files, Span};
use crate::stdlib;
use crate::syntax::{ast, visit};
use crate::typed;
use crate::types::Known;

/// The input of the lints: the syntax trees, the checked rules, and the types that the checker inferred.
pub(crate) struct LintContext<'a> {
    /// The checked rules, without the standard library.
    pub(crate) rules: &'a typed::Rules,
    /// The available kinds of sources and triggers.
    pub(crate) registry: &'a Registry,
    /// The files of the rules and of the workflow templates.
    pub(crate) files: &'a Files,
    templates: Option<&'a TemplateSet<'a>>,
    /// The `# fuse: allow(…)` comments.
    pub(super) allows: Allows,
    trees: &'a [ParsedFile],
    named: &'a [FileId],
    syntax: OnceCell<FxHashMap<Span, &'a ast::Expr>>,
    references: OnceCell<References>,
    by_name: OnceCell<FxHashMap<&'a str, usize>>,
    triggers: OnceCell<FxHashMap<Span, &'a ast::Trigger>>,
    ruleset: &'a Ruleset,
    facts: OnceCell<RefCell<Facts<'a>>>,
}

impl<'a> LintContext<'a> {
    /// Returns `None` if the rules were not loaded with [`Ruleset::load_in_detail`].
    pub(super) fn new(
        ruleset: &'a Ruleset,
        files: &'a Files,
        templates: Option<&'a TemplateSet<'a>>,
    ) -> Option<Self> {
        let context = Self {
            rules: ruleset.typed(),
            registry: ruleset.registry()?,
            files,
            templates,
            allows: Allows::default(),
            trees: ruleset.trees(),
            named: ruleset.named(),
            syntax: OnceCell::new(),
            references: OnceCell::new(),
            by_name: OnceCell::new(),
            triggers: OnceCell::new(),
            ruleset,
            facts: OnceCell::new(),
        };
        let allows = context.trees().map(|file| Allows::read(file.id, files)).collect();
        Some(Self { allows, ..context })
    }

    /// The parsed files, without the standard library.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &'a ParsedFile> + use<'a> {
        let files = self.files;
        self.trees.iter().filter(move |file| {
            files.get(file.id).is_some_and(|file| stdlib::module_of(file.name()).is_none())
        })
    }

    /// The workflow templates. If they are not available, marks all files as inconclusive.
    pub(crate) fn templates(&self, out: &mut Findings) -> Option<&'a TemplateSet<'a>> {
        if self.templates.is_none() {
            self.trees().for_each(|file| out.mark_inconclusive(file.id));
        }
        self.templates
    }

    /// The syntax of the trigger whose kind has this span.
    pub(crate) fn trigger(&self, kind: Span) -> Option<&'a ast::Trigger> {
        let triggers = self.triggers.get_or_init(|| {
            let sensors = self.trees().flat_map(|file| &file.tree.sensors);
            let triggers = sensors.flat_map(|sensor| &sensor.rules).flat_map(|rule| &rule.triggers);
            triggers.map(|trigger| (trigger.kind.span, trigger)).collect()
        });
        triggers.get(&kind).copied()
    }

    /// The results of the analysis. Only one lint may hold them at a time.
    pub(crate) fn facts(&self) -> RefMut<'_, Facts<'a>> {
        let new = || RefCell::new(Facts::new(self.rules, self.ruleset.plan()));
        self.facts.get_or_init(new).borrow_mut()
    }

    /// The file that a `use` refers to.
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

    /// The files in which a declaration that nothing uses is really unused. The caller must have named the
    /// file, and the file must contain sensors or be used by another file. Otherwise it may exist for rules
    /// that are not loaded. Marks all other files as inconclusive.
    pub(crate) fn conclusive_files(&self, out: &mut Findings) -> ConclusiveFiles<'a> {
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
                out.mark_inconclusive(file.id);
            }
        }
        ConclusiveFiles { ids: files.iter().map(|file| file.id).collect(), files }
    }

    /// The syntax of the outermost expression with this span.
    pub(crate) fn syntax(&self, span: Span) -> Option<&'a ast::Expr> {
        let syntax = self.syntax.get_or_init(|| {
            let mut syntax = FxHashMap::default();
            for file in self.trees() {
                visit::expressions(&file.tree, &mut |expr| {
                    syntax.entry(expr.span).or_insert(expr);
                });
            }
            syntax
        });
        syntax.get(&span).copied()
    }

    /// Which declarations the rules and the tests refer to.
    pub(crate) fn references(&self) -> &References {
        self.references.get_or_init(|| References::new(self.rules))
    }

    /// The type that the checker inferred for the expression with this span.
    pub(crate) fn known(&self, span: Span) -> Option<&'a Known> {
        self.rules.known.get(&span)
    }

    /// The text of a span.
    pub(crate) fn text(&self, span: Span) -> &'a str {
        self.files.text(span)
    }
}

/// The files in which a declaration that nothing uses is really unused.
pub(crate) struct ConclusiveFiles<'a> {
    files: Vec<&'a ParsedFile>,
    ids: FxHashSet<FileId>,
}

impl<'a> ConclusiveFiles<'a> {
    pub(crate) fn files(&self) -> impl Iterator<Item = &'a ParsedFile> {
        self.files.iter().copied()
    }

    pub(crate) fn contains(&self, file: FileId) -> bool {
        self.ids.contains(&file)
    }
}

/// The findings of one lint.
pub(crate) struct Findings {
    lint: &'static Lint,
    severity: Severity,
    problems: Vec<Diagnostic>,
    inconclusive: FxHashSet<FileId>,
}

impl Findings {
    pub(super) fn new(lint: &'static Lint, severity: Severity) -> Self {
        Self { lint, severity, problems: Vec::new(), inconclusive: FxHashSet::default() }
    }

    /// Adds a finding. `more` adds the label, help and fix to the diagnostic.
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

    /// Records that the lint cannot decide about a file. The absence of findings there means nothing.
    pub(crate) fn mark_inconclusive(&mut self, file: FileId) {
        self.inconclusive.insert(file);
    }

    /// The findings that no comment allows.
    pub(super) fn without_allowed(self, allows: &Allows) -> Vec<Diagnostic> {
        allows.filter(self.lint, self.problems, &self.inconclusive)
    }
}
