//! The types of the checker: sets of values that an expression may have.
//!
//! Every type is a union: it has a part for each kind of value. Types never change the value of an
//! expression.

mod conformance;
mod display;
mod narrow;
mod projection;
mod sample;
mod scalars;
mod shaped;
mod subtype;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::{Kinds, Value};
pub(crate) use narrow::IsTest;

pub(crate) use projection::StepError;
pub(crate) use scalars::Format;
use scalars::{BoolType, NumberType, StringType};

/// The names of the built-in types.
pub(crate) const BUILT_IN: [&str; 9] =
    ["any", "bool", "bytes", "duration", "float", "int", "null", "string", "timestamp"];

/// A set of values. The empty set is the type of an impossible value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ty {
    /// The type is unknown: any value of an event, which is accepted everywhere.
    any: bool,
    null: bool,
    bools: BoolType,
    numbers: NumberType,
    strings: StringType,
    /// The element types, one for each alternative.
    lists: Vec<Arc<Self>>,
    maps: Vec<Arc<Record>>,
    /// Kinds that only computed values have: times, durations and so on.
    computed: Kinds,
}

/// One alternative for maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) fields: IndexMap<Arc<str>, RecordMember>,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordMember {
    pub(crate) ty: Ty,
    pub(crate) optional: bool,
}

/// The other keys that a map may have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Rest {
    #[default]
    Nothing,
    /// Anything; its type is unknown.
    Open,
    /// Any keys, with values of this type.
    Each(Ty),
}

/// Whether a value may be missing. Later variants are more important to an author.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Missing {
    Never,
    /// The type does not say: a key of a map, an element of a list, a field of an untyped value.
    Open,
    /// It is declared as possibly missing or null: this path.
    Declared(Arc<str>),
}

/// The ways in which an expression may have no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    /// It may be absent, and a default applies.
    pub(crate) absent: Missing,
    /// A condition in it may be unknown, and a default does not help.
    pub(crate) unknown: Missing,
}

/// What is known about an expression: its type, and whether it may have no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) ty: Ty,
    pub(crate) absence: Absence,
}

impl Absence {
    pub(crate) const NEVER: Self = Self { absent: Missing::Never, unknown: Missing::Never };

    pub(crate) fn absent(absent: Missing) -> Self {
        Self { absent, ..Self::NEVER }
    }

    /// The absence of an expression that is made of both.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { absent: self.absent.max(other.absent), unknown: self.unknown.max(other.unknown) }
    }

    /// The absence of a condition over it: it may be unknown, but is never absent.
    pub(crate) fn of_condition(self) -> Self {
        Self { absent: Missing::Never, unknown: self.absent.max(self.unknown) }
    }
}

impl Known {
    /// A value that is always present.
    pub(crate) fn present(ty: Ty) -> Self {
        Self { ty, absence: Absence::NEVER }
    }

    /// A value of the event without a known type.
    pub(crate) fn any() -> Self {
        Self { ty: Ty::any(), absence: Absence::absent(Missing::Open) }
    }

    /// A value that could not be checked, which is reported: anything, so that no further problems
    /// follow.
    pub(crate) fn unchecked() -> Self {
        Self { ty: Ty::from_kinds(Kinds::ANY), absence: Absence::absent(Missing::Open) }
    }

    pub(crate) fn kinds(&self) -> Kinds {
        self.ty.kinds()
    }
}

impl Ty {
    /// The empty type.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// All values of an event, without further knowledge.
    pub(crate) fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    pub(crate) fn null() -> Self {
        Self { null: true, ..Self::default() }
    }

    pub(crate) fn bool() -> Self {
        Self { bools: BoolType::ALL, ..Self::default() }
    }

    pub(crate) fn int() -> Self {
        Self { numbers: NumberType::int(), ..Self::default() }
    }

    pub(crate) fn number() -> Self {
        Self { numbers: NumberType::all(), ..Self::default() }
    }

    pub(crate) fn string() -> Self {
        Self { strings: StringType::all(), ..Self::default() }
    }

    /// Strings of a format.
    pub(crate) fn format(format: Format) -> Self {
        Self { strings: StringType::format(format), ..Self::default() }
    }

    pub(crate) fn list(element: Self) -> Self {
        Self { lists: vec![Arc::new(element)], ..Self::default() }
    }

    pub(crate) fn record(record: Record) -> Self {
        Self { maps: vec![Arc::new(record)], ..Self::default() }
    }

    /// Maps whose values are all of this type.
    pub(crate) fn map(value: Self) -> Self {
        Self::record(Record { fields: IndexMap::new(), rest: Rest::Each(value) })
    }

    /// All values of these kinds. All kinds together are the unknown type.
    pub(crate) fn from_kinds(kinds: Kinds) -> Self {
        let computed = kinds.minus(Kinds::JSON);
        if Kinds::JSON.within(kinds) {
            return Self { any: true, computed, ..Self::default() };
        }
        let parts = [
            (Kinds::NULL, Self::null as fn() -> Self),
            (Kinds::BOOL, Self::bool),
            (Kinds::NUMBER, Self::number),
            (Kinds::STRING, Self::string),
            (Kinds::LIST, || Self::list(Self::any())),
            (Kinds::MAP, || Self::map(Self::any())),
        ];
        parts
            .into_iter()
            .filter(|(kind, _)| kinds.meets(*kind))
            .fold(Self { computed, ..Self::default() }, |ty, (_, part)| ty.or(part()))
    }

    /// The type of this single value.
    pub(crate) fn from_value(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::null(),
            Value::Bool(truth) => Self { bools: BoolType::only(*truth), ..Self::default() },
            Value::Number(number) => Self { numbers: NumberType::only(*number), ..Self::default() },
            Value::String(text) => Self { strings: StringType::only(text), ..Self::default() },
            Value::List(items) => {
                Self::list(items.iter().map(Self::from_value).fold(Self::nothing(), Self::or))
            }
            Value::Map(entries) => {
                let field = |value| RecordMember { ty: Self::from_value(value), optional: false };
                let fields = entries.iter().map(|(k, v)| (Arc::from(k.as_ref()), field(v)));
                Self::record(Record { fields: fields.collect(), rest: Rest::Nothing })
            }
            other => Self::from_kinds(other.kind()),
        }
    }

    /// The union of both.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.any |= other.any;
        self.null |= other.null;
        self.bools = self.bools.or(other.bools);
        self.numbers = self.numbers.or(other.numbers);
        self.strings = self.strings.or(other.strings);
        for list in other.lists {
            if !self.lists.iter().any(|own| Arc::ptr_eq(own, &list)) {
                self.lists.push(list);
            }
        }
        for map in other.maps {
            if !self.maps.iter().any(|own| Arc::ptr_eq(own, &map)) {
                self.maps.push(map);
            }
        }
        self.computed = self.computed.or(other.computed);
        self
    }

    /// The kinds of its values.
    pub(crate) fn kinds(&self) -> Kinds {
        if self.any {
            return Kinds::JSON.or(self.computed);
        }
        let parts = [
            (self.null, Kinds::NULL),
            (!self.bools.is_empty(), Kinds::BOOL),
            (!self.numbers.is_empty(), Kinds::NUMBER),
            (!self.strings.is_empty(), Kinds::STRING),
            (!self.lists.is_empty(), Kinds::LIST),
            (!self.maps.is_empty(), Kinds::MAP),
        ];
        let kinds = parts.iter().filter(|(has, _)| *has);
        kinds.fold(self.computed, |kinds, (_, kind)| kinds.or(*kind))
    }

    /// Whether nothing is known about it, so that it is accepted everywhere.
    pub(crate) fn is_any(&self) -> bool {
        self.any
    }

    /// Whether null is known to be one of its values.
    pub(crate) fn may_be_null(&self) -> bool {
        self.null
    }

    /// Whether it has no values.
    pub(crate) fn is_nothing(&self) -> bool {
        self.kinds() == Kinds::NOTHING
    }

    /// The alternatives of its maps, and the element types of its lists.
    pub(crate) fn structures(&self) -> (&[Arc<Record>], &[Arc<Self>]) {
        (&self.maps, &self.lists)
    }

    /// The type of the elements of its lists.
    pub(crate) fn element(&self) -> Self {
        if self.any {
            return Self::any();
        }
        self.lists.iter().fold(Self::nothing(), |ty, list| ty.or((**list).clone()))
    }

    /// The type of the values of its maps.
    pub(crate) fn map_values(&self) -> Self {
        if self.any {
            return Self::any();
        }
        let mut map_values = Self::nothing();
        for map in &self.maps {
            map_values = map
                .fields
                .values()
                .fold(map_values, |map_values, field| map_values.or(field.ty.clone()));
            map_values = match &map.rest {
                Rest::Nothing => map_values,
                Rest::Open => map_values.or(Self::any()),
                Rest::Each(ty) => map_values.or(ty.clone()),
            };
        }
        map_values
    }

    /// Extended to all scalars of the kinds that it contains.
    pub(crate) fn widened(mut self) -> Self {
        self.numbers = self.numbers.widened();
        if !self.strings.is_empty() {
            self.strings = StringType::all();
        }
        if !self.bools.is_empty() {
            self.bools = BoolType::ALL;
        }
        self
    }

    /// Its strings, if it consists of string literals only.
    pub(crate) fn literal_strings(&self) -> Option<impl Iterator<Item = &str> + Clone> {
        self.strings.literals()
    }

    /// Its own size, without the contents of its lists and maps.
    pub(crate) fn breadth(&self) -> usize {
        let fields: usize = self.maps.iter().map(|map| map.fields.len() + 1).sum();
        1 + fields + self.lists.len() + self.strings.len() + self.numbers.len()
    }
}
