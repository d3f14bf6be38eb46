//! All lints, one file per lint.

use super::Pass;

macro_rules! lints {
    ($($module:ident,)+) => {
        $(mod $module;)+

        /// All lints, in the order in which they run.
        pub(super) static ALL: &[&Pass] = &[$(&$module::PASS,)+];
    };
}

lints! {
    all_over_empty_list,
    always_matches,
    constant_once_key,
    contradictory_condition,
    cross_element,
    group_status,
    impossible_parameter,
    long_name_prefix,
    malformed_allow,
    mapping_may_be_missing,
    missing_parameter,
    mixed_and_or,
    never_matches,
    no_fuse,
    overlapping_rules,
    redundant_condition,
    rule_without_test,
    shadowed_rule,
    unanchored_match,
    undocumented_rule,
    unknown_parameter,
    unknown_template,
    unsafe_parameter,
    untrusted_text,
    unused_condition,
    unused_const,
    unused_event,
    unused_fuse,
    unused_source,
    unused_type,
    unused_use,
    // Must run last: it reports comments that no other lint used.
    unused_allow,
}
