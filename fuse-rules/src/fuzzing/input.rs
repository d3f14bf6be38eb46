//! Inputs: events that the fuzzer generates and mutates.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::analysis::Witness;
use crate::eval::Plan;
use crate::event::{DEFAULT_RECEIVED, Event, Stage};
use crate::testing::EventAdmission;
use crate::value::Value;

/// The value of a parameter of the path that no input sets.
const DEFAULT_PARAMETER: &str = "text";

/// The largest index at which a list element is created.
const MAX_LIST_INDEX: usize = 20;

/// An event that can be mutated. Its numbers are exact, like those of rules.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Input {
    pub(super) body: Value<'static>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) query: BTreeMap<String, String>,
    /// The parameters of the path.
    pub(super) path: BTreeMap<String, String>,
    pub(super) received: Timestamp,
}

/// One step of a path into a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum InputStep {
    Key(String),
    Index(i64),
    /// A random element.
    Any,
}

impl Input {
    /// An input with this body and no headers or parameters.
    pub(super) fn from_body(body: Value<'static>) -> Self {
        let (headers, query, path) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { body, headers, query, path, received: DEFAULT_RECEIVED }
    }

    /// The same input with the parameters that every request to such a path has.
    pub(super) fn with_parameters(mut self, parameters: &[String]) -> Self {
        for name in parameters {
            self.path.entry(name.clone()).or_insert_with(|| DEFAULT_PARAMETER.to_owned());
        }
        self
    }

    /// Sets a parameter of the path, if a request can have this value.
    pub(super) fn set_parameter(&mut self, name: &str, value: String) {
        if !value.is_empty() && !value.contains(char::is_control) {
            self.path.insert(name.to_owned(), value);
        }
    }

    /// Parses a JSON body. Returns `None` if the body does not survive a round trip.
    pub(super) fn parse(body: &str) -> Option<Self> {
        let body = Value::read(body).ok()?.into_owned();
        body.to_json_text().is_ok().then(|| Self::from_body(body))
    }

    /// The input for an event that the analysis found.
    pub(super) fn from_witness(witness: &Witness) -> Option<Self> {
        Some(Self {
            headers: witness.headers.clone(),
            query: witness.query.clone(),
            path: witness.path.clone(),
            received: witness.received,
            ..Self::parse(&witness.text()?)?
        })
    }

    /// The body as JSON.
    pub(super) fn text(&self) -> String {
        // The fuzzer only creates values that can be written.
        self.body.to_json_text().unwrap_or_default()
    }

    /// The size of the input, in characters that a person has to read.
    pub(super) fn size(&self) -> usize {
        let texts = self.headers.iter().chain(&self.query).chain(&self.path);
        self.text().len() + texts.map(|(k, v)| k.len() + v.len() + 8).sum::<usize>()
    }

    /// Whether a source accepts the event.
    pub(super) fn is_admitted(
        &self,
        source: &str,
        name: &str,
        plan: &Plan,
        admission: &dyn EventAdmission,
    ) -> bool {
        let text = self.text();
        let Ok(event) = Event::new(source, name, text.as_bytes()) else { return false };
        let query = self.query.iter();
        let event = query.fold(event, |event, (name, value)| event.query(name, value));
        let path = self.path.iter();
        let event = path.fold(event, |event, (name, value)| event.path_parameter(name, value));
        let headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        admission.admit(plan, event.received(self.received), &headers).is_ok()
    }

    /// Calls `then` with the event.
    pub(super) fn with_event<T>(
        &self,
        source: &str,
        name: &str,
        then: impl FnOnce(&Event<'_>) -> T,
    ) -> Option<T> {
        let text = self.text();
        let mut event = Event::new(source, name, text.as_bytes()).ok()?.at(Stage::Seen);
        for (name, value) in &self.headers {
            event = event.header(name, value);
        }
        for (name, value) in &self.query {
            event = event.query(name, value);
        }
        for (name, value) in &self.path {
            event = event.path_parameter(name, value);
        }
        Some(then(&event.id("fuzz").received(self.received)))
    }
}

/// The value at a path, which is created if it is missing. `choose` selects elements.
pub(super) fn get_or_create<'v>(
    at: &'v mut Value<'static>,
    steps: &[InputStep],
    choose: &mut dyn FnMut(usize) -> usize,
) -> Option<&'v mut Value<'static>> {
    let Some((step, rest)) = steps.split_first() else { return Some(at) };
    if let InputStep::Key(key) = step {
        if !matches!(at, Value::Map(_)) {
            *at = Value::Map(Vec::new());
        }
        let Value::Map(map) = at else { return None };
        let known = map.iter().position(|(own, _)| own == key);
        let index = known.unwrap_or(map.len());
        if known.is_none() {
            map.push((key.clone().into(), Value::Null));
        }
        return get_or_create(&mut map.get_mut(index)?.1, rest, choose);
    }
    if !matches!(at, Value::List(_)) {
        *at = Value::List(vec![Value::Null]);
    }
    let Value::List(list) = at else { return None };
    let index = match step {
        InputStep::Index(index) if *index >= 0 => {
            usize::try_from(*index).unwrap_or(0).min(MAX_LIST_INDEX)
        }
        InputStep::Index(_) => list.len().saturating_sub(1),
        _ => choose(list.len().max(1)),
    };
    while list.len() <= index {
        list.push(Value::Null);
    }
    get_or_create(list.get_mut(index)?, rest, choose)
}

/// The value at a path, if it exists. `choose` selects elements.
pub(super) fn get<'v>(
    at: &'v mut Value<'static>,
    steps: &[InputStep],
    choose: &mut dyn FnMut(usize) -> usize,
) -> Option<&'v mut Value<'static>> {
    let Some((step, rest)) = steps.split_first() else { return Some(at) };
    let inner = match (step, at) {
        (InputStep::Key(key), Value::Map(map)) => {
            map.iter_mut().find(|(own, _)| own == key).map(|(_, value)| value)
        }
        (step, Value::List(list)) => match step {
            InputStep::Index(index) if *index >= 0 => list.get_mut(usize::try_from(*index).ok()?),
            InputStep::Index(_) => list.last_mut(),
            InputStep::Any => {
                let index = choose(list.len().max(1));
                list.get_mut(index)
            }
            InputStep::Key(_) => None,
        },
        _ => None,
    };
    get(inner?, rest, choose)
}
