//! Everything that is known about files of rules, whether or not they have errors.

use super::Ruleset;
use crate::diagnostic::Diagnostics;
use crate::span::{FileId, Files, Span};
use crate::typed::{NameReference, Rules};

/// Files that were read and checked, possibly with errors: what an editor shows about them.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use fuse_rules::schema::{Schema, SourceSchema};
/// use fuse_rules::{Registry, Ruleset};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Calls a human."));
/// let text = r#"
///     const limit = 4
///     source q queue { event e }
///     sensor s on q.e { rule r { when body.severity >= limit and body.x = 1  trigger page {} } }
/// "#;
/// let examined = Ruleset::examine(&["a.rules"], &BTreeMap::from([("a.rules", text)]), &registry);
/// assert!(examined.ruleset().is_none());
/// assert!(examined.diagnostics().to_string().contains("error"));
///
/// let file = examined.files().find("a.rules").unwrap();
/// let use_of_limit = text.rfind("limit").unwrap();
/// let definition = examined.definition_at(file, use_of_limit).unwrap();
/// assert_eq!(definition.range().start, text.find("limit").unwrap());
/// assert_eq!(examined.type_at(file, use_of_limit).as_deref(), Some("4"));
/// ```
#[derive(Debug)]
pub struct Examined {
    pub(super) rules: Result<Ruleset, Box<Rules>>,
    pub(super) problems: Diagnostics,
    pub(super) references: Vec<NameReference>,
}

impl Examined {
    /// All problems: errors and warnings.
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.problems
    }

    /// The rules, if there is no error.
    pub fn ruleset(&self) -> Option<&Ruleset> {
        self.rules.as_ref().ok()
    }

    /// The files that were read.
    pub fn files(&self) -> &Files {
        &self.rules().files
    }

    /// Every name that was resolved, with its declaration, sorted by the position of the name. The roots of
    /// paths and the names that `each` and quantifiers bind are not declarations.
    pub fn references(&self) -> &[NameReference] {
        &self.references
    }

    /// The declaration of the name at a byte of a file. A name in a declaration is its own.
    pub fn definition_at(&self, file: FileId, offset: usize) -> Option<Span> {
        let found = self.references.iter().find(|one| covers(one.span, file, offset));
        let own = || self.references.iter().find(|one| covers(one.definition, file, offset));
        found.or_else(own).map(|one| one.definition)
    }

    /// The type of the innermost expression at a byte of a file, as it would be written in rules.
    pub fn type_at(&self, file: FileId, offset: usize) -> Option<String> {
        let around = self.rules().known.iter().filter(|(span, _)| covers(**span, file, offset));
        let (_, known) = around.min_by_key(|(span, _)| (span.end - span.start, **span))?;
        Some(known.ty.to_string())
    }

    fn rules(&self) -> &Rules {
        match &self.rules {
            Ok(ruleset) => ruleset.typed(),
            Err(rules) => rules,
        }
    }

    pub(super) fn into_result(self) -> Result<Ruleset, Diagnostics> {
        self.rules.map_err(|_| self.problems)
    }
}

fn covers(span: Span, file: FileId, offset: usize) -> bool {
    span.file == file && span.range().contains(&offset)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Registry;
    use crate::schema::{Schema, SourceSchema};

    fn examined(files: &[(&str, &str)]) -> Examined {
        let registry = Registry::new()
            .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
            .trigger(Schema::new("page", "Calls a human."));
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        Ruleset::examine(&names, &files, &registry)
    }

    /// The resolved names and their declarations, as `file:line:column`.
    fn references(examined: &Examined) -> Vec<String> {
        let files = examined.files();
        let shown = |one: &NameReference| {
            let (name, at) = (files.text(one.span), files.locate(one.span));
            assert_eq!(files.text(one.definition), name);
            format!("{name} {at} -> {}", files.locate(one.definition))
        };
        examined.references().iter().map(shown).collect()
    }

    const RULES: &str = "\
use \"b.rules\"
fuse on-call default on
condition high(x) = x > limit
source q queue { event e : order }
sensor s on q.e {
  requires on-call
  rule r { when high(body.amount)  trigger page {} }
}";
    const USED: &str = "const limit = 4\ntype order = { amount: int }";

    #[test]
    fn every_name_knows_its_declaration() {
        let examined = examined(&[("a.rules", RULES), ("b.rules", USED)]);
        assert!(examined.ruleset().is_some(), "{}", examined.diagnostics());
        assert_eq!(
            references(&examined),
            [
                "limit a.rules:3:25 -> b.rules:1:7",
                "order a.rules:4:28 -> b.rules:2:6",
                "q a.rules:5:13 -> a.rules:4:8",
                "on-call a.rules:6:12 -> a.rules:2:6",
                "high a.rules:7:17 -> a.rules:3:11",
            ]
        );
        let file = examined.files().find("a.rules").unwrap();
        let amount = RULES.find("amount").unwrap();
        assert_eq!(examined.type_at(file, amount).as_deref(), Some("int"));
        assert_eq!(examined.type_at(file, 0), None);
        let declared = RULES.find("on-call").unwrap();
        let at = examined.definition_at(file, declared).unwrap();
        assert_eq!(at.range(), declared..declared + 7, "a declaration is its own");
    }

    #[test]
    fn errors_leave_the_rest_known() {
        let broken = RULES.replace("fuse on-call default on", "fuse on-call default maybe");
        let broken = broken.replace("body.amount", "body.amuont");
        let whole = references(&examined(&[("a.rules", RULES), ("b.rules", USED)]));
        let examined = examined(&[("a.rules", &broken), ("b.rules", USED)]);
        assert!(examined.ruleset().is_none());
        assert_eq!(references(&examined), whole);
        let file = examined.files().find("a.rules").unwrap();
        let limit = broken.find("limit").unwrap();
        assert_eq!(examined.type_at(file, limit).as_deref(), Some("4"));
    }
}
