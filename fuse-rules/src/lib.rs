//! The fuse rule language.

mod decision;

pub use decision::{Action, Element, OnceKey, Outcome};
