//! Parameter mapping: fills the event's values into trigger fields, and checks each by its type. It
//! never returns partial results.

use serde_json::{Map, Value as Json};

use super::ops::Fault;
use crate::flow::FlowRequest;
use crate::schema::FieldType;
use crate::typed::{Expr, ExprKind, FlowClause, Mapped, MappedValue, Reference};
use crate::value::Value;

/// Replaces a reason that may show a sensitive value.
const CONCEALED: &str =
    "the reason is not shown, because it contains a header that may carry a secret";

/// The fields of an action.
pub(crate) type Rendered = Map<String, Json>;
type Evaluate<'f, 'e, P> = &'f mut dyn FnMut(&Expr<P>) -> Result<Value<'e>, Fault>;

/// Fills in all fields, or returns why the action is rejected.
pub(crate) fn render<'e, P: Reference>(
    fields: &[Mapped<P>],
    evaluate: Evaluate<'_, 'e, P>,
) -> Result<Rendered, String> {
    let mut out = Map::new();
    for field in fields {
        let json = match &field.value {
            MappedValue::Block(inner) => Json::Object(render(inner, evaluate)?),
            MappedValue::Expr(expr, ty) => match one(field, expr, ty, evaluate) {
                Ok(Some(json)) => json,
                Ok(None) => continue,
                Err(_) if expr.is_sensitive() => {
                    return Err(format!("`{}` cannot be filled in: {CONCEALED}", field.name));
                }
                Err(why) => return Err(why),
            },
        };
        out.insert(field.key.clone(), json);
    }
    Ok(out)
}

fn one<'e, P: Reference>(
    field: &Mapped<P>,
    expr: &Expr<P>,
    ty: &FieldType,
    evaluate: Evaluate<'_, 'e, P>,
) -> Result<Option<Json>, String> {
    let name = &field.name;
    let value = match evaluate(expr) {
        Ok(Value::Null) if field.optional => return Ok(None),
        Err(fault) if field.optional && fault.is_absence() => return Ok(None),
        Ok(Value::Null) => {
            return Err(format!("`{name}` needs {}, which is null", super::ops::name(expr)));
        }
        Err(fault) if fault.is_absence() => return Err(format!("`{name}` needs {fault}")),
        Err(fault) => return Err(format!("`{name}` has no value: {fault}")),
        Ok(value) => value,
    };
    let json = ty.accept(&value).map_err(|why| format!("`{name}` {why}"))?;
    for marker in refused(ty) {
        if smuggles(expr, &json, marker, evaluate) {
            return Err(format!(
                "`{name}` is {}, and text from an event may not carry `{marker}`; use `raw(…)` to allow it",
                value.show()
            ));
        }
    }
    Ok(Some(json))
}

/// The markers that texts of the event must not contain in a field of this type.
fn refused(ty: &FieldType) -> &'static [&'static str] {
    match ty {
        FieldType::Text(templates) | FieldType::Any(templates) => templates.refused(),
        FieldType::Map(inner) | FieldType::List(inner) => refused(inner),
        _ => &[],
    }
}

/// Whether a text or key of a value contains a marker, such as `{{`, that the author of the rule
/// did not write.
fn smuggles<'e, P: Reference>(
    expr: &Expr<P>,
    json: &Json,
    marker: &str,
    evaluate: Evaluate<'_, 'e, P>,
) -> bool {
    if !carries(json, marker) {
        return false;
    }
    match &expr.kind {
        ExprKind::Coalesce { left, right } => match evaluate(left) {
            // Only the operand that provides the value is checked; a failure provides none.
            Ok(Value::Null) => smuggles(right, json, marker, evaluate),
            Err(fault) if fault.is_absence() => smuggles(right, json, marker, evaluate),
            Ok(_) => smuggles(left, json, marker, evaluate),
            Err(_) => true,
        },
        ExprKind::Concat(parts) => {
            let Json::String(text) = json else { return true };
            // Every marker must be inside a single part, which is checked separately.
            let mut trusted = Vec::new();
            let mut at = 0;
            for part in parts {
                let Ok(value) = evaluate(part) else { return true };
                let Some(piece) = value.canonical() else { return true };
                let (len, piece) = (piece.len(), Json::String(piece.into_owned()));
                // A part without a complete marker may still contain half of one.
                if carries(&piece, marker) && !smuggles(part, &piece, marker, evaluate) {
                    trusted.push(at..at + len);
                }
                at += len;
            }
            places(text, marker).any(|from| {
                let to = from + marker.len();
                !trusted.iter().any(|range| range.start <= from && to <= range.end)
            })
        }
        ExprKind::Named { value, .. } => smuggles(value, json, marker, evaluate),
        // Only the branch that provides the value is checked.
        ExprKind::If { condition, chosen, otherwise } => match evaluate(condition) {
            Ok(Value::Bool(true)) => smuggles(chosen, json, marker, evaluate),
            Ok(Value::Bool(false)) => smuggles(otherwise, json, marker, evaluate),
            _ => true,
        },
        ExprKind::Const(_) => false,
        ExprKind::Lookup { base, .. } | ExprKind::Access { base, .. } => !is_constant(base),
        // Keys are written in the rules; each value is checked separately.
        ExprKind::Record(fields) => fields.iter().any(|field| {
            json.get(&field.key).is_some_and(|json| smuggles(&field.value, json, marker, evaluate))
        }),
        ExprKind::List(items) => match json {
            Json::Array(values) if values.len() == items.len() => {
                items.iter().zip(values).any(|(item, json)| smuggles(item, json, marker, evaluate))
            }
            _ => true,
        },
        ExprKind::Call { function, .. } => function.name != "raw",
        _ => true,
    }
}

/// Whether a value is a part of a constant, which the rules contain.
fn is_constant<P: Reference>(expr: &Expr<P>) -> bool {
    match &expr.kind {
        ExprKind::Const(_) => true,
        ExprKind::Lookup { base, .. } | ExprKind::Access { base, .. } => is_constant(base),
        _ => false,
    }
}

fn carries(json: &Json, marker: &str) -> bool {
    match json {
        Json::String(text) => text.contains(marker),
        Json::Array(items) => items.iter().any(|item| carries(item, marker)),
        Json::Object(map) => {
            map.iter().any(|(key, value)| key.contains(marker) || carries(value, marker))
        }
        _ => false,
    }
}

/// The positions of a marker, including overlapping ones.
fn places(text: &str, marker: &str) -> impl Iterator<Item = usize> {
    text.as_bytes()
        .windows(marker.len())
        .enumerate()
        .filter(|(_, window)| *window == marker.as_bytes())
        .map(|(at, _)| at)
}

/// The clauses of a rule with the values of their keys, or why its actions are rejected.
pub(crate) fn flow_requests<'e, P: Reference>(
    clauses: &[FlowClause<P>],
    mut evaluate: impl FnMut(&Expr<P>) -> Result<Value<'e>, Fault>,
) -> Result<Vec<FlowRequest>, String> {
    // Most rules have none.
    if clauses.is_empty() {
        return Ok(Vec::new());
    }
    let request = |clause| flow_request(clause, &mut evaluate);
    clauses.iter().map(request).collect()
}

fn flow_request<'e, P: Reference>(
    clause: &FlowClause<P>,
    evaluate: impl FnMut(&Expr<P>) -> Result<Value<'e>, Fault>,
) -> Result<FlowRequest, String> {
    let is_sensitive = clause.is_sensitive();
    let values = match flow_key(clause, evaluate) {
        Err(_) if is_sensitive => {
            return Err(format!("`{}` has no key: {CONCEALED}", clause.flow.words()));
        }
        found => found?,
    };
    Ok(FlowRequest {
        clause: clause.identity.clone(),
        flow: clause.flow,
        limiter: clause.limiter.clone(),
        hours: clause.hours.as_deref().cloned().map(Box::new),
        // The caller knows which are on.
        fuses: clause.fuses.iter().map(|(_, name)| (name.clone(), true)).collect(),
        approvers: clause.approvers.clone(),
        values,
        is_sensitive,
    })
}

fn flow_key<'e, P: Reference>(
    clause: &FlowClause<P>,
    mut evaluate: impl FnMut(&Expr<P>) -> Result<Value<'e>, Fault>,
) -> Result<Vec<String>, String> {
    let words = clause.flow.words();
    let mut values = Vec::new();
    for key in &clause.keys {
        let name = super::ops::name(key);
        let value = match evaluate(key) {
            Ok(Value::Null) => return Err(format!("`{words}` needs {name}, which is null")),
            Ok(value) => value,
            Err(fault) if fault.is_absence() => return Err(format!("`{words}` needs {fault}")),
            Err(fault) => return Err(format!("`{words}` has no key: {fault}")),
        };
        if value.canonical().is_none() {
            return Err(format!("`{words}` takes single values, but {name} is {}", value.kind()));
        }
        values.push(
            value
                .to_json_text()
                .map_err(|unrepresentable| format!("{name} is {unrepresentable}"))?,
        );
    }
    Ok(values)
}
