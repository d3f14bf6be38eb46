//! Changes an event as little as the constraints on its values require.

use std::sync::Arc;

use super::domain::{Automata, Bits, Pick};
use super::model::{BuiltValue, ModelBuilder};
use super::variables::{BODY, EVENT, HEADERS, PATH, QUERY, VariableId, VariableStep, Variables};
use super::witness::Witness;
use crate::path::path_text;
use crate::sensitive::is_sensitive;
use crate::typed::Segment;
use crate::types::Ty;
use crate::value::{Value, position};

/// One change of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventChange {
    /// Its path, as rules write it.
    pub(crate) path: Arc<str>,
    /// The old value, if there is one.
    pub(crate) from: Option<Value<'static>>,
    /// The new value; `None` if the value is removed.
    pub(crate) to: Option<Value<'static>>,
    /// Whether this is the value of a sensitive header or parameter.
    pub(crate) sensitive: bool,
}

pub(super) struct EventChanger<'a> {
    variables: &'a Variables,
    automata: &'a mut Automata,
    ty: Option<&'a Ty>,
    changes: Vec<EventChange>,
}

impl<'a> EventChanger<'a> {
    pub(super) fn new(
        variables: &'a Variables,
        automata: &'a mut Automata,
        ty: Option<&'a Ty>,
    ) -> Self {
        Self { variables, automata, ty, changes: Vec::new() }
    }

    /// The event with all variables in their domains; `None` if no such event is found.
    pub(super) fn change(mut self, event: &Witness) -> Option<(Vec<EventChange>, Witness)> {
        // The source and the time of an event are never changed.
        for (_, variable) in self.variables.children(EVENT) {
            let VariableStep::Key(key) = &variable.step else { continue };
            if let Some(field) = event.field(key)
                && !variable.domain.has(Some(&Value::text(field)))
            {
                return None;
            }
        }
        let mut changed = event.clone();
        changed.body = self.at(BODY, Some(&event.body), "body", 0)??;
        changed.headers = self.texts(HEADERS, "headers", &event.headers)?;
        changed.query = self.texts(QUERY, "query", &event.query)?;
        // The paths of its children begin with `path`.
        changed.path = self.texts(PATH, "event", &event.path)?;
        Some((self.changes, changed))
    }

    fn texts(
        &mut self,
        id: VariableId,
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
        id: VariableId,
        current: Option<&Value<'static>>,
        root: &str,
        depth: usize,
    ) -> Option<Option<Value<'static>>> {
        let variable = self.variables.at(id)?;
        if depth > crate::event::MAX_DEPTH {
            return None;
        }
        if !variable.domain.has(current) {
            let to = self.new_value(id, current)?;
            let (_, path_to) = self.variables.path_to(id);
            let (path, from) = (path_text(root, &path_to), current.cloned());
            let sensitive = matches!(root, "headers" | "query")
                && match path_to.first() {
                    Some(Segment::Key(name)) => is_sensitive(name),
                    _ => true,
                };
            self.changes.push(EventChange { path, from, to: to.clone(), sensitive });
            return Some(to);
        }
        match current {
            Some(Value::Map(entries)) => {
                let mut entries = entries.clone();
                for (child, variable) in self.variables.children(id) {
                    let VariableStep::Key(key) = &variable.step else { continue };
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
                let indices = self.variables.children(id).filter_map(|(child, variable)| {
                    match variable.step {
                        VariableStep::Index(index) => Some((index, child)),
                        _ => None,
                    }
                });
                let mut indices: Vec<(i64, VariableId)> = indices.collect();
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
        id: VariableId,
        current: Option<&Value<'static>>,
    ) -> Option<Option<Value<'static>>> {
        let variable = self.variables.at(id)?;
        let holds =
            self.variables.children(id).any(|(_, child)| !child.domain.may_be(Bits::ABSENT));
        if !holds {
            if let Some(Value::Number(number)) = current
                && let Pick::One(number) = variable.domain.numbers.pick(Some(*number))
            {
                return Some(Some(Value::Number(number)));
            }
            if let Some(Value::Bool(truth)) = current {
                let other = if *truth { Bits::FALSE } else { Bits::TRUE };
                if variable.domain.may_be(other) {
                    return Some(Some(Value::Bool(!truth)));
                }
            }
        }
        let ty = self.ty.and_then(|_| self.variables.ty(id));
        // Prefer a value to absence.
        for may_be_absent in [false, true] {
            if let BuiltValue::Value(value) = ModelBuilder::new(self.variables, self.automata)
                .build(Some(id), ty.as_ref(), may_be_absent)
            {
                return Some(value);
            }
        }
        None
    }
}
