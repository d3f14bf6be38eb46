//! The times of an event: those of a calendar, or regular ones.

use std::collections::BTreeSet;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// The shortest and longest `every`, in milliseconds.
const MIN_EVERY: i64 = 1000;
const MAX_EVERY: i64 = 366 * 24 * 60 * 60 * 1000;

/// The fields that determine the times.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ScheduleFields {
    pub(super) cron: Option<String>,
    /// In milliseconds.
    pub(super) every: Option<i64>,
    pub(super) zone: Option<String>,
    #[serde(default)]
    pub(super) except: Vec<String>,
}

/// The times of an event.
#[derive(Debug)]
pub(super) struct Schedule {
    times: Times,
    zone: TimeZone,
    except: BTreeSet<Date>,
}

#[derive(Debug)]
enum Times {
    Cron(Box<Cron>),
    /// The multiples of this duration since the beginning of 1970, in UTC.
    Every(SignedDuration),
}

/// Why fields are not a schedule. It completes ``event `e` …``.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScheduleError {
    #[error(
        "has `cron` \"{cron}\", which is not a schedule of cron: {why}; write five fields, as in \"30 2 * * mon-fri\""
    )]
    Cron { cron: String, why: String },
    #[error("has `cron` \"{0}\", which no time matches")]
    Never(String),
    #[error("has `every`, which is not between 1s and 366d")]
    Every,
    #[error("has `zone` \"{0}\", which is not a time zone, as in \"Europe/Madrid\"")]
    Zone(String),
    #[error("has `except` with \"{0}\", which is not a date, as in \"2026-12-25\"")]
    Date(String),
    #[error("needs `cron` or `every`")]
    Missing,
}

impl Schedule {
    pub(super) fn new(fields: &ScheduleFields) -> Result<Self, ScheduleError> {
        let zone = match fields.zone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?,
        };
        let date = |text: &String| text.parse().map_err(|_| ScheduleError::Date(text.clone()));
        let except = fields.except.iter().map(date).collect::<Result<_, _>>()?;
        let times = match (&fields.cron, fields.every) {
            (Some(cron), _) => Times::Cron(Box::new(parse(cron)?)),
            (None, Some(every)) if (MIN_EVERY..=MAX_EVERY).contains(&every) => {
                Times::Every(SignedDuration::from_millis(every))
            }
            (None, Some(_)) => return Err(ScheduleError::Every),
            (None, None) => return Err(ScheduleError::Missing),
        };
        let schedule = Self { times, zone, except };
        // 30 February is a date that cron can write.
        match (&fields.cron, schedule.regular_after(Timestamp::UNIX_EPOCH)) {
            (Some(cron), None) => Err(ScheduleError::Never(cron.clone())),
            _ => Ok(schedule),
        }
    }

    /// The first time after another.
    pub(super) fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let mut next = self.regular_after(time)?;
        // Each turn leaves one of the dates behind.
        for _ in 0..=self.except.len() {
            let date = self.zone.to_datetime(next).date();
            if !self.except.contains(&date) {
                return Some(next);
            }
            let tomorrow = date.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?.timestamp();
            next = self.regular_after(tomorrow.checked_sub(SignedDuration::from_nanos(1)).ok()?)?;
        }
        None
    }

    /// The same without `except`.
    fn regular_after(&self, time: Timestamp) -> Option<Timestamp> {
        match &self.times {
            Times::Cron(cron) => {
                let next = cron.find_next_occurrence(&time.to_zoned(self.zone.clone()), false);
                next.ok().map(|next| next.timestamp())
            }
            Times::Every(every) => {
                let (every, now) = (every.as_nanos(), time.as_nanosecond());
                let next = now.div_euclid(every).checked_add(1)?.checked_mul(every)?;
                Timestamp::from_nanosecond(next).ok()
            }
        }
    }

    /// A time in the zone of the schedule, with its offset.
    pub(super) fn local(&self, time: Timestamp) -> String {
        let offset = self.zone.to_offset(time);
        time.display_with_offset(offset).to_string()
    }

    /// The times, for people.
    pub(super) fn describe(&self, next: &str) -> String {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        match &self.times {
            Times::Cron(cron) => format!("at `{}` in {zone}, next at {next}", cron.as_str()),
            Times::Every(every) => format!("every {every:#}, next at {next}"),
        }
    }
}

/// Five fields, or a nickname such as `@daily`. `l`, `w` and `#` are allowed.
fn parse(text: &str) -> Result<Cron, ScheduleError> {
    let refused = |why: String| ScheduleError::Cron { cron: text.to_owned(), why };
    let count = text.split_whitespace().count();
    if count != 5 && !text.trim_start().starts_with('@') {
        let fields = if count == 1 { "field" } else { "fields" };
        return Err(refused(format!("it has {count} {fields}")));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).map_err(|why| {
        // Such as `Component error: Number out of bounds`.
        let why = why.to_string();
        let why = why.rsplit(": ").next().unwrap_or_default().trim_end_matches('.').to_lowercase();
        refused(why)
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use proptest::prelude::*;

    use super::*;

    fn schedule(fields: ScheduleFields) -> Result<Schedule, String> {
        Schedule::new(&fields).map_err(|why| why.to_string())
    }

    fn cron(text: &str, zone: &str) -> Schedule {
        let fields = ScheduleFields {
            cron: Some(text.into()),
            zone: Some(zone.into()),
            ..ScheduleFields::default()
        };
        schedule(fields).unwrap()
    }

    /// The next local times after a local time.
    fn next(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
        let mut at: Timestamp = after.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            at = schedule.next_after(at).unwrap();
            found.push(schedule.local(at));
        }
        found
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let nightly = cron("0 2 * * *", "Europe/Madrid");
        assert_eq!(
            next(&nightly, "2026-06-01T00:00:00Z", 2),
            ["2026-06-02T02:00:00+02:00", "2026-06-03T02:00:00+02:00",]
        );
        let weekdays = cron("30 9 * * mon-fri", "UTC");
        assert_eq!(
            next(&weekdays, "2026-11-27T12:00:00Z", 2),
            ["2026-11-30T09:30:00+00:00", "2026-12-01T09:30:00+00:00",]
        );
        // Either the day of the month or that of the week, as in cron.
        let either = cron("0 0 1 * mon", "UTC");
        assert_eq!(
            next(&either, "2026-11-28T00:00:00Z", 3),
            ["2026-11-30T00:00:00+00:00", "2026-12-01T00:00:00+00:00", "2026-12-07T00:00:00+00:00",]
        );
    }

    #[test]
    fn a_time_that_the_clock_skips_is_later_and_one_that_it_repeats_is_once() {
        let half_past_two = cron("30 2 * * *", "Europe/Madrid");
        // On 29 March 2026, 02:00 is followed by 03:00.
        assert_eq!(
            next(&half_past_two, "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00",]
        );
        // On 25 October 2026, 03:00 is followed by 02:00.
        assert_eq!(
            next(&half_past_two, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00",]
        );
        let hourly = cron("0 * * * *", "Europe/Madrid");
        assert_eq!(
            next(&hourly, "2026-10-24T23:30:00Z", 3),
            ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00",]
        );
    }

    #[test]
    fn dates_are_left_out() {
        let fields = ScheduleFields {
            cron: Some("0 0 * * *".into()),
            zone: Some("Asia/Tokyo".into()),
            except: vec!["2026-12-25".into(), "2026-12-26".into()],
            ..ScheduleFields::default()
        };
        let schedule = schedule(fields).unwrap();
        assert_eq!(next(&schedule, "2026-12-23T16:00:00Z", 1), ["2026-12-27T00:00:00+09:00"]);
        // However many times a date has.
        let fields = ScheduleFields {
            every: Some(1_000),
            except: (1..=28).map(|day| format!("2026-02-{day:02}")).collect(),
            ..ScheduleFields::default()
        };
        let schedule = super::tests::schedule(fields).unwrap();
        assert_eq!(next(&schedule, "2026-01-31T23:59:59Z", 1), ["2026-03-01T00:00:00+00:00"]);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let with = |cron: Option<&str>, every, zone: Option<&str>, except: &[&str]| {
            let texts = |text: Option<&str>| text.map(str::to_owned);
            let except = except.iter().map(|date| (*date).to_owned()).collect();
            let fields = ScheduleFields { cron: texts(cron), every, zone: texts(zone), except };
            schedule(fields).map(drop).unwrap_err()
        };
        insta::assert_snapshot!(
            [
                with(Some("0 0 30 2 *"), None, None, &[]),
                with(Some("61 * * * *"), None, None, &[]),
                with(Some("* * * *"), None, None, &[]),
                with(Some("0 0 2 * * *"), None, None, &[]),
                with(Some("every day"), None, None, &[]),
                with(None, Some(999), None, &[]),
                with(None, Some(400 * 24 * 3_600_000), None, &[]),
                with(Some("0 0 * * *"), None, Some("Madrid"), &[]),
                with(Some("0 0 * * *"), None, None, &["25.12.2026"]),
                with(None, None, None, &[]),
            ]
            .join("\n")
        );
    }

    proptest! {
        /// The next time matches and is the first that does, by looking at every minute.
        #[test]
        fn the_next_time_is_the_first_that_matches(
            minute in 0_i8..60, hour in 0_i8..24, start in 1_700_000_000_i64..1_900_000_000,
            zone in proptest::sample::select(vec!["UTC", "Asia/Kolkata", "America/Phoenix"]),
        ) {
            let schedule = cron(&format!("{minute} {hour} * * *"), zone);
            let start = Timestamp::from_second(start).unwrap();
            let found = schedule.next_after(start).unwrap();
            let zone = TimeZone::get(zone).unwrap();
            let mut at = start.to_zoned(zone).start_of_day().unwrap();
            let matches = |time: &jiff::Zoned| (time.hour(), time.minute()) == (hour, minute);
            while at.timestamp() <= start || !matches(&at) {
                at = at.checked_add(1.minute()).unwrap();
            }
            prop_assert_eq!(found, at.timestamp());
        }

        /// Regular times are the same whenever one starts to count.
        #[test]
        fn regular_times_do_not_depend_on_the_start(
            every in 1_000_i64..100_000_000, start in 0_i64..2_000_000_000_000, later in 0_i64..100_000_000,
        ) {
            let fields = ScheduleFields { every: Some(every), ..ScheduleFields::default() };
            let schedule = schedule(fields).unwrap();
            let first = schedule.next_after(Timestamp::from_millisecond(start).unwrap()).unwrap();
            let from_later = Timestamp::from_millisecond(start + later).unwrap();
            let second = schedule.next_after(from_later).unwrap();
            prop_assert_eq!(first.as_millisecond() % every, 0);
            prop_assert!(first.as_millisecond() - start <= every);
            prop_assert_eq!(second == first, from_later < first);
        }
    }
}
