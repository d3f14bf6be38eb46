//! Sets of scalars: some literals, the strings of a format, or all.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::Ty;
use crate::literals::parse_duration;
use crate::number::Number;

/// The format of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// An RFC 3339 time, which `time()` accepts.
    Timestamp,
    /// A duration as written in rules, which `duration()` accepts.
    Duration,
    /// Base64 with padding.
    Bytes,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Timestamp, Self::Duration, Self::Bytes];

    /// The name of its type.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
        }
    }

    /// A text of this format.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Timestamp => "2026-01-01T00:00:00Z",
            Self::Duration => "5m",
            Self::Bytes => "dGV4dA==",
        }
    }

    pub(super) fn accepts(self, text: &str) -> bool {
        match self {
            Self::Timestamp => text.parse::<Timestamp>().is_ok(),
            Self::Duration => parse_duration(text).is_some(),
            Self::Bytes => data_encoding::BASE64.decode(text.as_bytes()).is_ok(),
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The scalars of a type, enumerated.
#[derive(Debug)]
pub(crate) struct Scalars {
    pub(crate) bools: Vec<bool>,
    pub(crate) all_numbers: bool,
    pub(crate) whole_numbers: bool,
    pub(crate) numbers: Vec<Number>,
    pub(crate) all_strings: bool,
    /// Whether it contains the strings of a format.
    pub(crate) formats: bool,
    pub(crate) strings: Vec<Arc<str>>,
}

impl Ty {
    /// Its scalars except null. They are not listed for an unknown type.
    pub(crate) fn scalars(&self) -> Scalars {
        Scalars {
            bools: [true, false].into_iter().filter(|truth| self.bools.has(*truth)).collect(),
            all_numbers: self.numbers.all,
            whole_numbers: self.numbers.integers,
            numbers: self.numbers.literals.iter().copied().collect(),
            all_strings: self.strings.all,
            formats: self.strings.formats != 0,
            strings: self.strings.literals.iter().cloned().collect(),
        }
    }
}

/// A subset of true and false.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct BoolType {
    can_be_true: bool,
    can_be_false: bool,
}

impl BoolType {
    pub(super) const ALL: Self = Self { can_be_true: true, can_be_false: true };

    pub(super) fn only(truth: bool) -> Self {
        Self { can_be_true: truth, can_be_false: !truth }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            can_be_true: self.can_be_true || other.can_be_true,
            can_be_false: self.can_be_false || other.can_be_false,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            can_be_true: self.can_be_true && other.can_be_true,
            can_be_false: self.can_be_false && other.can_be_false,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        !self.can_be_true && !self.can_be_false
    }

    pub(super) fn has(self, truth: bool) -> bool {
        if truth { self.can_be_true } else { self.can_be_false }
    }
}

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NumberType {
    all: bool,
    integers: bool,
    literals: BTreeSet<Number>,
}

impl NumberType {
    pub(super) fn literals(&self) -> impl Iterator<Item = &Number> {
        self.literals.iter()
    }

    pub(super) fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    pub(super) fn int() -> Self {
        Self { integers: true, ..Self::default() }
    }

    pub(super) fn only(number: Number) -> Self {
        Self { literals: BTreeSet::from([number]), ..Self::default() }
    }

    pub(super) fn or(mut self, other: Self) -> Self {
        self.all |= other.all;
        self.integers |= other.integers;
        self.literals.extend(other.literals);
        self.literals.retain(|n| !(self.all || self.integers && n.is_integral()));
        self.integers &= !self.all;
        self
    }

    /// A superset of the numbers that both have.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = Self {
            all: self.all && other.all,
            integers: self.integers && (other.integers || other.all)
                || other.integers && (self.integers || self.all),
            literals: BTreeSet::new(),
        };
        let all = self.literals.iter().chain(&other.literals).copied();
        both.literals = all.filter(|n| self.has(*n) && other.has(*n)).collect();
        Self::default().or(both)
    }

    /// Whether it is a subset of the other.
    pub(super) fn within(&self, other: &Self) -> bool {
        let all = other.all || !self.all && (!self.integers || other.integers);
        all && self.literals.iter().all(|number| other.has(*number))
    }

    /// All whole numbers, or all numbers, if it is not empty.
    pub(super) fn widened(&self) -> Self {
        let integral = self.literals.iter().all(|number| number.is_integral());
        match self.is_empty() {
            true => Self::default(),
            false if !self.all && integral => Self::int(),
            false => Self::all(),
        }
    }

    /// Its whole numbers.
    pub(super) fn integral(&self) -> Self {
        self.and(&Self::int())
    }

    /// Without the number of `other`, if `other` is a single number.
    pub(super) fn minus(mut self, other: &Self) -> Self {
        if let (false, false, 1, Some(only)) =
            (other.all, other.integers, other.literals.len(), other.literals.first())
        {
            self.literals.remove(only);
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && !self.integers && self.literals.is_empty()
    }

    pub(super) fn has(&self, number: Number) -> bool {
        self.all || self.integers && number.is_integral() || self.literals.contains(&number)
    }

    /// Whether it contains an unrepresentable number; only whether that number is whole is known.
    pub(super) fn has_unrepresentable(&self, integral: bool) -> bool {
        self.all || self.integers && integral
    }

    pub(super) fn len(&self) -> usize {
        self.literals.len()
    }

    /// Its text in a type, one entry per alternative.
    pub(super) fn words(&self) -> impl Iterator<Item = String> + '_ {
        let all = self.all.then(|| "float".to_owned());
        let integers = self.integers.then(|| "int".to_owned());
        all.into_iter().chain(integers).chain(self.literals.iter().map(Number::to_string))
    }
}

/// A set of strings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StringType {
    all: bool,
    /// One bit per format.
    formats: u8,
    literals: BTreeSet<Arc<str>>,
}

impl StringType {
    pub(super) fn has_format(&self, format: Format) -> bool {
        self.formats & format.bit() != 0
    }

    pub(super) fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    pub(super) fn format(format: Format) -> Self {
        Self { formats: format.bit(), ..Self::default() }
    }

    pub(super) fn only(text: &str) -> Self {
        Self { literals: BTreeSet::from([text.into()]), ..Self::default() }
    }

    pub(super) fn or(mut self, other: Self) -> Self {
        self.all |= other.all;
        if self.all {
            return Self::all();
        }
        self.formats |= other.formats;
        self.literals.extend(other.literals);
        self
    }

    /// A superset of the strings that both have.
    pub(super) fn and(&self, other: &Self) -> Self {
        match (self.all, other.all) {
            (true, _) => return other.clone(),
            (_, true) => return self.clone(),
            _ => {}
        }
        let all = self.literals.iter().chain(&other.literals);
        let literals = all.filter(|text| self.has(text) && other.has(text)).cloned().collect();
        // Two formats may have strings in common: `5m` is not a time, but it may be base64.
        let formats = match (self.formats, other.formats) {
            (0, _) | (_, 0) => 0,
            (own, other) if own & other != 0 => own & other,
            (own, other) => own | other,
        };
        Self { all: false, formats, literals }
    }

    /// Without the string of `other`, if `other` is a single string.
    pub(super) fn minus(mut self, other: &Self) -> Self {
        if let (false, 0, 1, Some(only)) =
            (other.all, other.formats, other.literals.len(), other.literals.first())
        {
            self.literals.remove(only);
        }
        self
    }

    /// Whether it is a subset of the other.
    pub(super) fn within(&self, other: &Self) -> bool {
        let formats = !self.all && self.formats & !other.formats == 0;
        other.all || formats && self.literals.iter().all(|text| other.has(text))
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.formats == 0 && self.literals.is_empty()
    }

    pub(super) fn has(&self, text: &str) -> bool {
        self.all
            || self.literals.contains(text)
            || Format::ALL.iter().any(|f| self.formats & f.bit() != 0 && f.accepts(text))
    }

    /// Whether it contains every string, including those that no text can represent.
    pub(super) fn has_all(&self) -> bool {
        self.all
    }

    pub(super) fn literals(&self) -> Option<impl Iterator<Item = &str> + Clone> {
        let only = !self.all && self.formats == 0 && !self.literals.is_empty();
        only.then(|| self.literals.iter().map(AsRef::as_ref))
    }

    pub(super) fn len(&self) -> usize {
        self.literals.len()
    }

    /// Its text in a type, one entry per alternative.
    pub(super) fn words(&self) -> impl Iterator<Item = String> + '_ {
        let all = self.all.then(|| "string".to_owned());
        let formats = Format::ALL.iter().filter(|f| self.formats & f.bit() != 0);
        let formats = formats.map(|f| f.as_str().to_owned());
        let literals =
            self.literals.iter().map(|text| serde_json::Value::from(&**text).to_string());
        all.into_iter().chain(formats).chain(literals)
    }
}
