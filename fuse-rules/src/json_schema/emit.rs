//! Converts a set of values to a type of the language.

use super::sets::{ObjectSet, SchemaNumbers, Slots, StringSet, ValueSet};
use crate::span::Span;
use crate::syntax::ast::{Text, Type, TypeField, TypeKind};

/// The smallest type that contains all values of a set. Every span in it is `span`.
pub(super) fn emit(set: ValueSet, span: Span) -> Type {
    let slots = match set {
        ValueSet::Any => return named("any", span),
        ValueSet::Of(slots) if *slots == Slots::full() => return named("any", span),
        ValueSet::Of(slots) => *slots,
    };
    let Slots { null, yes, no, numbers, strings, list, objects } = slots;
    let ty = |kind| Type { kind, span };
    let mut kinds = Vec::new();
    match strings {
        StringSet::All => kinds.push(named("string", span)),
        StringSet::Timestamps => kinds.push(named("timestamp", span)),
        StringSet::Base64 => kinds.push(named("bytes", span)),
        StringSet::Only(some) => kinds.extend(some.into_iter().map(|s| ty(TypeKind::String(s)))),
    }
    match numbers {
        SchemaNumbers::All => kinds.push(named("float", span)),
        SchemaNumbers::Whole => kinds.push(named("int", span)),
        SchemaNumbers::Only(some) => {
            kinds.extend(some.into_iter().map(|n| ty(TypeKind::Number(n))))
        }
    }
    match (yes, no) {
        (true, true) => kinds.push(named("bool", span)),
        (true, false) => kinds.push(ty(TypeKind::Bool(true))),
        (false, true) => kinds.push(ty(TypeKind::Bool(false))),
        (false, false) => {}
    }
    kinds.extend(list.map(|elements| ty(TypeKind::List(Box::new(elements_of(elements, span))))));
    kinds.extend(objects.into_iter().map(|object| ty(record(object, span))));
    kinds.extend(null.then(|| named("null", span)));
    match kinds.len() {
        0 => ty(TypeKind::Error),
        1 => kinds.pop().unwrap_or_else(|| named("any", span)),
        _ => ty(TypeKind::Union(kinds)),
    }
}

fn named(name: &str, span: Span) -> Type {
    Type { kind: TypeKind::Name { module: None, name: name.into() }, span }
}

fn elements_of(elements: ValueSet, span: Span) -> Type {
    // No type describes a list that can only be empty.
    if elements.is_empty() { named("any", span) } else { emit(elements, span) }
}

fn record(object: ObjectSet, span: Span) -> TypeKind {
    let open = !object.rest.is_empty();
    if open && object.fields.is_empty() {
        return TypeKind::Map(Box::new(emit(object.rest, span)));
    }
    let fields = object.fields.into_iter().map(|(key, field)| TypeField {
        key: Text { text: key, span },
        optional: !field.required,
        ty: emit(field.set, span),
    });
    TypeKind::Record { fields: fields.collect(), open }
}
