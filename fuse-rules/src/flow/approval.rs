//! `approval within D by "group"`: an occurrence waits until a person approves it.
//!
//! The clause has no state: the answer is a part of the [`Wait`](super::Wait). Without one, the occurrence expires when it
//! is due. A rule in shadow asks nobody, because nothing would follow from the answer.

use jiff::SignedDuration;

use super::admit::{ClauseAnswer, Hold};
use super::time::window_end;
use super::{Approval, Flow, FlowTime};

/// How long an occurrence waits for approval unless the rule says it.
pub(crate) const DEFAULT_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// The clause as in rules.
pub(crate) fn text(flow: Flow, approvers: &[String]) -> String {
    let by: Vec<String> = approvers.iter().map(|group| format!("{group:?}")).collect();
    match by.is_empty() {
        true => flow.text(&[]),
        false => format!("{} by {}", flow.text(&[]), by.join(", ")),
    }
}

/// The answer to an occurrence that asks for the first time.
pub(super) fn ask(within: SignedDuration, time: FlowTime) -> ClauseAnswer {
    let until = window_end(time.steady, within);
    let why = format!("waits for approval until {}", time.shown(until));
    Err(Hold::Waits { until, why, replaces: None })
}

/// The answer to one that waited.
pub(super) fn answered(approval: Option<&Approval>) -> ClauseAnswer {
    match approval {
        Some(_) => Ok(()),
        None => Err(Hold::Expired("was answered by nobody".to_owned())),
    }
}
