//! The values that rules read from a body, for people who configure the sender.

use super::{EventPlan, Frames, Group, Origin, Slot};
use crate::typed::{CompareOp, Expr, ExprKind, Segment};
use crate::value::Value;

/// A value of the body that rules read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BodyField {
    /// The keys on the path to it. If the rules continue into a list by index, the keys up to the
    /// list; empty if they read the complete body.
    pub keys: Vec<String>,
    /// The strings that a condition compares it with, using `==` or `in`, without duplicates.
    pub strings: Vec<String>,
}

pub(crate) fn body_fields(event: &EventPlan) -> Vec<BodyField> {
    let mut fields: Vec<BodyField> = Vec::new();
    let of_event =
        |frames: &'_ Frames| frames.groups.first().map(|group: &Group| group.slots.clone());
    let slots = [&event.frames, &event.arrival].into_iter().filter_map(of_event);
    for slot in slots.flatten() {
        if let Origin::Tree(segments) = &slot.origin {
            add(&mut fields, keys(segments));
        }
    }
    let Some(group) = event.frames.groups.first() else { return fields };
    for sensor in event.sensors_and_cancellers() {
        let rules = sensor.rules.iter().flat_map(|rule| &rule.clauses);
        for clause in sensor.clauses.iter().chain(rules) {
            compared(clause, false, group, &mut fields);
        }
    }
    fields
}

fn keys(segments: &[Segment]) -> Vec<String> {
    let key = |segment: &Segment| match segment {
        Segment::Key(key) => Some(key.clone()),
        Segment::Index(_) => None,
    };
    segments.iter().map_while(key).collect()
}

fn add(fields: &mut Vec<BodyField>, keys: Vec<String>) {
    if !fields.iter().any(|field| field.keys == keys) {
        fields.push(BodyField { keys, strings: Vec::new() });
    }
}

/// Adds the strings that atoms which must be true compare values of the body with.
fn compared(expr: &Expr<Slot>, negated: bool, group: &Group, fields: &mut [BodyField]) {
    match &expr.kind {
        ExprKind::Not(inner) => return compared(inner, !negated, group, fields),
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            return parts.iter().for_each(|part| compared(part, negated, group, fields));
        }
        _ if negated => return,
        _ => {}
    }
    let Some((slot, strings)) = comparison(expr) else { return };
    let Some(Origin::Tree(segments)) = group.slots.get(slot).map(|slot| &slot.origin) else {
        return;
    };
    // A value inside a list is not the list.
    if segments.iter().any(|segment| matches!(segment, Segment::Index(_))) {
        return;
    }
    let keys = keys(segments);
    if let Some(field) = fields.iter_mut().find(|field| field.keys == keys) {
        for string in strings {
            if !field.strings.contains(&string) {
                field.strings.push(string);
            }
        }
    }
}

/// A slot of the event, and the strings that it is compared with.
fn comparison(atom: &Expr<Slot>) -> Option<(usize, Vec<String>)> {
    let (value, among) = match &atom.kind {
        ExprKind::Compare { op: CompareOp::Eq, left, right } => match &left.kind {
            ExprKind::Path(_) => (left, right),
            _ => (right, left),
        },
        ExprKind::In { item, list } => (item, list),
        _ => return None,
    };
    match &value.kind {
        ExprKind::Path(slot) if slot.level == 0 => Some((slot.index as usize, strings(among))),
        _ => None,
    }
}

fn strings(expr: &Expr<Slot>) -> Vec<String> {
    match &expr.kind {
        ExprKind::Const(Value::String(text)) => vec![text.clone().into_owned()],
        ExprKind::Const(Value::List(items)) => items
            .iter()
            .filter_map(|item| match item {
                Value::String(text) => Some(text.clone().into_owned()),
                _ => None,
            })
            .collect(),
        ExprKind::List(items) => items.iter().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::BodyField;
    use crate::Ruleset;
    use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema, Templates};

    fn fields(sensor: &str) -> Vec<BodyField> {
        let queue =
            Schema::new("queue", "").field(Field::optional("id", FieldType::Expression, ""));
        let message = Field::required("message", FieldType::Any(Templates::Allowed), "");
        let registry = Registry::new()
            .source(SourceSchema::new(queue, Schema::new("event", "")))
            .trigger(Schema::new("log", "").field(message));
        let rules = format!("source q queue {{ id = body.id\n event e }}\n{sensor}");
        Ruleset::parse("x.rules", &rules, &registry).unwrap().plan().body_fields("q", "e")
    }

    fn shown(fields: &[BodyField]) -> Vec<String> {
        fields.iter().map(|f| format!("{}: {}", f.keys.join("."), f.strings.join("|"))).collect()
    }

    #[test]
    fn fields_are_named_once_in_the_order_of_reading() {
        let sensor = "sensor s on q.e {
            when body.kind in [\"a\", \"b\", \"c\"]
            each x in body.list
            rule r { when body.kind == \"a\" and x.y == \"no\"
              trigger log { message = \"${body.n.m} ${x.z} ${headers.h} ${body.at[0].k}\" } }
            rule t { when \"c\" == body.kind  trigger log { message = body.n.m } }
        }";
        assert_eq!(shown(&fields(sensor)), ["list: ", "kind: a|b|c", "n.m: ", "at: ", "id: "]);
    }

    #[test]
    fn what_a_value_must_not_be_is_none_of_its_strings() {
        let sensor = "sensor s on q.e { rule r {
            when body.a != \"x\" and not body.b == \"y\" and not (body.c != \"z\")
            when body.d[0] == \"w\" and body.e == 1
            trigger log { message = body } } }";
        let shown = shown(&fields(sensor));
        assert_eq!(shown, ["a: ", "b: ", "c: ", "d: ", "e: ", ": ", "id: "]);
    }

    #[test]
    fn an_event_that_nobody_declares_has_none() {
        let plan = Ruleset::parse("x.rules", "fuse a default on", &Registry::new()).unwrap().plan();
        assert!(plan.body_fields("q", "e").is_empty());
    }
}
