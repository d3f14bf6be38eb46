//! Events as they are made and changed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::analysis::Witness;
use crate::event::Event;
use crate::value::Value;

/// When events are received that nothing else is said of: 2026-01-01T00:00:00Z.
const RECEIVED: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// How far into a list an element is made.
const MOST_MADE: usize = 20;

/// An event that can be changed. Its numbers are exact, as those of rules are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) body: Value<'static>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) received: Timestamp,
}

/// A step into a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Key(String),
    Index(i64),
    /// To some element.
    Some,
}

/// When events are received that nothing else is said of.
pub(super) fn received() -> Timestamp {
    RECEIVED
}

impl Draft {
    pub(super) fn of(body: Value<'static>) -> Self {
        let (headers, query) = (BTreeMap::new(), BTreeMap::new());
        Self { body, headers, query, received: RECEIVED }
    }

    /// An event with this body, as JSON; `None` for what cannot be written as it was read.
    pub(super) fn read(body: &str) -> Option<Self> {
        let body = Value::read(body).ok()?.into_owned();
        body.to_json_text().is_ok().then(|| Self::of(body))
    }

    /// An event that the analysis found.
    pub(super) fn found(witness: &Witness) -> Option<Self> {
        Some(Self {
            headers: witness.headers.clone(),
            query: witness.query.clone(),
            received: witness.received,
            ..Self::read(&witness.text()?)?
        })
    }

    /// The body as JSON.
    pub(super) fn text(&self) -> String {
        // What cannot be written is never made.
        self.body.to_json_text().unwrap_or_default()
    }

    /// How large it is: what is small is easy to read.
    pub(super) fn size(&self) -> usize {
        let texts = self.headers.iter().chain(&self.query);
        self.text().len() + texts.map(|(k, v)| k.len() + v.len() + 8).sum::<usize>()
    }

    /// Calls `then` with the event.
    pub(super) fn event<T>(
        &self,
        source: &str,
        name: &str,
        then: impl FnOnce(&Event<'_>) -> T,
    ) -> Option<T> {
        let text = self.text();
        let mut event = Event::new(source, name, text.as_bytes()).ok()?;
        for (name, value) in &self.headers {
            event = event.header(name, value);
        }
        for (name, value) in &self.query {
            event = event.query(name, value);
        }
        Some(then(&event.id("fuzz").received(self.received)))
    }
}

/// The place at the end of some steps, made where it is not there. `choose` says which element.
pub(super) fn make<'v>(
    at: &'v mut Value<'static>,
    steps: &[Step],
    choose: &mut dyn FnMut(usize) -> usize,
) -> Option<&'v mut Value<'static>> {
    let Some((step, rest)) = steps.split_first() else { return Some(at) };
    if let Step::Key(key) = step {
        if !matches!(at, Value::Map(_)) {
            *at = Value::Map(Vec::new());
        }
        let Value::Map(map) = at else { return None };
        let known = map.iter().position(|(own, _)| own == key);
        let index = known.unwrap_or(map.len());
        if known.is_none() {
            map.push((key.clone().into(), Value::Null));
        }
        return make(&mut map.get_mut(index)?.1, rest, choose);
    }
    if !matches!(at, Value::List(_)) {
        *at = Value::List(vec![Value::Null]);
    }
    let Value::List(list) = at else { return None };
    let index = match step {
        Step::Index(index) if *index >= 0 => usize::try_from(*index).unwrap_or(0).min(MOST_MADE),
        Step::Index(_) => list.len().saturating_sub(1),
        _ => choose(list.len().max(1)),
    };
    while list.len() <= index {
        list.push(Value::Null);
    }
    make(list.get_mut(index)?, rest, choose)
}

/// The place at the end of some steps, where it is there.
pub(super) fn find<'v>(
    at: &'v mut Value<'static>,
    steps: &[Step],
    choose: &mut dyn FnMut(usize) -> usize,
) -> Option<&'v mut Value<'static>> {
    let Some((step, rest)) = steps.split_first() else { return Some(at) };
    let inner = match (step, at) {
        (Step::Key(key), Value::Map(map)) => {
            map.iter_mut().find(|(own, _)| own == key).map(|(_, value)| value)
        }
        (step, Value::List(list)) => match step {
            Step::Index(index) if *index >= 0 => list.get_mut(usize::try_from(*index).ok()?),
            Step::Index(_) => list.last_mut(),
            Step::Some => {
                let index = choose(list.len().max(1));
                list.get_mut(index)
            }
            Step::Key(_) => None,
        },
        _ => None,
    };
    find(inner?, rest, choose)
}
