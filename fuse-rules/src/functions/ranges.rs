//! The ranges of functions: what holds for every result beyond its type. With them, the analysis
//! proves that conditions such as `lower(x) == "ERROR"` never hold.

use std::sync::OnceLock;

use jiff::SignedDuration;
use regex::Regex;

#[cfg(test)]
use crate::number::Number;
#[cfg(test)]
use crate::value::Value;

/// What holds for every result of a function, or for a part of every result that has it.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) function: &'static str,
    /// The key of the part, for a function that returns a map.
    pub(crate) part: Option<&'static str>,
    pub(crate) results: Results,
    /// The predicate of a sentence whose subject is the result.
    pub(crate) words: &'static str,
    regex: OnceLock<Option<Regex>>,
}

/// A set of results.
#[derive(Debug)]
pub(crate) enum Results {
    /// Texts that this pattern matches from beginning to end.
    Texts(&'static str),
    /// Numbers and durations that are not negative.
    NotNegative,
    /// Whole numbers from 0 to this one.
    UpTo(i64),
    /// Durations that are not negative and shorter than 24 hours.
    Clock,
}

/// The hours of a day on the clock, also on a day with a change of the clock.
pub(crate) const CLOCK: SignedDuration = SignedDuration::from_hours(24);

static RANGES: [Range; 15] = [
    texts("lower", r"[^\p{Changes_When_Lowercased}]*", "has no upper-case letters"),
    texts("upper", r"[^\p{Changes_When_Uppercased}]*", "has no lower-case letters"),
    texts(
        "capitalize",
        r"(?s)(?:[^\p{Changes_When_Uppercased}].*)?",
        "does not begin with a lower-case letter",
    ),
    texts("trim", r"(?s)(?:\S(?:.*\S)?)?", "has no white space at its ends"),
    texts("base64", r"[A-Za-z0-9+/]*={0,2}", "has only the characters of Base64"),
    texts("hex", r"(?:[0-9a-f]{2})*", "has pairs of digits from 0 to 9 and a to f"),
    texts("sha256", r"[0-9a-f]{64}", "has 64 digits from 0 to 9 and a to f"),
    texts("url-encode", r"(?:[0-9A-Za-z_.~-]|%[0-9A-F]{2})*", "is percent-encoded"),
    texts("url", "[a-z][a-z0-9+.-]*", "is in lower case").of("scheme"),
    texts("url", "[!-@\\[-~]*", "is in lower case").of("host"),
    texts("url", "(?:/[!-~]*|[ -.0-~][ -~]*)?", "is percent-encoded").of("path"),
    range("url", Results::UpTo(65_535), "is at most 65535").of("port"),
    range("len", Results::NotNegative, "is at least 0"),
    range("abs", Results::NotNegative, "is not negative"),
    range("time-of-day", Results::Clock, "is at least 0h and less than 24h"),
];

const fn texts(function: &'static str, pattern: &'static str, words: &'static str) -> Range {
    range(function, Results::Texts(pattern), words)
}

const fn range(function: &'static str, results: Results, words: &'static str) -> Range {
    Range { function, part: None, results, words, regex: OnceLock::new() }
}

impl Range {
    /// The range of a part instead of the whole result.
    const fn of(mut self, part: &'static str) -> Self {
        self.part = Some(part);
        self
    }

    /// Whether it contains a result.
    #[cfg(test)]
    pub(crate) fn has(&self, result: &Value<'_>) -> bool {
        match (&self.results, result) {
            (Results::Texts(_), Value::String(text)) => self.has_text(text),
            (Results::NotNegative, Value::Number(number)) => *number >= Number::ZERO,
            (Results::NotNegative, Value::Duration(duration)) => !duration.is_negative(),
            (Results::UpTo(most), Value::Number(number)) => {
                number.to_i64().is_some_and(|number| (0..=*most).contains(&number))
            }
            (Results::Clock, Value::Duration(duration)) => {
                !duration.is_negative() && *duration < CLOCK
            }
            _ => false,
        }
    }

    /// Whether it contains all parts of its texts.
    pub(crate) fn has_parts(&self) -> bool {
        matches!(self.function, "lower" | "upper")
    }

    /// Whether it contains a text.
    pub(crate) fn has_text(&self, text: &str) -> bool {
        let regex = || self.regex().and_then(|pattern| Regex::new(&pattern).ok());
        // Without a pattern, nothing is known.
        self.regex.get_or_init(regex).as_ref().is_none_or(|regex| regex.is_match(text))
    }

    /// The pattern of its texts.
    pub(crate) fn regex(&self) -> Option<String> {
        match self.results {
            Results::Texts(pattern) => Some(format!(r"\A(?:{pattern})\z")),
            _ => None,
        }
    }
}

/// The range of the result of a function, or of a part of the result.
pub(crate) fn find(function: &str, part: Option<&str>) -> Option<&'static Range> {
    RANGES.iter().find(|range| range.function == function && range.part == part)
}

/// All ranges.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static Range> {
    RANGES.iter()
}
