//! Applying fixes terminates, and does not make the rules worse.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::kinds::{registry, whole};
use crate::autofix::Repair;
use crate::diagnostic::{Code, Diagnostics, Topic};
use crate::lint::Lints;
use crate::ruleset::Ruleset;

fn repair(text: &str) -> (String, Repair) {
    let files = BTreeMap::from([("a.rules", text)]);
    let repair = Ruleset::repair(&["a.rules"], &files, &registry(), &Lints::none());
    let fixed = repair.files.get("a.rules").map_or(text, String::as_str).to_owned();
    (fixed, repair)
}

fn problems(repair: &Repair) -> &Diagnostics {
    match &repair.outcome {
        Ok(ruleset) => ruleset.warnings(),
        Err(problems) => problems,
    }
}

fn codes(problems: &Diagnostics) -> Vec<Topic> {
    problems.iter().map(|problem| problem.topic).collect()
}

/// Slips with a safe fix, before and after it.
const SLIPS: &[(&str, &str)] = &[
    ("when body.a && body.b||!body.c", "when body.a and body.b or not body.c"),
    ("when body.a&&body.b", "when body.a and body.b"),
    ("when !(body.a == 1)", "when not (body.a == 1)"),
    ("when ! body.a", "when not body.a"),
    ("when body.a = 1", "when body.a == 1"),
    ("when body.a === 'x'", "when body.a == \"x\""),
    ("when body.a !== 1 or body.b <> 2", "when body.a != 1 or body.b != 2"),
    ("when body.a !in [1, 2]", "when body.a not in [1, 2]"),
    ("when body.a['b'].0 == 1", "when body.a[\"b\"][0] == 1"),
    ("when $.a == 1", "when body.a == 1"),
    ("when {{ body.a }} == ${body.b}", "when body.a == body.b"),
    ("when len (body.a) > 1", "when len(body.a) > 1"),
    ("when any (x in body.a: x == 1)", "when any(x in body.a: x == 1)"),
    ("when age(body.a) > 10 minutes", "when age(body.a) > 10m"),
    ("when body.a is true and body.b is not true", "when body.a == true and body.b != true"),
    ("when body.a is undefined", "when body.a is missing"),
    ("when body.a startsWith \"x\"", "when body.a starts-with \"x\""),
    ("when body.a == True", "when body.a == true"),
    ("when: body.a == 1;", "when body.a == 1"),
    ("requires: cicd,", "requires cicd"),
    ("once per body.a within 4 h", "once per body.a within 4h"),
    (
        "trigger log { message: body.a; level: \"info\"; }",
        "trigger log { message = body.a, level = \"info\" }",
    ),
    (
        "trigger log { message = 'x' level => 'info' }",
        "trigger log { message = \"x\", level = \"info\" }",
    ),
    (
        "trigger log { , message = \"x\",, level = \"info\" }",
        "trigger log {  message = \"x\", level = \"info\" }",
    ),
    (
        "trigger job { image = \"i\", namespace = \"n\", ttl = \"1h\" }",
        "trigger job { image = \"i\", namespace = \"n\", ttl = 1h }",
    ),
    ("fuse x default true;", "fuse x default on"),
    ("fuse x off", "fuse x default off"),
];

#[test]
fn a_safe_fix_leaves_nothing_to_say() {
    for (slip, right) in SLIPS {
        let (fixed, repair) = repair(&whole(slip));
        assert_eq!(fixed, whole(right), "{slip}");
        assert_eq!(problems(&repair).to_string(), "", "{slip}");
        assert!(repair.outcome.is_ok() && !repair.applied.is_empty(), "{slip}");
    }
}

#[test]
fn what_is_a_guess_is_shown_and_not_applied() {
    for slip in [
        "when bdy.a == 1",
        "when body.a != null",
        // Below a `not`, a test for a missing value differs from the comparison.
        "when body.a == null",
        "when not (null == body.a)",
        "when !body.a == 1",
        "when body.a =~ \"x\"",
        "when body.a == 'a\\d'",
        "when body.a == `x`",
        "trigger log { mesage = \"x\" }",
        "trigger workflow { template: build, namespace = \"n\" }",
        "trigger workflow { template = \"t\", namespace? = body.n }",
        "trigger log { message = \"hi $body.name\" }",
        "trigger workflow { template = \"t\", namespace = \"n\", spec.a = 1 }",
        "sensr x on gh.push { }",
    ] {
        let text = whole(slip);
        let (fixed, repair) = repair(&text);
        assert_eq!(fixed, text);
        assert!(repair.files.is_empty() && repair.applied.is_empty());
        let problems = problems(&repair);
        assert_eq!(problems.len(), 1, "{problems}");
        assert!(problems.iter().all(|problem| problem.fix.is_some()), "{problems}");
    }
}

#[test]
fn what_was_fixed_is_said_with_its_place() {
    let (_, repair) = repair("fuse x off;\n");
    insta::assert_debug_snapshot!(repair.applied);
}

proptest! {
    /// For any combination of slips in any order, all slips are fixed, and the text around them has
    /// no new problems.
    #[test]
    fn fixing_converges_and_makes_no_new_problems(
        picks in prop::collection::vec((prop::sample::select(SLIPS), any::<bool>()), 1..6),
    ) {
        let mut rules = String::new();
        for (n, ((slip, right), wrong)) in picks.iter().enumerate() {
            let clause = if *wrong { slip } else { right };
            if clause.starts_with("fuse") {
                continue;
            }
            let trigger = if clause.starts_with("trigger") { "" } else { "trigger log { message = bod.x }" };
            rules.push_str(&format!("rule r{n} {{\n{clause}\n{trigger}\n}}\n"));
        }
        let text = whole(&format!("sensor s on gh.push {{\nwhen body.z is present\n{rules}\nrule last {{ trigger log {{ message = bod.y }} }}\n}}"));
        let (fixed, first) = repair(&text);
        let left = codes(problems(&first));
        prop_assert!(left.iter().all(|code| *code == Code::E0201), "{:?}\n{fixed}", left);
        let (again, second) = repair(&fixed);
        prop_assert_eq!(&again, &fixed);
        prop_assert!(second.applied.is_empty());
        prop_assert_eq!(codes(problems(&second)), left);
    }

    /// For any text, applying fixes terminates, and afterwards no fix is left.
    #[test]
    fn fixing_any_text_comes_to_an_end(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "sensor s on gh.push {", "rule r {", "}", "when ", "a", " == ", "'x'", "`", "null", "!", "&&", "||", "=",
            "trigger log {", "message", ": ", "=>", "from body {", "each x in ", "once per ", "within 4 h", "\n", ",",
            ";", "{{ body.x }}", "${", "$.a", "len (", ")", "[", "]", ".0", "fuse f true", "use 'f'", "?", "is true",
            "\"", "$body.x", "10 min", ":",
        ]), 0..40),
    ) {
        let (fixed, _) = repair(&pieces.concat());
        let (again, second) = repair(&fixed);
        prop_assert_eq!(again, fixed);
        prop_assert!(second.applied.is_empty());
    }
}
