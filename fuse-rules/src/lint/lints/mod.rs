//! All lints, one file per lint.

mod all_over_empty_list;
mod always_matches;
mod constant_once_key;
mod contradictory_condition;
mod cross_element;
mod group_status;
mod impossible_parameter;
mod long_name_prefix;
mod malformed_allow;
mod mapping_may_be_missing;
mod missing_parameter;
mod mixed_and_or;
mod never_matches;
mod no_fuse;
mod overlapping_rules;
mod redundant_condition;
mod rule_without_test;
mod shadowed_rule;
mod unanchored_match;
mod undocumented_rule;
mod unknown_parameter;
mod unknown_template;
mod unsafe_parameter;
mod untrusted_text;
mod unused_allow;
mod unused_condition;
mod unused_const;
mod unused_event;
mod unused_fuse;
mod unused_source;
mod unused_type;
mod unused_use;

use super::Lint;

/// All lints, in the order in which they run.
pub(super) static ALL: &[&Lint] = &[
    &all_over_empty_list::LINT,
    &always_matches::LINT,
    &constant_once_key::LINT,
    &contradictory_condition::LINT,
    &cross_element::LINT,
    &group_status::LINT,
    &impossible_parameter::LINT,
    &long_name_prefix::LINT,
    &malformed_allow::LINT,
    &mapping_may_be_missing::LINT,
    &missing_parameter::LINT,
    &mixed_and_or::LINT,
    &never_matches::LINT,
    &no_fuse::LINT,
    &overlapping_rules::LINT,
    &redundant_condition::LINT,
    &rule_without_test::LINT,
    &shadowed_rule::LINT,
    &unanchored_match::LINT,
    &undocumented_rule::LINT,
    &unknown_parameter::LINT,
    &unknown_template::LINT,
    &unsafe_parameter::LINT,
    &untrusted_text::LINT,
    &unused_condition::LINT,
    &unused_const::LINT,
    &unused_event::LINT,
    &unused_fuse::LINT,
    &unused_source::LINT,
    &unused_type::LINT,
    &unused_use::LINT,
    // Must run last: it reports comments that no other lint used.
    &unused_allow::LINT,
];
