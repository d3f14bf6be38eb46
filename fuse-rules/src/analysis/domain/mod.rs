//! Domains: the values that one variable may still have.

mod automata;
mod numbers;
mod strings;

pub(super) use automata::Automata;
pub(super) use numbers::NumberSet;
pub(crate) use strings::ANY_TEXT;
pub(super) use strings::{StringTest, TextSet};

use crate::types::Ty;
use crate::value::{Kinds, Unrepresentable, Value};

/// One value of a set, a proof that the set is empty, or neither.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pick<T> {
    One(T),
    None,
    Unsure,
}

/// The values other than representable numbers and texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits(u16);

impl Bits {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ABSENT: Self = Self(1);
    pub(crate) const NULL: Self = Self(2);
    pub(crate) const TRUE: Self = Self(4);
    pub(crate) const FALSE: Self = Self(8);
    pub(crate) const LIST: Self = Self(16);
    pub(crate) const MAP: Self = Self(32);
    /// A whole number that is too large to represent.
    pub(crate) const HUGE: Self = Self(64);
    /// Another number that cannot be represented.
    pub(crate) const FINE: Self = Self(128);
    /// A string with a lone surrogate, which no text contains.
    pub(crate) const SURROGATE: Self = Self(256);
    /// A time, duration or version, which only a computed element can be.
    pub(crate) const COMPUTED: Self = Self(512);
    /// The values that an event can have.
    pub(crate) const JSON: Self = Self(511);
    pub(crate) const ALL: Self = Self(1023);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A set of values, in which absence counts as a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Domain {
    pub(crate) bits: Bits,
    pub(crate) numbers: NumberSet,
    pub(crate) texts: TextSet,
}

impl Domain {
    /// Everything that an event can have, absence included.
    pub(crate) fn all() -> Self {
        Self { bits: Bits::JSON, numbers: NumberSet::ALL, texts: TextSet::all() }
    }

    /// Only these, without numbers and texts.
    pub(crate) fn bits(bits: Bits) -> Self {
        Self { bits, numbers: NumberSet::NONE, texts: TextSet::none() }
    }

    /// Everything else.
    pub(crate) fn without(bits: Bits) -> Self {
        Self { bits: bits.not(), numbers: NumberSet::ALL, texts: TextSet::all() }
    }

    pub(crate) fn texts(texts: TextSet) -> Self {
        Self { bits: Bits::NONE, numbers: NumberSet::NONE, texts }
    }

    /// The representable values of these kinds.
    pub(crate) fn from_kinds(kinds: Kinds) -> Self {
        let bits = [
            (Kinds::NULL, Bits::NULL),
            (Kinds::BOOL, Bits::TRUE.or(Bits::FALSE)),
            (Kinds::LIST, Bits::LIST),
            (Kinds::MAP, Bits::MAP),
            (Kinds::DURATION.or(Kinds::TIME).or(Kinds::VERSION), Bits::COMPUTED),
        ];
        let bits = bits.into_iter().filter(|(kind, _)| kinds.meets(*kind));
        let mut all = Self::bits(bits.fold(Bits::NONE, |all, (_, bits)| all.or(bits)));
        if kinds.meets(Kinds::NUMBER) {
            all.numbers = NumberSet::ALL;
        }
        if kinds.meets(Kinds::STRING) {
            all.texts = TextSet::all();
        }
        all
    }

    /// A superset of the values of a type.
    pub(crate) fn from_type(ty: &Ty) -> Self {
        if ty.is_any() {
            return Self::without(Bits::ABSENT.or(Bits::COMPUTED));
        }
        let parts = ty.scalars();
        let mut domain = Self::from_kinds(ty.kinds());
        for (truth, bit) in [(true, Bits::TRUE), (false, Bits::FALSE)] {
            if !parts.bools.contains(&truth) {
                domain.bits = domain.bits.and(bit.not());
            }
        }
        if !parts.all_numbers {
            let literals = parts.numbers.iter().map(|number| NumberSet::only(*number));
            let whole = if parts.whole_numbers { NumberSet::WHOLE } else { NumberSet::NONE };
            domain.numbers = literals.fold(whole, |all, number| all.or(&number));
        }
        if parts.all_numbers {
            domain.bits = domain.bits.or(Bits::FINE);
        }
        if parts.all_numbers || parts.whole_numbers {
            domain.bits = domain.bits.or(Bits::HUGE);
        }
        if parts.all_strings {
            domain.bits = domain.bits.or(Bits::SURROGATE);
        } else if parts.formats {
            domain.texts = TextSet::all().tested(StringTest::Type(ty.clone().into()), true);
        } else {
            domain.texts = TextSet::only(parts.strings);
        }
        domain
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            bits: self.bits.and(other.bits),
            numbers: self.numbers.and(&other.numbers),
            texts: self.texts.and(&other.texts),
        }
    }

    /// Whether the set is obviously empty.
    pub(crate) fn is_none(&self) -> bool {
        self.bits == Bits::NONE && self.numbers.is_none() && self.texts.is_none()
    }

    pub(crate) fn may_be(&self, bits: Bits) -> bool {
        self.bits.meets(bits)
    }

    /// Whether the set contains this value; `None` is absence.
    pub(crate) fn has(&self, value: Option<&Value<'_>>) -> bool {
        let bit = match value {
            None => Bits::ABSENT,
            Some(Value::Null) => Bits::NULL,
            Some(Value::Bool(true)) => Bits::TRUE,
            Some(Value::Bool(false)) => Bits::FALSE,
            Some(Value::List(_)) => Bits::LIST,
            Some(Value::Map(_)) => Bits::MAP,
            Some(Value::Unrepresentable(Unrepresentable::Number { integral: true })) => Bits::HUGE,
            Some(Value::Unrepresentable(Unrepresentable::Number { integral: false })) => Bits::FINE,
            Some(Value::Unrepresentable(Unrepresentable::Surrogate)) => Bits::SURROGATE,
            Some(Value::Duration(_) | Value::Time(_) | Value::Version(_)) => Bits::COMPUTED,
            Some(Value::Number(number)) => return self.numbers.has(*number),
            Some(Value::String(text)) => return self.texts.has(text),
        };
        self.may_be(bit)
    }
}
