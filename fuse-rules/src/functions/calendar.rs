//! Instants as calendar and clock times: `time-of-day`, `weekday`, `format-time`, `parse-time`.
//! Time zones come from a built-in database, so results do not depend on the machine.

use std::sync::LazyLock;

use jiff::civil::{Time, Weekday};
use jiff::fmt::strtime::{self, BrokenDownTime, Meridiem};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Zoned};

use super::time::{INSTANT, instant};
use super::{Call, CallResult, Function, ResultSize, Returns, string};
use crate::value::{Kinds, Value, cut};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "time-of-day",
        params: &[("time", INSTANT), ("zone", Kinds::STRING)],
        returns: Returns::Of(Kinds::DURATION),
        size: ResultSize::AtMost(1),
        doc: "The local time on the clock in a time zone, as a duration since 00:00.",
        examples: &[
            (r#"time-of-day("2026-08-01T10:30:00Z", "Europe/Madrid") == 12h30m"#, Some("true")),
            // Three hours after midnight, on the day on which daylight saving time starts.
            (r#"time-of-day("2026-03-29T02:00:00Z", "Europe/Madrid") == 4h"#, Some("true")),
            (r#"time-of-day("2026-08-01T10:30:00Z", "Europe/Madird")"#, None),
        ],
        call: Call::Pure(|arguments| {
            let time = zoned(arguments, 1)?.time();
            Ok(Value::Duration(time.duration_since(Time::midnight())))
        }),
    },
    Function {
        name: "weekday",
        params: &[("time", INSTANT), ("zone", Kinds::STRING)],
        returns: Returns::Words(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
        size: ResultSize::AtMost(1),
        doc: "The day of the week in a time zone: `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`.",
        examples: &[
            (r#"weekday("2026-08-01T10:00:00Z", "UTC")"#, Some(r#""sat""#)),
            (
                r#"weekday("2026-08-02T22:30:00Z", "Europe/Madrid") in ["sat", "sun"]"#,
                Some("false"),
            ),
            (r#"weekday("saturday", "UTC")"#, None),
        ],
        call: Call::Pure(|arguments| Ok(Value::text(day(zoned(arguments, 1)?.weekday())))),
    },
    Function {
        name: "format-time",
        params: &[("time", INSTANT), ("format", Kinds::STRING), ("zone", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(16),
        doc: "The instant as text in a time zone, in an strftime format such as `%Y-%m-%d %H:%M`.",
        examples: &[
            (
                r#"format-time("2026-08-01T10:30:00Z", "%Y-%m-%d %H:%M", "Europe/Madrid")"#,
                Some(r#""2026-08-01 12:30""#),
            ),
            (r#"format-time("2026-08-01T10:30:00Z", "%a %d %b", "UTC")"#, Some(r#""Sat 01 Aug""#)),
            (r#"format-time("2026-08-01T10:30:00Z", "%!", "UTC")"#, None),
        ],
        call: Call::Pure(format_time),
    },
    Function {
        name: "parse-time",
        params: &[("text", Kinds::STRING), ("format", Kinds::STRING)],
        returns: Returns::Of(Kinds::TIME),
        size: ResultSize::AtMost(1),
        doc: "The instant that a text describes in an strptime format. The format must contain a date, a time and an offset (`%z`) or zone (`%Q`), or seconds since 1970 (`%s`), with a fraction (`%s%.f`) or without.",
        examples: &[
            (
                r#"string(parse-time("01/Aug/2026:12:30:00 +0200", "%d/%b/%Y:%H:%M:%S %z"))"#,
                Some(r#""2026-08-01T10:30:00Z""#),
            ),
            (r#"string(parse-time("1785580200", "%s"))"#, Some(r#""2026-08-01T10:30:00Z""#)),
            (
                r#"string(parse-time("1503435956.000247", "%s%.f"))"#,
                Some(r#""2017-08-22T21:05:56.000247Z""#),
            ),
            (
                r#"string(parse-time("2026-08-01 12:30 Europe/Madrid", "%F %R %Q"))"#,
                Some(r#""2026-08-01T10:30:00Z""#),
            ),
            // A Saturday, and contradictory parts.
            (r#"parse-time("Mon 2026-08-01 10:30 +0000", "%a %F %R %z")"#, None),
            (r#"parse-time("1785580200 2025", "%s %Y")"#, None),
            (r#"parse-time("2026-08-01 10:30", "%Y-%m-%d %H:%M")"#, None),
            (r#"parse-time("noon", "%H:%M %z")"#, None),
        ],
        call: Call::Pure(parse_time),
    },
];

/// The maximum length of a format in bytes: one letter of it can expand to about a hundred
/// characters.
const MAX_FORMAT_BYTES: usize = 1_024;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone with this name.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    ZONES
        .get(name)
        .map_err(|_| format!("`{}` is not a time zone such as `Europe/Madrid`", cut(name)))
}

/// The first argument in the time zone that the argument at `index` names.
fn zoned(arguments: &[Value<'_>], index: usize) -> Result<Zoned, String> {
    let zone = zone(string(arguments, index))?;
    Ok(instant(arguments)?.to_zoned(zone))
}

fn day(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

fn format_time(arguments: &[Value<'_>]) -> CallResult {
    let format = format(arguments)?;
    strtime::format(format, &zoned(arguments, 2)?)
        .map(Value::text)
        .map_err(|_| format!("`{}` is not a format such as `%Y-%m-%d`", cut(format)).into())
}

fn parse_time(arguments: &[Value<'_>]) -> CallResult {
    let (text, format) = (string(arguments, 0), format(arguments)?);
    let Ok(parsed) = strtime::parse(format, text) else {
        return Err(format!("`{}` does not match the format `{}`", cut(text), cut(format)).into());
    };
    let Some(zoned) = instant_of(&parsed, text) else {
        return Err(format!(
            "`{}`, read as `{}`, does not contain a date, a time and an offset (`%z`)",
            cut(text),
            cut(format)
        )
        .into());
    };
    let uses = |wanted: &[char]| directives(format).any(|one| wanted.contains(&one));
    match parsed.meridiem() {
        Some(_) if uses(&['H', 'k', 'R', 'T']) => {
            return Err("`%p` is for hours from 1 to 12, which `%I` reads".into());
        }
        None if uses(&['I', 'l']) => {
            return Err("hours from 1 to 12 (`%I`) need AM or PM (`%p`)".into());
        }
        _ => {}
    }
    if !agrees(&parsed, &zoned) {
        return Err(format!("the parts of `{}` contradict each other", cut(text)).into());
    }
    Ok(Value::Time(zoned.timestamp()))
}

/// The letters of the directives of a format, without flags and widths: `H` for `%-H` and `%02H`.
fn directives(format: &str) -> impl Iterator<Item = char> {
    let mut letters = format.chars();
    std::iter::from_fn(move || {
        letters.find(|letter| *letter == '%')?;
        letters.find(|letter| !matches!(letter, '-' | '_' | '^' | '#' | ':' | '.' | '0'..='9'))
    })
}

/// Whether a text contains a number such as `-0.5`.
fn has_negative_zero(text: &str) -> bool {
    text.split('-')
        .skip(1)
        .any(|rest| rest.starts_with('0') && rest.trim_start_matches('0').starts_with('.'))
}

/// The instant that the parts of a text describe.
fn instant_of(parsed: &BrokenDownTime, text: &str) -> Option<Zoned> {
    let zoned = parsed.to_zoned_with(&ZONES).ok()?;
    let (Some(whole), Some(fraction)) = (parsed.timestamp(), parsed.subsec_nanosecond()) else {
        return Some(zoned);
    };
    let fraction = SignedDuration::from_nanos(fraction.into());
    match whole.as_second() {
        // The sign of `-0.5` is lost.
        0 if has_negative_zero(text) => None,
        0.. => zoned.checked_add(fraction).ok(),
        _ => zoned.checked_sub(fraction).ok(),
    }
}

/// Whether the instant has every part that was read, so that no part is ignored.
fn agrees(parsed: &BrokenDownTime, zoned: &Zoned) -> bool {
    /// Whether a part is what it should be, if it was read at all.
    fn same<T: PartialEq>(read: Option<T>, actual: T) -> bool {
        read.is_none_or(|read| read == actual)
    }
    let (date, time) = (zoned.date(), zoned.time());
    let iso = date.iso_week_date();
    // As strftime counts weeks: from the first Sunday, or the first Monday, of the year.
    let week = |days_into: i8| i8::try_from((date.day_of_year() + 6 - i16::from(days_into)) / 7);
    let (sunday, monday) =
        (date.weekday().to_sunday_zero_offset(), date.weekday().to_monday_zero_offset());
    let afternoon = if time.hour() < 12 { Meridiem::AM } else { Meridiem::PM };
    let dated = same(parsed.year(), date.year())
        && same(parsed.month(), date.month())
        && same(parsed.day(), date.day())
        && same(parsed.weekday(), date.weekday())
        && same(parsed.day_of_year(), date.day_of_year())
        && same(parsed.iso_week_year(), iso.year())
        && same(parsed.iso_week(), iso.week())
        && week(sunday).is_ok_and(|week| same(parsed.sunday_based_week(), week))
        && week(monday).is_ok_and(|week| same(parsed.monday_based_week(), week));
    dated
        && same(parsed.hour(), time.hour())
        && same(parsed.minute(), time.minute())
        && same(parsed.second(), time.second())
        && same(parsed.meridiem(), afternoon)
        && same(parsed.offset(), zoned.offset())
}

/// The format: the second argument.
fn format<'v>(arguments: &'v [Value<'_>]) -> Result<&'v str, String> {
    let format = string(arguments, 1);
    if format.len() > MAX_FORMAT_BYTES {
        return Err(format!("the format is longer than {MAX_FORMAT_BYTES} bytes"));
    }
    Ok(format)
}
