//! What the operators, mappings and fuses of rules mean. Both evaluators share this: the plan's and the
//! reference.

pub(crate) mod mapping;
pub(crate) mod ops;
mod verdict;
mod work;

pub(crate) use verdict::{Verdict, decision, duplicate_key, gated};
pub(crate) use work::{Work, weight};
