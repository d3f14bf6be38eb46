//! Which declarations the rules and the tests refer to.

use rustc_hash::FxHashSet;

use crate::span::{FileId, Span};
use crate::typed::Rules;

/// The declarations that a name refers to, by the spans of their names.
#[derive(Debug, Default)]
pub(crate) struct References {
    used: FxHashSet<Span>,
    /// Those that a name outside of all tests refers to.
    used_by_rules: FxHashSet<Span>,
    /// The files whose names refer to declarations of other files.
    files: FxHashSet<(FileId, FileId)>,
}

impl References {
    pub(super) fn new(rules: &Rules) -> Self {
        let mut tests: Vec<Span> = rules.tests.iter().map(|test| test.whole).collect();
        tests.sort_unstable();
        let is_in_test = |name: Span| {
            let after = tests.partition_point(|test| *test <= name);
            after
                .checked_sub(1)
                .and_then(|at| tests.get(at))
                .is_some_and(|test| test.contains(name))
        };
        let mut references = Self::default();
        for reference in &rules.references {
            references.used.insert(reference.definition);
            references.files.insert((reference.span.file, reference.definition.file));
            if !is_in_test(reference.span) {
                references.used_by_rules.insert(reference.definition);
            }
        }
        references
    }

    /// Whether a rule, a test or another declaration refers to a declaration.
    pub(crate) fn is_used(&self, declared: Span) -> bool {
        self.used.contains(&declared)
    }

    /// The same, not counting tests.
    pub(crate) fn is_used_by_rules(&self, declared: Span) -> bool {
        self.used_by_rules.contains(&declared)
    }

    /// Whether a name in the file `from` refers to a declaration in the file `to`.
    pub(crate) fn uses_file(&self, from: FileId, to: FileId) -> bool {
        self.files.contains(&(from, to))
    }
}
