//! Numbers: decimal, exact, of bounded size.
//!
//! A JSON number is parsed from its text, so `1`, `1.0` and `10e-1` are the same number and 2^53 +
//! 1 is not 2^53. A number has up to 36 significant digits and a magnitude up to 10^400. Other
//! numbers are out of range, and a rule that reads one is unknown. Sums, products and quotients
//! that need more digits are rounded to nearest, ties to even.

use std::cmp::Ordering;
use std::fmt;

/// The maximum number of significant digits.
const MAX_DIGITS: u32 = 36;
/// 10^36, the first coefficient with too many digits.
const COEFFICIENT_LIMIT: i128 = 10_i128.pow(MAX_DIGITS);
/// The limit for the exponent of the leading digit, in both directions.
const MAX_MAGNITUDE: i32 = 400;
/// The maximum length of a number's text.
const MAX_TEXT_BYTES: usize = 1_000;

/// An exact decimal number: `coefficient` times ten to the power of `exponent`.
///
/// Always normalized (the coefficient has no trailing zeros, and zero has the exponent 0), so equal
/// numbers have equal fields.
// Every value contains a number: this layout has 24 bytes; the alignment of `i128` would make it
// 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(Rust, packed(8))]
pub struct Number {
    coefficient: i128,
    exponent: i32,
}

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// It is not in JSON's number format.
    Malformed,
    /// More than 36 significant digits, a magnitude above 10^400 or below 10^-400, or a text of
    /// more than 1,000 characters.
    OutOfRange {
        /// Whether the number is nevertheless an integer.
        integral: bool,
    },
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self { coefficient: 0, exponent: 0 };

    /// Parses a number in JSON's format.
    ///
    /// ```
    /// use fuse_rules::Number;
    ///
    /// assert_eq!(Number::parse("1.0"), Number::parse("10e-1"));
    /// assert_ne!(Number::parse("9007199254740993.0"), Number::parse("9007199254740992"));
    /// assert!(Number::parse("1e999").is_err());
    /// ```
    ///
    /// # Errors
    /// The text is not a number, or the number is out of range.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.len() > MAX_TEXT_BYTES {
            // The length limit bounds the work, since a text can be parsed repeatedly.
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let integral = digits(text.strip_prefix('-').unwrap_or(text));
            return Err(NumberError::OutOfRange { integral });
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match unsigned.find(['e', 'E']) {
            Some(at) => {
                let (mantissa, power) = unsigned.split_at(at);
                (mantissa, Some(power.get(1..).unwrap_or("")))
            }
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(NumberError::Malformed),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || leading_zero || !digits(whole) || !digits(fraction) {
            return Err(NumberError::Malformed);
        }
        let power = power.map_or(Ok(0), parse_power)?;

        // The significant digits, without leading and trailing zeros.
        let all = || whole.bytes().chain(fraction.bytes());
        let Some(first) = all().position(|b| b != b'0') else {
            return Ok(Self::ZERO);
        };
        let trailing = all().rev().take_while(|b| *b == b'0').count();
        let count = all().count() - first - trailing;
        let exponent = power
            .saturating_sub(i64::try_from(fraction.len()).unwrap_or(i64::MAX))
            .saturating_add(i64::try_from(trailing).unwrap_or(i64::MAX));
        let integral = exponent >= 0;
        let lead = exponent.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        if count > MAX_DIGITS as usize || lead.abs() > i64::from(MAX_MAGNITUDE) {
            return Err(NumberError::OutOfRange { integral });
        }
        let coefficient = all()
            .skip(first)
            .take(count)
            .fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let exponent = i32::try_from(exponent).map_err(|_| NumberError::OutOfRange { integral })?;
        Ok(Self { coefficient: if negative { -coefficient } else { coefficient }, exponent })
    }

    /// Whether a text in JSON's number format is an integer, even one that is out of range.
    pub(crate) fn is_whole(text: &str) -> bool {
        match Self::parse(text) {
            Ok(number) => number.is_integral(),
            Err(NumberError::OutOfRange { integral }) => integral,
            Err(NumberError::Malformed) => false,
        }
    }

    /// Whether the value is an integer, in any spelling.
    pub fn is_integral(self) -> bool {
        self.exponent >= 0
    }

    /// The value as an `i64`, if it is an integer in that range.
    pub fn to_i64(self) -> Option<i64> {
        let power = 10_i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        i64::try_from(self.coefficient.checked_mul(power)?).ok()
    }

    /// The integer part, if it fits.
    pub(crate) fn truncated(self) -> Option<i128> {
        let power = 10_i128.checked_pow(self.exponent.unsigned_abs());
        if self.exponent >= 0 {
            self.coefficient.checked_mul(power?)
        } else {
            // A power that does not fit is larger than any coefficient.
            Some(power.map_or(0, |power| self.coefficient / power))
        }
    }

    /// The nearest double, for formats without exact numbers.
    pub fn to_f64(self) -> f64 {
        let Self { coefficient, exponent } = self;
        format!("{coefficient}e{exponent}").parse().unwrap_or(f64::NAN)
    }

    /// The sum; `None` if it is out of range.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        if self.coefficient == 0 {
            return Some(other);
        }
        if other.coefficient == 0 {
            return Some(self);
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // Bring both to one exponent: lower the higher one as far as its digits allow, and round
        // away the rest of the other number.
        let gap = u32::try_from(high.exponent - low.exponent).ok()?;
        let room = MAX_DIGITS.saturating_sub(digits(high.coefficient)) + 1;
        let down = gap.min(room);
        let coefficient = high.coefficient.checked_mul(10_i128.checked_pow(down)?)?;
        let rest = round_off(low.coefficient, gap - down);
        let exponent = high.exponent - i32::try_from(down).ok()?;
        Self::normalized(coefficient.checked_add(rest)?, exponent)
    }

    pub(crate) fn neg(self) -> Self {
        Self { coefficient: -self.coefficient, ..self }
    }

    pub(crate) fn abs(self) -> Self {
        Self { coefficient: self.coefficient.abs(), ..self }
    }

    /// The nearest integer; halfway cases are rounded away from zero.
    pub(crate) fn round(self) -> Self {
        if self.is_integral() {
            return self;
        }
        // A power that does not fit is more than twice any coefficient.
        let Some(power) = 10_i128.checked_pow(self.exponent.unsigned_abs()) else {
            return Self::ZERO;
        };
        let (whole, rest) = (self.coefficient / power, (self.coefficient % power).abs());
        let up = if rest >= power - rest { self.coefficient.signum() } else { 0 };
        Self::normalized(whole + up, 0).unwrap_or(Self::ZERO)
    }

    pub(crate) fn sub(self, other: Self) -> Option<Self> {
        self.add(other.neg())
    }

    /// The product; `None` if it is out of range.
    pub(crate) fn mul(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.checked_add(other.exponent)?;
        if let Some(exact) = self.coefficient.checked_mul(other.coefficient) {
            return Self::normalized(exact, exponent);
        }
        // Too long for exact arithmetic: multiply in halves and round.
        const HALF: i128 = 10_i128.pow(MAX_DIGITS / 2);
        let (a, b) = (self.coefficient.abs(), other.coefficient.abs());
        let (ah, al, bh, bl) = (a / HALF, a % HALF, b / HALF, b % HALF);
        let low = al * bl;
        let middle = ah * bl + al * bh + low / HALF;
        let high = ah * bh + middle / HALF;
        let below = (middle % HALF) * HALF + low % HALF;
        let rounded = match below.cmp(&(COEFFICIENT_LIMIT / 2)) {
            Ordering::Greater => high + 1,
            Ordering::Equal => high + (high & 1),
            Ordering::Less => high,
        };
        // `high` can have fewer than 36 digits: keep as many of the digits below it as fit.
        let spare = MAX_DIGITS - digits(high).min(MAX_DIGITS);
        let (coefficient, dropped) = if spare == 0 {
            (rounded, MAX_DIGITS)
        } else {
            let scale = 10_i128.checked_pow(spare)?;
            let kept = round_off(below, MAX_DIGITS - spare);
            (high.checked_mul(scale)?.checked_add(kept)?, MAX_DIGITS - spare)
        };
        let sign = self.coefficient.signum() * other.coefficient.signum();
        Self::normalized(sign * coefficient, exponent.checked_add(i32::try_from(dropped).ok()?)?)
    }

    /// The quotient with 36 digits; `None` for a division by zero, or if it is out of range.
    pub(crate) fn div(self, other: Self) -> Option<Self> {
        if other.coefficient == 0 {
            return None;
        }
        let sign = self.coefficient.signum() * other.coefficient.signum();
        let divisor = other.coefficient.abs();
        let mut quotient = self.coefficient.abs() / divisor;
        let mut rest = self.coefficient.abs() % divisor;
        let mut exponent = self.exponent.checked_sub(other.exponent)?;
        while rest != 0 && quotient < COEFFICIENT_LIMIT / 10 {
            rest *= 10;
            quotient = quotient * 10 + rest / divisor;
            rest %= divisor;
            exponent = exponent.checked_sub(1)?;
        }
        let half = rest.cmp(&(divisor - rest));
        if half == Ordering::Greater || half == Ordering::Equal && quotient & 1 == 1 {
            quotient += 1;
        }
        Self::normalized(sign * quotient, exponent)
    }

    /// The remainder of a division that truncates, with the sign of the dividend; `None` for a
    /// division by zero or operands too far apart.
    pub(crate) fn rem(self, other: Self) -> Option<Self> {
        if other.coefficient == 0 {
            return None;
        }
        let exponent = self.exponent.min(other.exponent);
        let scaled = |number: Self| {
            let power = 10_i128.checked_pow(u32::try_from(number.exponent - exponent).ok()?)?;
            number.coefficient.checked_mul(power)
        };
        Self::normalized(scaled(self)? % scaled(other)?, exponent)
    }

    /// Normalizes a result: at most 36 digits, no trailing zeros.
    fn normalized(mut coefficient: i128, mut exponent: i32) -> Option<Self> {
        let extra = digits(coefficient).saturating_sub(MAX_DIGITS);
        if extra > 0 {
            coefficient = round_off(coefficient, extra);
            exponent = exponent.checked_add(i32::try_from(extra).ok()?)?;
        }
        if coefficient == 0 {
            return Some(Self::ZERO);
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent = exponent.checked_add(1)?;
        }
        let lead = exponent.checked_add(i32::try_from(digits(coefficient)).ok()?)?;
        (lead.abs() <= MAX_MAGNITUDE).then_some(Self { coefficient, exponent })
    }

    /// The exponent of the leading digit.
    fn lead(self) -> i64 {
        i64::from(self.exponent) + i64::from(digits(self.coefficient))
    }
}

fn parse_power(text: &str) -> Result<i64, NumberError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::Malformed);
    }
    // Saturate: an exponent that is far out of range stays out of range.
    let power = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Ok(if negative { -power } else { power })
}

/// The number of digits of a coefficient; 0 for 0.
fn digits(coefficient: i128) -> u32 {
    coefficient.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1)
}

/// Drops that many digits, rounding to nearest, ties to even.
fn round_off(coefficient: i128, count: u32) -> i128 {
    let Some(power) = 10_i128.checked_pow(count) else {
        return 0;
    };
    let (quotient, rest) = (coefficient / power, (coefficient % power).abs());
    let up = match rest.cmp(&(power - rest)) {
        Ordering::Greater => 1,
        Ordering::Equal if rest != 0 => quotient.abs() & 1,
        _ => 0,
    };
    quotient + up * coefficient.signum()
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        // At most 19 digits: always fits.
        Self::normalized(i128::from(value), 0).unwrap_or(Self::ZERO)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = self.coefficient.signum().cmp(&other.coefficient.signum());
        if sign != Ordering::Equal || self.coefficient == 0 {
            return sign;
        }
        let by_size = self.lead().cmp(&other.lead()).then_with(|| {
            // Same position of the leading digit: extend both to 37 digits and compare.
            let stretch = |n: &Self| {
                let power = 10_i128.checked_pow(MAX_DIGITS + 1 - digits(n.coefficient));
                n.coefficient.abs().saturating_mul(power.unwrap_or(1))
            };
            stretch(self).cmp(&stretch(other))
        });
        if self.coefficient < 0 { by_size.reverse() } else { by_size }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The canonical text: plain digits if that is short, otherwise with an exponent.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.unsigned_abs().to_string();
        let sign = if self.coefficient < 0 { "-" } else { "" };
        let lead = self.lead();
        if !(-6..=40).contains(&lead) {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{sign}{first}{point}{rest}e{}", lead - 1);
        }
        match usize::try_from(-self.exponent) {
            Ok(places) if places > 0 => {
                let padded = format!("{digits:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                write!(f, "{sign}{whole}.{fraction}")
            }
            _ => {
                let zeros = usize::try_from(self.exponent).unwrap_or(0);
                write!(f, "{sign}{digits}{}", "0".repeat(zeros))
            }
        }
    }
}

#[cfg(test)]
mod tests;
