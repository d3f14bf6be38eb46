//! All lints, one file per lint.

mod all_over_empty_list;
mod always_matches;
mod constant_key;
mod contradictory_condition;
mod cross_element;
mod group_status;
mod impossible_parameter;
mod limit_never_reached;
mod long_name_prefix;
mod malformed_allow;
mod mapping_may_be_missing;
mod missing_parameter;
mod mixed_and_or;
mod never_matches;
mod no_fuse;
mod overlapping_rules;
mod pattern_in_plain_text;
mod redundant_condition;
mod rule_without_test;
mod shadowed_rule;
mod source_without_id;
mod unanchored_match;
mod unauthenticated_source;
mod undocumented_rule;
mod unknown_parameter;
mod unknown_template;
mod unobserved_end;
mod unsafe_parameter;
mod untrusted_text;
mod unused_allow;
mod unused_condition;
mod unused_const;
mod unused_event;
mod unused_fuse;
mod unused_let;
mod unused_limiter;
mod unused_source;
mod unused_type;
mod unused_use;

use super::Pass;

/// All lints, in the order in which they run.
pub(super) static ALL: &[&Pass] = &[
    &all_over_empty_list::PASS,
    &always_matches::PASS,
    &constant_key::PASS,
    &contradictory_condition::PASS,
    &cross_element::PASS,
    &group_status::PASS,
    &impossible_parameter::PASS,
    &limit_never_reached::PASS,
    &long_name_prefix::PASS,
    &malformed_allow::PASS,
    &mapping_may_be_missing::PASS,
    &missing_parameter::PASS,
    &mixed_and_or::PASS,
    &never_matches::PASS,
    &no_fuse::PASS,
    &overlapping_rules::PASS,
    &pattern_in_plain_text::PASS,
    &redundant_condition::PASS,
    &rule_without_test::PASS,
    &shadowed_rule::PASS,
    &source_without_id::PASS,
    &unanchored_match::PASS,
    &unauthenticated_source::PASS,
    &undocumented_rule::PASS,
    &unknown_parameter::PASS,
    &unknown_template::PASS,
    &unobserved_end::PASS,
    &unsafe_parameter::PASS,
    &untrusted_text::PASS,
    &unused_condition::PASS,
    &unused_const::PASS,
    &unused_event::PASS,
    &unused_fuse::PASS,
    &unused_let::PASS,
    &unused_limiter::PASS,
    &unused_source::PASS,
    &unused_type::PASS,
    &unused_use::PASS,
    // Must run last: it reports comments that no other lint used.
    &unused_allow::PASS,
];
