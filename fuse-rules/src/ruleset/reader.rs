//! Reads files and the files that they use, each once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::cache::{FileOutlines, LoadCache};
use super::presets::PresetFiles;
use super::target;
use crate::check::ParsedFile;
use crate::diagnostic::{Code, Diagnostic};
use crate::json_schema;
use crate::loader::{LoadError, Loader, normalized};
use crate::schema::Registry;
use crate::span::{FileId, Files, Span};
use crate::stdlib;
use crate::syntax::{self, ast, ast::Text};

/// Reads files and the files that they use, each once.
pub(super) struct FileReader<'a> {
    loader: &'a dyn Loader,
    presets: PresetFiles<'a>,
    pub(super) files: Files,
    pub(super) problems: Vec<Diagnostic>,
    /// The index in `parsed` of each file that was read; `None` if it could not be read.
    seen: FxHashMap<String, Option<usize>>,
    pub(super) parsed: Vec<ParsedFile>,
    /// What an earlier load knows.
    cache: Option<&'a LoadCache>,
    /// What a later load needs of the files that parsed without a problem.
    pub(super) outlines: FileOutlines,
}

impl<'a> FileReader<'a> {
    pub(super) fn new(
        loader: &'a dyn Loader,
        registry: &'a Registry,
        cache: Option<&'a LoadCache>,
    ) -> Self {
        Self {
            loader,
            cache,
            outlines: FileOutlines::default(),
            presets: PresetFiles::new(registry),
            files: Files::default(),
            problems: Vec::new(),
            seen: FxHashMap::default(),
            parsed: Vec::new(),
        }
    }

    /// Reads the files that the caller named, and all files that they use.
    pub(super) fn read_all<S: AsRef<str>>(&mut self, names: &[S]) {
        for name in names {
            self.read(&normalized(name.as_ref()), None);
        }
        self.add_presets();
        self.report_cycles();
    }

    /// The ids of the files that the caller named.
    pub(super) fn named<S: AsRef<str>>(&self, names: &[S]) -> Vec<FileId> {
        names.iter().filter_map(|name| self.id(&normalized(name.as_ref()))).collect()
    }

    /// The tree of a file. If an earlier load parsed the same text, the sensors have only names.
    fn tree(&mut self, id: FileId, text: &str) -> ast::File {
        let Some(cache) = self.cache else {
            return syntax::parse(id, text, &mut self.problems);
        };
        if let Some(outline) = cache.outline(id, &self.files) {
            self.outlines.reused.insert(id);
            self.outlines.all.insert(id, Arc::clone(outline));
            return ast::File::clone(outline);
        }
        let before = self.problems.len();
        let tree = syntax::parse(id, text, &mut self.problems);
        if self.problems.len() == before {
            self.outlines.all.insert(id, Arc::new(tree.outline()));
        }
        tree
    }

    /// Reads a file that the caller named, or that is used at `from`, and all files that it uses.
    fn read(&mut self, name: &str, from: Option<Span>) {
        // A work list instead of recursion, because chains of `use` may be long.
        let mut waiting = vec![(name.to_owned(), from)];
        let first = self.parsed.len();
        while let Some((name, from)) = waiting.pop() {
            if self.seen.contains_key(&name) {
                continue;
            }
            let text = match self.text(&name) {
                Ok(text) => text,
                Err(why) => {
                    self.seen.insert(name.clone(), None);
                    self.unreadable(&name, &why.to_string(), from);
                    continue;
                }
            };
            let id = self.files.add(name.clone(), text.clone());
            let mut tree = self.tree(id, &text);
            json_schema::resolve_imports(
                &mut tree,
                &name,
                &mut self.files,
                self.loader,
                &mut self.problems,
            );
            for source in &mut tree.sources {
                self.presets.expand(source, &mut self.files, &mut self.problems);
            }
            for module in self.presets.new_modules() {
                waiting.push((stdlib::file_name(&module), None));
            }
            for used in tree.uses.iter().rev() {
                if used.std && stdlib::text(&used.name.text).is_none() {
                    self.problems.push(stdlib::unknown(&used.name));
                } else {
                    waiting.push((target(&name, used), Some(used.name.span)));
                }
            }
            self.seen.insert(name, Some(self.parsed.len()));
            self.parsed.push(ParsedFile { id, tree, uses: Vec::new() });
        }
        self.link(first);
    }

    /// Adds the files of the presets that were expanded, once all other files are read.
    fn add_presets(&mut self) {
        let first = self.parsed.len();
        self.parsed.extend(std::mem::take(&mut self.presets).into_files());
        self.link(first);
    }

    fn text(&self, name: &str) -> Result<String, LoadError> {
        match stdlib::module_of(name) {
            Some(module) => stdlib::text(module)
                .map(str::to_owned)
                .ok_or_else(|| LoadError::new("there is no such module")),
            None => self.loader.load(name),
        }
    }

    fn unreadable(&mut self, name: &str, why: &str, from: Option<Span>) {
        let message = format!("`{name}` cannot be read: {why}");
        self.problems.push(match from {
            Some(span) => Diagnostic::error(Code::E0504, span, message)
                .label("used here")
                .help("a `use` is relative to the file that contains it"),
            None => Diagnostic::without_place(Code::E0504, message),
        });
    }

    /// The file of this name, if it was read.
    fn id(&self, name: &str) -> Option<FileId> {
        let index = self.seen.get(name).copied().flatten()?;
        Some(self.parsed.get(index)?.id)
    }

    fn name_of(&self, id: FileId) -> String {
        self.files.get(id).map_or_else(String::new, |file| file.name().to_owned())
    }

    /// Records which files each file uses, starting at one of them. All of these were read with it
    /// or before.
    fn link(&mut self, first: usize) {
        for index in first..self.parsed.len() {
            let Some(file) = self.parsed.get(index) else {
                continue;
            };
            let name = self.name_of(file.id);
            let uses = file
                .tree
                .uses
                .iter()
                .filter_map(|used| self.seen.get(&target(&name, used)).copied().flatten())
                .filter_map(|index| self.parsed.get(index).map(|file| file.id))
                .collect();
            if let Some(file) = self.parsed.get_mut(index) {
                file.uses = uses;
            }
        }
    }

    /// Reports every `use` that closes a cycle.
    fn report_cycles(&mut self) {
        // 0: not visited, 1: on the stack, 2: done.
        let mut state: Vec<u8> = vec![0; self.parsed.len()];
        let mut closing: Vec<Text> = Vec::new();
        for start in 0..self.parsed.len() {
            // Depth first; the stack has each file with its next `use`.
            let mut way = vec![(start, 0_usize)];
            while let Some((at, next)) = way.pop() {
                let (Some(mark), Some(file)) = (state.get_mut(at), self.parsed.get(at)) else {
                    continue;
                };
                if next == 0 && *mark != 0 {
                    continue;
                }
                *mark = 1;
                let Some(used) = file.tree.uses.get(next) else {
                    *mark = 2;
                    continue;
                };
                way.push((at, next + 1));
                let name = target(&self.name_of(file.id), used);
                let target = self.seen.get(&name).copied().flatten();
                let Some(target) = target else { continue };
                match state.get(target) {
                    Some(0) => way.push((target, 0)),
                    Some(1) => closing.push(used.name.clone()),
                    _ => {}
                }
            }
        }
        for used in closing {
            self.problems.push(
                Diagnostic::error(Code::E0505, used.span, "files use each other in a cycle")
                    .label("this leads back to this file")
                    .help("move the shared declarations into a third file that uses neither"),
            );
        }
    }
}
