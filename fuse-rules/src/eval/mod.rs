//! Evaluates events to decisions: the evaluators of plans, and explanations.

mod arrival;
mod atoms;
mod candidates;
mod elements;
pub(crate) mod exhaustive;
pub(crate) mod explain;
pub(crate) mod frame;
pub(crate) mod indexed;
pub(crate) mod limit;
mod memo;
mod missing;
mod plan;
mod programs;
mod reactions;
mod scratch;
mod stack;
#[cfg(test)]
pub(crate) mod tests;

use crate::event::{self, Event, UnreadableBody};
use crate::scan::ExtractError;
use crate::semantics::duplicate_key;
use crate::span::Place;
pub use arrival::{ArrivedEvent, BlockValues};
pub use explain::{Explained, ExplainedPage, Explanation, Form, Found, PageRequest, Part};
pub use plan::Plan;
pub(crate) use plan::Pooled;
pub(crate) use scratch::Pool;

/// Why an event from which no values can be read is refused.
fn refusal(why: ExtractError, event: &Event<'_>) -> String {
    unreadable(why, event).to_string()
}

/// Why no values can be read from the body of an event.
fn unreadable(why: ExtractError, event: &Event<'_>) -> UnreadableBody {
    match why {
        ExtractError::Duplicate(key, at) => {
            let Place { line, column } = event::place(event.body().as_bytes(), at);
            let twice = duplicate_key(&key);
            UnreadableBody::DuplicateKey(format!("{twice} (again at line {line}, column {column})"))
        }
        ExtractError::Invalid => match event.fault() {
            Some(fault) => UnreadableBody::Invalid(fault),
            None => UnreadableBody::Internal,
        },
    }
}
