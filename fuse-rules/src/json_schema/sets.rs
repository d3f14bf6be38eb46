//! Sets of JSON values, with one slot for each kind of value. Meets and joins may come out larger
//! than they are, never smaller: a type that is read from a schema refuses nothing that it allows.

use indexmap::{IndexMap, IndexSet};

use crate::number::Number;

/// A set of values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Set {
    Any,
    Of(Box<Slots>),
}

/// What of each kind is in a set. By default nothing is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slots {
    pub(super) null: bool,
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) numbers: Numbers,
    pub(super) strings: Strings,
    /// The elements of lists.
    pub(super) list: Option<Set>,
    pub(super) object: Option<Object>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    All,
    Whole,
    Only(IndexSet<Number>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Strings {
    All,
    Timestamps,
    Base64,
    Only(IndexSet<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    pub(super) fields: IndexMap<String, Field>,
    /// The values of all other fields; nothing where there may be none.
    pub(super) rest: Set,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) doc: Option<String>,
    pub(super) required: bool,
    pub(super) set: Set,
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Only(IndexSet::new())
    }
}

impl Default for Strings {
    fn default() -> Self {
        Self::Only(IndexSet::new())
    }
}

impl Slots {
    /// All values, slot by slot.
    pub(super) fn full() -> Self {
        Self {
            null: true,
            yes: true,
            no: true,
            numbers: Numbers::All,
            strings: Strings::All,
            list: Some(Set::Any),
            object: Some(Object::any()),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Object {
    pub(super) fn any() -> Self {
        Self { fields: IndexMap::new(), rest: Set::Any }
    }

    /// What is in both; `None` where that is nothing.
    fn meet(mut self, mut other: Self) -> Option<Self> {
        for (key, field) in &mut self.fields {
            let theirs = match other.fields.shift_remove(key) {
                Some(theirs) => {
                    field.required |= theirs.required;
                    field.doc = field.doc.take().or(theirs.doc);
                    theirs.set
                }
                None => other.rest.clone(),
            };
            field.set = std::mem::replace(&mut field.set, Set::Any).meet(theirs);
        }
        for (key, mut theirs) in other.fields {
            theirs.set = self.rest.clone().meet(theirs.set);
            self.fields.insert(key, theirs);
        }
        if self.fields.values().any(|field| field.required && field.set.is_empty()) {
            return None;
        }
        self.fields.retain(|_, field| !field.set.is_empty());
        self.rest = self.rest.meet(other.rest);
        Some(self)
    }

    /// What is in either, and perhaps more.
    fn join(mut self, mut other: Self) -> Self {
        for (key, field) in &mut self.fields {
            let theirs = match other.fields.shift_remove(key) {
                Some(theirs) => {
                    field.required &= theirs.required;
                    field.doc = field.doc.take().or(theirs.doc);
                    theirs.set
                }
                None => {
                    field.required = false;
                    other.rest.clone()
                }
            };
            field.set = std::mem::replace(&mut field.set, Set::Any).join(theirs);
        }
        for (key, mut theirs) in other.fields {
            theirs.required = false;
            theirs.set = self.rest.clone().join(theirs.set);
            self.fields.insert(key, theirs);
        }
        self.rest = self.rest.join(other.rest);
        self
    }
}

impl Numbers {
    pub(super) fn one(number: Number) -> Self {
        Self::Only(IndexSet::from([number]))
    }

    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one,
            (Self::Whole, Self::Whole) => Self::Whole,
            (Self::Whole, Self::Only(mut some)) | (Self::Only(mut some), Self::Whole) => {
                some.retain(|number| number.is_integral());
                Self::Only(some)
            }
            (Self::Only(mut some), Self::Only(others)) => {
                some.retain(|number| others.contains(number));
                Self::Only(some)
            }
        }
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Whole, Self::Whole) => Self::Whole,
            (Self::Whole, Self::Only(some)) | (Self::Only(some), Self::Whole) => {
                if some.iter().all(|number| number.is_integral()) { Self::Whole } else { Self::All }
            }
            (Self::Only(mut some), Self::Only(others)) => {
                some.extend(others);
                Self::Only(some)
            }
        }
    }
}

impl Strings {
    pub(super) fn one(text: String) -> Self {
        Self::Only(IndexSet::from([text]))
    }

    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one,
            (Self::Only(mut some), Self::Only(others)) => {
                some.retain(|text| others.contains(text));
                Self::Only(some)
            }
            // Which texts are times or base64 is not looked at: one of both is close enough.
            (Self::Only(some), _) | (_, Self::Only(some)) => Self::Only(some),
            (one, _) => one,
        }
    }

    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut some), Self::Only(others)) => {
                some.extend(others);
                Self::Only(some)
            }
            (Self::Only(none), one) | (one, Self::Only(none)) if none.is_empty() => one,
            (one, other) if one == other => one,
            _ => Self::All,
        }
    }
}

impl Set {
    pub(super) fn nothing() -> Self {
        Self::of(Slots::default())
    }

    pub(super) fn of(slots: Slots) -> Self {
        Self::Of(Box::new(slots))
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Of(slots) if slots.is_empty())
    }

    /// What is in both, and perhaps more.
    pub(super) fn meet(self, other: Self) -> Self {
        let (one, other) = match (self, other) {
            (Self::Any, set) | (set, Self::Any) => return set,
            (Self::Of(one), Self::Of(other)) => (*one, *other),
        };
        Self::of(Slots {
            null: one.null && other.null,
            yes: one.yes && other.yes,
            no: one.no && other.no,
            numbers: one.numbers.meet(other.numbers),
            strings: one.strings.meet(other.strings),
            list: one.list.zip(other.list).map(|(one, other)| one.meet(other)),
            object: one.object.zip(other.object).and_then(|(one, other)| one.meet(other)),
        })
    }

    /// What is in either, and perhaps more.
    pub(super) fn join(self, other: Self) -> Self {
        let (one, other) = match (self, other) {
            (Self::Any, _) | (_, Self::Any) => return Self::Any,
            (Self::Of(one), Self::Of(other)) => (*one, *other),
        };
        Self::of(Slots {
            null: one.null || other.null,
            yes: one.yes || other.yes,
            no: one.no || other.no,
            numbers: one.numbers.join(other.numbers),
            strings: one.strings.join(other.strings),
            list: either(one.list, other.list, Self::join),
            object: either(one.object, other.object, Object::join),
        })
    }
}

/// Both together, or the one that is there.
fn either<T>(one: Option<T>, other: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(join(one, other)),
        (one, other) => one.or(other),
    }
}
