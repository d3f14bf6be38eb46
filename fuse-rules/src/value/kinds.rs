//! Sets of kinds of values: the possible kinds of an expression, or the accepted kinds of an
//! operand.

use std::fmt;

/// A set of kinds of values: the possible kinds of an expression, or the accepted kinds of an
/// operand.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) const NOTHING: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOL: Self = Self(2);
    pub(crate) const NUMBER: Self = Self(4);
    pub(crate) const STRING: Self = Self(8);
    pub(crate) const LIST: Self = Self(16);
    pub(crate) const MAP: Self = Self(32);
    pub(crate) const DURATION: Self = Self(64);
    pub(crate) const TIME: Self = Self(128);
    pub(crate) const VERSION: Self = Self(256);
    /// The kinds that occur in JSON.
    pub(crate) const JSON: Self = Self(63);
    pub(crate) const ANY: Self = Self(511);
    /// The kinds with a canonical text.
    pub(crate) const SCALAR: Self = Self(2 | 4 | 8 | 64 | 128 | 256);
    /// The kinds that `<` compares.
    pub(crate) const ORDERED: Self = Self(4 | 64 | 128 | 256);

    /// All kinds, one by one.
    pub(crate) const SINGLE: [Self; 9] = [
        Self::NULL,
        Self::BOOL,
        Self::NUMBER,
        Self::STRING,
        Self::LIST,
        Self::MAP,
        Self::DURATION,
        Self::TIME,
        Self::VERSION,
    ];

    const NAMES: [(Self, &'static str, &'static str); 9] = [
        (Self::NULL, "null", "nulls"),
        (Self::BOOL, "a boolean", "booleans"),
        (Self::NUMBER, "a number", "numbers"),
        (Self::STRING, "a string", "strings"),
        (Self::LIST, "a list", "lists"),
        (Self::MAP, "a map", "maps"),
        (Self::DURATION, "a duration", "durations"),
        (Self::TIME, "a time", "times"),
        (Self::VERSION, "a version", "versions"),
    ];

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// "strings or numbers".
    pub(crate) fn plural(self) -> String {
        let names = Self::NAMES.iter().filter(|(kind, ..)| self.meets(*kind));
        names.map(|(.., name)| *name).collect::<Vec<_>>().join(" or ")
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

/// "a string or a number", for messages.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return f.write_str("any value");
        }
        if *self == Self::JSON {
            return f.write_str("a value of the event");
        }
        if *self == Self::SCALAR {
            return f.write_str("a string, number, boolean, time, duration or version");
        }
        let names: Vec<_> = Self::NAMES
            .iter()
            .filter(|(kind, ..)| self.meets(*kind))
            .map(|(_, name, _)| *name)
            .collect();
        f.write_str(&names.join(" or "))
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kinds({self})")
    }
}
