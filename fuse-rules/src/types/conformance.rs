//! Whether a value is one of a type, and where it is not.

use std::sync::Arc;

use super::{Record, Rest, Ty};
use crate::path::Segment;
use crate::path::path_text;
use crate::value::{Unrepresentable, Value};

/// Where a value is not of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    path: Vec<Segment>,
    why: String,
}

impl Mismatch {
    /// In a sentence; `root` names the value that was looked at.
    pub(crate) fn message(&self, root: &str) -> String {
        format!("`{}` {}", path_text(root, &self.path), self.why)
    }
}

/// How many values are looked at: alternatives inside of alternatives multiply.
const MOST: usize = 1_000_000;

impl Ty {
    /// Where the value is not of this type; `None` where it is.
    pub(crate) fn mismatch(&self, value: &Value<'_>) -> Option<Mismatch> {
        let mut looker = Looker { path: Vec::new(), left: MOST };
        looker.look(self, value).err().map(|mismatch| *mismatch)
    }
}

struct Looker {
    path: Vec<Segment>,
    left: usize,
}

type Looked = Result<(), Box<Mismatch>>;

impl Looker {
    fn fail(&self, why: impl Into<String>) -> Looked {
        Err(Box::new(Mismatch { path: self.path.clone(), why: why.into() }))
    }

    fn look(&mut self, ty: &Ty, value: &Value<'_>) -> Looked {
        let Some(left) = self.left.checked_sub(1) else {
            return self.fail("takes too much looking at to be told of its type");
        };
        self.left = left;
        let fits = ty.any
            || match value {
                Value::Null => ty.null,
                Value::Bool(truth) => ty.bools.has(*truth),
                Value::Number(number) => ty.numbers.has(*number),
                Value::Unrepresentable(Unrepresentable::Number { integral }) => {
                    ty.numbers.has_unheld(*integral)
                }
                Value::String(text) => ty.strings.has(text),
                Value::Unrepresentable(Unrepresentable::Surrogate) => ty.strings.has_all(),
                Value::List(items) if !ty.lists.is_empty() => return self.list(ty, items),
                Value::Map(_) if !ty.maps.is_empty() => return self.map(ty, value),
                other => ty.computed.meets(other.kind()),
            };
        if fits { Ok(()) } else { self.fail(format!("is {}, but its type is {ty}", value.show())) }
    }

    fn list(&mut self, ty: &Ty, items: &[Value<'_>]) -> Looked {
        self.any_of(&ty.lists, |looker, element: &Arc<Ty>| {
            items.iter().enumerate().try_for_each(|(i, item)| {
                let index = Segment::Index(i64::try_from(i).unwrap_or(i64::MAX));
                looker.at(index, |looker| looker.look(element, item))
            })
        })
    }

    fn map(&mut self, ty: &Ty, value: &Value<'_>) -> Looked {
        self.any_of(&ty.maps, |looker, record: &Arc<Record>| looker.record(record, value))
    }

    fn record(&mut self, record: &Record, value: &Value<'_>) -> Looked {
        let Value::Map(entries) = value else { return Ok(()) };
        let mut found = 0;
        for (key, value) in entries {
            let step = || Segment::Key(key.to_string());
            match (record.fields.get(key.as_ref()), &record.rest) {
                (Some(field), _) => {
                    found += usize::from(!field.optional);
                    self.at(step(), |looker| looker.look(&field.ty, value))?;
                }
                (None, Rest::Each(ty)) => self.at(step(), |looker| looker.look(ty, value))?,
                (None, Rest::Open) => {}
                (None, Rest::Nothing) => {
                    return self.at(step(), |looker| looker.fail("is not in its type"));
                }
            }
        }
        let required = || record.fields.iter().filter(|(_, field)| !field.optional);
        if found < required().count() {
            let has = |key: &str| entries.iter().any(|(own, _)| own == key);
            if let Some((key, _)) = required().find(|(key, _)| !has(key)) {
                let step = Segment::Key(key.to_string());
                return self.at(step, |looker| looker.fail("is missing"));
            }
        }
        Ok(())
    }

    fn at(&mut self, step: Segment, look: impl FnOnce(&mut Self) -> Looked) -> Looked {
        self.path.push(step);
        let looked = look(self);
        self.path.pop();
        looked
    }

    /// Whether one alternative takes it; else why the one does not that comes furthest.
    fn any_of<T>(&mut self, all: &[T], mut look: impl FnMut(&mut Self, &T) -> Looked) -> Looked {
        let mut furthest: Option<(usize, Box<Mismatch>)> = None;
        for one in all {
            let left = self.left;
            let Err(why) = look(self, one) else { return Ok(()) };
            let passed = left - self.left;
            if furthest.as_ref().is_none_or(|(most, _)| *most < passed) {
                furthest = Some((passed, why));
            }
        }
        furthest.map_or(Ok(()), |(_, why)| Err(why))
    }
}
