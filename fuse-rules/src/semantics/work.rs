//! How much work an evaluation does, and the bound on it.

use std::cell::Cell;

use jiff::Timestamp;

use super::ops::{self, Fault};
use crate::functions::CallContext;
use crate::value::Value;

/// How much deciding one event may cost, in values looked at. Reading or copying 64 bytes counts as
/// one. Far more than rules for people need, and some seconds' work at the most.
const MOST_WORK: u64 = 2_000_000;
const BYTES: usize = 64;
/// How much more explaining may cost for each rule.
const MOST_OF_A_RULE: u64 = 1_000;
/// What one evaluation knows of its event, and how much work it has done.
#[derive(Debug)]
pub(crate) struct Work {
    context: CallContext,
    done: Cell<u64>,
    limit: u64,
}

impl Work {
    pub(crate) fn new(received: Timestamp) -> Self {
        Self { context: CallContext { received }, done: Cell::new(0), limit: MOST_WORK }
    }

    /// The time that functions count from.
    pub(crate) fn context(&self) -> &CallContext {
        &self.context
    }

    /// For explaining, which looks at each of so many rules, and at each of their parts several times.
    pub(crate) fn to_explain(received: Timestamp, rules: usize) -> Self {
        let rules = u64::try_from(rules).unwrap_or(u64::MAX);
        let limit = (4 * MOST_WORK).saturating_add(rules.saturating_mul(MOST_OF_A_RULE));
        Self { limit, ..Self::new(received) }
    }

    /// Why the event is refused, if deciding it took too much. It is refused as a whole, so that
    /// no decision depends on what was decided before it.
    pub(crate) fn exceeded(&self) -> Option<String> {
        (self.done.get() > self.limit).then(|| {
            format!("the rules would have to look at more than {} values of this event", self.limit)
        })
    }

    /// Counts work. Past the limit every further piece fails, so that what is left ends soon.
    pub(crate) fn spend(&self, values: usize, bytes: usize) -> Result<(), Fault> {
        let more = u64::try_from(values + bytes / BYTES).unwrap_or(u64::MAX);
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

/// How many values a value is made of, and how many bytes of text.
pub(crate) fn weight(value: &Value<'_>) -> (usize, usize) {
    let sum = |(a, b): (usize, usize), (c, d): (usize, usize)| (a + c, b + d);
    match value {
        Value::List(items) => items.iter().map(weight).fold((1, 0), sum),
        Value::Map(map) => {
            map.iter().map(|(key, value)| sum(weight(value), (0, key.len()))).fold((1, 0), sum)
        }
        Value::String(text) => (1, text.len()),
        _ => (1, 0),
    }
}
