//! Loads rules again, and parses and checks only the files that changed, and those that use them.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Ruleset;
use super::reader::FileReader;
use crate::check::{CheckedFiles, ParsedFile};
use crate::diagnostic::Diagnostics;
use crate::loader::Loader;
use crate::schema::Registry;
use crate::span::{FileId, Files};
use crate::syntax::{self, ast};

/// What the last load without problems found in the files, for [`Ruleset::load_with`]. It shares nearly all of its
/// memory with the rules that were loaded.
#[derive(Debug, Default)]
pub struct LoadCache {
    files: Files,
    /// How many of the files were read before the check, which adds those that fields include.
    read: usize,
    outlines: FxHashMap<FileId, Arc<ast::File>>,
    /// For each file, the files that it uses.
    uses: FxHashMap<FileId, Vec<FileId>>,
    numbered: Numbered,
    checked: CheckedFiles,
}

/// The declarations that checked rules refer to by their numbers, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Numbered {
    fuses: Vec<String>,
    types: Vec<String>,
}

impl Numbered {
    fn new(parsed: &[ParsedFile]) -> Self {
        let files = || parsed.iter().map(|file| &file.tree);
        Self {
            fuses: files()
                .flat_map(|tree| &tree.fuses)
                .map(|fuse| fuse.name.text.clone())
                .collect(),
            types: files().flat_map(|tree| &tree.types).map(|ty| ty.name.text.clone()).collect(),
        }
    }
}

/// What a load keeps of trees for a later load.
#[derive(Default)]
pub(super) struct FileOutlines {
    /// The outlines of all files that parsed without a problem.
    pub(super) all: FxHashMap<FileId, Arc<ast::File>>,
    /// The files whose trees are only outlines.
    pub(super) reused: FxHashSet<FileId>,
}

impl LoadCache {
    /// The outline of a file, if its name and text are the same as before.
    pub(super) fn outline(&self, id: FileId, files: &Files) -> Option<&Arc<ast::File>> {
        let (old, new) = (self.files.get(id)?, files.get(id)?);
        let is_same = old.name() == new.name() && old.text() == new.text();
        self.outlines.get(&id).filter(|_| is_same)
    }

    /// The sensors that need not be checked again: those of files that are the same as before, as are all files that
    /// they use.
    fn unchanged(&self, files: &Files, parsed: &[ParsedFile], numbered: &Numbered) -> CheckedFiles {
        let read = files.iter().count();
        let same_names = self.read == read
            && files.iter().zip(self.files.iter()).all(|(new, old)| new.name() == old.name());
        if !same_names || self.numbered != *numbered {
            return CheckedFiles::default();
        }
        let texts = files.iter().zip(self.files.iter());
        let changed = texts.enumerate().filter(|(_, (new, old))| new.text() != old.text());
        let mut changed: FxHashSet<FileId> =
            changed.filter_map(|(at, _)| u32::try_from(at).ok().map(FileId)).collect();
        // A file that is only imported, such as a JSON Schema: which files depend on it is not known here.
        let is_parsed = |id: &FileId| parsed.iter().any(|file| file.id == *id);
        if !changed.iter().all(is_parsed) {
            return CheckedFiles::default();
        }
        let same_uses = |file: &ParsedFile| self.uses.get(&file.id) == Some(&file.uses);
        changed.extend(parsed.iter().filter(|file| !same_uses(file)).map(|file| file.id));
        // Everything that uses a changed file, directly or not.
        loop {
            let before = changed.len();
            for file in parsed {
                if file.uses.iter().any(|used| changed.contains(used)) {
                    changed.insert(file.id);
                }
            }
            if changed.len() == before {
                break;
            }
        }
        let unchanged = self.checked.iter().filter(|(id, _)| !changed.contains(id));
        unchanged.map(|(id, sensors)| (*id, sensors.clone())).collect()
    }
}

impl Ruleset {
    /// Loads files like [`Ruleset::load`], with the same result. If the cache knows them from the last load, only files
    /// that changed, and files that use these, are parsed and checked. A load with errors or warnings does not change the
    /// cache, and is done again without it.
    ///
    /// All loads with one cache need the same registry.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use fuse_rules::{LoadCache, Registry, Ruleset};
    ///
    /// let (registry, mut cache) = (Registry::new(), LoadCache::default());
    /// let mut files = BTreeMap::from([("a.rules", "fuse a default on"), ("b.rules", "fuse b default on")]);
    /// Ruleset::load_with(&["a.rules", "b.rules"], &files, &registry, &mut cache)?;
    /// files.insert("b.rules", "fuse b default off");
    /// let again = Ruleset::load_with(&["a.rules", "b.rules"], &files, &registry, &mut cache)?;
    /// assert!(!again.fuses().last().unwrap().default_on);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    ///
    /// # Errors
    /// All problems of all files.
    pub fn load_with<S: AsRef<str>>(
        names: &[S],
        loader: &dyn Loader,
        registry: &Registry,
        cache: &mut LoadCache,
    ) -> Result<Self, Diagnostics> {
        if let Some(ruleset) = Self::load_changes(names, loader, registry, cache) {
            return Ok(ruleset);
        }
        // Problems are reported as if there were no cache.
        Self::load(names, loader, registry)
    }

    /// The rules, if there is not even a warning.
    fn load_changes<S: AsRef<str>>(
        names: &[S],
        loader: &dyn Loader,
        registry: &Registry,
        cache: &mut LoadCache,
    ) -> Option<Self> {
        let mut reader = FileReader::new(loader, registry, Some(&*cache));
        reader.read_all(names);
        let named = reader.named(names);
        let FileReader { files, problems, mut parsed, outlines, .. } = reader;
        if !problems.is_empty() {
            return None;
        }
        let numbered = Numbered::new(&parsed);
        let mut checked = cache.unchanged(&files, &parsed, &numbered);
        for file in &mut parsed {
            if outlines.reused.contains(&file.id) && !checked.contains_key(&file.id) {
                let text = files.get(file.id)?.text();
                file.tree.sensors = syntax::parse(file.id, text, &mut Vec::new()).sensors;
            }
        }
        let read = files.iter().count();
        let (rules, problems) =
            Self::checked(files, &parsed, registry, loader, false, &mut checked, problems);
        let rules = rules.ok().filter(|_| problems.is_empty())?;
        *cache = LoadCache {
            files: rules.files.clone(),
            read,
            outlines: outlines.all,
            uses: parsed.into_iter().map(|file| (file.id, file.uses)).collect(),
            numbered,
            checked,
        };
        Some(Self::new(rules, named, &problems))
    }
}

#[cfg(test)]
mod tests;
