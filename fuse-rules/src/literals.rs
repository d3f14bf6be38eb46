//! The syntax of strings, durations and sizes in rules.

pub use crate::fuses::parse_switch;
use jiff::SignedDuration;

/// The character of an escape sequence without its backslash: `n`, `"`, `u{1F600}`.
pub(crate) fn unescape(escape: &str) -> Option<char> {
    match escape {
        "n" => Some('\n'),
        "r" => Some('\r'),
        "t" => Some('\t'),
        "\"" | "\\" | "$" => escape.chars().next(),
        _ => {
            let hex = escape.strip_prefix("u{")?.strip_suffix('}')?;
            char::from_u32(u32::from_str_radix(hex, 16).ok()?)
        }
    }
}

/// A text as a string literal of the rules, without `${…}`.
///
/// ```
/// assert_eq!(fuse_rules::literals::quoted("$5"), r#""\$5""#);
/// ```
pub fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Parses a duration as written in rules: `10s`, `5m`, `4h`, `7d`, `250ms`, `1h30m`.
///
/// ```
/// let ninety_minutes = jiff::SignedDuration::from_mins(90);
/// assert_eq!(fuse_rules::literals::parse_duration("1h30m"), Some(ninety_minutes));
/// assert_eq!(fuse_rules::literals::parse_duration("ten minutes"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut total = SignedDuration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let part = match rest.get(..unit)? {
            "ms" => Some(SignedDuration::from_millis(count)),
            "s" => Some(SignedDuration::from_secs(count)),
            "m" => count.checked_mul(60).map(SignedDuration::from_secs),
            "h" => count.checked_mul(3_600).map(SignedDuration::from_secs),
            "d" => count.checked_mul(86_400).map(SignedDuration::from_secs),
            _ => None,
        };
        total = total.checked_add(part?)?;
        rest = rest.get(unit..)?;
    }
    (!text.is_empty() && total.as_secs() <= MAX_SECONDS).then_some(total)
}

/// A hundred years. A longer duration is a typo, and the limit keeps every sum of times in range.
const MAX_SECONDS: i64 = 100 * 366 * 86_400;

/// A duration as written in rules, with its largest unit first.
pub(crate) fn duration_text(duration: SignedDuration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    let all = duration.as_nanos().unsigned_abs();
    let mut millis = all / 1_000_000;
    let mut text = String::new();
    for (unit, size) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
    {
        if millis >= size {
            text.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    format!("{sign}{text}")
}

/// A number of milliseconds as a duration in rules: `4h`, `1m30s`.
///
/// ```
/// assert_eq!(fuse_rules::literals::show_duration(90_000), "1m30s");
/// ```
pub fn show_duration(milliseconds: u64) -> String {
    duration_text(SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX)))
}

/// Parses a size in bytes as written in rules.
///
/// ```
/// assert_eq!(fuse_rules::literals::parse_size("1MiB"), Some(1 << 20));
/// assert_eq!(fuse_rules::literals::parse_size("1 MB"), None);
/// ```
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let shift = match unit {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A number of bytes as a size in rules: `1MiB`. A number that is not a multiple of 1 KiB has no unit.
pub(crate) fn show_size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    match unit {
        Some((unit, shift)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_written() {
        assert_eq!(parse_duration("1h30m"), Some(SignedDuration::from_mins(90)));
        assert_eq!(parse_duration("250ms"), Some(SignedDuration::from_millis(250)));
        assert_eq!(parse_duration("7d"), Some(SignedDuration::from_hours(168)));
        for bad in ["", "10", "m", "10x", "99999999999999999999d", "9999999999999d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        for text in ["1d2h3m4s5ms", "0s", "90d"] {
            assert_eq!(duration_text(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_size("2KiB"), Some(2048));
        for text in ["1KiB", "1025KiB", "3MiB", "2GiB"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
        assert_eq!([0, 1, 1_000].map(show_size), ["0", "1", "1000"]);
        assert_eq!(parse_size("99999999999999GiB"), None);
    }

    #[test]
    fn escapes() {
        assert_eq!(quoted("a\"b\\${c}\n\r\t\u{7}é"), r#""a\"b\\\${c}\n\r\t\u{7}é""#);
        assert_eq!(unescape("u{e9}"), Some('é'));
        assert_eq!(unescape("u{d800}"), None, "half of a pair is no character");
        assert_eq!(unescape("q"), None);
    }
}
