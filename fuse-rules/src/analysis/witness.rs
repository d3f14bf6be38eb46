//! Witnesses: events that the analysis builds from the domains of their variables.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::domain::Automata;
use super::model::{BuiltValue, ModelBuilder};
use super::variables::{BODY, EVENT, HEADERS, PATH, QUERY, VariableId, VariableStep, Variables};
use crate::event::{DEFAULT_RECEIVED, Event, Stage};
use crate::reference::{WorkBudget, World, size};
use crate::typed::EventName;
use crate::types::Ty;
use crate::value::Value;

/// A small event, and the element of it that is meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Witness {
    /// The name of the event; empty until it is confirmed.
    pub(crate) name: EventName,
    pub(crate) body: Value<'static>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) query: BTreeMap<String, String>,
    /// The parameters of the path.
    pub(crate) path: BTreeMap<String, String>,
    pub(crate) id: String,
    pub(crate) received: Timestamp,
    /// The indices of the elements, outermost first; empty if the rule has no `each`.
    pub(crate) element: Vec<u32>,
}

/// The number of passes over the body that it takes to serialize and parse it, for the budget.
const PASSES_PER_EVENT: usize = 4;

/// The result of making an event.
pub(super) enum MadeEvent {
    Never,
    Unsure,
    Event(Box<Witness>),
}

impl Witness {
    /// An event whose variables have values of their domains.
    pub(super) fn from_variables(
        variables: &Variables,
        ty: Option<&Ty>,
        automata: &mut Automata,
    ) -> MadeEvent {
        let mut builder = ModelBuilder::new(variables, automata);
        let mut built = vec![
            builder.build(Some(BODY), ty, false),
            builder.build(Some(HEADERS), None, false),
            builder.build(Some(QUERY), None, false),
            builder.build(Some(PATH), None, false),
        ];
        let fields = variables.children(EVENT).map(|(id, _)| id).filter(|id| *id != PATH);
        let fields: Vec<VariableId> = fields.collect();
        built.extend(fields.iter().map(|id| builder.build(Some(*id), None, false)));
        if built.contains(&BuiltValue::Never) {
            return MadeEvent::Never;
        }
        let mut values = built.into_iter().map(|value| match value {
            BuiltValue::Value(value) => value,
            _ => None,
        });
        let mut next = || values.next().flatten();
        let (Some(body), Some(headers), Some(query), Some(path)) = (next(), next(), next(), next())
        else {
            return MadeEvent::Unsure;
        };
        let mut witness = Self {
            name: EventName { source: String::new(), event: String::new() },
            body,
            headers: texts(headers),
            query: texts(query),
            path: texts(path),
            id: String::new(),
            received: DEFAULT_RECEIVED,
            element: Vec::new(),
        };
        for field in fields {
            let (Some(variable), Some(Value::String(text))) = (variables.at(field), next()) else {
                continue;
            };
            match &variable.step {
                VariableStep::Key(key) if &**key == "id" => witness.id = text.into_owned(),
                VariableStep::Key(key) if &**key == "time" => {
                    witness.received = text.parse().unwrap_or(witness.received);
                }
                _ => {}
            }
        }
        MadeEvent::Event(Box::new(witness))
    }

    pub(super) fn from_event(event: &Event<'_>) -> Self {
        Self {
            name: EventName { source: event.source().to_owned(), event: event.name().to_owned() },
            body: Value::read_lenient(event.body()).into_owned(),
            headers: event.headers().clone(),
            query: event.queries().clone(),
            path: event.path_parameters().clone(),
            id: event.field("id").unwrap_or_default().into_owned(),
            received: event.received_at(),
            element: Vec::new(),
        }
    }

    /// An attribute of `event` that can differ between events of the same name.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        match name {
            "id" => Some(self.id.clone()),
            "time" => Some(self.received.to_string()),
            _ => None,
        }
    }

    /// The body as text; `None` if it contains a value that JSON text cannot represent.
    pub(crate) fn text(&self) -> Option<String> {
        self.body.to_json_text().ok()
    }

    /// Calls `then` with the event.
    pub(crate) fn event<T>(
        &self,
        (source, name): (&str, &str),
        then: impl FnOnce(&Event<'_>) -> T,
    ) -> Option<T> {
        let text = self.text()?;
        let mut event = Event::new(source, name, text.as_bytes()).ok()?.at(Stage::Seen);
        event = event.id(self.id.clone()).received(self.received);
        for (name, value) in &self.headers {
            event = event.header(name, value);
        }
        for (name, value) in &self.query {
            event = event.query(name, value);
        }
        for (name, value) in &self.path {
            event = event.path_parameter(name, value);
        }
        Some(then(&event))
    }

    /// Calls `then` with the parsed event, within the budget if there is one. `None` if the budget
    /// is spent.
    pub(super) fn world<T>(
        &self,
        event_name: (&str, &str),
        budget: Option<&WorkBudget>,
        then: impl FnOnce(&World<'_>) -> T,
    ) -> Option<T> {
        if budget.is_some_and(|budget| !budget.spend(PASSES_PER_EVENT * size(&self.body))) {
            return None;
        }
        self.event(event_name, |event| then(&World::within(event, budget)))
    }
}

pub(super) fn texts(map: Value<'_>) -> BTreeMap<String, String> {
    let Value::Map(entries) = map else { return BTreeMap::new() };
    let text = |(key, value): (std::borrow::Cow<'_, str>, Value<'_>)| match value {
        Value::String(text) => Some((key.into_owned(), text.into_owned())),
        _ => None,
    };
    entries.into_iter().filter_map(text).collect()
}
