//! Trees to checked rules: names, kinds of values, schemas of blocks. All problems at once: a
//! fault in one rule does not hide those of the next.

mod bindings;
mod blocks;
mod calls;
mod conditions;
mod constants;
mod definitions;
mod expected_fields;
mod expressions;
mod fold;
mod foreign_functions;
mod inclusions;
mod inline;
mod names;
mod narrowing;
mod operands;
mod order;
mod paths;
mod patterns;
mod scope;
mod secrets;
mod sensors;
mod sources;
mod template_lookalikes;
mod test_blocks;
#[cfg(test)]
mod tests;
mod type_names;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::loader::Loader;
use crate::schema::Registry;
use crate::span::{FileId, Files, Span};
use crate::syntax::ast;
use crate::typed;
use crate::value::Value;

use rustc_hash::FxHashMap;

use crate::types::{Known, Ty};
use inclusions::Inclusions;
use inline::Template;
use names::{Names, What};
use order::{Definition, Ordered};
use type_names::Types;

/// A file that was read, with the files that it uses.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) id: FileId,
    pub(crate) tree: ast::File,
    pub(crate) uses: Vec<FileId>,
}

/// Checks all files together. `None` where any problem is an error; `problems` says which. What is found
/// of each expression is kept where `keep` asks for it.
pub(crate) fn check(
    files: Files,
    parsed: &[ParsedFile],
    registry: &Registry,
    loader: &dyn Loader,
    keep: bool,
    problems: &mut Vec<Diagnostic>,
) -> Option<typed::Rules> {
    let names = Names::collect(&files, parsed, problems);
    let mut checker = Checker {
        names: &names,
        registry,
        problems,
        file: FileId(0),
        defaults: &[],
        inclusions: Inclusions::new(files.clone(), loader),
        types: Types::default(),
        bodies: FxHashMap::default(),
        constants: Vec::new(),
        templates: Vec::new(),
        keep,
        known: FxHashMap::default(),
        calls: FxHashMap::default(),
        left_to_inline: Some(conditions::LARGEST_OF_ALL),
    };
    checker.resolve_types();
    checker.define();
    let mut rules = typed::Rules {
        files: Files::default(),
        definitions: definitions::of(&files, parsed),
        fuses: names.typed_fuses(),
        sources: Vec::new(),
        sensors: Vec::new(),
        tests: Vec::new(),
        known: FxHashMap::default(),
        calls: FxHashMap::default(),
    };
    for file in parsed {
        checker.file = file.id;
        checker.defaults = &file.tree.defaults;
        checker.check_defaults();
        rules.sources.extend(file.tree.sources.iter().map(|source| checker.source(source)));
    }
    checker.addresses(parsed, &rules.sources);
    for file in parsed {
        checker.file = file.id;
        checker.defaults = &file.tree.defaults;
        rules.sensors.extend(file.tree.sensors.iter().map(|sensor| checker.sensor(sensor)));
    }
    // Who runs rules takes no notice of their tests: a test that went wrong stops nothing.
    if keep {
        let mut tests = Vec::new();
        let known = test_blocks::Rules::of(&rules.sensors, parsed);
        for file in parsed {
            checker.file = file.id;
            tests.extend(checker.tests(&file.tree.tests, &known));
        }
        rules.tests = tests;
    }
    rules.known = std::mem::take(&mut checker.known);
    rules.calls = std::mem::take(&mut checker.calls);
    // With the files that were taken in, so that a change of them is a change of the rules.
    rules.files = checker.inclusions.into_files();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    (!failed).then_some(rules)
}

/// What checking needs to know, and where problems go.
pub(super) struct Checker<'a> {
    names: &'a Names<'a>,
    registry: &'a Registry,
    problems: &'a mut Vec<Diagnostic>,
    /// The file that is being checked.
    file: FileId,
    defaults: &'a [ast::Defaults],
    inclusions: Inclusions<'a>,
    types: Types,
    /// What the events carry, by source and event.
    bodies: FxHashMap<(String, String), Ty>,
    /// The values of constants; `None` for one that has none.
    constants: Vec<Option<Value<'static>>>,
    /// The bodies of conditions; `None` for one that has no meaning.
    templates: Vec<Option<Template>>,
    /// Whether to keep what is found of each expression.
    keep: bool,
    known: FxHashMap<Span, Known>,
    /// Where the bodies of conditions stand, by where they are called.
    calls: FxHashMap<Span, Span>,
    /// How much calls of conditions may still come to; `None` once it is reported that they come to
    /// too much.
    left_to_inline: Option<usize>,
}

impl Checker<'_> {
    /// Checks constants and named conditions, each after those that it uses.
    fn define(&mut self) {
        let names = self.names;
        self.constants = vec![None; names.consts().len()];
        self.templates = names.conditions().iter().map(|_| None).collect();
        for Ordered { definition: (what, index), uses, circular } in self.order() {
            let sound = !circular && uses.iter().all(|used| self.is_sound(*used));
            if let (What::Const, Some(declared)) = (what, names.consts().get(index)) {
                let value = self.constant(declared, sound);
                if let Some(place) = self.constants.get_mut(index) {
                    *place = value;
                }
            } else if let Some(declared) = names.conditions().get(index) {
                let template = self.named(declared, sound);
                if let Some(place) = self.templates.get_mut(index) {
                    *place = template;
                }
            }
        }
    }

    fn is_sound(&self, (what, index): Definition) -> bool {
        match what {
            What::Const => self.constants.get(index).is_some_and(Option::is_some),
            _ => self.templates.get(index).is_some_and(Option::is_some),
        }
    }

    fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    fn has_errors_since(&self, before: usize) -> bool {
        self.problems.iter().skip(before).any(|problem| problem.severity == Severity::Error)
    }

    /// What stands at a place.
    fn text(&self, span: Span) -> &str {
        self.inclusions.text(span)
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>, label: &str) {
        self.report(Diagnostic::error(code, span, message).label(label));
    }
}
