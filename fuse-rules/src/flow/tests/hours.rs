//! The hours of `during`, beside a model that looks at the clock on the wall.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use proptest::prelude::*;

use super::super::*;

const ZONES: [&str; 4] = ["Europe/Madrid", "America/New_York", "UTC", "Asia/Kolkata"];

fn windows() -> impl Strategy<Value = Vec<Window>> {
    // Full quarters of an hour, and the ends of the day.
    let minute = || prop_oneof![(0..96_u16).prop_map(|quarter| quarter * 15), Just(0_u16)];
    let to = prop_oneof![4 => minute(), 1 => Just(DAY)];
    let window = ((0..7_u8, 0..7_u8), minute(), to)
        .prop_filter("an empty window", |(_, from, to)| from != to)
        .prop_map(|(days, from, to)| Window { days, from, to });
    prop::collection::vec(window, 1..4)
}

/// Whether the clock on the wall is in a window. Not on a day on which the clocks change.
fn is_open(hours: &Hours, local: &Zoned) -> bool {
    let minute = u16::try_from(local.hour()).unwrap() * 60 + u16::try_from(local.minute()).unwrap();
    let yesterday = local.date().yesterday().unwrap();
    let begins = |window: &Window, day: Weekday, date| {
        let day = u8::try_from(day.to_monday_zero_offset()).unwrap();
        let (first, last) = window.days;
        let mut days = vec![first];
        while days.last() != Some(&last) {
            days.push((days.last().unwrap() + 1) % 7);
        }
        days.contains(&day) && !hours.except.contains(&date)
    };
    hours.windows.iter().any(|window| {
        let today = begins(window, local.weekday(), local.date());
        let before = begins(window, yesterday.weekday(), yesterday);
        if window.from < window.to {
            today && (window.from..window.to).contains(&minute)
        } else {
            today && minute >= window.from || before && minute < window.to
        }
    })
}

proptest! {
    /// The hours are open when the clock on the wall is in a window, and open again when they say.
    #[test]
    fn hours_are_those_of_the_clock_on_the_wall(
        windows in windows(),
        zone in 0..ZONES.len(),
        // Two weeks in June, when no clock changes.
        quarter in 0..1_344_i64,
        except in prop::collection::vec(1..16_i8, 0..3),
    ) {
        let tz = TimeZone::get(ZONES[zone]).unwrap();
        let except: Vec<_> = except.into_iter().map(|day| jiff::civil::date(2026, 6, day)).collect();
        let hours = Hours { windows, zone: Some(ZONES[zone].into()), except };
        let start: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let at = |quarter: i64| start + SignedDuration::from_mins(quarter * 15);
        let opens = |quarter: i64| is_open(&hours, &at(quarter).to_zoned(tz.clone()));
        let answer = hours.opening(at(quarter));
        let expected = if opens(quarter) {
            Opening::Open
        } else {
            let next = (quarter..quarter + 40 * 96).find(|quarter| opens(*quarter));
            next.map_or(Opening::Never, |next| Opening::Opens(at(next)))
        };
        prop_assert_eq!(answer, expected, "{} at {}", hours, at(quarter));
    }
}

fn hours(windows: Vec<Window>, except: &[&str]) -> Hours {
    let except = except.iter().map(|date| date.parse().unwrap()).collect();
    Hours { windows, zone: Some("Europe/Madrid".into()), except }
}

#[test]
fn a_window_keeps_its_times_when_the_clocks_change() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    // On 2026-03-29, 02:00 is followed by 03:00; on 2026-10-25, the hour from 02:00 is repeated.
    let night = hours(vec![Window { days: Window::ALL_DAYS, from: 150, to: 240 }], &[]);
    let before = at("2026-03-28T12:00:00Z");
    // There is no 02:30. It is read as 03:30 of the new time.
    assert_eq!(night.opening(before), Opening::Opens(at("2026-03-29T01:30:00Z")));
    assert_eq!(
        night.opening(at("2026-03-29T02:00:00Z")),
        Opening::Opens(at("2026-03-30T00:30:00Z"))
    );
    // The first one of the two.
    assert_eq!(
        night.opening(at("2026-10-24T12:00:00Z")),
        Opening::Opens(at("2026-10-25T00:30:00Z"))
    );
    assert_eq!(night.opening(at("2026-10-25T02:59:59Z")), Opening::Open);
}

#[test]
fn hours_without_a_day_never_open() {
    let day = Window { days: (3, 3), from: 0, to: DAY };
    let thursdays: Vec<String> = (0..60)
        .map(|week| (jiff::civil::date(2026, 12, 24) + jiff::ToSpan::weeks(week)).to_string())
        .collect();
    let all: Vec<&str> = thursdays.iter().map(String::as_str).collect();
    let at = "2026-12-24T10:00:00Z".parse().unwrap();
    assert_eq!(hours(vec![day], &all).opening(at), Opening::Never);
    let next = "2026-12-30T23:00:00Z".parse().unwrap();
    assert_eq!(hours(vec![day], &all[..1]).opening(at), Opening::Opens(next));
}

#[test]
fn hours_are_written_as_in_rules() {
    let windows = vec![
        Window { days: (0, 4), from: 540, to: 1020 },
        Window { days: (5, 5), from: 600, to: 720 },
        Window { days: Window::ALL_DAYS, from: 1320, to: 360 },
    ];
    assert_eq!(
        hours(windows, &["2026-12-25"]).to_string(),
        "mon..fri 09:00..17:00, sat 10:00..12:00, 22:00..06:00 \"Europe/Madrid\" except \"2026-12-25\""
    );
}
