//! Sets of truths: which of true, false and unknown a condition may have.

use crate::semantics::ops::Truth;

/// A set of truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truths(u8);

impl Truths {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const TRUE: Self = Self(1);
    pub(crate) const FALSE: Self = Self(2);
    pub(crate) const UNKNOWN: Self = Self(4);
    pub(crate) const NOT_TRUE: Self = Self(6);
    pub(crate) const NOT_FALSE: Self = Self(5);
    pub(crate) const ALL: Self = Self(7);

    pub(crate) fn from_truth(truth: &Truth) -> Self {
        match truth {
            Ok(true) => Self::TRUE,
            Ok(false) => Self::FALSE,
            Err(_) => Self::UNKNOWN,
        }
    }

    pub(super) fn only(truth: bool) -> Self {
        if truth { Self::TRUE } else { Self::FALSE }
    }

    #[cfg(test)]
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The truths of a negation whose operand has these truths.
    pub(super) const fn negated(self) -> Self {
        Self(self.0 & 4 | (self.0 & 1) << 1 | (self.0 & 2) >> 1)
    }

    pub(super) fn negated_if(self, negated: bool) -> Self {
        if negated { self.negated() } else { self }
    }
}
