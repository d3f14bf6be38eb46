//! What is known of an event, or of one element of it, while it is evaluated.

use std::cell::{OnceCell, RefCell};

use super::ops::Truth;
use crate::check::typed::Segment;
use crate::event::Event;
use crate::plan::{FrameSpec, Origin};
use crate::value::{DuplicateKey, Value};

/// The values of a frame's slots and the truths of its atoms, both as far as they were asked for.
pub(crate) struct Frame<'p, 'e> {
    pub(crate) spec: &'p FrameSpec,
    slots: Vec<Taken<'e>>,
    truths: RefCell<Vec<Option<Truth>>>,
}

/// The value of a slot.
enum Taken<'e> {
    Absent,
    /// JSON text, read when it is first asked for.
    Raw(&'e str, OnceCell<Value<'e>>),
    Value(Value<'e>),
}

impl<'p, 'e> Frame<'p, 'e> {
    fn new(spec: &'p FrameSpec, slots: Vec<Taken<'e>>) -> Self {
        Self { spec, slots, truths: RefCell::new(vec![None; spec.atoms.len()]) }
    }

    /// The frame of an event. An error is a key that the rules read and that stands twice.
    pub(crate) fn of_event(spec: &'p FrameSpec, event: &Event<'e>) -> Result<Self, DuplicateKey> {
        let mut frame = Self::of_json(spec, event.body())?;
        for (slot, taken) in spec.slots.iter().zip(&mut frame.slots) {
            let value = match &slot.origin {
                Origin::Tree(_) => continue,
                Origin::Headers(path) => {
                    text_map(path, event.headers(), |name| event.headers().get(name).cloned())
                }
                Origin::Query(path) => {
                    text_map(path, event.queries(), |name| event.queries().get(name).cloned())
                }
                Origin::Event(path) => match path.as_slice() {
                    [Segment::Key(name)] => {
                        event.field(name).map(|text| Value::text(text.into_owned()))
                    }
                    _ => None,
                },
            };
            if let Some(value) = value {
                *taken = Taken::Value(value);
            }
        }
        Ok(frame)
    }

    /// The frame of JSON text: a body, or an element of one.
    pub(crate) fn of_json(spec: &'p FrameSpec, raw: &'e str) -> Result<Self, DuplicateKey> {
        let mut texts = vec![None; spec.slots.len()];
        spec.trie.fill(raw, &mut texts)?;
        let slots = texts
            .into_iter()
            .map(|text| text.map_or(Taken::Absent, |raw| Taken::Raw(raw, OnceCell::new())))
            .collect();
        Ok(Self::new(spec, slots))
    }

    /// The frame of an element that was computed.
    pub(crate) fn of_value(spec: &'p FrameSpec, value: &Value<'e>) -> Self {
        let mut slots: Vec<Taken<'e>> = spec.slots.iter().map(|_| Taken::Absent).collect();
        spec.trie.fill_value(value, &mut |slot, part| {
            if let Some(taken) = slots.get_mut(slot) {
                *taken = Taken::Value(part.clone());
            }
        });
        Self::new(spec, slots)
    }

    /// The value of a slot; `None` where it is absent.
    pub(crate) fn value(&self, slot: usize) -> Option<&Value<'e>> {
        match self.slots.get(slot)? {
            Taken::Absent => None,
            // Duplicate keys have refused the event when the frame was made.
            Taken::Raw(raw, value) => Some(value.get_or_init(|| Value::read_lenient(raw))),
            Taken::Value(value) => Some(value),
        }
    }

    /// The JSON text of a slot, where it has one.
    pub(crate) fn raw(&self, slot: usize) -> Option<&'e str> {
        match self.slots.get(slot)? {
            Taken::Raw(raw, _) => Some(raw),
            _ => None,
        }
    }

    /// The truth of an atom, evaluated the first time.
    pub(crate) fn truth(&self, atom: usize, evaluate: impl FnOnce() -> Truth) -> Truth {
        if let Some(Some(truth)) = self.truths.borrow().get(atom) {
            return truth.clone();
        }
        let truth = evaluate();
        if let Some(place) = self.truths.borrow_mut().get_mut(atom) {
            *place = Some(truth.clone());
        }
        truth
    }
}

/// A path into a map of strings.
fn text_map<'e>(
    path: &[Segment],
    all: &std::collections::BTreeMap<String, String>,
    get: impl Fn(&str) -> Option<String>,
) -> Option<Value<'e>> {
    match path {
        [] => {
            let entry = |(k, v): (&String, &String)| (k.clone().into(), Value::text(v.clone()));
            Some(Value::Map(all.iter().map(entry).collect()))
        }
        [Segment::Key(name)] => get(name).map(Value::text),
        _ => None,
    }
}
