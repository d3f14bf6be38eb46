//! The declarations of all files by name, and which file sees which.

use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ParsedFile;
use super::references::ReferenceRecorder;
use super::type_names::{self, qualified};
use super::{blow, fuse_settings};
use crate::diagnostic::{Code, Diagnostic, Fix, suggest};
use crate::schema::Registry;
use crate::span::{FileId, Files, Span};
use crate::stdlib;
use crate::syntax::ast::{self, Text};
use crate::typed::{self, NameReference};

/// The kinds of declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DeclarationKind {
    Type,
    Fuse,
    Source,
    Sensor,
    Const,
    Condition,
    Limiter,
}

impl DeclarationKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Fuse => "fuse",
            Self::Source => "source",
            Self::Sensor => "sensor",
            Self::Const => "const",
            Self::Condition => "condition",
            Self::Limiter => "limiter",
        }
    }
}

/// All declared names.
pub(super) struct Names<'a> {
    files: &'a Files,
    declared: FxHashMap<(DeclarationKind, String), (usize, &'a Text)>,
    types: Vec<&'a ast::TypeDecl>,
    fuses: Vec<&'a ast::Fuse>,
    sources: Vec<&'a ast::Source>,
    consts: Vec<&'a ast::Const>,
    conditions: Vec<&'a ast::Condition>,
    limiters: Vec<&'a ast::Limiter>,
    /// For each file, the files whose names it sees.
    visible: FxHashMap<FileId, FxHashSet<FileId>>,
    references: ReferenceRecorder<'a>,
}

impl<'a> Names<'a> {
    /// Collects all declarations, and reports names that are declared twice.
    pub(super) fn collect(
        files: &'a Files,
        parsed: &'a [ParsedFile],
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut names = Self {
            files,
            declared: FxHashMap::default(),
            types: Vec::new(),
            fuses: Vec::new(),
            sources: Vec::new(),
            consts: Vec::new(),
            conditions: Vec::new(),
            limiters: Vec::new(),
            visible: FxHashMap::default(),
            references: ReferenceRecorder::new(parsed),
        };
        for file in parsed {
            let visible = file.uses.iter().copied().chain([file.id]).collect();
            names.visible.insert(file.id, visible);
            let module = names.module_of(file.id);
            for decl in &file.tree.types {
                let index = names.types.len();
                names.types.push(decl);
                let name = qualified(module, &decl.name.text);
                names.declare_as(DeclarationKind::Type, name, &decl.name, index, problems);
            }
            for fuse in &file.tree.fuses {
                let index = names.fuses.len();
                names.fuses.push(fuse);
                names.declare(DeclarationKind::Fuse, &fuse.name, index, problems);
            }
            for source in &file.tree.sources {
                let index = names.sources.len();
                names.sources.push(source);
                names.declare(DeclarationKind::Source, &source.name, index, problems);
            }
            for declared in &file.tree.consts {
                let index = names.consts.len();
                names.consts.push(declared);
                names.declare(DeclarationKind::Const, &declared.name, index, problems);
            }
            for declared in &file.tree.conditions {
                let index = names.conditions.len();
                names.conditions.push(declared);
                let name = qualified(module, &declared.name.text);
                names.declare_as(DeclarationKind::Condition, name, &declared.name, index, problems);
            }
            for declared in &file.tree.limiters {
                let index = names.limiters.len();
                names.limiters.push(declared);
                names.declare(DeclarationKind::Limiter, &declared.name, index, problems);
            }
            for (index, sensor) in file.tree.sensors.iter().enumerate() {
                names.declare(DeclarationKind::Sensor, &sensor.name, index, problems);
            }
        }
        names
    }

    fn declare(
        &mut self,
        what: DeclarationKind,
        name: &'a Text,
        index: usize,
        problems: &mut Vec<Diagnostic>,
    ) {
        // A declaration whose head did not parse has no name; the problem is already reported.
        if !name.text.is_empty() {
            self.declare_as(what, name.text.clone(), name, index, problems);
        }
    }

    fn declare_as(
        &mut self,
        what: DeclarationKind,
        key: String,
        name: &'a Text,
        index: usize,
        problems: &mut Vec<Diagnostic>,
    ) {
        match self.declared.entry((what, key)) {
            Entry::Occupied(taken) => {
                problems.push(declared_twice(what.as_str(), name, taken.get().1))
            }
            Entry::Vacant(free) => {
                free.insert((index, name));
            }
        }
    }

    /// The module of the standard library that a file contains.
    fn module_of(&self, file: FileId) -> Option<&'a str> {
        stdlib::module_of(self.files.get(file)?.name())
    }

    /// The declared types.
    pub(super) fn types(&self) -> &[&'a ast::TypeDecl] {
        &self.types
    }

    /// The index of the type that a name refers to, or the problem.
    pub(super) fn ty(
        &self,
        module: Option<&str>,
        name: &str,
        span: Span,
    ) -> Result<usize, Box<Diagnostic>> {
        // A module of the library names its own types without the module.
        let own = module.or_else(|| self.module_of(span.file));
        let key = (DeclarationKind::Type, qualified(own, name));
        let seen = self.declared.get(&key).filter(|(_, at)| self.sees(span.file, at.span.file));
        if let Some((index, at)) = seen {
            self.references.add_qualified(module, span, at.span);
            return Ok(*index);
        }
        // If a file of the rules declares it, suggest to use that file.
        if module.is_none() && self.declared.contains_key(&key) {
            let name = Text { text: name.to_owned(), span };
            return self.find(DeclarationKind::Type, &name, Code::E0208);
        }
        let visible = self.all_seen(DeclarationKind::Type, span.file);
        Err(Box::new(type_names::unknown(module, name, span, visible.into_iter())))
    }

    pub(super) fn sees(&self, from: FileId, declared_in: FileId) -> bool {
        self.visible.get(&from).is_some_and(|files| files.contains(&declared_in))
    }

    /// Reports fuses with reserved names.
    pub(super) fn check_fuses(&self, registry: &Registry, problems: &mut Vec<Diagnostic>) {
        for fuse in &self.fuses {
            let Text { text, span } = &fuse.name;
            if let Some(why) = registry.reserved_fuse(text) {
                let problem = Diagnostic::error(
                    Code::E0220,
                    *span,
                    format!("a fuse cannot be named `{text}`"),
                );
                problems.push(problem.label(why).help("rename the fuse"));
            }
        }
    }

    /// The fuses. Reports problems of their settings.
    pub(super) fn typed_fuses(&self, problems: &mut Vec<Diagnostic>) -> Vec<typed::Fuse> {
        let typed = |fuse: &&ast::Fuse| {
            let pending = fuse_settings::pending(fuse, problems);
            let reset = blow::check(fuse, problems);
            typed::Fuse {
                name: fuse.name.text.clone(),
                doc: fuse.doc.clone(),
                default_on: fuse.default_on,
                pending,
                blow: fuse.blow.iter().map(|blow| (blow.clause, blow.span)).collect(),
                reset_after: reset.and_then(|reset| reset.after),
                reset_span: reset.map(|reset| reset.span),
                reaction: None,
            }
        };
        self.fuses.iter().map(typed).collect()
    }

    /// The index of a fuse, or the problem.
    pub(super) fn fuse(&self, name: &Text) -> Result<usize, Box<Diagnostic>> {
        self.find(DeclarationKind::Fuse, name, Code::E0206)
    }

    /// The declaration of a fuse, or the problem.
    pub(super) fn fuse_declaration(&self, name: &Text) -> Result<&'a ast::Fuse, Box<Diagnostic>> {
        let index = self.fuse(name)?;
        let declared = self.fuses.get(index).copied();
        declared.ok_or_else(|| Box::new(self.unknown(DeclarationKind::Fuse, name, Code::E0206)))
    }

    /// The declared limiters.
    pub(super) fn limiters(&self) -> &[&'a ast::Limiter] {
        &self.limiters
    }

    /// A limiter, or the problem.
    pub(super) fn limiter(&self, name: &Text) -> Result<&'a ast::Limiter, Box<Diagnostic>> {
        let index = self.find(DeclarationKind::Limiter, name, Code::E0221)?;
        self.limiters
            .get(index)
            .copied()
            .ok_or_else(|| Box::new(self.unknown(DeclarationKind::Limiter, name, Code::E0221)))
    }

    /// A source, or the problem.
    pub(super) fn source(&self, name: &Text) -> Result<&'a ast::Source, Box<Diagnostic>> {
        let index = self.find(DeclarationKind::Source, name, Code::E0205)?;
        self.sources
            .get(index)
            .copied()
            .ok_or_else(|| Box::new(self.unknown(DeclarationKind::Source, name, Code::E0205)))
    }

    /// Resolves an event of a source. Returns the problem if the source has no such event.
    pub(super) fn event(&self, source: &ast::Source, event: &Text) -> Result<(), Box<Diagnostic>> {
        let mut declared = source.events.iter().map(|event| &event.name);
        let known = declared.clone().map(|name| name.text.as_str());
        if let Some(found) = declared.find(|name| name.text == event.text) {
            self.references.add(event.span, found.span);
            return Ok(());
        }
        let message = format!("source `{}` has no event `{}`", source.name.text, event.text);
        Err(Box::new(
            Diagnostic::error(Code::E0205, event.span, message)
                .label("not declared")
                .related(source.name.span, "the source is declared here")
                .suggest(event, known, "its events are"),
        ))
    }

    fn find(
        &self,
        what: DeclarationKind,
        name: &Text,
        code: Code,
    ) -> Result<usize, Box<Diagnostic>> {
        let elsewhere = || self.not_visible(what, name);
        self.seen(what, name)
            .ok_or_else(|| Box::new(elsewhere().unwrap_or_else(|| self.unknown(what, name, code))))
    }

    /// The declared constants.
    pub(super) fn consts(&self) -> &[&'a ast::Const] {
        &self.consts
    }

    /// The declared conditions.
    pub(super) fn conditions(&self) -> &[&'a ast::Condition] {
        &self.conditions
    }

    /// Where a name is declared, if the declaration is visible.
    pub(super) fn declaration(&self, what: DeclarationKind, name: &Text) -> Option<&'a Text> {
        let (_, at) = self.declared.get(&(what, name.text.clone()))?;
        self.sees(name.span.file, at.span.file).then_some(*at)
    }

    /// The index of the declaration that a name refers to.
    pub(super) fn seen(&self, what: DeclarationKind, name: &Text) -> Option<usize> {
        // A module of the library names its own conditions without the module.
        let own = self.module_of(name.span.file).filter(|_| what == DeclarationKind::Condition);
        let (index, at) = self.declared.get(&(what, qualified(own, &name.text)))?;
        self.sees(name.span.file, at.span.file).then(|| {
            let module = name.text.split_once('.').map(|(module, _)| module);
            self.references.add_qualified(module, name.span, at.span);
            *index
        })
    }

    /// The recorder of the names that are resolved.
    pub(super) fn references(&self) -> &ReferenceRecorder<'a> {
        &self.references
    }

    /// The names that were resolved, sorted by their position.
    pub(super) fn into_references(self) -> Vec<NameReference> {
        self.references.into_sorted()
    }

    /// The names that are visible in a file, sorted.
    pub(super) fn all_seen(&self, what: DeclarationKind, file: FileId) -> Vec<&str> {
        let seen = self
            .declared
            .iter()
            .filter(|((w, _), (_, at))| *w == what && self.sees(file, at.span.file));
        let mut names: Vec<&str> = seen.map(|((_, name), _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The problem of a name whose declaration is not visible.
    pub(super) fn not_visible(&self, what: DeclarationKind, name: &Text) -> Option<Diagnostic> {
        let (_, at) = self.declared.get(&(what, name.text.clone()))?;
        if self.module_of(at.span.file).is_some() {
            // The caller reports which module to use.
            return None;
        }
        let here = self.files.get(name.span.file).map_or("", |file| file.name());
        let there = self.files.get(at.span.file).map_or("", |file| file.name());
        let (what, text) = (what.as_str(), &name.text);
        Some(
            Diagnostic::error(
                Code::E0208,
                name.span,
                format!("{what} `{text}` is declared in a file that this one does not use"),
            )
            .label("not visible here")
            .related(at.span, "declared here")
            .fix(missing_use(name.span, &relative(here, there))),
        )
    }

    fn unknown(&self, what: DeclarationKind, name: &Text, code: Code) -> Diagnostic {
        let known = self.declared.keys().filter(|(w, _)| *w == what).map(|(_, name)| name.as_str());
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        let kind = what.as_str();
        let help = suggest::help(&name.text, known.iter().copied(), "the declared ones are")
            .unwrap_or_else(|| match what {
                DeclarationKind::Fuse => {
                    format!("declare it with `fuse {} default off`", name.text)
                }
                DeclarationKind::Limiter => {
                    format!("declare it with `limiter {} {{ … }}`, which contains a `limit 100 per 1h` or a `concurrency 1`", name.text)
                }
                _ => format!("declare it with `{kind} {} …`", name.text),
            });
        Diagnostic::error(code, name.span, format!("there is no {kind} `{}`", name.text))
            .label("not declared")
            .help(help)
            .candidates(&name.text, known.iter().copied())
            .maybe_fix(suggest::fix(&name.text, name.span, known))
    }
}

/// Adds a `use` at the top of the file that contains the name.
fn missing_use(at: Span, file: &str) -> Fix {
    let line = format!("use \"{file}\"");
    let top = Span { start: 0, end: 0, ..at };
    Fix::new(format!("add `{line}` at the top of this file"), top, format!("{line}\n"))
}

/// The problem of a name that is already taken.
pub(super) fn declared_twice(what: &str, name: &Text, first: &Text) -> Diagnostic {
    Diagnostic::error(Code::E0204, name.span, format!("{what} `{}` is declared twice", name.text))
        .label("declared again here")
        .related(first.span, "first declared here")
        .help("rename one of them")
}

/// The path of `there` as `here` would write it.
fn relative(here: &str, there: &str) -> String {
    let here: Vec<&str> = here.split('/').collect();
    let there: Vec<&str> = there.split('/').collect();
    let folders = here.len().saturating_sub(1);
    let shared = here.iter().take(folders).zip(&there).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", folders - shared);
    up.chain(there.into_iter().skip(shared)).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn a_path_is_relative_to_the_file_that_uses_it() {
        assert_eq!(relative("rules/a.rules", "rules/b.rules"), "b.rules");
        assert_eq!(relative("rules/x/a.rules", "rules/b.rules"), "../b.rules");
        assert_eq!(relative("a.rules", "rules/b.rules"), "rules/b.rules");
    }
}
