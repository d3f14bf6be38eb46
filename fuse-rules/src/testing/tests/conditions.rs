//! Faults in named conditions, and what coverage asks of them.

use super::*;
use crate::decision::Outcome;

/// The mutants of named conditions: their locations, changes, affected rules, and the tests that kill them.
fn faults(text: &str) -> Vec<String> {
    let files = BTreeMap::from([("a.rules", text)]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
    let tests = Tests::new(&ruleset, &BTreeMap::new());
    let mutants = tests.mutants(0..tests.len(), &mut |_, _| {});
    let reports = mutants.into_iter().map(|mutant| {
        let found = mutant.killed_by.as_deref().unwrap_or("SURVIVED");
        format!("{} {}: {:?}, {found}", mutant.place, mutant.what, mutant.rules)
    });
    reports.collect()
}

/// A mutation of a named condition is one mutant, however often it is called. Its location is in the condition.
#[test]
fn a_mutation_of_a_named_condition_is_one_mutant() {
    let found = faults(
        "source q queue { event e, event f }
condition is-main(ref) = ref == \"main\"
condition is-either(p, q) = p or q
condition is-one-of(x, all) = x in all
sensor s on q.e {
  when is-one-of(body.env, [\"a\", \"b\"])
  rule r { when is-main(body.ref) trigger page { team = \"x\" } }
  rule t { when is-either((is-main(body.x)), body.y == 1) trigger page { team = \"x\" } }
}
sensor u on q.f { rule r { when not (is-main(body.ref)) or is-main(body.x) trigger page { team = \"x\" } } }
test \"of f\" {
  send q.f body { ref = \"main\", x = \"main\" } expect u/r
  send q.f body { ref = \"main\", x = \"dev\" } expect no u/r
}
test \"of e\" { send q.e body { ref = \"main\", env = \"a\" } expect s/r }",
    );
    insta::assert_snapshot!(found.join("\n"));
}

/// A condition that is also used in a field: the mutant matches the same events, and its action differs.
#[test]
fn a_mutation_of_a_condition_in_a_field_is_not_equivalent() {
    let found = faults(
        "source q queue { event e }
condition is-hot(t) = t > 5
sensor s on q.e {
  rule r {
    when is-hot(body.t) or not is-hot(body.t)
    trigger page { team = if is-hot(body.t) then \"a\" else \"b\" }
  }
}
test \"hot\" { send q.e body { t = 9 } expect r { team = \"a\" } }
",
    );
    let at_limit = found.iter().any(|mutant| mutant.contains("`>` becomes `>=`"));
    assert!(at_limit, "{found:?}");
}

/// What there is to cover in these rules: `rejected` for rules, and the truth values of conditions.
fn to_cover(rules: &str) -> Vec<String> {
    let text = format!(
        "source q queue {{ event e : {{ at: timestamp, name: string, other: string, note?: string, x?: any, y?: any, xs?: any, started?: any, other_name?: any, third?: any }}, event f }}
{rules}"
    );
    let files = BTreeMap::from([("a.rules", text.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
    let tests = Tests::new(&ruleset, &BTreeMap::new());
    let open = tests.without_impossible(tests.coverage([]));
    let rejected = open.rules.iter().filter(|rule| rule.missing().any(|o| o == Outcome::Rejected));
    let rejected = rejected.map(|rule| format!("{} rejected", rule.rule));
    let atoms =
        open.atoms.iter().map(|atom| format!("{}: {}", atom.text, atom.missing().join(" ")));
    rejected.chain(atoms).collect()
}

/// A value is not missing if the conditions of the rule compare it.
#[test]
fn a_rejection_is_impossible_if_conditions_need_the_value() {
    for (rule, rejects) in [
        ("when body.x == \"a\" trigger page { team = \"t-${body.x}\" }", false),
        ("when body.x == \"a\" trigger page { team = \"t-${lower(body.x)}\" }", false),
        ("when body.x.y == \"a\" trigger page { team = \"t-${body.x.y}\" }", false),
        (
            "when body.x in [\"a\", \"b\"] once per \"${body.x}\" within 1h trigger page { team = \"t\" }",
            false,
        ),
        ("each x in body.xs when x.a like \"a*\" trigger page { team = \"${x.a}\" }", false),
        ("when body.x == \"a\" trigger page { team = \"t-${body.x}-${body.y}\" }", true),
        ("when body.x == \"a\" or body.y == 1 trigger page { team = \"t-${body.x}\" }", true),
        ("when body.x is present trigger page { team = \"t-${body.x}\" }", true),
        ("when body.x == \"a/b\" trigger page { team = split(body.x, \"/\")[1] }", true),
        ("when body.x != \"a\" trigger page { team = \"t-${body.x}\" }", false),
    ] {
        let found = to_cover(&format!("sensor s on q.f {{ rule r {{ {rule} }} }}"));
        assert_eq!(found.contains(&"s/r rejected".to_owned()), rejects, "{rule}: {found:?}");
    }
}

/// The arguments of the calls decide whether a part of a named condition can be unknown.
#[test]
fn unknown_is_possible_if_an_argument_may_be_missing() {
    for (condition, call, unknown) in [
        ("c(t: timestamp) = age(t) > 5m", "c(body.at)", false),
        ("c(t: string) = age(t) > 5m", "c(body.at)", false),
        ("c(t) = age(t) > 5m", "c(body.at)", false),
        ("c(t) = age(t) > 5m", "c(body.started)", true),
        ("c(n: string) = lower(n) == \"x\"", "c(body.name)", false),
        ("c(n) = lower(n) starts-with \"x\"", "c(body.other_name)", true),
        ("c(n: string, m: string) = n == m", "c(body.name, body.other)", false),
        ("c(n, m) = n == m", "c(body.name, body.third)", true),
        ("c(n: string) = split(n, \"/\")[1] == \"x\"", "c(body.name)", true),
        // The argument of another call of the same condition may be missing.
        ("c(t) = age(t) > 5m", "c(body.at) and c(body.started)", true),
        ("c(n) = \"${n}-x\" == \"a-x\"", "body.x is string and c(body.x)", false),
    ] {
        let rules = format!(
            "condition {condition}
sensor s on q.e {{ rule r {{ when {call} trigger page {{ team = \"x\" }} }} }}"
        );
        let found = to_cover(&rules);
        let part = condition.split(" = ").nth(1).unwrap();
        let of_part: Vec<_> = found
            .iter()
            .filter(|found| found.starts_with("c(") || found.starts_with(part))
            .collect();
        let asks = of_part.iter().any(|found| found.contains("unknown"));
        assert_eq!(asks, unknown, "{condition}, {call}: {found:?}");
    }
}

/// Each branch of a conditional is something to test: in a condition, in a field, and in a `let`.
#[test]
fn faults_in_conditionals_and_lets_are_found() {
    let rules = "source q queue { event e, event f }
sensor s on q.e {
  let level = if body.severity == \"high\" then \"P1\" else \"P2\"
  let urgent = level == \"P1\" and body.open
  rule r {
    when if body.env == \"prod\" then urgent else body.y == 1
    trigger page { team = if body.ok then \"a\" else \"b\" }
  }
  rule t { when not urgent  trigger page { team = level } }
}
test \"high\" { send q.e body { env = \"prod\", severity = \"high\", open = true, ok = true } expect r { team = \"a\" } }
";
    insta::assert_snapshot!(faults(rules).join("\n"));
}

#[test]
fn the_condition_of_a_conditional_is_covered_in_both_ways() {
    for (rule, expected) in [
        (
            "when if body.x == 1 then body.y == 1 else body.y == 2 trigger page { team = \"x\" }",
            vec![
                "body.x == 1: true false unknown",
                "body.y == 1: true false unknown",
                "body.y == 2: true false unknown",
            ],
        ),
        (
            "trigger page { team = if body.x == 1 then \"a\" else \"b\" }",
            vec!["body.x == 1: true false unknown"],
        ),
        // The conditions of the rule rule out some cases.
        (
            "when body.x in [1, 2] trigger page { team = if body.x == 1 then \"a\" else if body.x == 2 then \"b\" else \"c\" }",
            vec![
                "body.x in [1, 2]: true false unknown",
                "body.x == 1: true false",
                "body.x == 2: true",
            ],
        ),
        (
            "let a = body.x == 1 when a or body.y == 2 trigger page { team = if a then \"a\" else \"b\" }",
            vec![
                "a: true false unknown",
                "body.y == 2: true false unknown",
                "a: true false unknown",
            ],
        ),
    ] {
        let found = to_cover(&format!("sensor s on q.f {{ rule r {{ {rule} }} }}"));
        assert_eq!(found, expected, "{rule}");
    }
}
