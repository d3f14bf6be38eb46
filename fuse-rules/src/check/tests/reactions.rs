//! Reactions: what they can react to, and what they see.

use super::codes;

/// The problems of a rule with these clauses and reactions.
fn problems(clauses: &str, reactions: &str) -> Vec<String> {
    codes(&format!("sensor x on s.e {{ rule r {{ {clauses}\n trigger note {{}}\n{reactions} }} }}"))
}

/// The problems of a reaction to a failure with this value of a parameter.
fn with_value(value: &str) -> Vec<String> {
    let fields = format!("template = \"a\", namespace = \"b\", parameters {{ p = {value} }}");
    let each = "each a in body.apps\n let id = a.id ?? \"none\"\n when a.name is string";
    problems(each, &format!("on failure {{ trigger flow {{ {fields} }} }}"))
}

#[test]
fn a_reaction_sees_the_names_of_its_rule_and_the_outcome() {
    for (value, expected) in [
        ("outcome.reason", ""),
        ("\"${outcome.rule} ${outcome.state} ${outcome.event}\"", ""),
        ("a.name", ""),
        ("id", ""),
        ("outcome.why", "E0203 `why`"),
        ("outcome.action", ""),
        // Only some failures have an object.
        ("outcome.object", "E0312 `outcome.object`"),
        ("outcome.object ?? \"-\"", ""),
    ] {
        let found = with_value(value);
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(found, expected, "{value}");
    }
}

#[test]
fn a_reaction_to_what_has_no_action_may_lack_its_id() {
    let fields = "template = \"a\", namespace = \"b\", parameters { p = outcome.action }";
    for (kinds, expected) in [
        ("waiting", ""),
        ("failure or waiting", ""),
        ("gated", "E0312 `outcome.action`"),
        ("failure or declined", "E0312 `outcome.action`"),
    ] {
        let found = problems(
            "requires f\napproval",
            &format!("on {kinds} {{ trigger flow {{ {fields} }} }}"),
        );
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(found, expected, "{kinds}");
    }
}

#[test]
fn a_reaction_to_a_result_sees_what_is_kept_of_the_response() {
    let call = "trigger call { keep { ticket = \"id\" } }";
    let both = format!("{call} trigger note {{}}");
    let note = "trigger note {}";
    for (triggers, kinds, value, expected) in [
        (call, "success", "outcome.response.status", ""),
        (call, "success", "outcome.response.status + 1", ""),
        // A server may leave out any field.
        (call, "success", "outcome.response.ticket", "E0312 `outcome.response.ticket`"),
        (call, "success", "outcome.response.ticket ?? \"-\"", ""),
        (call, "success", "outcome.response.id", "E0203 `id`"),
        // An action that failed may have got none, and so may one of another trigger.
        (call, "failure", "outcome.response.status", "E0312 `outcome.response.status`"),
        (call, "failure", "outcome.response.status ?? 0", ""),
        (call, "failure or success", "outcome.response.status", "E0312 `outcome.response.status`"),
        (&both, "success", "outcome.response.status", "E0312 `outcome.response.status`"),
        (&both, "success", "outcome.response.ticket ?? 1", ""),
        (call, "rejected", "outcome.response.status ?? 0", "E0203 `response`"),
        (note, "success", "outcome.response.status ?? 0", "E0203 `response`"),
        (note, "success", "outcome.action", ""),
    ] {
        let found = codes(&format!(
            "sensor x on s.e {{ rule r {{ {triggers}
             on {kinds} {{ trigger flow {{ template = \"a\", namespace = \"b\", parameters {{ p = {value} }} }} }} }} }}"
        ));
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(found, expected, "{triggers} {kinds} {value}");
    }
}

#[test]
fn only_a_reaction_has_an_outcome() {
    assert_eq!(problems("when outcome.reason == \"x\"", ""), ["E0201 `outcome`"]);
    let note = "on failure { trigger note {} }";
    assert_eq!(
        problems("", &format!("{note}\n when outcome.reason == \"x\"")),
        ["E0201 `outcome`"]
    );
    // The name is free elsewhere.
    assert_eq!(problems("each outcome in body.all\n when outcome.x == 1", note), [""; 0]);
}

#[test]
fn a_rule_reacts_once_to_what_can_happen_to_it() {
    for (clauses, reactions, expected) in [
        ("requires f", "on gated { trigger note {} }", ""),
        ("", "on gated { trigger note {} }", "E0510 `gated`"),
        ("requires f else hold 1h", "on gated { trigger note {} }", "E0510 `gated`"),
        ("requires f else hold 1h", "on expired { trigger note {} }", ""),
        ("requires f", "on expired { trigger note {} }", "E0510 `expired`"),
        ("approval\nshadow", "on expired { trigger note {} }", "E0510 `expired`"),
        ("limit 1 per 1h", "on suppressed { trigger note {} }", ""),
        ("after 2 within 1h", "on suppressed { trigger note {} }", "E0510 `suppressed`"),
        ("", "on failure or rejected { trigger note {} }", ""),
        ("", "on error { trigger note {} }", "E0222 `error`"),
        ("", "on failure or failure { trigger note {} }", "E0501 `failure`"),
        ("", "on failure { trigger note {} }\non failure { trigger note {} }", "E0501 `failure`"),
        ("", "on failure {}", "E0502 `on failure {}`"),
        ("", "on failure { limit 0 per 1h  trigger note {} }", "E0506 `0`"),
        ("", "on failure { trigger flow { namespace = \"a\" } }", "E0402 `flow`"),
    ] {
        let found = problems(clauses, reactions);
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(found, expected, "{clauses} {reactions}");
    }
}

#[test]
fn a_test_names_the_reaction_that_it_expects() {
    let rules = "sensor x on s.e { rule r { requires f  trigger note {}
        on gated { limit 1 per 1h  trigger flow { template = \"a\", namespace = \"b\" } } } }";
    for (expect, expected) in [
        ("expect r on gated once { template = \"a\" }", ""),
        ("expect x/r on gated suppressed", ""),
        ("expect no r on gated", ""),
        ("expect r on gated gated", "E0604 `gated`"),
        ("expect r on failure", "E0604 `failure`"),
        ("expect r on rejected once", "E0604 `rejected`"),
        ("expect no r on error", "E0222 `error`"),
        ("expect r on gated once { retries = 1 }", "E0603 `retries`"),
    ] {
        let test = format!("{rules}\ntest \"t\" {{ send s.e body {{}}\n{expect} }}");
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(codes(&test), expected, "{expect}");
    }
}

#[test]
fn an_outcome_that_a_reaction_never_has_is_not_expected() {
    for (clause, kind, outcome, expected) in [
        ("", "gated", "suppressed", ""),
        ("", "gated", "counted", "E0604 `counted`"),
        // A test evaluates the reaction to a failure without performing it.
        ("", "failure", "suppressed", "E0604 `suppressed`"),
        ("", "failure", "rejected", ""),
        ("shadow", "gated", "fired", "E0604 `gated`"),
    ] {
        let text = format!(
            "sensor x on s.e {{ rule r {{ requires f  {clause}  trigger note {{}}
            on gated or failure {{ limit 1 per 1h  trigger note {{}} }} }} }}
            test \"t\" {{ send s.e body {{}}\nexpect r on {kind} {outcome} }}"
        );
        let expected: Vec<&str> = if expected.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(codes(&text), expected, "{clause} {kind} {outcome}");
    }
}
