//! The fields of an action that a test expects: the rule must set them, and their values are
//! converted as in the rule.

use serde_json::{Map, Value as Json};

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, Block};
use crate::typed::{ExpectedFields, Mapped, MappedValue, Trigger};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn expected_fields(
        &mut self,
        block: &Block,
        rule: &str,
        triggers: &[Trigger],
    ) -> Option<ExpectedFields> {
        let given: Vec<_> = triggers.iter().map(|trigger| &trigger.fields).collect();
        self.check_fields_are_set(block, &given, rule);
        let Json::Object(mut expected) = self.block_value(block)? else { return None };
        self.convert_like_rule(&mut expected, block, &given);
        let mut left_out = Vec::new();
        self.left_out(block, &mut Vec::new(), &mut left_out);
        let triggers = (0..).zip(&given).filter(|(_, fields)| sets_all(fields, block));
        let triggers = triggers.map(|(at, _)| at).collect();
        Some(ExpectedFields { span: block.span, values: expected, left_out, triggers })
    }

    /// Collects the paths of the fields `p? = null`, which the action must not have.
    fn left_out(&mut self, block: &Block, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
        for field in &block.fields {
            path.push(field.key.text.clone());
            match &field.value {
                ast::FieldValue::Expr(expr) if field.optional => match self.fixed(expr) {
                    Some(Value::Null) => all.push(path.clone()),
                    Some(_) => {
                        let key = &field.key.text;
                        let message = format!("an expected field cannot be optional: `{key}?`");
                        let problem = Diagnostic::error(Code::E0409, field.key.span, message);
                        self.report(problem.label("`?` means that the field is left out").help(format!(
                            "write `{key} = …` for the value, or `{key}? = null` if the field is left out"
                        )));
                    }
                    None => {}
                },
                ast::FieldValue::Expr(ast::Expr { kind: ast::ExprKind::List(items), .. }) => {
                    self.report_left_out_in_list(items);
                }
                value => {
                    if let Some(inner) = value.as_block() {
                        self.left_out(inner, path, all);
                    }
                }
            }
            path.pop();
        }
    }

    /// Reports optional fields of records in a list, which cannot be tested.
    fn report_left_out_in_list(&mut self, items: &[ast::Expr]) {
        let records = items.iter().filter_map(|item| match &item.kind {
            ast::ExprKind::Record(block) => Some(block),
            _ => None,
        });
        for field in records.flat_map(|block| &block.fields).filter(|field| field.optional) {
            let message = format!(
                "an expected field of a record in a list cannot be optional: `{}?`",
                field.key.text
            );
            self.report(
                Diagnostic::error(Code::E0409, field.key.span, message)
                    .label("`?` means that the field is left out")
                    .help("remove it; the records in a list may have other fields"),
            );
        }
    }

    /// Converts values to what a backend receives: `2m` to milliseconds, and a number to text if
    /// the field takes texts. A value that the field does not accept stays as it is, and does not
    /// match.
    fn convert_like_rule(
        &mut self,
        expected: &mut Map<String, Json>,
        block: &Block,
        given: &[&Vec<Mapped>],
    ) {
        for field in &block.fields {
            let key = field.key.text.as_str();
            let Some(value) = expected.get_mut(key) else { continue };
            let mut found = given.iter().flat_map(|fields| fields.iter().filter(|f| f.key == key));
            match &field.value {
                ast::FieldValue::Block(inner) => {
                    let blocks: Vec<_> = found.filter_map(|field| block_of(&field.value)).collect();
                    if let Json::Object(inside) = value {
                        self.convert_like_rule(inside, inner, &blocks);
                    }
                }
                ast::FieldValue::Expr(expr) => {
                    let ty = found.find_map(|field| match &field.value {
                        MappedValue::Expr(_, ty) => Some(ty),
                        MappedValue::Block(_) => None,
                    });
                    let fixed = ty.zip(self.fixed(expr));
                    if let Some(accepted) = fixed.and_then(|(ty, fixed)| ty.accept(&fixed).ok()) {
                        *value = accepted;
                    }
                }
            }
        }
    }

    /// Reports expected fields that no trigger of the rule sets.
    fn check_fields_are_set(&mut self, block: &Block, given: &[&Vec<Mapped>], rule: &str) {
        for field in &block.fields {
            let key = field.key.text.as_str();
            let found: Vec<&Mapped> =
                given.iter().flat_map(|fields| fields.iter().filter(|f| f.key == key)).collect();
            if found.is_empty() {
                let known = given.iter().flat_map(|fields| fields.iter().map(|f| f.key.as_str()));
                self.report(
                    Diagnostic::error(
                        Code::E0603,
                        field.key.span,
                        format!("rule `{rule}` does not set `{key}`"),
                    )
                    .label("never set")
                    .suggest(&field.key, known, "it sets"),
                );
                continue;
            }
            if let ast::FieldValue::Block(inner) = &field.value {
                let blocks = found.iter().map(|field| block_of(&field.value));
                // The value of an expression is not known before the test runs.
                if let Some(blocks) = blocks.collect::<Option<Vec<_>>>() {
                    self.check_fields_are_set(inner, &blocks, rule);
                }
            }
        }
    }
}

/// Whether a trigger sets all fields of an expectation.
fn sets_all(fields: &[Mapped], expected: &Block) -> bool {
    expected.fields.iter().all(|own| {
        fields.iter().filter(|field| field.key == own.key.text).any(|field| {
            match (own.value.as_block(), block_of(&field.value)) {
                (Some(expected), Some(fields)) => sets_all(fields, expected),
                _ => true,
            }
        })
    })
}

fn block_of(value: &MappedValue) -> Option<&Vec<Mapped>> {
    match value {
        MappedValue::Block(fields) => Some(fields),
        MappedValue::Expr(..) => None,
    }
}
