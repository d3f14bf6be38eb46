//! The part of a trigger block that is the same for every event.

use serde_json::Value as Json;

use super::{Expr, ExprKind, Mapped, MappedValue, RecordField, Trigger};
use crate::attempts::AttemptPolicy;
use crate::schema::{FieldType, Outline, OutlineField, TriggerInfo};

impl TriggerInfo {
    pub(crate) fn from_trigger(trigger: &Trigger) -> Self {
        Self {
            attempts: trigger.attempts,
            is_replaceable: trigger.is_replaceable,
            ..Self::from_fields(&trigger.kind, &trigger.fields)
        }
    }

    pub(crate) fn from_fields(kind: &str, fields: &[Mapped]) -> Self {
        let fields = fields.iter().map(field).collect();
        let (kind, attempts) = (kind.to_owned(), AttemptPolicy::default());
        Self { kind, attempts, is_replaceable: false, fields }
    }
}

fn field(mapped: &Mapped) -> OutlineField {
    let value = match &mapped.value {
        MappedValue::Block(fields) => block(fields.iter().map(field).collect()),
        MappedValue::Expr(expr, ty) => outline(expr, ty),
    };
    OutlineField { key: mapped.key.clone(), optional: mapped.optional, value }
}

/// A block is constant if all of its values are.
fn block(fields: Vec<OutlineField>) -> Outline {
    let constant = |field: &OutlineField| match (&field.value, field.optional) {
        (Outline::Constant(value), _) => Some((field.key.clone(), value.clone())),
        _ => None,
    };
    match fields.iter().map(constant).collect() {
        Some(map) => Outline::Constant(Json::Object(map)),
        None => Outline::Block(fields),
    }
}

fn outline(expr: &Expr, ty: &FieldType) -> Outline {
    match &expr.kind {
        ExprKind::Const(value) => ty.accept(value).map_or(Outline::Computed, Outline::Constant),
        ExprKind::Record(fields) => {
            let inner = match ty {
                FieldType::Map(inner) => inner,
                other => other,
            };
            let field = |field: &RecordField| OutlineField {
                key: field.key.clone(),
                optional: field.optional,
                value: outline(&field.value, inner),
            };
            block(fields.iter().map(field).collect())
        }
        ExprKind::List(items) => {
            let inner = match ty {
                FieldType::List(inner) => inner,
                other => other,
            };
            let constant = |item: &Expr| match outline(item, inner) {
                Outline::Constant(value) => Some(value),
                _ => None,
            };
            let all: Option<Vec<Json>> = items.iter().map(constant).collect();
            all.map_or(Outline::Computed, |all| Outline::Constant(Json::Array(all)))
        }
        _ => Outline::Computed,
    }
}
