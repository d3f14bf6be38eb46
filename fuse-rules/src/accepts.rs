//! Whether events are of a type, as rules that were loaded have it; for tests.

use std::collections::BTreeMap;

use crate::{Event, Plan, Registry, Ruleset, Schema, SourceSchema};

/// An event of a type.
pub(crate) struct Typed {
    plan: Plan,
}

impl Typed {
    /// Of the type `ty`, as it can be named after `declarations`.
    pub(crate) fn new(declarations: &str, ty: &str) -> Self {
        Self::with_file(declarations, ty, ("", ""))
    }

    /// The same, where the declarations take in a file: its name and its text.
    pub(crate) fn with_file(declarations: &str, ty: &str, (name, text): (&str, &str)) -> Self {
        let source = SourceSchema::new(Schema::new("queue", ""), Schema::new("event", ""));
        let rules = format!("{declarations}\nsource q queue {{ event e : {ty} }}");
        let files = BTreeMap::from([("test.rules", rules.as_str()), (name, text)]);
        let registry = Registry::new().source(source);
        let ruleset = Ruleset::load(&["test.rules"], &files, &registry)
            .unwrap_or_else(|problems| panic!("{problems}\n{rules}\n{text}"));
        Self { plan: ruleset.plan() }
    }

    /// Where a body is not of the type.
    pub(crate) fn mismatch(&self, body: &str) -> Option<String> {
        self.plan.mismatch(&Event::new("q", "e", body.as_bytes()).unwrap())
    }
}
