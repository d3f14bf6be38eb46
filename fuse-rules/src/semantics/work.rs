//! The work of an evaluation, and its limit.

use std::cell::Cell;

use jiff::Timestamp;

use super::ops::{self, Fault};
use crate::functions::CallContext;
use crate::value::Value;

/// The maximum work besides that of rules, in values that are examined. Reading or copying 64 bytes
/// counts as one value.
const MAX_WORK: u64 = 2_000_000;
/// How much text counts as one value.
pub(super) const BYTES_PER_VALUE: usize = 64;
/// The number of values that a decision counts as.
pub(crate) const DECISION_WORK: usize = 16;
/// The maximum size of all actions of an event.
const MAX_RENDERED_BYTES: usize = 64 << 20;
/// The additional work per rule for explanations.
const MAX_EXPLAIN_WORK_PER_RULE: u64 = 1_000;
/// The context of one evaluation, and its work so far.
#[derive(Debug)]
pub(crate) struct Work {
    context: CallContext,
    done: Cell<u64>,
    limit: Cell<u64>,
    /// The bytes of values that became parts of actions.
    rendered: Cell<usize>,
    /// The limit is never raised beyond this.
    highest: u64,
}

impl Work {
    pub(crate) fn new(received: Timestamp) -> Self {
        Self {
            context: CallContext::new(received),
            done: Cell::new(0),
            limit: Cell::new(MAX_WORK),
            rendered: Cell::new(0),
            highest: u64::MAX,
        }
    }

    /// For an explanation, which evaluates each of the rules, and each of their parts several
    /// times.
    pub(crate) fn to_explain(received: Timestamp, rules: usize, max_work: u64) -> Self {
        let rules = u64::try_from(rules).unwrap_or(u64::MAX);
        let limit = (4 * MAX_WORK).saturating_add(rules.saturating_mul(MAX_EXPLAIN_WORK_PER_RULE));
        let highest = max_work.saturating_mul(4).max(limit);
        Self { limit: Cell::new(limit), highest, ..Self::new(received) }
    }

    /// Raises the limit for rules whose work is known to be bounded by so many values.
    pub(crate) fn allow(&self, bound: u64) {
        let limit = bound.saturating_add(MAX_WORK).min(self.highest);
        self.limit.set(self.limit.get().max(limit));
    }

    /// The time that functions use.
    pub(crate) fn context(&self) -> &CallContext {
        &self.context
    }

    /// Why the event is refused, if a limit was exceeded. The event is refused as a whole, so
    /// that no decision depends on the work of previous ones.
    pub(crate) fn exceeded(&self) -> Option<String> {
        if !self.is_exceeded() {
            return None;
        }
        Some(if self.rendered.get() > MAX_RENDERED_BYTES {
            let most = MAX_RENDERED_BYTES >> 20;
            format!("the actions of this event would have more than {most} MiB")
        } else {
            let most = self.limit.get();
            format!("the rules would have to examine more than {most} values of this event")
        })
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.done.get() > self.limit.get() || self.rendered.get() > MAX_RENDERED_BYTES
    }

    /// The work so far.
    #[cfg(test)]
    pub(crate) fn done(&self) -> u64 {
        self.done.get()
    }

    /// Adds the work for a value that becomes part of an action. It is kept in memory and on disk.
    pub(crate) fn spend_rendered(&self, value: &Value<'_>) -> Result<(), Fault> {
        let (values, bytes) = weight(value);
        self.rendered.set(self.rendered.get().saturating_add(bytes));
        self.spend(values, bytes)
    }

    /// Adds work. Beyond the limit, every further operation fails, so that evaluation ends quickly.
    pub(crate) fn spend(&self, values: usize, bytes: usize) -> Result<(), Fault> {
        let more = u64::try_from(values + bytes / BYTES_PER_VALUE).unwrap_or(u64::MAX);
        self.done.set(self.done.get().saturating_add(more));
        match self.exceeded() {
            Some(why) => ops::error(why),
            None => Ok(()),
        }
    }

    pub(crate) fn spend_on(&self, value: &Value<'_>) -> Result<(), Fault> {
        let (values, bytes) = weight(value);
        self.spend(values, bytes)
    }
}

/// The number of values that a value contains, and the number of bytes of its texts.
pub(crate) fn weight(value: &Value<'_>) -> (usize, usize) {
    let sum = |(a, b): (usize, usize), (c, d): (usize, usize)| (a + c, b + d);
    match value {
        Value::List(items) => items.iter().map(weight).fold((1, 0), sum),
        Value::Map(map) => {
            map.iter().map(|(key, value)| sum(weight(value), (0, key.len()))).fold((1, 0), sum)
        }
        Value::String(text) => (1, text.len()),
        Value::Version(version) => (1, version.pre.len() + version.build.len()),
        _ => (1, 0),
    }
}
