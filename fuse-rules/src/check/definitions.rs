//! The types, constants, conditions and limiters that files define, with their doc comments.

use super::ParsedFile;
use crate::span::{Files, Span};
use crate::stdlib;
use crate::syntax::ast::{self, Text, TypeValue};
use crate::typed::Definition;
use crate::typed::DefinitionKind;

/// The definitions of all files except the standard library, by kind, in the order of the files.
pub(super) fn collect(files: &Files, parsed: &[ParsedFile]) -> Vec<Definition> {
    let own = |file: &&ParsedFile| {
        files.get(file.id).is_some_and(|file| stdlib::module_of(file.name()).is_none())
    };
    parsed.iter().filter(own).flat_map(|file| in_file(&file.tree)).collect()
}

fn in_file(tree: &ast::File) -> impl Iterator<Item = Definition> {
    let types = tree.types.iter().map(|declared| {
        let value = match &declared.value {
            TypeValue::Type(ty) => ty.span,
            TypeValue::JsonSchema(file) => file.span,
        };
        definition(DefinitionKind::Type, declared.doc.as_ref(), &declared.name, value)
    });
    let consts = tree.consts.iter().map(|declared| {
        let (name, value) = (&declared.name, declared.value.span);
        definition(DefinitionKind::Const, declared.doc.as_ref(), name, value)
    });
    let conditions = tree.conditions.iter().map(|declared| {
        let (name, body) = (&declared.name, declared.body.span);
        definition(DefinitionKind::Condition, declared.doc.as_ref(), name, body)
    });
    let limiters = tree.limiters.iter().map(|declared| {
        // Its block, without the word before its name.
        let name = &declared.name;
        let body = Span { start: name.span.start, ..declared.span };
        definition(DefinitionKind::Limiter, declared.doc.as_ref(), name, body)
    });
    types.chain(consts).chain(conditions).chain(limiters)
}

fn definition(kind: DefinitionKind, doc: Option<&String>, name: &Text, value: Span) -> Definition {
    Definition { kind, doc: doc.cloned(), name: name.span, span: name.span.to(value) }
}
