//! Checks the hours of `during`.

use jiff::civil::Date;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::flow::{DAY, Hours, Window};
use crate::syntax::ast::{self, Text};

/// The most windows and dates of a clause.
const MAX_WINDOWS: usize = 50;
const MAX_DATES: usize = 366;

impl Checker<'_> {
    pub(super) fn hours(&mut self, hours: &ast::HoursText) -> Hours {
        let windows = hours.windows.iter().take(MAX_WINDOWS);
        let windows = windows.filter_map(|(days, times)| self.window(days.as_ref(), times));
        let windows = windows.collect();
        if let Some((_, times)) = hours.windows.get(MAX_WINDOWS) {
            let message = format!("`during` has more than {MAX_WINDOWS} windows");
            self.bad_hours(times, message, "one too many", "join windows, as in `mon..fri`");
        }
        if let Some(zone) = &hours.zone
            && !Hours::is_zone(&zone.text)
        {
            let message = format!("`{}` is not a time zone", zone.text);
            let help =
                "write a name of the IANA time zone database, such as `Europe/Madrid` or `UTC`";
            self.bad_hours(zone, message, "unknown", help);
        }
        let mut except: Vec<Date> = Vec::new();
        for text in hours.except.iter().take(MAX_DATES) {
            match text.text.parse() {
                Ok(date) if text.text.len() == "2026-12-25".len() => except.push(date),
                _ => {
                    let message = format!("`{}` is not a date", text.text);
                    self.bad_hours(text, message, "not a date", "write dates like `2026-12-25`");
                }
            }
        }
        if let Some(text) = hours.except.get(MAX_DATES) {
            let message = format!("`except` has more than {MAX_DATES} dates");
            self.bad_hours(text, message, "one too many", "remove the dates that are over");
        }
        let zone = hours.zone.as_ref().map(|zone| zone.text.clone());
        Hours { windows, zone, except }
    }

    fn window(&mut self, days: Option<&Text>, times: &Text) -> Option<Window> {
        let range = days.map_or(Some(Window::ALL_DAYS), |days| {
            let (first, last) = days.text.split_once("..").unwrap_or((&days.text, &days.text));
            let range = Window::day(first).zip(Window::day(last));
            if range.is_none() {
                let message = format!("`{}` is not a day of the week or a range of days", days.text);
                let help = "write `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, or a range such as `mon..fri`";
                self.bad_hours(days, message, "not a day", help);
            }
            range
        });
        let span = times
            .text
            .split_once("..")
            .and_then(|(from, to)| Some((minute(from).filter(|from| *from < DAY)?, minute(to)?)));
        match span {
            None => {
                let message = format!("`{}` is not a window of time", times.text);
                let help = "write two times from `00:00` to `24:00`, as in `09:00..17:00`";
                self.bad_hours(times, message, "not two times of the day", help);
            }
            Some((from, to)) if from == to => {
                let message = "this window is empty".to_owned();
                let help = "write `00:00..24:00` for the whole day";
                self.bad_hours(times, message, "begins when it ends", help);
            }
            Some(_) => {}
        }
        let (from, to) = span.filter(|(from, to)| from != to)?;
        Some(Window { days: range?, from, to })
    }

    fn bad_hours(&mut self, at: &Text, message: String, label: &str, help: &str) {
        self.report(Diagnostic::error(Code::E0514, at.span, message).label(label).help(help));
    }
}

/// The minute of the day of a time such as `09:30`. `24:00` is [`DAY`].
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= DAY).then_some(of_day)
}
