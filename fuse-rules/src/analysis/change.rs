//! Changes an event as little as the constraints on its values require.

use std::sync::Arc;

use super::domain::{Automata, Bits, Pick};
use super::model::{Fit, Fitter};
use super::variables::{BODY, EVENT, HEADERS, Id, Places, QUERY, Step};
use super::witness::Witness;
use crate::path::path_text;
use crate::sensitive::is_sensitive;
use crate::typed::Segment;
use crate::types::Ty;
use crate::value::{Value, position};

/// One change of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// Its path, as rules write it.
    pub(crate) path: Arc<str>,
    /// The old value, if there is one.
    pub(crate) from: Option<Value<'static>>,
    /// The new value; `None` if the value is removed.
    pub(crate) to: Option<Value<'static>>,
    /// Whether this is the value of a sensitive header or parameter.
    pub(crate) sensitive: bool,
}

pub(super) struct Changer<'a> {
    places: &'a Places,
    automata: &'a mut Automata,
    ty: Option<&'a Ty>,
    changes: Vec<Change>,
}

impl<'a> Changer<'a> {
    pub(super) fn new(places: &'a Places, automata: &'a mut Automata, ty: Option<&'a Ty>) -> Self {
        Self { places, automata, ty, changes: Vec::new() }
    }

    /// The event with all variables in their domains; `None` if no such event is found.
    pub(super) fn change(mut self, event: &Witness) -> Option<(Vec<Change>, Witness)> {
        // The source and the time of an event are never changed.
        for (_, place) in self.places.children(EVENT) {
            let Step::Key(key) = &place.step else { continue };
            if let Some(field) = event.field(key)
                && !place.domain.has(Some(&Value::text(field)))
            {
                return None;
            }
        }
        let mut changed = event.clone();
        changed.body = self.at(BODY, Some(&event.body), "body", 0)??;
        changed.headers = self.texts(HEADERS, "headers", &event.headers)?;
        changed.query = self.texts(QUERY, "query", &event.query)?;
        Some((self.changes, changed))
    }

    fn texts(
        &mut self,
        id: Id,
        root: &str,
        texts: &std::collections::BTreeMap<String, String>,
    ) -> Option<std::collections::BTreeMap<String, String>> {
        let entries =
            texts.iter().map(|(key, text)| (key.clone().into(), Value::text(text.clone())));
        let current = Value::Map(entries.collect());
        self.at(id, Some(&current), root, 0)?.map(super::witness::texts)
    }

    /// The new value of a variable: `Some(None)` is absence, `None` means that no value was found.
    fn at(
        &mut self,
        id: Id,
        current: Option<&Value<'static>>,
        root: &str,
        depth: usize,
    ) -> Option<Option<Value<'static>>> {
        let place = self.places.at(id)?;
        if depth > crate::event::MAX_DEPTH {
            return None;
        }
        if !place.domain.has(current) {
            let to = self.new_value(id, current)?;
            let (_, way) = self.places.way(id);
            let (path, from) = (path_text(root, &way), current.cloned());
            let sensitive = matches!(root, "headers" | "query")
                && match way.first() {
                    Some(Segment::Key(name)) => is_sensitive(name),
                    _ => true,
                };
            self.changes.push(Change { path, from, to: to.clone(), sensitive });
            return Some(to);
        }
        match current {
            Some(Value::Map(entries)) => {
                let mut entries = entries.clone();
                for (child, place) in self.places.children(id) {
                    let Step::Key(key) = &place.step else { continue };
                    let at = entries.iter().position(|(own, _)| *own == **key);
                    let was = at.and_then(|at| entries.get(at)).map(|(_, value)| value.clone());
                    let then = self.at(child, was.as_ref(), root, depth + 1)?;
                    match (at, then) {
                        (Some(at), Some(value)) => {
                            entries.get_mut(at)?.1 = value;
                        }
                        (Some(at), None) => drop(entries.remove(at)),
                        (None, Some(value)) => entries.push((key.to_string().into(), value)),
                        (None, None) => {}
                    }
                }
                Some(Some(Value::Map(entries)))
            }
            Some(Value::List(items)) => {
                let mut items = items.clone();
                let len = items.len();
                let indices =
                    self.places.children(id).filter_map(|(child, place)| match place.step {
                        Step::Index(index) => Some((index, child)),
                        _ => None,
                    });
                let mut indices: Vec<(i64, Id)> = indices.collect();
                indices.sort_unstable_by_key(|(index, _)| *index);
                for (index, child) in indices {
                    let at = position(index, len);
                    let was = at.and_then(|at| items.get(at)).cloned();
                    let then = self.at(child, was.as_ref(), root, depth + 1)?;
                    match (at, then) {
                        (Some(at), Some(value)) => *items.get_mut(at)? = value,
                        (None, Some(value)) if usize::try_from(index) == Ok(items.len()) => {
                            items.push(value);
                        }
                        (None, None) => {}
                        // This would move other elements.
                        _ => return None,
                    }
                }
                Some(Some(Value::List(items)))
            }
            other => Some(other.cloned()),
        }
    }

    /// A value for a variable that is close to its current value.
    fn new_value(
        &mut self,
        id: Id,
        current: Option<&Value<'static>>,
    ) -> Option<Option<Value<'static>>> {
        let place = self.places.at(id)?;
        let holds = self.places.children(id).any(|(_, child)| !child.domain.may_be(Bits::ABSENT));
        if !holds {
            if let Some(Value::Number(number)) = current
                && let Pick::One(number) = place.domain.numbers.pick(Some(*number))
            {
                return Some(Some(Value::Number(number)));
            }
            if let Some(Value::Bool(truth)) = current {
                let other = if *truth { Bits::FALSE } else { Bits::TRUE };
                if place.domain.may_be(other) {
                    return Some(Some(Value::Bool(!truth)));
                }
            }
        }
        let ty = self.ty.and_then(|_| self.places.ty(id));
        // Prefer a value to absence.
        for may_lack in [false, true] {
            if let Fit::Value(value) =
                Fitter::new(self.places, self.automata).fit(Some(id), ty.as_ref(), may_lack)
            {
                return Some(value);
            }
        }
        None
    }
}
