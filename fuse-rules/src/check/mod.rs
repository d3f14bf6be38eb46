//! Checks syntax trees and produces checked rules: names, kinds of values, schemas of blocks. It
//! reports all problems at once; an error in one rule does not hide those of the next.

mod addresses;
mod arithmetic;
mod attempts;
mod bindings;
mod blocks;
mod blow;
mod bodies;
mod calls;
mod conditionals;
mod conditions;
mod constants;
mod conversions;
mod definitions;
mod event_parts;
mod expected_fields;
mod expected_outcomes;
mod expressions;
mod flow;
mod fold;
mod foreign_functions;
mod fuse_reactions;
mod fuse_settings;
mod hours;
mod inclusions;
mod inline;
mod lets;
mod lookups;
mod names;
mod narrowing;
mod nested_blocks;
mod operands;
mod order;
mod paths;
mod patterns;
mod presets;
mod reactions;
mod references;
mod required_values;
mod results;
mod scope;
mod secrets;
mod sensors;
mod sources;
mod template_lookalikes;
mod test_blocks;
mod test_steps;
#[cfg(test)]
mod tests;
mod type_names;
mod unless;
mod value_keys;

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::loader::Loader;
use crate::schema::Registry;
use crate::span::{FileId, Files, Span};
use crate::syntax::ast;
use crate::typed;
use crate::value::Value;

use rustc_hash::FxHashMap;

use crate::types::Known;
pub(crate) use blocks::{cannot_be_left_out, given_twice};
use event_parts::EventView;
use inclusions::IncludedFiles;
use inline::ConditionTemplate;
use names::{DeclarationKind, Names};
use order::{DefinitionId, Ordered};
use type_names::Types;

/// A file that was read, and the files that it uses.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) id: FileId,
    pub(crate) tree: ast::File,
    pub(crate) uses: Vec<FileId>,
}

/// The sensors of a file, which were checked without a problem.
#[derive(Clone, Debug)]
pub(crate) struct CheckedSensors {
    sensors: Vec<Arc<typed::Sensor>>,
    /// How much the conditions that are inlined into them add to their size.
    inlined: usize,
    /// Their parts of [`typed::Rules::calls`] and [`typed::Rules::lets`].
    calls: Arc<FxHashMap<Span, Span>>,
    lets: Arc<FxHashMap<Span, Arc<str>>>,
}

/// The sensors of files that need not be checked again.
pub(crate) type CheckedFiles = FxHashMap<FileId, CheckedSensors>;

/// Checks all files together. Sensors that are in `known` are not checked again, and those of other files are added to
/// it, unless they have problems or include files. If there are errors, the rules cannot be run, but the result still has everything
/// that the checker found. With `keep`, it also has what is known about each expression,
/// and the declaration of each name.
pub(crate) fn check(
    files: Files,
    parsed: &[ParsedFile],
    registry: &Registry,
    loader: &dyn Loader,
    keep: bool,
    known: &mut CheckedFiles,
    problems: &mut Vec<Diagnostic>,
) -> typed::Rules {
    let names = Names::collect(&files, parsed, problems);
    names.check_fuses(registry, problems);
    let mut checker = Checker {
        names: &names,
        registry,
        problems,
        file: FileId(0),
        defaults: &[],
        included_files: IncludedFiles::new(files.clone(), loader),
        types: Types::default(),
        bodies: FxHashMap::default(),
        constants: Vec::new(),
        templates: Vec::new(),
        keep,
        known: FxHashMap::default(),
        calls: FxHashMap::default(),
        lets: FxHashMap::default(),
        uses_invalid_let: false,
        inline_budget: Some(conditions::MAX_INLINED_SIZE),
    };
    // The order does not matter for whether all files together stay within it.
    let inlined = known.values().map(|file| file.inlined).sum();
    checker.inline_budget = conditions::MAX_INLINED_SIZE.checked_sub(inlined);
    checker.resolve_types();
    checker.define();
    checker.limiters();
    let mut rules = typed::Rules {
        files: Files::default(),
        definitions: definitions::collect(&files, parsed),
        fuses: names.typed_fuses(checker.problems),
        sources: Vec::new(),
        sensors: Vec::new(),
        tests: Vec::new(),
        known: FxHashMap::default(),
        calls: FxHashMap::default(),
        lets: FxHashMap::default(),
        references: Vec::new(),
    };
    let mut fuses = rules.fuses.iter_mut();
    for file in parsed {
        checker.file = file.id;
        checker.defaults = &file.tree.defaults;
        checker.check_defaults();
        for fuse in &file.tree.fuses {
            // In the order of their declarations, as those of all files.
            if let Some(own) = fuses.next() {
                own.reaction = checker.fuse_reaction(fuse);
            }
        }
        rules.sources.extend(file.tree.sources.iter().map(|source| checker.source(source)));
    }
    checker.addresses(&rules.sources);
    checker.shared_fields(&rules.sources);
    for file in parsed {
        checker.file = file.id;
        checker.defaults = &file.tree.defaults;
        rules.sensors.extend(checker.sensors(file, known));
    }
    blow::check_rules(&rules, checker.problems);
    // A faulty test must not prevent rules from running, so tests are only checked for tools.
    if keep {
        let mut tests = Vec::new();
        let known = test_blocks::TestableRules::new(&rules, parsed);
        for file in parsed {
            checker.file = file.id;
            tests.extend(checker.tests(&file.tree.tests, &known));
        }
        rules.tests = tests;
    }
    rules.known = std::mem::take(&mut checker.known);
    rules.calls = std::mem::take(&mut checker.calls);
    rules.lets = std::mem::take(&mut checker.lets);
    // These include the files of fields, so that a change of one is a change of the rules.
    rules.files = checker.included_files.into_files();
    if keep {
        rules.references = names.into_references();
    }
    rules
}

/// The state of the checker.
pub(super) struct Checker<'a> {
    names: &'a Names<'a>,
    registry: &'a Registry,
    problems: &'a mut Vec<Diagnostic>,
    /// The file that is being checked.
    file: FileId,
    defaults: &'a [ast::Defaults],
    included_files: IncludedFiles<'a>,
    types: Types,
    /// The events as sensors see them, by source and event.
    bodies: FxHashMap<(String, String), EventView>,
    /// The values of constants; `None` for an invalid one.
    constants: Vec<Option<Value<'static>>>,
    /// The bodies of conditions; `None` for an invalid one.
    templates: Vec<Option<ConditionTemplate>>,
    /// Whether to keep what is known about each expression.
    keep: bool,
    known: FxHashMap<Span, Known>,
    /// The spans of the bodies of conditions, by the spans of their calls; and of the values of `let`s,
    /// by the spans of their uses.
    calls: FxHashMap<Span, Span>,
    /// The names of `let`s, by the spans of their uses.
    lets: FxHashMap<Span, Arc<str>>,
    /// Whether an invalid `let` was used since this was last reset.
    uses_invalid_let: bool,
    /// How many more nodes calls of conditions may add; `None` once the limit is reported.
    inline_budget: Option<usize>,
}

impl Checker<'_> {
    /// Checks constants and named conditions, each after those that it uses.
    fn define(&mut self) {
        let names = self.names;
        self.constants = vec![None; names.consts().len()];
        self.templates = names.conditions().iter().map(|_| None).collect();
        for Ordered { definition: (what, index), uses, circular } in self.order() {
            let uses_are_valid = !circular && uses.iter().all(|used| self.is_valid(*used));
            if let (DeclarationKind::Const, Some(declared)) = (what, names.consts().get(index)) {
                let value = self.constant(declared, uses_are_valid);
                if let Some(place) = self.constants.get_mut(index) {
                    *place = value;
                }
            } else if let Some(declared) = names.conditions().get(index) {
                let template = self.named_condition(declared, uses_are_valid);
                if let Some(place) = self.templates.get_mut(index) {
                    *place = template;
                }
            }
        }
    }

    /// The sensors of a file.
    fn sensors(&mut self, file: &ParsedFile, known: &mut CheckedFiles) -> Vec<Arc<typed::Sensor>> {
        if let Some(known) = known.get(&file.id) {
            self.add_uses(known);
            return known.sensors.clone();
        }
        let others = (std::mem::take(&mut self.calls), std::mem::take(&mut self.lets));
        let (problems, included) = (self.problems.len(), self.included_files.included);
        let before = self.inline_budget;
        let sensors = file.tree.sensors.iter();
        let sensors: Vec<_> = sensors.map(|sensor| Arc::new(self.sensor(sensor))).collect();
        let inlined =
            before.unwrap_or_default().saturating_sub(self.inline_budget.unwrap_or_default());
        let calls = Arc::new(std::mem::replace(&mut self.calls, others.0));
        let lets = Arc::new(std::mem::replace(&mut self.lets, others.1));
        let checked = CheckedSensors { sensors: sensors.clone(), inlined, calls, lets };
        self.add_uses(&checked);
        if self.problems.len() == problems && self.included_files.included == included {
            known.insert(file.id, checked);
        }
        sensors
    }

    /// Adds the uses of conditions and `let`s.
    fn add_uses(&mut self, CheckedSensors { calls, lets, .. }: &CheckedSensors) {
        self.calls.extend(calls.iter().map(|(call, body)| (*call, *body)));
        self.lets.extend(lets.iter().map(|(used, name)| (*used, Arc::clone(name))));
    }

    fn is_valid(&self, (what, index): DefinitionId) -> bool {
        match what {
            DeclarationKind::Const => self.constants.get(index).is_some_and(Option::is_some),
            _ => self.templates.get(index).is_some_and(Option::is_some),
        }
    }

    fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    fn has_errors_since(&self, before: usize) -> bool {
        self.problems.iter().skip(before).any(|problem| problem.severity == Severity::Error)
    }

    /// The text of a span.
    fn text(&self, span: Span) -> &str {
        self.included_files.text(span)
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>, label: &str) {
        self.report(Diagnostic::error(code, span, message).label(label));
    }
}
