//! All lints, each in a file of its own.

use super::Lint;

macro_rules! lints {
    ($($module:ident,)+) => {
        $(mod $module;)+

        /// All lints, in the order in which they run.
        pub(super) static ALL: &[&Lint] = &[$(&$module::LINT,)+];
    };
}

lints! {
    mixed_and_or,
    malformed_allow,
    unused_const,
    // It looks at what the others left.
    unused_allow,
}
