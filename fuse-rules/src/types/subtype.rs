//! Whether every value of one type is a value of another.

use std::sync::Arc;

use super::{Record, Rest, Ty};
use crate::value::Kinds;

/// How many pairs of types are compared: types that share parts are as large as they are deep.
const MOST: usize = 100_000;

impl Ty {
    /// Whether what relies on the other type may be given a value of this one. What has no type is
    /// taken on trust; fields that the other does not list do not matter. Of types too large to
    /// compare it is not said.
    pub(crate) fn within(&self, other: &Self) -> bool {
        let mut left = MOST;
        within(self, other, &mut left)
    }
}

fn within(own: &Ty, other: &Ty, left: &mut usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    if own.any || other.any {
        return own.computed.minus(other.computed) == Kinds::NOTHING || other.any;
    }
    let scalars = (!own.null || other.null)
        && own.bools.or(other.bools) == other.bools
        && own.numbers.within(&other.numbers)
        && own.strings.within(&other.strings)
        && own.computed.within(other.computed);
    scalars
        && own
            .lists
            .iter()
            .all(|list| other.lists.iter().any(|o| Arc::ptr_eq(list, o) || within(list, o, left)))
        && own.maps.iter().all(|map| {
            other.maps.iter().any(|o| Arc::ptr_eq(map, o) || record_within(map, o, left))
        })
}

fn record_within(own: &Record, other: &Record, left: &mut usize) -> bool {
    let listed = other.fields.iter().all(|(key, wanted)| {
        match (own.fields.get(key), &own.rest) {
            (Some(field), _) => {
                (wanted.optional || !field.optional) && within(&field.ty, &wanted.ty, left)
            }
            (None, Rest::Nothing) => wanted.optional,
            (None, Rest::Each(ty)) => wanted.optional && within(ty, &wanted.ty, left),
            // Of what is not listed nothing is known.
            (None, Rest::Open) => true,
        }
    });
    let Rest::Each(each) = &other.rest else { return listed };
    let unlisted = own.fields.iter().filter(|(key, _)| !other.fields.contains_key(*key));
    let mut fits = listed;
    for (_, field) in unlisted {
        fits = fits && within(&field.ty, each, left);
    }
    match &own.rest {
        Rest::Each(ty) => fits && within(ty, each, left),
        _ => fits,
    }
}
