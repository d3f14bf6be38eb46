//! Trees to checked rules: names, kinds of values, schemas of blocks. All problems at once: a
//! fault in one rule does not hide those of the next.

mod assume;
mod blocks;
mod calls;
mod expressions;
mod foreign;
mod inclusions;
mod names;
mod operands;
mod paths;
mod patterns;
mod scope;
mod sensors;
mod sources;
#[cfg(test)]
mod tests;
mod type_names;
pub(crate) mod typed;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::ruleset::Loader;
use crate::schema::Registry;
use crate::span::{FileId, Files, Span};
use crate::syntax::ast;

use rustc_hash::FxHashMap;

use crate::types::Ty;
use inclusions::Inclusions;
use names::Names;
#[cfg(test)]
pub(crate) use paths::EVENT_FIELDS;
pub(crate) use paths::path_text;
use type_names::Types;

/// A file that was read, with the files that it uses.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) id: FileId,
    pub(crate) tree: ast::File,
    pub(crate) uses: Vec<FileId>,
}

/// Checks all files together. `None` where any problem is an error; `problems` says which.
pub(crate) fn check(
    files: Files,
    parsed: &[ParsedFile],
    registry: &Registry,
    loader: &dyn Loader,
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
    };
    checker.resolve_types();
    let mut rules = typed::Rules {
        files: Files::default(),
        fuses: names.typed_fuses(),
        sources: Vec::new(),
        sensors: Vec::new(),
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
}

impl Checker<'_> {
    fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>, label: &str) {
        self.report(Diagnostic::error(code, span, message).label(label));
    }
}
