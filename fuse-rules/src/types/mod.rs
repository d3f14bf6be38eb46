//! The types that the checker computes with: a set of values that an expression may have.
//!
//! A type is a union by construction: for each kind of value it says which of them it has.
//! Types never change what an expression evaluates to.

mod conformance;
mod display;
mod narrow;
mod projection;
mod sample;
mod scalars;
mod subtype;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::{Kinds, Value};
pub(crate) use narrow::IsTest;

pub(crate) use projection::Wrong;
pub(crate) use scalars::Format;
use scalars::{Bools, Numbers, Strings};

/// The names of the built-in types.
pub(crate) const BUILT_IN: [&str; 9] =
    ["any", "bool", "bytes", "duration", "float", "int", "null", "string", "timestamp"];

/// A set of values. The empty one is that of what cannot be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ty {
    /// Nothing is known: any value of an event, on trust.
    any: bool,
    null: bool,
    bools: Bools,
    numbers: Numbers,
    strings: Strings,
    /// The types of the elements, one for each kind of list.
    lists: Vec<Arc<Self>>,
    maps: Vec<Arc<Record>>,
    /// Kinds that no event has: times, durations and the like.
    computed: Kinds,
}

/// A kind of map.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) fields: IndexMap<Arc<str>, Field>,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) ty: Ty,
    pub(crate) optional: bool,
}

/// What a map may have besides its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Rest {
    #[default]
    Nothing,
    /// Anything, of which nothing is known.
    Open,
    /// Any keys, with values of this type.
    Each(Ty),
}

/// Whether a value may be missing. The later the more an author should hear of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Missing {
    Never,
    /// Its type cannot know: a key of a map, an element of a list, a field of what has no type.
    Open,
    /// It is declared as one that may be missing or null: this path.
    Declared(Arc<str>),
}

/// In which ways an expression may have no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// It may be absent, and a default may stand in for it.
    pub(crate) absent: Missing,
    /// A condition in it may be unknown, which no default helps.
    pub(crate) unknown: Missing,
}

/// What is known of an expression: its values, and whether it may have none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) ty: Ty,
    pub(crate) lack: Lack,
}

impl Lack {
    pub(crate) const NEVER: Self = Self { absent: Missing::Never, unknown: Missing::Never };

    pub(crate) fn absent(absent: Missing) -> Self {
        Self { absent, ..Self::NEVER }
    }

    /// What is made of both lacks what either does.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { absent: self.absent.max(other.absent), unknown: self.unknown.max(other.unknown) }
    }

    /// What a condition over it lacks: it is unknown, and never absent.
    pub(crate) fn of_condition(self) -> Self {
        Self { absent: Missing::Never, unknown: self.absent.max(self.unknown) }
    }
}

impl Known {
    /// A value that is always there.
    pub(crate) fn present(ty: Ty) -> Self {
        Self { ty, lack: Lack::NEVER }
    }

    /// A value of the event of which nothing is known.
    pub(crate) fn any() -> Self {
        Self { ty: Ty::any(), lack: Lack::absent(Missing::Open) }
    }

    /// What cannot be checked, as its problem is reported: anything, so that it costs no second one.
    pub(crate) fn unchecked() -> Self {
        Self { ty: Ty::of_kinds(Kinds::ANY), lack: Lack::absent(Missing::Open) }
    }

    pub(crate) fn kinds(&self) -> Kinds {
        self.ty.kinds()
    }
}

impl Ty {
    /// Of no value.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// Of any value of an event, of which nothing is known.
    pub(crate) fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    pub(crate) fn null() -> Self {
        Self { null: true, ..Self::default() }
    }

    pub(crate) fn bool() -> Self {
        Self { bools: Bools::ALL, ..Self::default() }
    }

    pub(crate) fn int() -> Self {
        Self { numbers: Numbers::int(), ..Self::default() }
    }

    pub(crate) fn number() -> Self {
        Self { numbers: Numbers::all(), ..Self::default() }
    }

    pub(crate) fn string() -> Self {
        Self { strings: Strings::all(), ..Self::default() }
    }

    /// Of strings that a format describes.
    pub(crate) fn format(format: Format) -> Self {
        Self { strings: Strings::format(format), ..Self::default() }
    }

    pub(crate) fn list(element: Self) -> Self {
        Self { lists: vec![Arc::new(element)], ..Self::default() }
    }

    pub(crate) fn record(record: Record) -> Self {
        Self { maps: vec![Arc::new(record)], ..Self::default() }
    }

    /// Of maps whose values are each of this type.
    pub(crate) fn map(value: Self) -> Self {
        Self::record(Record { fields: IndexMap::new(), rest: Rest::Each(value) })
    }

    /// Of all values of these kinds. All kinds together are what nothing is known of.
    pub(crate) fn of_kinds(kinds: Kinds) -> Self {
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

    /// Of this one value.
    pub(crate) fn of_value(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::null(),
            Value::Bool(truth) => Self { bools: Bools::only(*truth), ..Self::default() },
            Value::Number(number) => Self { numbers: Numbers::only(*number), ..Self::default() },
            Value::String(text) => Self { strings: Strings::only(text), ..Self::default() },
            Value::List(items) => {
                Self::list(items.iter().map(Self::of_value).fold(Self::nothing(), Self::or))
            }
            Value::Map(entries) => {
                let field = |value| Field { ty: Self::of_value(value), optional: false };
                let fields = entries.iter().map(|(k, v)| (Arc::from(k.as_ref()), field(v)));
                Self::record(Record { fields: fields.collect(), rest: Rest::Nothing })
            }
            other => Self::of_kinds(other.kind()),
        }
    }

    /// The values of both.
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

    /// Whether nothing is known of it, so that it is used on trust.
    pub(crate) fn is_any(&self) -> bool {
        self.any
    }

    /// Whether it is known that null is one of its values.
    pub(crate) fn may_be_null(&self) -> bool {
        self.null
    }

    /// Whether it has no value at all.
    pub(crate) fn is_nothing(&self) -> bool {
        self.kinds() == Kinds::NOTHING
    }

    /// Its kinds of maps, and the types of the elements of its kinds of lists.
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

    /// The type of what its maps hold under their keys.
    pub(crate) fn held(&self) -> Self {
        if self.any {
            return Self::any();
        }
        let mut held = Self::nothing();
        for map in &self.maps {
            held = map.fields.values().fold(held, |held, field| held.or(field.ty.clone()));
            held = match &map.rest {
                Rest::Nothing => held,
                Rest::Open => held.or(Self::any()),
                Rest::Each(ty) => held.or(ty.clone()),
            };
        }
        held
    }

    /// With all scalars of the kinds of which it has some.
    pub(crate) fn widened(mut self) -> Self {
        self.numbers = self.numbers.widened();
        if !self.strings.is_empty() {
            self.strings = Strings::all();
        }
        if !self.bools.is_empty() {
            self.bools = Bools::ALL;
        }
        self
    }

    /// The strings that it has, where they are some literals and nothing else.
    pub(crate) fn literal_strings(&self) -> Option<impl Iterator<Item = &str> + Clone> {
        self.strings.literals()
    }

    /// How much it holds itself, not counting what is inside of its lists and maps.
    pub(crate) fn breadth(&self) -> usize {
        let fields: usize = self.maps.iter().map(|map| map.fields.len() + 1).sum();
        1 + fields + self.lists.len() + self.strings.len() + self.numbers.len()
    }
}
