//! Projection: what is known about the field or element to which a step of a path leads.

use std::sync::Arc;

use super::{Absence, Known, Missing, Rest, Ty};
use crate::path::Segment;
use crate::value::Kinds;

/// Why a step leads nowhere.
#[derive(Debug, PartialEq)]
pub(crate) enum StepError {
    /// No map of the type has such a field; it has these.
    NoField { known: Vec<Arc<str>>, open: bool },
    /// It is not a map, or not a list.
    NothingInside,
}

impl Known {
    /// The field or element to which a step leads. `base` is the text of the value that it starts
    /// from; `quoted` is whether a key in brackets may be unlisted.
    pub(crate) fn step(
        &self,
        segment: &Segment,
        quoted: bool,
        base: &dyn Fn() -> Arc<str>,
    ) -> Result<Self, StepError> {
        if self.ty.any {
            return Ok(Self::any());
        }
        let inner = match segment {
            Segment::Key(key) => self.ty.field(key, quoted, base)?,
            Segment::Index(_) if self.ty.lists.is_empty() => return Err(StepError::NothingInside),
            Segment::Index(_) => {
                Self { ty: self.ty.element(), absence: Absence::absent(Missing::Open) }
            }
        };
        let leads = match segment {
            Segment::Key(_) => Kinds::MAP,
            Segment::Index(_) => Kinds::LIST,
        };
        // If the value is something else, such as null, it contains nothing.
        let elsewhere = match self.kinds().minus(leads) {
            Kinds::NOTHING => Missing::Never,
            _ => Missing::Declared(base()),
        };
        let absence = inner.absence.max(Absence::absent(elsewhere)).max(self.absence.clone());
        Ok(Self { ty: inner.ty, absence })
    }
}

impl Ty {
    fn field(
        &self,
        key: &str,
        quoted: bool,
        base: &dyn Fn() -> Arc<str>,
    ) -> Result<Known, StepError> {
        if self.maps.is_empty() {
            return Err(StepError::NothingInside);
        }
        let listed = self.maps.iter().any(|map| map.fields.contains_key(key));
        let declared = || Missing::Declared(super::display::joined(&base(), key));
        let mut found = Known::present(Self::nothing());
        let mut known = listed;
        for map in &self.maps {
            let (ty, missing) = match (map.fields.get(key), &map.rest) {
                (Some(field), _) if field.optional => (field.ty.clone(), declared()),
                (Some(field), _) => (field.ty.clone(), Missing::Never),
                (None, Rest::Each(ty)) => {
                    known = true;
                    (ty.clone(), Missing::Open)
                }
                (None, Rest::Open) => {
                    known |= quoted;
                    (Self::any(), Missing::Open)
                }
                (None, Rest::Nothing) => (Self::nothing(), declared()),
            };
            found.ty = found.ty.or(ty);
            found.absence.absent = found.absence.absent.max(missing);
        }
        if known {
            return Ok(found);
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        for map in &self.maps {
            names.extend(
                map.fields.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>(),
            );
        }
        let open = self.maps.iter().any(|map| map.rest == Rest::Open);
        Err(StepError::NoField { known: names, open })
    }
}
