//! Events as they are made and changed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::analysis::Witness;
use crate::event::Event;

/// When events are received that nothing else is said of: 2026-01-01T00:00:00Z.
const RECEIVED: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// How far into a list an element is made.
const MOST_MADE: usize = 20;

/// An event that can be changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) body: Json,
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
    pub(super) fn of(body: Json) -> Self {
        let (headers, query) = (BTreeMap::new(), BTreeMap::new());
        Self { body, headers, query, received: RECEIVED }
    }

    /// An event that the analysis found.
    pub(super) fn found(witness: &Witness) -> Option<Self> {
        Some(Self {
            body: witness.body.to_json().ok()?,
            headers: witness.headers.clone(),
            query: witness.query.clone(),
            received: witness.received,
        })
    }

    /// How large it is: what is small is easy to read.
    pub(super) fn size(&self) -> usize {
        let texts = self.headers.iter().chain(&self.query);
        self.body.to_string().len() + texts.map(|(k, v)| k.len() + v.len() + 8).sum::<usize>()
    }

    /// Calls `then` with the event.
    pub(super) fn event<T>(
        &self,
        source: &str,
        name: &str,
        then: impl FnOnce(&Event<'_>) -> T,
    ) -> Option<T> {
        let text = self.body.to_string();
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
pub(super) fn make<'j>(
    at: &'j mut Json,
    steps: &[Step],
    choose: &mut dyn FnMut(usize) -> usize,
) -> Option<&'j mut Json> {
    let Some((step, rest)) = steps.split_first() else { return Some(at) };
    if let Step::Key(key) = step {
        if !at.is_object() {
            *at = Json::Object(Map::new());
        }
        return make(at.as_object_mut()?.entry(key.clone()).or_insert(Json::Null), rest, choose);
    }
    if !at.is_array() {
        *at = Json::Array(vec![Json::Null]);
    }
    let list = at.as_array_mut()?;
    let index = match step {
        Step::Index(index) if *index >= 0 => usize::try_from(*index).unwrap_or(0).min(MOST_MADE),
        Step::Index(_) => list.len().saturating_sub(1),
        _ => choose(list.len().max(1)),
    };
    while list.len() <= index {
        list.push(Json::Null);
    }
    make(list.get_mut(index)?, rest, choose)
}

/// The place at the end of some steps, where it is there.
pub(super) fn find<'j>(
    at: &'j mut Json,
    steps: &[Step],
    choose: &mut dyn FnMut(usize) -> usize,
) -> Option<&'j mut Json> {
    let Some((step, rest)) = steps.split_first() else { return Some(at) };
    let inner = match step {
        Step::Key(key) => at.get_mut(key)?,
        Step::Index(index) if *index >= 0 => at.get_mut(usize::try_from(*index).ok()?)?,
        Step::Index(_) => at.as_array_mut()?.last_mut()?,
        Step::Some => {
            let list = at.as_array_mut()?;
            let index = choose(list.len().max(1));
            list.get_mut(index)?
        }
    };
    find(inner, rest, choose)
}
