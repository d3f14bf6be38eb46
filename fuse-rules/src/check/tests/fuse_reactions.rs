//! Reactions of fuses.

use super::codes;

#[test]
fn a_fuse_reacts_when_it_blows_and_to_nothing_else() {
    const BLOW: &str = "blow after 3 actions within 1m";
    for (clauses, expected) in [
        (format!("{BLOW}\non blown {{ trigger note {{}} }}"), ""),
        (format!("{BLOW}\non blown {{ trigger note retry 3 {{}} }}\npending = drop"), ""),
        ("on blown { trigger note {} }".to_owned(), "E0510 `on blown { trigger note {} }`"),
        (format!("{BLOW}\non blown {{}}"), "E0502 `on blown {}`"),
        (format!("{BLOW}\non gated {{ trigger note {{}} }}"), "E0525 `gated`"),
        (
            format!("{BLOW}\non blown {{ limit 1 per 1h\n trigger note {{}} }}"),
            "E0525 `limit 1 per 1h`",
        ),
        (
            format!(
                "{BLOW}\non blown {{ trigger note {{}} }}\non blown {{ trigger flow {{ template = \"a\" }} }}"
            ),
            "E0501 `on blown { trigger flow { template = \"a\" } }`",
        ),
    ] {
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(codes(&format!("fuse g default on {{ {clauses} }}")), expected, "{clauses}");
    }
    // A rule does not blow.
    let rule = "sensor x on s.e { rule r { trigger note {} on blown { trigger note {} } } }";
    assert_eq!(codes(rule), ["E0222 `blown`"]);
}

#[test]
fn the_reaction_of_a_fuse_reads_its_outcome_and_no_event() {
    for (value, expected) in [
        ("\"${outcome.fuse} ${outcome.rule} ${outcome.reason} ${outcome.event}\"", ""),
        ("outcome.state", "E0203 `state`"),
        ("outcome.action ?? \"-\"", "E0203 `action`"),
        ("body.x", "E0213 `body`"),
        ("event.id", "E0213 `event`"),
    ] {
        let fields = format!("template = \"a\", namespace = \"b\", parameters {{ p = {value} }}");
        let text = format!(
            "fuse g default on {{ blow after 3 actions within 1m\n on blown {{ trigger flow {{ {fields} }} }} }}"
        );
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(codes(&text), expected, "{value}");
    }
}
