//! The paths that rules read, as a trie: what of a body is taken, and what is skipped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::check::typed::Segment;
use crate::value::{DuplicateKey, Value, position, read_entries, read_list};

/// One step of the paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trie {
    /// Where the value at this step is put.
    slot: Option<usize>,
    /// Whether the value is used as a whole, so that all its keys are read.
    whole: bool,
    keys: FxHashMap<String, Trie>,
    indices: BTreeMap<i64, Trie>,
    /// What binders read of the elements here.
    elements: Option<Box<Trie>>,
}

impl Trie {
    /// The node at the end of these segments, made where it is not there yet.
    pub(crate) fn at(&mut self, segments: &[Segment]) -> &mut Self {
        let Some((first, rest)) = segments.split_first() else {
            return self;
        };
        match first {
            Segment::Key(key) => self.keys.entry(key.clone()).or_default().at(rest),
            Segment::Index(index) => self.indices.entry(*index).or_default().at(rest),
        }
    }

    pub(crate) fn put(&mut self, slot: usize) {
        self.slot = Some(slot);
    }

    pub(crate) fn read_whole(&mut self) {
        self.whole = true;
    }

    /// Adds what a binder reads of the elements of the list here.
    pub(crate) fn bind(&mut self, element: &Self) {
        self.elements.get_or_insert_default().merge(element);
    }

    fn merge(&mut self, other: &Self) {
        self.whole |= other.whole;
        for (key, child) in &other.keys {
            self.keys.entry(key.clone()).or_default().merge(child);
        }
        for (index, child) in &other.indices {
            self.at(&[Segment::Index(*index)]).merge(child);
        }
        if let Some(elements) = &other.elements {
            self.bind(elements);
        }
    }

    /// Takes the values out of valid JSON text. A key that the rules read and that stands twice
    /// is an error, in the elements of bound lists too.
    pub(crate) fn fill<'e>(
        &self,
        raw: &'e str,
        slots: &mut [Option<&'e str>],
    ) -> Result<(), DuplicateKey> {
        let raw = raw.trim_ascii();
        if let Some(place) = self.slot.and_then(|slot| slots.get_mut(slot)) {
            *place = Some(raw);
        }
        match raw.as_bytes().first() {
            Some(b'{') => {
                if self.whole {
                    Value::read(raw)?;
                }
                if !self.keys.is_empty() {
                    self.fill_keys(raw, slots)?;
                }
            }
            Some(b'[') => {
                if self.whole {
                    Value::read(raw)?;
                }
                if !self.indices.is_empty() || self.elements.is_some() {
                    self.fill_elements(raw, slots)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fill_keys<'e>(
        &self,
        raw: &'e str,
        slots: &mut [Option<&'e str>],
    ) -> Result<(), DuplicateKey> {
        let mut seen: Vec<Cow<'e, str>> = Vec::new();
        for (key, value) in read_entries(raw) {
            let Some(key) = key else { continue };
            let Some(child) = self.keys.get(key.as_ref()) else {
                continue;
            };
            if seen.contains(&key) {
                return Err(DuplicateKey(key.into_owned()));
            }
            child.fill(value, slots)?;
            seen.push(key);
        }
        Ok(())
    }

    fn fill_elements<'e>(
        &self,
        raw: &'e str,
        slots: &mut [Option<&'e str>],
    ) -> Result<(), DuplicateKey> {
        let items = read_list(raw);
        for (index, child) in &self.indices {
            let item = position(*index, items.len()).and_then(|at| items.get(at));
            if let Some(item) = item {
                child.fill(item, slots)?;
            }
        }
        if let Some(elements) = &self.elements {
            for item in items {
                elements.fill(item, &mut [])?;
            }
        }
        Ok(())
    }

    /// Takes the values out of a value that was computed: the elements of `split(…)`, for example.
    pub(crate) fn fill_value<'v, 'e>(
        &self,
        value: &'v Value<'e>,
        put: &mut dyn FnMut(usize, &'v Value<'e>),
    ) {
        if let Some(slot) = self.slot {
            put(slot, value);
        }
        for (key, child) in &self.keys {
            if let Ok(Some(part)) = value.step(&Segment::Key(key.clone())) {
                child.fill_value(part, put);
            }
        }
        for (index, child) in &self.indices {
            if let Some(part) = value.index(*index) {
                child.fill_value(part, put);
            }
        }
    }
}
