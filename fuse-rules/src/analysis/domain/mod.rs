//! Domains: the values that one variable may still have.

mod automata;
mod numbers;
mod strings;

pub(super) use automata::Automata;
pub(super) use numbers::NumberSet;
pub(crate) use strings::ANY_TEXT;
pub(super) use strings::{StringTest, TextSet};

use jiff::Timestamp;

use crate::number::Number;
use crate::semantics::ops::nanoseconds;
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
    /// A version, which only a computed value can be.
    pub(crate) const VERSION: Self = Self(512);
    /// The values that an event can have.
    pub(crate) const JSON: Self = Self(511);
    /// Every value, or its absence.
    pub(crate) const ALL: Self = Self(1023);
    /// A computed value that does not exist because its computation failed. No test of it is
    /// decided. It is not part of `ALL`, because it is no value and `not` never adds it.
    pub(crate) const FAILED: Self = Self(1024);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The other values.
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
    /// In nanoseconds. Only a computed value can be a duration or a time.
    pub(crate) durations: NumberSet,
    /// In nanoseconds since 1970.
    pub(crate) times: NumberSet,
}

impl Domain {
    /// Everything that an event can have, absence included.
    pub(crate) fn all() -> Self {
        Self { numbers: NumberSet::ALL, texts: TextSet::all(), ..Self::bits(Bits::JSON) }
    }

    /// Everything that an expression can evaluate to.
    pub(crate) fn computed() -> Self {
        let any = Self { numbers: NumberSet::ALL, texts: TextSet::all(), ..Self::bits(Bits::ALL) };
        Self { bits: Bits::ALL.or(Bits::FAILED), ..any.or_computed() }
    }

    /// This, or a value that no event has.
    pub(crate) fn or_computed(self) -> Self {
        let bits = self.bits.or(Bits::VERSION);
        Self { bits, durations: NumberSet::ALL, times: NumberSet::ALL, ..self }
    }

    /// Only these, without numbers, texts, durations and times.
    pub(crate) fn bits(bits: Bits) -> Self {
        let (numbers, texts) = (NumberSet::NONE, TextSet::none());
        Self { bits, numbers, texts, durations: NumberSet::NONE, times: NumberSet::NONE }
    }

    /// Everything that an event or an expression can have, except these.
    pub(crate) fn without(bits: Bits) -> Self {
        Self { bits: bits.not(), ..Self::all().or_computed() }
    }

    /// The values of an event, except these.
    pub(crate) fn json_without(bits: Bits) -> Self {
        Self { bits: bits.not().and(Bits::JSON), ..Self::all() }
    }

    pub(crate) fn texts(texts: TextSet) -> Self {
        Self { texts, ..Self::bits(Bits::NONE) }
    }

    pub(crate) fn numbers(numbers: NumberSet) -> Self {
        Self { numbers, ..Self::bits(Bits::NONE) }
    }

    /// Only this value, or for a list or map, all lists or maps.
    pub(crate) fn from_value(value: &Value<'_>) -> Self {
        match value {
            Value::Number(number) => Self::numbers(NumberSet::only(*number)),
            Value::String(text) => Self::texts(TextSet::only([text.as_ref().into()])),
            Value::Duration(duration) => Self {
                durations: NumberSet::only(nanoseconds(*duration)),
                ..Self::bits(Bits::NONE)
            },
            Value::Time(time) => {
                Self { times: NumberSet::only(instant(*time)), ..Self::bits(Bits::NONE) }
            }
            other => Self::bits(bit(Some(other)).unwrap_or(Bits::ALL)),
        }
    }

    /// The representable values of these kinds.
    pub(crate) fn from_kinds(kinds: Kinds) -> Self {
        let bits = [
            (Kinds::NULL, Bits::NULL),
            (Kinds::BOOL, Bits::TRUE.or(Bits::FALSE)),
            (Kinds::LIST, Bits::LIST),
            (Kinds::MAP, Bits::MAP),
            (Kinds::VERSION, Bits::VERSION),
        ];
        let bits = bits.into_iter().filter(|(kind, _)| kinds.meets(*kind));
        let mut all = Self::bits(bits.fold(Bits::NONE, |all, (_, bits)| all.or(bits)));
        if kinds.meets(Kinds::NUMBER) {
            all.numbers = NumberSet::ALL;
        }
        if kinds.meets(Kinds::STRING) {
            all.texts = TextSet::all();
        }
        if kinds.meets(Kinds::DURATION) {
            all.durations = NumberSet::ALL;
        }
        if kinds.meets(Kinds::TIME) {
            all.times = NumberSet::ALL;
        }
        all
    }

    /// A superset of the values of a type.
    pub(crate) fn from_type(ty: &Ty) -> Self {
        if ty.is_any() {
            return Self::json_without(Bits::ABSENT);
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
            durations: self.durations.and(&other.durations),
            times: self.times.and(&other.times),
        }
    }

    /// A set that contains both sets.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self {
            bits: self.bits.or(other.bits),
            numbers: self.numbers.or(&other.numbers),
            texts: self.texts.or(&other.texts),
            durations: self.durations.or(&other.durations),
            times: self.times.or(&other.times),
        }
    }

    /// Whether the set is obviously empty.
    pub(crate) fn is_none(&self) -> bool {
        self.bits == Bits::NONE
            && self.numbers.is_none()
            && self.texts.is_none()
            && self.durations.is_none()
            && self.times.is_none()
    }

    /// Whether it is proven that the set is empty.
    pub(crate) fn is_proven_empty(&self, automata: &mut Automata) -> bool {
        let is_empty = |numbers: &NumberSet| numbers.pick(None) == Pick::None;
        self.bits == Bits::NONE
            && is_empty(&self.numbers)
            && is_empty(&self.durations)
            && is_empty(&self.times)
            && self.texts.pick(automata) == Pick::None
    }

    pub(crate) fn may_be(&self, bits: Bits) -> bool {
        self.bits.meets(bits)
    }

    /// Whether it contains values that no event has.
    pub(crate) fn may_be_computed(&self) -> bool {
        self.may_be(Bits::VERSION) || !self.durations.is_none() || !self.times.is_none()
    }

    /// Whether the set contains this value; `None` is absence.
    pub(crate) fn has(&self, value: Option<&Value<'_>>) -> bool {
        match value {
            Some(Value::Number(number)) => self.numbers.has(*number),
            Some(Value::String(text)) => self.texts.has(text),
            Some(Value::Duration(duration)) => self.durations.has(nanoseconds(*duration)),
            Some(Value::Time(time)) => self.times.has(instant(*time)),
            other => bit(other).is_some_and(|bit| self.may_be(bit)),
        }
    }
}

/// The bit of a value that has one; `None` is absence.
fn bit(value: Option<&Value<'_>>) -> Option<Bits> {
    Some(match value {
        None => Bits::ABSENT,
        Some(Value::Null) => Bits::NULL,
        Some(Value::Bool(true)) => Bits::TRUE,
        Some(Value::Bool(false)) => Bits::FALSE,
        Some(Value::List(_)) => Bits::LIST,
        Some(Value::Map(_)) => Bits::MAP,
        Some(Value::Unrepresentable(Unrepresentable::Number { integral: true })) => Bits::HUGE,
        Some(Value::Unrepresentable(Unrepresentable::Number { integral: false })) => Bits::FINE,
        Some(Value::Unrepresentable(Unrepresentable::Surrogate)) => Bits::SURROGATE,
        Some(Value::Version(_)) => Bits::VERSION,
        Some(Value::Number(_) | Value::String(_) | Value::Duration(_) | Value::Time(_)) => {
            return None;
        }
    })
}

/// A time in nanoseconds since 1970, which fit.
pub(super) fn instant(time: Timestamp) -> Number {
    Number::parse(&time.as_nanosecond().to_string()).unwrap_or(Number::ZERO)
}
