//! Types of bodies whose format has strings only.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Record, RecordMember, Rest, Ty};
use crate::value::Kinds;

impl Ty {
    /// Its strings.
    pub(crate) fn strings_only(&self) -> Self {
        match self.any {
            true => Self::string(),
            false => Self { strings: self.strings.clone(), ..Self::default() },
        }
    }

    /// Its maps of strings.
    ///
    /// # Errors
    /// It has none. Names a field that is never a string, with its kinds, if this is why.
    pub(crate) fn string_maps_only(&self) -> Result<Self, Option<(Arc<str>, Kinds)>> {
        if self.any {
            return Ok(Self::map(Self::string()));
        }
        let mut fault = None;
        let mut ty = Self::nothing();
        for map in &self.maps {
            match strings_of(map) {
                Ok(map) => ty = ty.or(Self::record(map)),
                Err((name, found)) => fault = fault.or(Some((name, found))),
            }
        }
        if ty.is_nothing() { Err(fault) } else { Ok(ty) }
    }
}

/// A record with the strings of each field, or a field that is never one.
fn strings_of(map: &Record) -> Result<Record, (Arc<str>, Kinds)> {
    let mut fields = IndexMap::new();
    for (name, field) in &map.fields {
        let ty = field.ty.strings_only();
        if ty.is_nothing() {
            return Err((name.clone(), field.ty.kinds()));
        }
        fields.insert(name.clone(), RecordMember { ty, optional: field.optional });
    }
    let rest = match &map.rest {
        Rest::Nothing => Rest::Nothing,
        Rest::Open => Rest::Each(Ty::string()),
        Rest::Each(ty) => match ty.strings_only() {
            strings if strings.is_nothing() => Rest::Nothing,
            strings => Rest::Each(strings),
        },
    };
    Ok(Record { fields, rest })
}
