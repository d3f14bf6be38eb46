//! The semantics of operators, mappings and fuses, shared by the plan's evaluators and the
//! reference.

pub(crate) mod mapping;
pub(crate) mod ops;
mod verdict;
mod work;

pub(crate) use verdict::{Verdict, decision, duplicate_key, gated};
pub(crate) use work::{Work, weight};
