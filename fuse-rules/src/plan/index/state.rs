//! The properties of a value that are known before it is read.

use crate::plan::atom::Constant;
use crate::scan::EntryKind;
use crate::typed::IsTest;

/// A set of possible states of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueState(u8);

impl ValueState {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ABSENT: Self = Self(1);
    const NULL: Self = Self(2);
    const BOOL: Self = Self(4);
    const NUMBER: Self = Self(8);
    pub(crate) const TEXT: Self = Self(16);
    pub(crate) const LIST: Self = Self(32);
    const MAP: Self = Self(64);
    pub(crate) const PRESENT: Self = Self(126);

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn from_constant(value: &Constant) -> Self {
        match value {
            Constant::Null => Self::NULL,
            Constant::Bool(_) => Self::BOOL,
            Constant::Number(_) => Self::NUMBER,
            Constant::Text(_) => Self::TEXT,
        }
    }

    pub(crate) fn from_kind(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Null => Self::NULL,
            EntryKind::True | EntryKind::False => Self::BOOL,
            EntryKind::Number => Self::NUMBER,
            EntryKind::Text | EntryKind::Decoded | EntryKind::Surrogate => Self::TEXT,
            EntryKind::List => Self::LIST,
            EntryKind::Map => Self::MAP,
        }
    }

    /// The states in which the test can be true.
    pub(crate) fn for_test(test: IsTest, negated: bool) -> Self {
        let state = match test {
            IsTest::Missing => Self::ABSENT,
            IsTest::Present => Self::PRESENT,
            IsTest::Null => Self::NULL,
            IsTest::String => Self::TEXT,
            IsTest::Int | IsTest::Float => Self::NUMBER,
            IsTest::Bool => Self::BOOL,
            IsTest::List => Self::LIST,
            IsTest::Map => Self::MAP,
        };
        match (negated, test) {
            (false, _) => state,
            // A number may not be an integer.
            (true, IsTest::Int) => Self(127),
            (true, _) => Self(!state.0 & 127),
        }
    }

    /// A text for listings.
    pub(crate) fn show(self) -> String {
        const NAMES: [(ValueState, &str); 7] = [
            (ValueState::ABSENT, "missing"),
            (ValueState::NULL, "null"),
            (ValueState::BOOL, "bool"),
            (ValueState::NUMBER, "number"),
            (ValueState::TEXT, "string"),
            (ValueState::LIST, "list"),
            (ValueState::MAP, "map"),
        ];
        if self == Self::PRESENT {
            return "present".into();
        }
        let names = NAMES.iter().filter(|(state, _)| self.meets(*state));
        names.map(|(_, name)| *name).collect::<Vec<_>>().join(" or ")
    }
}
