//! Rules of sensors that listen to several events.

use super::*;

const RULES: &str = r#"
source q queue {
  event e : { a: "x", b: "1" | "2" }
  event f : { a: "y", b: "2" | "3" }
}
sensor both on q.e or q.f {
  rule only-f { when body.a == "y"  trigger note {} }
  rule neither { when body.a != "y" and not (body.b == "1" or body.b == "2")  trigger note {} }
  rule each-one { when body.b in ["1", "2", "3"]  trigger note {} }
  rule two { when body.b == "2"  trigger note {} }
}
sensor f on q.f { rule two { when body.b == "2"  trigger note {} } }
sensor e on q.e { rule two { when body.b == "2"  trigger note {} } }
"#;

#[test]
fn a_proof_is_about_every_event_and_a_witness_is_one_of_them() {
    let ruleset = Ruleset::parse("test.rules", RULES, &registry()).unwrap();
    let all = placed(ruleset.typed());
    let named = |name: &str| *all.iter().find(|placed| placed.rule.name == name).unwrap();
    let mut analysis = Analysis::new(ruleset.typed());
    let found = |answer: Answer| match answer {
        Answer::Found(witness) => format!("{} {}", witness.name, witness.text().unwrap()),
        other => format!("{other:?}"),
    };
    assert_eq!(found(analysis.matching(named("both/only-f"))), r#"q.f {"a":"y","b":"2"}"#);
    assert_eq!(found(analysis.matching(named("both/neither"))), "Never(Typed)");
    assert_eq!(found(analysis.failing(named("both/each-one"))), "Never(Typed)");
    let (both, f, e) = (named("both/two"), named("f/two"), named("e/two"));
    assert_eq!(found(analysis.meeting(both, f)), r#"q.f {"a":"y","b":"2"}"#);
    assert_eq!(found(analysis.meeting(e, f)), "Unknown", "they share no event");
    assert_eq!(found(analysis.separating(f, both)), "Never(Any)");
    assert_eq!(found(analysis.separating(both, f)), "Unknown", "`f` does not listen to `q.e`");
    assert_eq!(analysis.rule_clauses(named("both/each-one")).len(), 1, "it is redundant");
}
