//! Faults in named conditions, and what coverage asks of them.

use super::*;

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
