//! Types of bodies whose format has strings only, or lists of them.

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

    /// Its lists of strings.
    pub(crate) fn string_lists_only(&self) -> Self {
        if self.any {
            return Self::list(Self::string());
        }
        let elements = self.lists.iter().map(|element| element.strings_only());
        elements
            .filter(|strings| !strings.is_nothing())
            .fold(Self::nothing(), |all, strings| all.or(Self::list(strings)))
    }

    /// Its maps whose values have the values of `only`, such as [`Ty::strings_only`].
    ///
    /// # Errors
    /// It has none. Names a field that never has such a value, with its kinds, if this is why.
    pub(crate) fn maps_only(
        &self,
        only: fn(&Self) -> Self,
    ) -> Result<Self, Option<(Arc<str>, Kinds)>> {
        if self.any {
            return Ok(Self::map(only(self)));
        }
        let mut fault = None;
        let mut ty = Self::nothing();
        for map in &self.maps {
            match only_of(map, only) {
                Ok(map) => ty = ty.or(Self::record(map)),
                Err((name, found)) => fault = fault.or(Some((name, found))),
            }
        }
        if ty.is_nothing() { Err(fault) } else { Ok(ty) }
    }
}

/// A record with the values of `only` of each field, or a field that has none.
fn only_of(map: &Record, only: fn(&Ty) -> Ty) -> Result<Record, (Arc<str>, Kinds)> {
    let mut fields = IndexMap::new();
    for (name, field) in &map.fields {
        let ty = only(&field.ty);
        if ty.is_nothing() {
            return Err((name.clone(), field.ty.kinds()));
        }
        fields.insert(name.clone(), RecordMember { ty, optional: field.optional });
    }
    let rest = match &map.rest {
        Rest::Nothing => Rest::Nothing,
        Rest::Open => Rest::Each(only(&Ty::any())),
        Rest::Each(ty) => match only(ty) {
            nothing if nothing.is_nothing() => Rest::Nothing,
            ty => Rest::Each(ty),
        },
    };
    Ok(Record { fields, rest })
}
