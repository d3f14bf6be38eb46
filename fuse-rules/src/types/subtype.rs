//! Subtyping: whether every value of one type is a value of another.

use std::sync::Arc;

use super::{Record, Rest, Ty};
use crate::value::Kinds;

/// The maximum number of pairs of types to compare, because types that share parts can be
/// exponentially large.
const MAX_COMPARISONS: usize = 100_000;

impl Ty {
    /// Whether a value of this type may be used where the other is expected. A value without a type
    /// is accepted. Fields that the other type does not list are ignored. For types that are too
    /// large to compare, the answer is `false`.
    pub(crate) fn within(&self, other: &Self) -> bool {
        let mut left = MAX_COMPARISONS;
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
            // Nothing is known about the values of unlisted keys.
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
