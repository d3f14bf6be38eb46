//! The event as trees, and who watches it being decided.

use crate::check::typed::Expr;
use crate::eval::ops::Truth;
use crate::event::Event;
use crate::functions::Context;
use crate::value::Value;

/// Is told the truth of each condition, and of each part of one, that is looked at.
pub(crate) type Watch<'w> = &'w dyn Fn(&Expr, &Truth);

/// The event as trees.
pub(crate) struct World<'e> {
    pub(super) body: Value<'e>,
    pub(super) headers: Value<'e>,
    pub(super) query: Value<'e>,
    pub(super) event: Value<'e>,
    pub(super) context: Context,
    pub(super) watch: Option<Watch<'e>>,
}

impl<'e> World<'e> {
    pub(crate) fn new(event: &Event<'e>, watch: Option<Watch<'e>>) -> Self {
        let texts = |map: &std::collections::BTreeMap<String, String>| {
            let entry = |(k, v): (&String, &String)| (k.clone().into(), Value::text(v.clone()));
            Value::Map(map.iter().map(entry).collect())
        };
        let fields = crate::check::EVENT_FIELDS.iter().filter_map(|name| {
            let value = event.field(name)?.into_owned();
            Some(((*name).into(), Value::text(value)))
        });
        Self {
            body: Value::read_lenient(event.body()),
            headers: texts(event.headers()),
            query: texts(event.queries()),
            event: Value::Map(fields.collect()),
            context: Context { received: event.received_at() },
            watch,
        }
    }
}
