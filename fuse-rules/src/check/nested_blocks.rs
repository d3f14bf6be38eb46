//! Nested blocks with fields of their own, and the checks of complete blocks.

use super::Checker;
use super::scope::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{Schema, TriggerInfo};
use crate::syntax::ast::{Block, Text};
use crate::typed::Mapped;

impl Checker<'_> {
    /// The fields of a nested block, with defaults, checked against its schema.
    pub(super) fn nested_block(
        &mut self,
        schema: &Schema,
        key: &Text,
        block: &Block,
        scope: &mut Scope,
        prefix: &str,
    ) -> Vec<Mapped> {
        let before = self.problems.len();
        let mut fields = self.block(schema.fields(), block, scope, prefix);
        self.complete_block(schema, block, key, &mut fields);
        self.verify_block(schema, key, block, &fields, before);
        fields
    }

    /// Calls the schema's own check, unless the block has problems since `before`.
    pub(super) fn verify_block(
        &mut self,
        schema: &Schema,
        kind: &Text,
        block: &Block,
        fields: &[Mapped],
        before: usize,
    ) {
        if let Some(verify) = schema.verifier()
            && !block.incomplete
            && !self.has_errors_since(before)
            && let Err(why) = verify(&TriggerInfo::from_fields(&kind.text, fields))
        {
            self.report(rejected_block(kind, block, &why));
        }
    }
}

/// A block that the verifier of its kind rejects, reported at the first of its fields that the
/// reason names.
fn rejected_block(kind: &Text, block: &Block, why: &str) -> Diagnostic {
    let named = why.split('`').skip(1).step_by(2);
    let given = named
        .filter_map(|name| block.fields.iter().find(|field| field.key.text == name))
        .map(|field| &field.key)
        .next();
    let message = format!("`{}` {why}", kind.text);
    match given {
        Some(key) if why.starts_with("has") => Diagnostic::error(Code::E0410, key.span, message)
            .label("conflicts with the rest of the block")
            .help(format!("remove `{}`, or the field that it conflicts with", key.text)),
        Some(key) => Diagnostic::error(Code::E0410, key.span, message).label("not valid like this"),
        None => Diagnostic::error(Code::E0410, kind.span, message)
            .label("in this block")
            .help("add the missing field to this block, or to the file's `defaults`"),
    }
}
