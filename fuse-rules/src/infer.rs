//! Infers a type from example events. It accepts all of them, and restricts other events only as
//! far as the examples justify it.

#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::event::{Event, InvalidBody};
use crate::span::FileId;
use crate::syntax::{is_name, parse};
use crate::types::BUILT_IN;
use crate::value::{Unrepresentable, Value};

/// The maximum number of different texts in a union of literals.
const MAX_WORDS: usize = 8;
/// The maximum length of a text in a union of literals.
const MAX_WORD_BYTES: usize = 32;

/// Infers the type of events from examples.
///
/// Fields that some examples lack are optional, records are open, and values that were always null
/// or an empty list can be anything. Texts are `timestamp` if all of them are times, and a union of
/// literals only if a few words occurred repeatedly in many events. Objects are maps if they have
/// many keys that differ between objects, or keys that are not names. The order of the examples
/// does not matter.
///
/// ```
/// let mut examples = fuse_rules::infer::TypeInference::new();
/// examples.add(br#"{"order": 17, "at": "2026-08-01T10:00:00Z"}"#)?;
/// examples.add(br#"{"order": 18, "at": "2026-08-01T10:05:00Z", "note": null}"#)?;
/// assert_eq!(
///     examples.declaration("order").as_deref(),
///     Some("type order = {\n  order: int\n  at: timestamp\n  note?: any\n  ...\n}\n"),
/// );
/// # Ok::<(), fuse_rules::InvalidBody>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TypeInference {
    events: usize,
    shape: Shape,
}

impl TypeInference {
    /// Without examples: any value.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an example: the body of an event.
    ///
    /// # Errors
    /// The body is not valid for an event: see [`Event::new`](crate::Event::new).
    pub fn add(&mut self, body: &[u8]) -> Result<(), InvalidBody> {
        let event = Event::new("", "", body)?;
        let value = Value::read_lenient(event.body());
        self.events += 1;
        self.shape.add(&value, self.events);
        Ok(())
    }

    /// The declaration `type NAME = …` for a rules file; `None` if a type cannot have that name.
    pub fn declaration(&self, name: &str) -> Option<String> {
        let text = format!("type {name} = any");
        let mut problems = Vec::new();
        let tree = parse(FileId(0), &text, &mut problems);
        let declared =
            tree.types.iter().any(|decl| decl.name.text == name) && !BUILT_IN.contains(&name);
        (declared && problems.is_empty())
            .then(|| format!("type {name} = {}\n", write::text(&self.shape)))
    }
}

/// The values that were seen at one path of the examples, by kind.
#[derive(Clone, Debug, Default)]
struct Shape {
    null: bool,
    bool: bool,
    numbers: Option<Numbers>,
    strings: Option<Strings>,
    /// The elements of all lists.
    list: Option<Box<Shape>>,
    object: Option<Object>,
}

#[derive(Clone, Copy, Debug)]
struct Numbers {
    whole: bool,
}

#[derive(Clone, Debug)]
struct Strings {
    /// Whether all texts are times.
    times: bool,
    /// All words that were seen; `None` if a text is not a word, or if there are too many.
    words: Option<BTreeMap<String, Word>>,
}

/// The number of events with a word, and the last of them.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    events: usize,
    last: usize,
}

#[derive(Clone, Debug, Default)]
struct Object {
    /// The number of objects.
    seen: usize,
    fields: IndexMap<String, Field>,
}

#[derive(Clone, Debug)]
struct Field {
    /// The number of objects with the field, and the last of them.
    seen: usize,
    last: usize,
    /// The index at which the field first occurred within an object.
    position: usize,
    shape: Shape,
}

impl Shape {
    fn add(&mut self, value: &Value<'_>, event: usize) {
        match value {
            Value::Null => self.null = true,
            Value::Bool(_) => self.bool = true,
            Value::Number(number) => self.number(number.is_integral()),
            Value::Unrepresentable(Unrepresentable::Number { integral }) => self.number(*integral),
            Value::Unrepresentable(Unrepresentable::Surrogate) => {
                self.strings = Some(Strings { times: false, words: None });
            }
            Value::String(text) => {
                self.strings.get_or_insert_with(Strings::none).add(text, event);
            }
            Value::List(items) => {
                let elements = self.list.get_or_insert_default();
                for item in items {
                    elements.add(item, event);
                }
            }
            Value::Map(entries) => {
                let object = self.object.get_or_insert_default();
                object.seen += 1;
                for (position, (key, value)) in entries.iter().enumerate() {
                    object.field(key, position).add(value, event);
                }
            }
            // These kinds do not occur in JSON.
            Value::Duration(_) | Value::Time(_) | Value::Version(_) => {}
        }
    }

    fn number(&mut self, whole: bool) {
        let before = self.numbers.is_none_or(|numbers| numbers.whole);
        self.numbers = Some(Numbers { whole: before && whole });
    }

    /// Merges the values that were seen at another path.
    fn merge(&mut self, other: &Self) {
        self.null |= other.null;
        self.bool |= other.bool;
        if let Some(numbers) = other.numbers {
            self.number(numbers.whole);
        }
        if let Some(strings) = &other.strings {
            let own = self.strings.get_or_insert_with(Strings::none);
            own.times &= strings.times;
            // Words at different paths are not counted together.
            own.words = None;
        }
        if let Some(elements) = &other.list {
            self.list.get_or_insert_default().merge(elements);
        }
        if let Some(object) = &other.object {
            self.object.get_or_insert_default().merge(object);
        }
    }

    /// The number of kinds that were seen, except for null.
    fn kinds(&self) -> usize {
        [
            self.bool,
            self.numbers.is_some(),
            self.strings.is_some(),
            self.list.is_some(),
            self.object.is_some(),
        ]
        .into_iter()
        .filter(|seen| *seen)
        .count()
    }
}

impl Strings {
    fn none() -> Self {
        Self { times: true, words: Some(BTreeMap::new()) }
    }

    fn add(&mut self, text: &str, event: usize) {
        self.times = self.times && text.parse::<Timestamp>().is_ok();
        if text.len() > MAX_WORD_BYTES || !is_name(text) {
            self.words = None;
        }
        let Some(words) = &mut self.words else { return };
        let word = words.entry(text.to_owned()).or_default();
        if word.last != event {
            *word = Word { events: word.events + 1, last: event };
        }
        if words.len() > MAX_WORDS {
            self.words = None;
        }
    }

    /// The words, if they look like a complete list of choices: several words in many events, each
    /// of them repeated.
    fn choices(&self) -> Option<impl Iterator<Item = &str>> {
        const MIN_EVENTS_PER_WORD: usize = 10;
        const MIN_REPEATS: usize = 3;
        let words = self.words.as_ref().filter(|words| words.len() > 1)?;
        let all: usize = words.values().map(|word| word.events).sum();
        let often = words.values().all(|word| word.events >= MIN_REPEATS);
        (often && all >= MIN_EVENTS_PER_WORD * words.len())
            .then(|| words.keys().map(String::as_str))
    }
}

impl Field {
    fn at(position: usize) -> Self {
        Self { seen: 0, last: 0, position, shape: Shape::default() }
    }
}

impl Object {
    /// The shape of a field of the current object.
    fn field(&mut self, key: &str, position: usize) -> &mut Shape {
        let field = self.fields.entry(key.to_owned()).or_insert_with(|| Field::at(position));
        // A key can be duplicated in one object.
        if field.last != self.seen {
            field.seen += 1;
            field.last = self.seen;
        }
        field.position = field.position.min(position);
        &mut field.shape
    }

    fn merge(&mut self, other: &Self) {
        self.seen += other.seen;
        for (key, theirs) in &other.fields {
            let field =
                self.fields.entry(key.clone()).or_insert_with(|| Field::at(theirs.position));
            field.seen += theirs.seen;
            field.position = field.position.min(theirs.position);
            field.shape.merge(&theirs.shape);
        }
    }

    /// The shape that all values share, if the keys are data instead of field names.
    fn as_map(&self) -> Option<Shape> {
        /// Nobody declares a record with more fields.
        const MAX_RECORD_FIELDS: usize = 256;
        /// With fewer keys, there is not enough evidence.
        const MIN_MAP_KEYS: usize = 12;
        let count = self.fields.len();
        let odd = self.fields.keys().filter(|key| !is_name(key)).count();
        let seen: usize = self.fields.values().map(|field| field.seen).sum();
        let differing = count >= MIN_MAP_KEYS && seen * 2 < self.seen * count;
        if count <= MAX_RECORD_FIELDS && odd * 2 <= count && !differing {
            return None;
        }
        let mut all = Shape::default();
        for field in self.fields.values() {
            all.merge(&field.shape);
        }
        let alike = count > MAX_RECORD_FIELDS || odd * 2 > count || all.kinds() <= 1;
        alike.then_some(all)
    }
}
