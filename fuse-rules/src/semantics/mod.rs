//! The semantics of operators, mappings and fuses, shared by the plan's evaluators and the
//! reference.

mod bound;
mod cost;
pub(crate) mod mapping;
pub(crate) mod ops;
mod verdict;
mod work;

pub(crate) use bound::{
    DEFAULT_MAX_WORK, EventSize, FALSE_FOR_EVENT, Growth, RuleBound, most_elements, too_expensive,
};
pub(crate) use cost::{Cost, Count};
pub(crate) use verdict::{Verdict, decision, duplicate_key, gated};
pub(crate) use work::{Work, weight};
