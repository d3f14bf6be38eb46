//! Sets of JSON values, with one slot per kind of value. Meets and joins may be too large, but
//! never too small: a type from a schema accepts every value that the schema allows.

use indexmap::{IndexMap, IndexSet};

use crate::number::Number;

/// The maximum number of different kinds of objects in one set.
const MAX_ALTERNATIVES: usize = 16;

/// The remaining budget for copies while the sets of one schema are computed: copies of copies
/// multiply.
#[derive(Debug)]
pub(super) struct CopyBudget {
    left: usize,
    pub(super) exceeded: bool,
}

impl CopyBudget {
    pub(super) fn new() -> Self {
        Self { left: 200_000, exceeded: false }
    }

    /// A copy, or the set of all values if the budget is exhausted.
    pub(super) fn copy(&mut self, set: &ValueSet) -> ValueSet {
        if self.pay(set.size()) { set.clone() } else { ValueSet::Any }
    }

    fn copy_object(&mut self, object: &ObjectSet) -> ObjectSet {
        if self.pay(object.size()) { object.clone() } else { ObjectSet::any() }
    }

    fn pay(&mut self, size: usize) -> bool {
        match self.left.checked_sub(size) {
            Some(left) => self.left = left,
            None => self.exceeded = true,
        }
        !self.exceeded
    }
}

/// A set of values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ValueSet {
    Any,
    Of(Box<Slots>),
}

/// The values of each kind in a set. By default, there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slots {
    pub(super) null: bool,
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) numbers: SchemaNumbers,
    pub(super) strings: StringSet,
    /// The elements of lists.
    pub(super) list: Option<ValueSet>,
    /// The alternatives for objects, as from `oneOf`.
    pub(super) objects: Vec<ObjectSet>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum SchemaNumbers {
    All,
    Whole,
    Only(IndexSet<Number>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum StringSet {
    All,
    Timestamps,
    Base64,
    Only(IndexSet<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ObjectSet {
    pub(super) fields: IndexMap<String, ObjectField>,
    /// The values of all other fields; empty if there must not be any.
    pub(super) rest: ValueSet,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ObjectField {
    pub(super) required: bool,
    pub(super) set: ValueSet,
}

impl Default for SchemaNumbers {
    fn default() -> Self {
        Self::Only(IndexSet::new())
    }
}

impl Default for StringSet {
    fn default() -> Self {
        Self::Only(IndexSet::new())
    }
}

impl Slots {
    /// All values of every kind.
    pub(super) fn full() -> Self {
        Self {
            null: true,
            yes: true,
            no: true,
            numbers: SchemaNumbers::All,
            strings: StringSet::All,
            list: Some(ValueSet::Any),
            objects: vec![ObjectSet::any()],
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ObjectSet {
    pub(super) fn any() -> Self {
        Self { fields: IndexMap::new(), rest: ValueSet::Any }
    }

    fn size(&self) -> usize {
        1 + self.fields.values().map(|field| 1 + field.set.size()).sum::<usize>() + self.rest.size()
    }

    /// The intersection; `None` if it is empty.
    fn meet(mut self, mut other: Self, budget: &mut CopyBudget) -> Option<Self> {
        for (key, field) in &mut self.fields {
            let theirs = match other.fields.shift_remove(key) {
                Some(theirs) => {
                    field.required |= theirs.required;
                    theirs.set
                }
                None => budget.copy(&other.rest),
            };
            field.set = std::mem::replace(&mut field.set, ValueSet::Any).meet(theirs, budget);
        }
        for (key, mut theirs) in other.fields {
            theirs.set = budget.copy(&self.rest).meet(theirs.set, budget);
            self.fields.insert(key, theirs);
        }
        if self.fields.values().any(|field| field.required && field.set.is_empty()) {
            return None;
        }
        self.fields.retain(|_, field| !field.set.is_empty());
        self.rest = self.rest.meet(other.rest, budget);
        Some(self)
    }

    /// The union, and perhaps more.
    fn join(mut self, mut other: Self, budget: &mut CopyBudget) -> Self {
        for (key, field) in &mut self.fields {
            let theirs = match other.fields.shift_remove(key) {
                Some(theirs) => {
                    field.required &= theirs.required;
                    theirs.set
                }
                None => {
                    field.required = false;
                    budget.copy(&other.rest)
                }
            };
            field.set = std::mem::replace(&mut field.set, ValueSet::Any).join(theirs, budget);
        }
        for (key, mut theirs) in other.fields {
            theirs.required = false;
            theirs.set = budget.copy(&self.rest).join(theirs.set, budget);
            self.fields.insert(key, theirs);
        }
        self.rest = self.rest.join(other.rest, budget);
        self
    }
}

impl SchemaNumbers {
    fn len(&self) -> usize {
        if let Self::Only(some) = self { some.len() } else { 0 }
    }

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

impl StringSet {
    fn len(&self) -> usize {
        if let Self::Only(some) = self { some.len() } else { 0 }
    }

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
            // Times and base64 are not checked against each other: either of the two is close
            // enough.
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

impl ValueSet {
    pub(super) fn nothing() -> Self {
        Self::from_slots(Slots::default())
    }

    pub(super) fn from_slots(slots: Slots) -> Self {
        Self::Of(Box::new(slots))
    }

    /// The number of sets that it contains.
    fn size(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Of(slots) => {
                let list = slots.list.as_ref().map_or(0, Self::size);
                let objects: usize = slots.objects.iter().map(ObjectSet::size).sum();
                1 + list + objects + slots.numbers.len() + slots.strings.len()
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Of(slots) if slots.is_empty())
    }

    /// The intersection, and perhaps more.
    pub(super) fn meet(self, other: Self, budget: &mut CopyBudget) -> Self {
        let (one, other) = match (self, other) {
            (Self::Any, set) | (set, Self::Any) => return set,
            (Self::Of(one), Self::Of(other)) => (*one, *other),
        };
        Self::from_slots(Slots {
            null: one.null && other.null,
            yes: one.yes && other.yes,
            no: one.no && other.no,
            numbers: one.numbers.meet(other.numbers),
            strings: one.strings.meet(other.strings),
            list: one.list.zip(other.list).map(|(one, other)| one.meet(other, budget)),
            objects: common(one.objects, other.objects, budget),
        })
    }

    /// The union, and perhaps more.
    pub(super) fn join(self, other: Self, budget: &mut CopyBudget) -> Self {
        let (one, other) = match (self, other) {
            (Self::Any, _) | (_, Self::Any) => return Self::Any,
            (Self::Of(one), Self::Of(other)) => (*one, *other),
        };
        Self::from_slots(Slots {
            null: one.null || other.null,
            yes: one.yes || other.yes,
            no: one.no || other.no,
            numbers: one.numbers.join(other.numbers),
            strings: one.strings.join(other.strings),
            list: match (one.list, other.list) {
                (Some(one), Some(other)) => Some(one.join(other, budget)),
                (one, other) => one.or(other),
            },
            objects: alternatives(one.objects.into_iter().chain(other.objects), budget),
        })
    }
}

/// The intersections of each object with each of the others.
fn common(some: Vec<ObjectSet>, others: Vec<ObjectSet>, budget: &mut CopyBudget) -> Vec<ObjectSet> {
    let mut all = Vec::new();
    for one in &some {
        for other in &others {
            let (one, other) = (budget.copy_object(one), budget.copy_object(other));
            all.extend(one.meet(other, budget));
        }
    }
    alternatives(all.into_iter(), budget)
}

/// Without duplicates; if there are too many, they are merged.
fn alternatives(
    objects: impl Iterator<Item = ObjectSet>,
    budget: &mut CopyBudget,
) -> Vec<ObjectSet> {
    let mut all: Vec<ObjectSet> = Vec::new();
    for object in objects {
        if all.contains(&object) {
            continue;
        }
        match all.pop() {
            Some(last) if all.len() + 1 == MAX_ALTERNATIVES => {
                all.push(last.join(object, budget));
            }
            last => all.extend(last.into_iter().chain([object])),
        }
    }
    all
}
