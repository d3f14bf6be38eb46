//! The semantics of operators, mappings and fuses, shared by the plan's evaluators and the
//! reference.

mod bound;
mod cost;
mod growth;
pub(crate) mod mapping;
pub(crate) mod ops;
mod verdict;
mod work;

pub(crate) use bound::{DEFAULT_MAX_WORK, EventSize, FALSE_FOR_EVENT, RuleBound, too_expensive};
pub(crate) use cost::{Cost, Count};
pub(crate) use growth::{Growth, most_elements};
pub(crate) use verdict::{Verdict, decision, distinct, duplicate_key, gated, set_fuses};
pub(crate) use work::{DECISION_WORK, Work, weight};
