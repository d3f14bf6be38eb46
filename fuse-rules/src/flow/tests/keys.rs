//! The keys of states.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Who has a state: a rule and a clause, or a limiter, and the values of the keys.
type Named = (String, String, Option<String>, Vec<String>);

/// Texts that look like parts of keys.
fn part() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(" "),
        Just("["),
        Just("]"),
        Just("\""),
        Just(","),
        Just("\\"),
        Just("a"),
        Just("per"),
        Just("[]"),
        Just("\"]"),
        Just("[\""),
        Just("limiter"),
        Just("fuse"),
        Just("sha256:"),
        Just("/"),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn named() -> impl Strategy<Value = Named> {
    let value = prop_oneof![
        4 => part(),
        1 => (0..3_usize).prop_map(|more| "x".repeat(256 + more)),
    ];
    // Keys have values in canonical JSON.
    let value = value.prop_map(|text| serde_json::json!(text).to_string());
    let limiter = prop::option::weighted(0.2, "[ab]");
    let word = prop::sample::select(&["after", "once", "limit"][..]);
    let clause = (word, part()).prop_map(|(word, keys)| format!("{word} per {keys}"));
    // Reactions are rules, too.
    ("[ab]/[ab]( on gated)?", clause, limiter, prop::collection::vec(value, 0..3))
}

fn key((rule, clause, limiter, values): &Named) -> String {
    let request = FlowRequest {
        limiter: limiter.clone(),
        ..FlowRequest::new(clause.clone(), once(10), values.clone())
    };
    request.state_key(rule)
}

/// The rules that use a limiter share its states.
fn state(
    (rule, clause, limiter, values): &Named,
) -> (Option<(&str, &str)>, Option<&str>, &[String]) {
    let own = (rule.as_str(), clause.as_str());
    (limiter.is_none().then_some(own), limiter.as_deref(), values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn two_states_have_two_keys(all in prop::collection::vec(named(), 2..12)) {
        let states: BTreeSet<_> = all.iter().map(state).collect();
        let mut keys: BTreeSet<String> = all.iter().map(key).collect();
        prop_assert_eq!(keys.len(), states.len());
        // Nor is a key that of a fuse that blows.
        let counts = [BlowCounts::Actions, BlowCounts::Failures];
        let clauses = counts.map(|counts| BlowClause {
            counts,
            count: 1,
            within: SignedDuration::from_mins(1),
        });
        let fuse =
            BlowingFuse { name: "a".into(), clauses: clauses.to_vec(), reset_after: None, drops: false };
        keys.extend(fuse.keys());
        prop_assert_eq!(keys.len(), states.len() + counts.len());
    }
}

/// Keys have a bounded length, however long the values are.
#[test]
fn long_values_are_hashed() {
    let long = |last: char| serde_json::json!(format!("{}{last}", "x".repeat(100_000))).to_string();
    let key =
        |value: String| FlowRequest::new("once per body.a", once(10), vec![value]).state_key("s/r");
    assert!(key(long('a')).len() < 400);
    assert_ne!(key(long('a')), key(long('b')));
    // A value that looks like a hash is another one.
    let hash = key(long('a'));
    let hash = hash.split_once('[').unwrap().1.trim_end_matches(']');
    assert_ne!(key(hash.to_owned()), key(long('a')));
}
