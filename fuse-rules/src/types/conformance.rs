//! Whether a value conforms to a type, and if not, where.

use std::sync::Arc;

use super::{Record, Rest, Ty};
use crate::path::Segment;
use crate::path::path_text;
use crate::value::{Unrepresentable, Value};

/// The position at which a value does not conform to its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    path: Vec<Segment>,
    why: String,
}

impl Mismatch {
    /// As a sentence; `root` is the name of the value that was checked.
    pub(crate) fn message(&self, root: &str) -> String {
        format!("`{}` {}", path_text(root, &self.path), self.why)
    }
}

/// The maximum number of values to check, because nested alternatives multiply.
const MAX_CHECKED_VALUES: usize = 1_000_000;

impl Ty {
    /// Where the value does not conform to this type; `None` if it conforms.
    pub(crate) fn mismatch(&self, value: &Value<'_>) -> Option<Mismatch> {
        let mut looker = ConformanceChecker { path: Vec::new(), left: MAX_CHECKED_VALUES };
        looker.check(self, value).err().map(|mismatch| *mismatch)
    }
}

struct ConformanceChecker {
    path: Vec<Segment>,
    left: usize,
}

type Conformance = Result<(), Box<Mismatch>>;

impl ConformanceChecker {
    fn fail(&self, why: impl Into<String>) -> Conformance {
        Err(Box::new(Mismatch { path: self.path.clone(), why: why.into() }))
    }

    fn check(&mut self, ty: &Ty, value: &Value<'_>) -> Conformance {
        let Some(left) = self.left.checked_sub(1) else {
            return self.fail("is too complex to be checked against its type");
        };
        self.left = left;
        let fits = ty.any
            || match value {
                Value::Null => ty.null,
                Value::Bool(truth) => ty.bools.has(*truth),
                Value::Number(number) => ty.numbers.has(*number),
                Value::Unrepresentable(Unrepresentable::Number { integral }) => {
                    ty.numbers.has_unrepresentable(*integral)
                }
                Value::String(text) => ty.strings.has(text),
                Value::Unrepresentable(Unrepresentable::Surrogate) => ty.strings.has_all(),
                Value::List(items) if !ty.lists.is_empty() => return self.list(ty, items),
                Value::Map(_) if !ty.maps.is_empty() => return self.map(ty, value),
                other => ty.computed.meets(other.kind()),
            };
        if fits { Ok(()) } else { self.fail(format!("is {}, but its type is {ty}", value.show())) }
    }

    fn list(&mut self, ty: &Ty, items: &[Value<'_>]) -> Conformance {
        self.any_of(&ty.lists, |looker, element: &Arc<Ty>| {
            items.iter().enumerate().try_for_each(|(i, item)| {
                let index = Segment::Index(i64::try_from(i).unwrap_or(i64::MAX));
                looker.at(index, |looker| looker.check(element, item))
            })
        })
    }

    fn map(&mut self, ty: &Ty, value: &Value<'_>) -> Conformance {
        self.any_of(&ty.maps, |looker, record: &Arc<Record>| looker.record(record, value))
    }

    fn record(&mut self, record: &Record, value: &Value<'_>) -> Conformance {
        let Value::Map(entries) = value else { return Ok(()) };
        let mut found = 0;
        for (key, value) in entries {
            let step = || Segment::Key(key.to_string());
            match (record.fields.get(key.as_ref()), &record.rest) {
                (Some(field), _) => {
                    found += usize::from(!field.optional);
                    self.at(step(), |looker| looker.check(&field.ty, value))?;
                }
                (None, Rest::Each(ty)) => self.at(step(), |looker| looker.check(ty, value))?,
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

    fn at(&mut self, step: Segment, check: impl FnOnce(&mut Self) -> Conformance) -> Conformance {
        self.path.push(step);
        let looked = check(self);
        self.path.pop();
        looked
    }

    /// Whether an alternative accepts it. If none does, the reason of the one that got furthest.
    fn any_of<T>(
        &mut self,
        all: &[T],
        mut check: impl FnMut(&mut Self, &T) -> Conformance,
    ) -> Conformance {
        let mut furthest: Option<(usize, Box<Mismatch>)> = None;
        for one in all {
            let left = self.left;
            let Err(why) = check(self, one) else { return Ok(()) };
            let passed = left - self.left;
            if furthest.as_ref().is_none_or(|(most, _)| *most < passed) {
                furthest = Some((passed, why));
            }
        }
        furthest.map_or(Ok(()), |(_, why)| Err(why))
    }
}
