//! Faults in named conditions, and what coverage asks of them.

use super::*;
use crate::decision::Outcome;

/// The faults in the text of conditions that are called: their places, what they are, the rules that have them, and
/// the tests that find them.
fn faults(text: &str) -> Vec<String> {
    let files = BTreeMap::from([("a.rules", text)]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap();
    let tests = Tests::new(&ruleset, &BTreeMap::new());
    let mutants = tests.mutants(0..tests.len(), &mut |_, _| {});
    let told = mutants.into_iter().map(|mutant| {
        let found = mutant.killed_by.as_deref().unwrap_or("SURVIVED");
        format!("{} {}: {:?}, {found}", mutant.place, mutant.what, mutant.rules)
    });
    told.collect()
}

/// A fault in a named condition is one, whatever calls the condition, and is shown where it is made.
#[test]
fn a_fault_in_a_named_condition_is_planted_once() {
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

/// What coverage asks of these rules, sent no event: `rejected` of rules, and the truths of conditions.
fn asked(rules: &str) -> Vec<String> {
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

/// A value that the rule's conditions compare is not missing where they hold.
#[test]
fn no_rejection_is_asked_for_where_conditions_need_the_value() {
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
        let found = asked(&format!("sensor s on q.f {{ rule r {{ {rule} }} }}"));
        assert_eq!(found.contains(&"s/r rejected".to_owned()), rejects, "{rule}: {found:?}");
    }
}

/// Of a named condition it is the arguments of its calls that tell whether a part can be unknown.
#[test]
fn unknown_is_asked_for_where_an_argument_may_be_missing() {
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
        // Another call of the same condition may lack its argument.
        ("c(t) = age(t) > 5m", "c(body.at) and c(body.started)", true),
        ("c(n) = \"${n}-x\" == \"a-x\"", "body.x is string and c(body.x)", false),
    ] {
        let rules = format!(
            "condition {condition}
sensor s on q.e {{ rule r {{ when {call} trigger page {{ team = \"x\" }} }} }}"
        );
        let found = asked(&rules);
        let part = condition.split(" = ").nth(1).unwrap();
        let of_part: Vec<_> = found
            .iter()
            .filter(|found| found.starts_with("c(") || found.starts_with(part))
            .collect();
        let asks = of_part.iter().any(|found| found.contains("unknown"));
        assert_eq!(asks, unknown, "{condition}, {call}: {found:?}");
    }
}
