//! `during mon..fri 09:00..17:00 "Europe/Madrid"`: lets an occurrence through if its event was received within the hours.
//! It has no state.

use std::fmt;
use std::sync::LazyLock;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde::{Deserialize, Serialize};

/// The minutes of a day.
pub const DAY: u16 = 24 * 60;

/// How many days are searched for the next opening: more than a year, because dates can be excepted.
const MAX_DAYS: u16 = 400;

/// Hours of the week in a time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// The windows. They may overlap.
    pub windows: Vec<Window>,
    /// The name of the time zone, as in `Europe/Madrid`. `None` is UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The days on which no window begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Date>,
}

/// A window of time on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first and the last day on which it begins, from 0 (Monday) to 6. They may wrap around the end of the week.
    pub days: (u8, u8),
    /// When it begins, in minutes of the day.
    pub from: u16,
    /// When it ends, exclusive. At most [`DAY`]; if it is not after `from`, it is on the next day.
    pub to: u16,
}

/// Whether hours are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// They are open.
    Open,
    /// They open at this time.
    Opens(Timestamp),
    /// They do not open within a year.
    Never,
}

/// The days of the week as in rules.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Window {
    /// Every day of the week.
    pub const ALL_DAYS: (u8, u8) = (0, 6);

    /// The number of a day, from `mon` to `sun`.
    ///
    /// ```
    /// use fuse_rules::flow::Window;
    ///
    /// assert_eq!((Window::day("mon"), Window::day("sun"), Window::day("monday")), (Some(0), Some(6), None));
    /// ```
    pub fn day(name: &str) -> Option<u8> {
        let index = DAYS.iter().position(|day| *day == name)?;
        u8::try_from(index).ok()
    }

    fn begins_on(&self, day: Weekday) -> bool {
        let day = day.to_monday_zero_offset().unsigned_abs();
        match self.days {
            (first, last) if first <= last => (first..=last).contains(&day),
            (first, last) => day >= first || day <= last,
        }
    }

    /// When it begins and ends, if it begins on this day.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let end = if self.to > self.from { date } else { date.tomorrow().ok()? };
        Some((instant(date, self.from, zone)?, instant(end, self.to, zone)?))
    }
}

/// The instant of a minute of a day. A time that a clock skips is as long after midnight as if it did not.
fn instant(date: Date, minute: u16, zone: &TimeZone) -> Option<Timestamp> {
    let (date, minute) = if minute >= DAY { (date.tomorrow().ok()?, 0) } else { (date, minute) };
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let time = Time::new(hour, minute, 0, 0).ok()?;
    Some(date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp())
}

impl Hours {
    /// Whether this is the name of a time zone.
    ///
    /// ```
    /// use fuse_rules::flow::Hours;
    ///
    /// assert!(Hours::is_zone("Europe/Madrid") && !Hours::is_zone("Europe/Spain"));
    /// ```
    pub fn is_zone(name: &str) -> bool {
        ZONES.get(name).is_ok()
    }

    /// Whether the hours are open at this time, or when they open.
    ///
    /// ```
    /// use fuse_rules::flow::{Hours, Opening, Window};
    ///
    /// let hours = Hours {
    ///     windows: vec![Window { days: (0, 4), from: 9 * 60, to: 17 * 60 }],
    ///     zone: Some("Europe/Madrid".into()),
    ///     except: Vec::new(),
    /// };
    /// // A Monday. Madrid is two hours ahead of UTC in summer.
    /// assert_eq!(hours.opening("2026-08-03T07:00:00Z".parse()?), Opening::Open);
    /// let tuesday = "2026-08-04T07:00:00Z".parse()?;
    /// assert_eq!(hours.opening("2026-08-03T15:00:00Z".parse()?), Opening::Opens(tuesday));
    /// # Ok::<(), jiff::Error>(())
    /// ```
    pub fn opening(&self, at: Timestamp) -> Opening {
        let zone = self.zone.as_ref().and_then(|name| ZONES.get(name).ok());
        let zone = zone.unwrap_or(TimeZone::UTC);
        let today = Zoned::new(at, zone.clone()).date();
        // A window may have begun yesterday.
        let Ok(mut date) = today.yesterday() else { return Opening::Never };
        for _ in 0..MAX_DAYS {
            let mut opens: Option<Timestamp> = None;
            for window in &self.windows {
                if !window.begins_on(date.weekday()) || self.except.contains(&date) {
                    continue;
                }
                let Some((from, to)) = window.on(date, &zone) else { continue };
                if from <= at && at < to {
                    return Opening::Open;
                }
                if at < from && opens.is_none_or(|first| from < first) {
                    opens = Some(from);
                }
            }
            if let Some(opens) = opens {
                return Opening::Opens(opens);
            }
            let Ok(next) = date.checked_add(1.day()) else { return Opening::Never };
            date = next;
        }
        Opening::Never
    }
}

/// Formats the window as in rules: `mon..fri 09:00..17:00`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: u8| DAYS.get(usize::from(day)).copied().unwrap_or("?");
        match self.days {
            Self::ALL_DAYS => {}
            (first, last) if first == last => write!(f, "{} ", day(first))?,
            (first, last) => write!(f, "{}..{} ", day(first), day(last))?,
        }
        let (from, to) = (self.from, self.to);
        write!(f, "{:02}:{:02}..{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// Formats the hours as in rules: `mon..fri 09:00..17:00 "Europe/Madrid"`.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<_> = self.windows.iter().map(Window::to_string).collect();
        f.write_str(&windows.join(", "))?;
        if let Some(zone) = &self.zone {
            write!(f, " \"{zone}\"")?;
        }
        let except: Vec<_> = self.except.iter().map(|date| format!("\"{date}\"")).collect();
        if !except.is_empty() {
            write!(f, " except {}", except.join(", "))?;
        }
        Ok(())
    }
}
