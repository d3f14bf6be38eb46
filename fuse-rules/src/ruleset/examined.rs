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

    /// Every name that was resolved, with its declaration, sorted by the position of the name. A name that
    /// `each`, `let`, a quantifier or a parameter of a condition binds is declared there, and a module where
    /// the file uses it. `body`, `headers`, `query` and `event` have no declaration.
    pub fn references(&self) -> &[NameReference] {
        &self.rules().references
    }

    /// The declaration of the name at a byte of a file. A name in a declaration is its own.
    pub fn definition_at(&self, file: FileId, offset: usize) -> Option<Span> {
        let found = self.references().iter().find(|one| covers(one.span, file, offset));
        let own = || self.references().iter().find(|one| covers(one.definition, file, offset));
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
    use crate::schema::{Field, FieldType, Schema, SourceSchema};

    fn examined(files: &[(&str, &str)]) -> Examined {
        let note = Field::optional("note", FieldType::String, "What happened.");
        let registry = Registry::new()
            .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
            .trigger(Schema::new("page", "Calls a human.").field(note));
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        Ruleset::examine(&names, &files, &registry)
    }

    /// The resolved names and their declarations, as `file:line:column`.
    fn references(examined: &Examined) -> Vec<String> {
        let files = examined.files();
        let shown = |one: &NameReference| {
            let (name, at) = (files.text(one.span), files.locate(one.span));
            assert_eq!(files.text(one.definition).trim_matches('"'), name);
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
                "x a.rules:3:21 -> a.rules:3:16",
                "limit a.rules:3:25 -> b.rules:1:7",
                "order a.rules:4:28 -> b.rules:2:6",
                "q a.rules:5:13 -> a.rules:4:8",
                "e a.rules:5:15 -> a.rules:4:24",
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
    fn names_in_tests_modules_and_scopes_know_their_declarations() {
        let rules = "\
use std \"github\"
const main = \"refs/heads/main\"
fuse f default on
source q queue { event e : github.push
  event d }
sensor s on q.e or q.d {
  each c in body.commits
  let id = c.id
  rule r { when any(a in c.added: a == id)  trigger page {} }
  rule t { when github.pushed-to(body, main)  trigger page {} }
}
defaults page { note = main }
test \"a\" {
  with fuse f off
  send q.d body {}
  expect no s/r
  expect no t
}";
        let examined = examined(&[("a.rules", rules)]);
        assert!(examined.ruleset().is_some(), "{}", examined.diagnostics());
        let shown = |line: &String| match line.split_once("std:github:") {
            Some((own, _)) => format!("{own}std:github"),
            None => line.clone(),
        };
        let all = references(&examined);
        let own: Vec<_> = all.iter().filter(|line| line.contains(" a.rules:")).map(shown).collect();
        insta::assert_snapshot!(own.join("\n"), @"
        github a.rules:4:28 -> a.rules:1:9
        push a.rules:4:35 -> std:github
        q a.rules:6:13 -> a.rules:4:8
        e a.rules:6:15 -> a.rules:4:24
        q a.rules:6:20 -> a.rules:4:8
        d a.rules:6:22 -> a.rules:5:9
        c a.rules:8:12 -> a.rules:7:8
        c a.rules:9:26 -> a.rules:7:8
        a a.rules:9:35 -> a.rules:9:21
        id a.rules:9:40 -> a.rules:8:7
        github a.rules:10:17 -> a.rules:1:9
        pushed-to a.rules:10:24 -> std:github
        main a.rules:10:40 -> a.rules:2:7
        main a.rules:12:24 -> a.rules:2:7
        f a.rules:14:13 -> a.rules:3:6
        q a.rules:15:8 -> a.rules:4:8
        d a.rules:15:10 -> a.rules:5:9
        s a.rules:16:13 -> a.rules:6:8
        r a.rules:16:15 -> a.rules:9:8
        t a.rules:17:13 -> a.rules:10:8
        ");
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
