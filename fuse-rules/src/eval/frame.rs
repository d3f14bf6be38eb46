//! The known values of an event, or of one of its elements, during evaluation.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::memo::FrameMemo;
use crate::event::Event;
use crate::path::PATH_FIELD;
use crate::plan::{Frames, Origin};
use crate::scan::{Entry, Extract, ExtractError, find};
use crate::typed::Segment;
use crate::value::Value;

/// The values of a frame's slots, and of the `let`s that depend on them.
pub(crate) struct Frame<'e> {
    slots: FrameSlots<'e>,
    pub(super) lets: FrameMemo<'e>,
}

enum FrameSlots<'e> {
    /// Values that were extracted from the body.
    Row { extract: &'e Extract, body: &'e str, group: usize, row: usize },
    /// Values of a computed element.
    Made(Vec<(u32, Value<'e>)>),
}

impl<'e> Frame<'e> {
    /// The frame of the event itself.
    pub(crate) fn from_event(extract: &'e Extract, body: &'e str) -> Self {
        Self::from_row(extract, body, 0, 0)
    }

    /// A frame whose values were extracted from the body.
    pub(crate) fn from_row(extract: &'e Extract, body: &'e str, group: usize, row: usize) -> Self {
        let slots = FrameSlots::Row { extract, body, group, row };
        Self { slots, lets: FrameMemo::default() }
    }

    /// The frame of a computed element.
    pub(crate) fn from_value(frames: &Frames, group: usize, value: &Value<'e>) -> Self {
        let mut slots = Vec::new();
        let start = frames.groups.get(group).map_or(0, |group| group.start);
        frames.trie.fill(start, value, &mut |slot, part| slots.push((slot, part.clone())));
        Self { slots: FrameSlots::Made(slots), lets: FrameMemo::default() }
    }

    /// A frame in which every value is absent.
    pub(crate) fn without_values() -> Self {
        Self { slots: FrameSlots::Made(Vec::new()), lets: FrameMemo::default() }
    }

    /// The extracted values and the body that they come from.
    pub(super) fn extract(&self) -> Option<(&'e Extract, &'e str)> {
        match &self.slots {
            FrameSlots::Row { extract, body, .. } => Some((extract, body)),
            FrameSlots::Made(_) => None,
        }
    }

    /// The value of a slot; `None` if it is absent.
    pub(crate) fn value<'v>(&'v self, slot: u32) -> Option<Cow<'v, Value<'e>>> {
        match &self.slots {
            FrameSlots::Row { extract, body, .. } => Some(extract.value(self.entry(slot)?, body)),
            FrameSlots::Made(slots) => {
                let found = slots.iter().find(|(place, _)| *place == slot);
                found.map(|(_, value)| Cow::Borrowed(value))
            }
        }
    }

    /// The entry that was extracted from the body for a slot.
    pub(crate) fn entry(&self, slot: u32) -> Option<&'e Entry> {
        match &self.slots {
            FrameSlots::Row { extract, group, row, .. } => find(extract.row(*group, *row), slot),
            FrameSlots::Made(_) => None,
        }
    }
}

/// Reads an event for its rules: this body, and the headers and other fields that they use.
pub(crate) fn read(
    extract: &mut Extract,
    frames: &Frames,
    event: &Event<'_>,
    body: &str,
) -> Result<(), ExtractError> {
    let most = |group: usize| frames.groups.get(group).map_or(0, |group| group.max_elements);
    extract.read(&frames.trie, frames.groups.len(), &most, body)?;
    let Some(group) = frames.groups.first() else { return Ok(()) };
    for slot in frames.outside.iter().copied() {
        let Some(spec) = group.slots.get(slot as usize) else { continue };
        match &spec.origin {
            Origin::Tree(_) => {}
            Origin::Headers(path) => {
                text_map(extract, slot, path, event.headers());
            }
            Origin::Query(path) => {
                text_map(extract, slot, path, event.queries());
            }
            Origin::Outcome(path) => {
                let step = |value, segment| Value::step(value, segment).ok().flatten();
                if let Some(value) = path.iter().try_fold(event.outcome(), step) {
                    extract.add_value(slot, value.clone());
                }
            }
            Origin::Event(path) => {
                let text = match path.as_slice() {
                    [Segment::Key(name)] => event.field(name),
                    [Segment::Key(field), Segment::Key(name)] if field == PATH_FIELD => {
                        event.path_parameters().get(name).map(|text| Cow::Borrowed(text.as_str()))
                    }
                    _ => None,
                };
                if let Some(text) = text {
                    extract.add_text(slot, text);
                }
            }
        }
    }
    extract.added();
    Ok(())
}

/// Adds the value at the end of a path into a map of strings.
fn text_map(extract: &mut Extract, slot: u32, path: &[Segment], all: &BTreeMap<String, String>) {
    match path {
        [] => {
            let entry = |(k, v): (&String, &String)| (k.clone().into(), Value::text(v.clone()));
            extract.add_value(slot, Value::Map(all.iter().map(entry).collect()));
        }
        [Segment::Key(name)] => {
            if let Some(text) = all.get(name) {
                extract.add_text(slot, text);
            }
        }
        _ => {}
    }
}
