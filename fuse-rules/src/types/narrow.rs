//! Narrows types by conditions.

use std::sync::Arc;

use super::scalars::BoolType;
use super::{Absence, Known, Record, Rest, Ty};
use crate::path::Segment;
use crate::value::Kinds;

/// The tests of `is`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IsTest {
    Missing,
    Present,
    Null,
    String,
    Int,
    Float,
    Bool,
    List,
    Map,
}

impl Ty {
    /// Without null.
    pub(crate) fn not_null(mut self) -> Self {
        self.null = false;
        self
    }

    /// A superset of the values that an operand can have if it equals a value of `other`.
    pub(crate) fn equal_to(&self, other: &Self) -> Self {
        match (self.any, other.any) {
            (true, _) => return other.clone(),
            (_, true) => return self.clone(),
            _ => {}
        }
        let has = |ty: &Self, kind| ty.kinds().meets(kind);
        let keep_lists = has(self, Kinds::LIST) && has(other, Kinds::LIST);
        let keep_maps = has(self, Kinds::MAP) && has(other, Kinds::MAP);
        Self {
            any: false,
            null: self.null && other.null,
            bools: self.bools.and(other.bools),
            numbers: self.numbers.and(&other.numbers),
            strings: self.strings.and(&other.strings),
            lists: if keep_lists { self.lists.clone() } else { Vec::new() },
            maps: if keep_maps { self.maps.clone() } else { Vec::new() },
            computed: self.computed.and(other.computed),
        }
    }

    /// Without the value of `other`, if `other` is a single scalar.
    pub(crate) fn unequal_to(mut self, other: &Self) -> Self {
        let single = |kinds: Kinds| [Kinds::STRING, Kinds::NUMBER, Kinds::BOOL].contains(&kinds);
        if !single(other.kinds()) {
            return self;
        }
        self.strings = self.strings.minus(&other.strings);
        self.numbers = self.numbers.minus(&other.numbers);
        for truth in [true, false] {
            if other.bools == BoolType::only(truth) {
                self.bools = self.bools.and(BoolType::only(!truth));
            }
        }
        self
    }

    /// The values for which `is TEST` is true, or is false.
    pub(crate) fn tested(self, test: IsTest, holds: bool) -> Self {
        let kind = match test {
            IsTest::Missing | IsTest::Present => return self,
            IsTest::Null => Kinds::NULL,
            IsTest::Bool => Kinds::BOOL,
            IsTest::String => Kinds::STRING,
            IsTest::Int | IsTest::Float => Kinds::NUMBER,
            IsTest::List => Kinds::LIST,
            IsTest::Map => Kinds::MAP,
        };
        if self.any {
            return match (holds, test) {
                (true, IsTest::Int) => Self::int(),
                (true, _) => Self::from_kinds(kind),
                (false, _) => self,
            };
        }
        match (test, holds) {
            (IsTest::Int, true) => Self { numbers: self.numbers.integral(), ..Self::default() },
            // A number that is not an `int` may still be any number, unless it is known to be
            // whole.
            (IsTest::Int, false) if self.numbers.integral() != self.numbers => self,
            (_, true) => self.only(kind),
            (_, false) => self.without(kind),
        }
    }

    fn only(self, kind: Kinds) -> Self {
        let all = [Kinds::NULL, Kinds::BOOL, Kinds::NUMBER, Kinds::STRING, Kinds::LIST, Kinds::MAP];
        let others = all.into_iter().filter(|other| *other != kind);
        let mut ty = others.fold(self, Self::without);
        ty.computed = Kinds::NOTHING;
        ty
    }

    fn without(mut self, kind: Kinds) -> Self {
        match kind {
            Kinds::NULL => self.null = false,
            Kinds::BOOL => self.bools = BoolType::default(),
            Kinds::NUMBER => self.numbers = super::NumberType::default(),
            Kinds::STRING => self.strings = super::StringType::default(),
            Kinds::LIST => self.lists = Vec::new(),
            Kinds::MAP => self.maps = Vec::new(),
            _ => {}
        }
        self
    }

    /// The values in which a step leads to a value of this type.
    pub(crate) fn leading_to(self, segment: &Segment, inner: &Known) -> Self {
        if self.any {
            return self;
        }
        let Segment::Key(key) = segment else { return self.only(Kinds::LIST) };
        let may_lead = |map: &Arc<Record>| match (map.fields.get(key.as_str()), &map.rest) {
            (Some(field), _) => field.ty.meets(&inner.ty),
            (None, Rest::Each(ty)) => ty.meets(&inner.ty),
            (None, Rest::Open) => true,
            (None, Rest::Nothing) => false,
        };
        let mut ty = self.only(Kinds::MAP);
        ty.maps.retain(may_lead);
        ty
    }

    /// Whether the types have a common value; for lists and maps, only the kind counts.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        !self.equal_to(other).is_nothing()
    }
}

impl Known {
    /// The same if the value is present and not null.
    pub(crate) fn present_not_null(self) -> Self {
        Self { ty: self.ty.not_null(), absence: Absence::NEVER }
    }

    /// What is known about a value that is one of the two.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { ty: self.ty.or(other.ty), absence: self.absence.max(other.absence) }
    }
}

impl IsTest {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Present => "present",
            Self::Null => "null",
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}
