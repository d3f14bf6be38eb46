//! The event as trees, who watches it being decided, and how much work that may be.

use std::cell::Cell;

use crate::event::Event;
use crate::functions::CallContext;
use jiff::Timestamp;

use crate::semantics::ops::{self, Fault, Truth};
use crate::semantics::weight;
use crate::typed::Expr;
use crate::value::Value;

/// Is told the truth of each condition, and of each part of one, that is looked at.
pub(crate) type Watch<'w> = &'w dyn Fn(&Expr, &Truth);

/// How many values may still be looked at or copied, by one evaluation after the other. 64 bytes of text
/// count as one.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Budget {
    pub(crate) fn new(values: u64) -> Self {
        Self(Cell::new(values))
    }

    /// Whether there is enough left for so many; takes them, and what there is where there is less.
    pub(crate) fn spend(&self, values: usize) -> bool {
        let values = u64::try_from(values).unwrap_or(u64::MAX);
        let enough = self.0.get() > values;
        self.0.set(self.0.get().saturating_sub(values));
        enough
    }

    pub(crate) fn left(&self) -> u64 {
        self.0.get()
    }
}

/// What a value counts as.
pub(crate) fn size(value: &Value<'_>) -> usize {
    let (values, bytes) = weight(value);
    values + bytes / 64
}

/// The event as trees.
pub(crate) struct World<'e> {
    pub(super) body: Value<'e>,
    pub(super) headers: Value<'e>,
    pub(super) query: Value<'e>,
    pub(super) event: Value<'e>,
    pub(super) context: CallContext,
    pub(super) watch: Option<Watch<'e>>,
    budget: Option<&'e Budget>,
}

impl<'e> World<'e> {
    pub(crate) fn new(event: &Event<'e>, watch: Option<Watch<'e>>) -> Self {
        let texts = |map: &std::collections::BTreeMap<String, String>| {
            let entry = |(k, v): (&String, &String)| (k.clone().into(), Value::text(v.clone()));
            Value::Map(map.iter().map(entry).collect())
        };
        let fields = crate::path::EVENT_FIELDS.iter().filter_map(|name| {
            let value = event.field(name)?.into_owned();
            Some(((*name).into(), Value::text(value)))
        });
        Self {
            body: Value::read_lenient(event.body()),
            headers: texts(event.headers()),
            query: texts(event.queries()),
            event: Value::Map(fields.collect()),
            context: CallContext { received: event.received_at() },
            watch,
            budget: None,
        }
    }

    /// No event at all, for constants, whose work is bounded.
    pub(super) fn without_event(budget: &'e Budget) -> Self {
        let nothing = || Value::Null;
        Self {
            body: nothing(),
            headers: nothing(),
            query: nothing(),
            event: nothing(),
            context: CallContext { received: Timestamp::UNIX_EPOCH },
            watch: None,
            budget: Some(budget),
        }
    }

    /// An event of which no more is looked at than that: what would need more is unknown, which makes
    /// nothing true or false that is not so.
    pub(crate) fn within(event: &Event<'e>, budget: Option<&'e Budget>) -> Self {
        Self { budget, ..Self::new(event, None) }
    }

    /// Counts what is looked at, where that is bounded.
    pub(super) fn spend<'v>(
        &self,
        values: impl IntoIterator<Item = &'v Value<'e>>,
    ) -> Result<(), Fault>
    where
        'e: 'v,
    {
        let Some(budget) = self.budget else { return Ok(()) };
        if budget.left() > 0 && budget.spend(1 + values.into_iter().map(size).sum::<usize>()) {
            return Ok(());
        }
        ops::error("it would take too long to tell")
    }
}
