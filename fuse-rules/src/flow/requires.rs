//! `requires a, b else hold D`: an occurrence waits while one of the fuses is off.
//!
//! The clause has no state. The caller says which fuses are on, before it asks for the first time and again before the
//! occurrence resumes, and makes it due when they are switched. If they are not on after D, the occurrence expires.

use jiff::SignedDuration;

use super::admit::{ClauseAnswer, Hold};
use super::time::window_end;
use super::{Flow, FlowRequest, FlowTime, Wait};

/// The clause as in rules.
pub(crate) fn text<'n>(flow: Flow, fuses: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<String> = fuses.cloned().collect();
    flow.text(&names)
}

/// The answer at this time to an occurrence that waited at the clause, or asks for the first time.
pub(super) fn step(
    request: &FlowRequest,
    within: SignedDuration,
    wait: Option<&Wait>,
    time: FlowTime,
) -> ClauseAnswer {
    let off: Vec<String> = request.off().map(|fuse| format!("`{fuse}`")).collect();
    let (s, verb) = if off.len() == 1 { ("", "is") } else { ("s", "are") };
    let off = off.join(", ");
    if off.is_empty() {
        return Ok(());
    }
    let until = window_end(wait.map_or(time.steady, |wait| wait.since), within);
    if wait.is_some() && until <= time.steady {
        return Err(Hold::Expired(format!("is over: the fuse{s} {off} {verb} still off")));
    }
    let shown = time.shown(until);
    let why = format!("waits for the fuse{s} {off}, which {verb} off, at most until {shown}");
    Err(Hold::Waits { until, why, replaces: None })
}

impl FlowRequest {
    /// Its fuses that are off.
    pub(crate) fn off(&self) -> impl Iterator<Item = &String> {
        self.fuses.iter().filter(|(_, is_on)| !**is_on).map(|(name, _)| name)
    }

    /// Sets the values of its fuses.
    pub(crate) fn set_fuses(&mut self, is_on: impl Fn(&str) -> bool) {
        self.fuses.iter_mut().for_each(|(name, on)| *on = is_on(name));
    }
}
