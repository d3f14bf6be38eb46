//! Checks whether events conform to a declared type, for tests.

use std::collections::BTreeMap;

use crate::schema::{Schema, SourceSchema};
use crate::{Event, Plan, Registry, Ruleset};

/// A rule set with one event of a declared type.
pub(crate) struct Typed {
    plan: Plan,
}

impl Typed {
    /// An event of the type `ty`, which can use `declarations`.
    pub(crate) fn new(declarations: &str, ty: &str) -> Self {
        Self::with_file(declarations, ty, ("", ""))
    }

    /// Like [`Self::new`], with a file (its name and text) that the declarations import.
    pub(crate) fn with_file(declarations: &str, ty: &str, (name, text): (&str, &str)) -> Self {
        let source = SourceSchema::new(Schema::new("queue", ""), Schema::new("event", ""));
        let rules = format!("{declarations}\nsource q queue {{ event e : {ty} }}");
        let files = BTreeMap::from([("test.rules", rules.as_str()), (name, text)]);
        let registry = Registry::new().source(source);
        let ruleset = Ruleset::load(&["test.rules"], &files, &registry)
            .unwrap_or_else(|problems| panic!("{problems}\n{rules}\n{text}"));
        Self { plan: ruleset.plan() }
    }

    /// The mismatch between a body and the type, if there is one.
    pub(crate) fn mismatch(&self, body: &str) -> Option<String> {
        self.plan.mismatch(&Event::new("q", "e", body.as_bytes()).unwrap())
    }
}
