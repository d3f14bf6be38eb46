//! Tests of several files with rules for one event.

use std::collections::BTreeMap;

use super::registry;
use crate::ruleset::Ruleset;
use crate::testing::Tests;

const SOURCE: &str = "source q queue { event e }\n";
const OWN: &str = "use \"source.rules\"
sensor own on q.e { rule r { when body.a  trigger page { team = \"own\" } } }
test \"its own rules\" { send q.e body { a = true } expect r once expect nothing else }
test \"without expectations\" { send q.e body { a = true } }
test \"something else\" { send q.e body { a = true } expect nothing else }
";
const OTHER: &str = "use \"source.rules\"
sensor other on q.e { rule r { trigger page { team = \"other\" } } }
";

/// The messages of the tests of `tests.rules` or `own.rules`, and the update of that file.
fn outcomes(files: &[(&'static str, &'static str)], of: &str) -> (Vec<String>, String) {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let names: Vec<&str> = files.keys().copied().collect();
    let ruleset = Ruleset::load_in_detail(&names, &files, &registry());
    let ruleset = ruleset.unwrap_or_else(|problems| panic!("{problems}"));
    let tests = Tests::new(&ruleset, &files);
    let run = |test: usize| match tests.run(test) {
        Ok(()) => "passes".into(),
        Err(problems) => problems.iter().map(|problem| problem.message.as_str()).collect(),
    };
    let outcomes = tests.in_files(&[of]).into_iter().map(run).collect();
    (outcomes, tests.updated(0..tests.len()).remove(of).unwrap_or_default())
}

/// A file that is loaded as well changes nothing for a test that does not use it.
#[test]
fn nothing_else_is_about_the_rules_that_a_file_declares_or_uses() {
    let alone = outcomes(&[("source.rules", SOURCE), ("own.rules", OWN)], "own.rules");
    let expected =
        ["passes", "test `without expectations` expects nothing", "something else happened"];
    assert_eq!(alone.0, expected);
    let together = [("source.rules", SOURCE), ("own.rules", OWN), ("other.rules", OTHER)];
    let together = outcomes(&together, "own.rules");
    assert_eq!(together.0, expected);
    // Only the name of the rule needs its sensor now.
    assert_eq!(together.1, alone.1.replace("expect r", "expect own/r").replacen("own/r", "r", 1));
    assert!(!together.1.contains("other"), "{}", together.1);
}

#[test]
fn a_file_of_tests_is_about_what_it_uses_and_names() {
    let outcome = |test: &'static str| {
        let files = [
            ("source.rules", SOURCE),
            ("own.rules", OWN),
            ("other.rules", OTHER),
            ("tests.rules", test),
        ];
        outcomes(&files, "tests.rules").0.remove(0)
    };
    let both = "use \"source.rules\" use \"own.rules\" use \"other.rules\"
        test \"t\" { send q.e body { a = true } expect own/r expect nothing else }";
    assert_eq!(outcome(both), "something else happened");
    let one = "use \"source.rules\" use \"own.rules\"
        test \"t\" { send q.e body { a = true } expect r expect nothing else }";
    assert_eq!(outcome(one), "passes");
    let named = "use \"source.rules\"
        test \"t\" { send q.e body { a = true } expect other/r { team = \"other\" } expect nothing else }";
    assert_eq!(outcome(named), "passes");
    let none = "use \"source.rules\" test \"t\" { send q.e body {} expect nothing else }";
    assert_eq!(outcome(none), "this expectation applies to no rule");
}

/// `p? = null` expects that a field is left out.
#[test]
fn a_field_can_be_expected_to_be_left_out() {
    let rules = "source q queue { event e }
        sensor s on q.e {
          rule r { trigger page { team = \"a\", env { ticket? = body.ticket, n = \"1\" }, limits? = body.limits } }
        }
        test \"left out\" { send q.e body {} expect r once { env { ticket? = null }, limits? = null } }
        test \"set\" { send q.e body { ticket = \"T\" } expect r once { env { ticket? = null } } }
        test \"null\" { send q.e body {} expect r once { env { ticket = null } } }";
    let (outcomes, updated) = outcomes(&[("a.rules", rules)], "a.rules");
    assert_eq!(
        outcomes,
        ["passes", "`s/r` fired with other fields", "`s/r` fired with other fields"]
    );
    let (first, others) = updated.split_once("test \"set\"").unwrap();
    assert!(first.contains("ticket? = null"), "{updated}");
    let (second, third) = others.split_once("test \"null\"").unwrap();
    assert!(second.contains("ticket = \"T\"") && !second.contains("ticket?"), "{updated}");
    assert!(third.contains("ticket? = null") && !third.contains("ticket = "), "{updated}");
    // A record is the same as a block, and only the trigger that sets the field counts.
    for fields in ["env = { ticket? = null }", "env { ticket? = null }", "limits? = null"] {
        let rules = format!(
            "source q queue {{ event e }}
             sensor s on q.e {{
               rule r {{
                 trigger page {{ team = \"a\", limits? = body.ticket, env {{ ticket? = body.ticket }} }}
                 trigger page {{ team = \"b\", env {{ n = \"1\" }} }}
               }}
             }}
             test \"set\" {{ send q.e body {{ ticket = \"T\" }} expect r {{ {fields} }} }}
             test \"left out\" {{ send q.e body {{}} expect r {{ {fields} }} }}"
        );
        let rules: &'static str = rules.leak();
        let (outcomes, _) = self::outcomes(&[("a.rules", rules)], "a.rules");
        assert_eq!(outcomes, ["`s/r` fired with other fields", "passes"], "{fields}");
    }
    let in_list = rules.replace("limits? = null", "limits = [{ a? = null }]");
    let why = Ruleset::parse("a.rules", &in_list, &registry()).unwrap_err().to_string();
    assert!(why.contains("a record in a list cannot be optional: `a?`"), "{why}");
    let optional = rules.replace("ticket? = null", "ticket? = \"T\"");
    let why = Ruleset::parse("a.rules", &optional, &registry()).unwrap_err().to_string();
    assert!(why.contains("error[E0409]: an expected field cannot be optional: `ticket?`"), "{why}");
}
