//! Records the declaration of each name that the checker resolves.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::ParsedFile;
use crate::span::{FileId, Span};
use crate::syntax::ast::RuleRef;
use crate::typed::{NameReference, Rule, Sensor};

/// The names that are resolved so far.
pub(super) struct ReferenceRecorder<'a> {
    found: RefCell<BTreeSet<NameReference>>,
    /// The modules that each file uses, and where.
    modules: FxHashMap<(FileId, &'a str), Span>,
}

impl<'a> ReferenceRecorder<'a> {
    pub(super) fn new(parsed: &'a [ParsedFile]) -> Self {
        let mut modules = FxHashMap::default();
        for file in parsed {
            for used in file.tree.uses.iter().filter(|used| used.std) {
                modules.entry((file.id, used.name.text.as_str())).or_insert(used.name.span);
            }
        }
        Self { found: RefCell::default(), modules }
    }

    /// Records that the name at `span` refers to a declaration.
    pub(super) fn add(&self, span: Span, definition: Span) {
        if span != definition {
            self.found.borrow_mut().insert(NameReference { span, definition });
        }
    }

    /// Records that the name at `span` refers to a declaration, and the module before it to its `use`.
    pub(super) fn add_qualified(&self, module: Option<&str>, span: Span, definition: Span) {
        let Some(module) = module else { return self.add(span, definition) };
        let (qualifier, name) = split(span, module);
        self.add(name, definition);
        if let Some(used) = self.modules.get(&(span.file, module)) {
            self.add(qualifier, *used);
        }
    }

    /// Records that a test names a rule, perhaps with its sensor.
    pub(super) fn add_rule(&self, name: &RuleRef, sensor: &Sensor, rule: &Rule) {
        let Some((qualifier, _)) = name.text.split_once('/') else {
            return self.add(name.span, rule.span);
        };
        let (qualifier, name) = split(name.span, qualifier);
        self.add(qualifier, sensor.span);
        self.add(name, rule.span);
    }

    /// The names, sorted by their position.
    pub(super) fn into_sorted(self) -> Vec<NameReference> {
        self.found.into_inner().into_iter().collect()
    }
}

/// The spans of the two parts of a name with a qualifier: `module.name`.
fn split(whole: Span, qualifier: &str) -> (Span, Span) {
    let Range { start, end } = whole.range();
    let middle = start + qualifier.len();
    (Span::new(whole.file, start..middle), Span::new(whole.file, middle + 1..end))
}
