//! The properties of a value that are known before it is read.

use crate::plan::atom::Const;
use crate::scan::Held;
use crate::typed::IsTest;

/// A set of possible states of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct State(u8);

impl State {
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

    pub(crate) fn of_const(value: &Const) -> Self {
        match value {
            Const::Null => Self::NULL,
            Const::Bool(_) => Self::BOOL,
            Const::Number(_) => Self::NUMBER,
            Const::Text(_) => Self::TEXT,
        }
    }

    pub(crate) fn of_held(held: Held) -> Self {
        match held {
            Held::Null => Self::NULL,
            Held::True | Held::False => Self::BOOL,
            Held::Number => Self::NUMBER,
            Held::Text | Held::Decoded | Held::Surrogate => Self::TEXT,
            Held::List => Self::LIST,
            Held::Map => Self::MAP,
        }
    }

    /// The states in which the test can be true.
    pub(crate) fn of_test(test: IsTest, negated: bool) -> Self {
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
        const NAMES: [(State, &str); 7] = [
            (State::ABSENT, "missing"),
            (State::NULL, "null"),
            (State::BOOL, "bool"),
            (State::NUMBER, "number"),
            (State::TEXT, "string"),
            (State::LIST, "list"),
            (State::MAP, "map"),
        ];
        if self == Self::PRESENT {
            return "present".into();
        }
        let names = NAMES.iter().filter(|(state, _)| self.meets(*state));
        names.map(|(_, name)| *name).collect::<Vec<_>>().join(" or ")
    }
}
