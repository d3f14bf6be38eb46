//! Applies safe fixes to all files, including those of lints, until none is left.

use std::collections::BTreeMap;

use crate::diagnostic::fix::Edits;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lint::Lints;
use crate::loader::Loader;
use crate::ruleset::Ruleset;
use crate::schema::Registry;
use crate::span::Files;

/// A fix can uncover another problem. Each round applies at least one fix.
const MAX_ROUNDS: usize = 100;

/// Rules with their safe fixes applied in memory. No file is written.
#[derive(Debug)]
pub struct Repair {
    /// The new texts of the files that changed, by name.
    pub files: BTreeMap<String, String>,
    /// The fixes that were applied: the position as `file:line:column` in the text at that time,
    /// and the title of the fix.
    pub applied: Vec<(String, String)>,
    /// The fixed rules, loaded in detail, or the problems that are left.
    pub outcome: Result<Ruleset, Diagnostics>,
}

impl Ruleset {
    /// Loads files like [`Ruleset::load_in_detail`], and applies the safe fixes of their problems
    /// and of these lints until none is left. Other fixes are left to the author.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::lint::Lints;
    ///
    /// let files = BTreeMap::from([("a.rules", "fuse a default on;\n")]);
    /// let repair = Ruleset::repair(&["a.rules"], &files, &Registry::new(), &Lints::none());
    /// assert_eq!(repair.files["a.rules"], "fuse a default on\n");
    /// assert!(repair.outcome.is_ok());
    /// ```
    pub fn repair<S: AsRef<str>>(
        names: &[S],
        loader: &dyn Loader,
        registry: &Registry,
        lints: &Lints,
    ) -> Repair {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let mut applied = Vec::new();
        let load = |files: &BTreeMap<String, String>| {
            let changed = |name: &str| match files.get(name) {
                Some(text) => Ok(text.clone()),
                None => loader.load(name),
            };
            Self::load_in_detail(names, &changed, registry)
        };
        let mut outcome = load(&files);
        for _ in 0..MAX_ROUNDS {
            let more = match &outcome {
                Ok(ruleset) => {
                    let found = lints.run(ruleset);
                    apply(ruleset.warnings().iter().chain(&found), ruleset.files(), &mut applied)
                }
                Err(problems) => apply(problems.iter(), problems.files(), &mut applied),
            };
            if more.is_empty() {
                break;
            }
            files.extend(more);
            outcome = load(&files);
        }
        Repair { files, applied, outcome }
    }
}

/// The files that the safe fixes change.
fn apply<'p>(
    problems: impl Iterator<Item = &'p Diagnostic>,
    all: &Files,
    applied: &mut Vec<(String, String)>,
) -> Vec<(String, String)> {
    let mut edits = Edits::default();
    for problem in problems {
        let Some(fix) = problem.fix.as_ref().filter(|fix| fix.safe) else { continue };
        if edits.take(fix)
            && let Some(edit) = fix.edits.first()
        {
            applied.push((all.locate(edit.span), fix.title.clone()));
        }
    }
    all.ids()
        .filter_map(|(id, file)| {
            let text = edits.apply(id, file.text());
            (text != file.text()).then(|| (file.name().to_owned(), text))
        })
        .collect()
}
