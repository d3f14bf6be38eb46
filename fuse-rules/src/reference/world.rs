//! The event as trees, the callback that watches its evaluation, and the work budget.

use std::cell::Cell;

use crate::event::Event;
use crate::functions::CallContext;
use crate::path::PATH_FIELD;
use jiff::Timestamp;

use crate::semantics::ops::{self, Fault, Truth};
use crate::semantics::weight;
use crate::typed::Expr;
use crate::value::Value;

/// Called with the truth of each condition, and of each part of one, that is evaluated.
pub(crate) type Watch<'w> = &'w dyn Fn(&Expr, &Truth);

/// How many more values may be examined or copied, shared by consecutive evaluations. 64 bytes of
/// text count as one value.
#[derive(Debug)]
pub(crate) struct WorkBudget(Cell<u64>);

impl WorkBudget {
    pub(crate) fn new(values: u64) -> Self {
        Self(Cell::new(values))
    }

    /// Deducts an amount and returns whether the budget was sufficient. If not, the budget is empty
    /// afterwards.
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

/// The cost of a value.
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
    /// What the reaction of a fuse reads.
    pub(super) outcome: Value<'e>,
    pub(super) context: CallContext,
    pub(super) watch: Option<Watch<'e>>,
    budget: Option<&'e WorkBudget>,
}

impl<'e> World<'e> {
    pub(crate) fn new(event: &'e Event<'_>, watch: Option<Watch<'e>>) -> Self {
        let texts = |map: &std::collections::BTreeMap<String, String>| {
            let entry = |(k, v): (&String, &String)| (k.clone().into(), Value::text(v.clone()));
            Value::Map(map.iter().map(entry).collect())
        };
        let fields = crate::path::EVENT_FIELDS.iter().filter_map(|name| {
            let value = event.field(name)?.into_owned();
            Some(((*name).into(), Value::text(value)))
        });
        let path = (PATH_FIELD.into(), texts(event.path_parameters()));
        let has_path = !event.path_parameters().is_empty();
        let fields = fields.chain(has_path.then_some(path));
        Self {
            body: Value::read_lenient(event.body()),
            headers: texts(event.headers()),
            query: texts(event.queries()),
            event: Value::Map(fields.collect()),
            outcome: Value::Null,
            context: CallContext::new(event.received_at()),
            watch,
            budget: None,
        }
    }

    /// No event, for constants, whose work is bounded.
    pub(super) fn without_event(budget: &'e WorkBudget) -> Self {
        let nothing = || Value::Null;
        Self {
            body: nothing(),
            headers: nothing(),
            query: nothing(),
            event: nothing(),
            outcome: nothing(),
            context: CallContext::new(Timestamp::UNIX_EPOCH),
            watch: None,
            budget: Some(budget),
        }
    }

    /// No event, for the reaction of a fuse at this time.
    pub(super) fn of_fuse(outcome: Value<'e>, now: Timestamp, budget: &'e WorkBudget) -> Self {
        let context = CallContext::new(now);
        Self { outcome, context, ..Self::without_event(budget) }
    }

    /// An event with a work budget. An expression that exceeds it is unknown, which never makes a
    /// condition true or false that is not.
    pub(crate) fn within(event: &'e Event<'_>, budget: Option<&'e WorkBudget>) -> Self {
        Self { budget, ..Self::new(event, None) }
    }

    /// Deducts the bytes that a call examined, if there is a budget.
    pub(super) fn spend_searched(&self) -> Result<(), Fault> {
        let values = self.context.take_searched() / 64;
        match self.budget {
            Some(budget) if values > 0 && !budget.spend(values) => {
                ops::error("it would take too long to evaluate")
            }
            _ => Ok(()),
        }
    }

    /// Deducts the cost of a value, if there is a budget.
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
        ops::error("it would take too long to evaluate")
    }
}
