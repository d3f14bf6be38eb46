//! The scope of allow comments.

use super::{file, load};
use crate::autofix::Repair;
use crate::lint::{Level, Lint, Lints};
use crate::ruleset::Ruleset;

/// The remaining findings of `mixed-and-or` and of the lints about allow comments.
fn left(example: &str) -> Vec<String> {
    let lints = ["mixed-and-or", "unused-allow", "malformed-allow"];
    let lints = lints
        .iter()
        .fold(Lints::none(), |lints, name| lints.level(Lint::find(name).unwrap(), Level::Warn));
    let problems = lints.run(&load(&file(example)));
    let text = |problem: &crate::Diagnostic| {
        let span = problem.label.as_ref().unwrap().span;
        format!("{} `{}`", problem.topic, problems.files().text(span))
    };
    problems.iter().map(text).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_comment_applies_to_its_item() {
    let allow = "# fuse: allow(mixed-and-or) because it is clear";
    let mixed = "body.a or body.b and body.c";
    // Above and at the end of the line: a clause, a field, a rule, a sensor.
    for example in [
        format!("{allow}\nwhen {mixed}"),
        format!("when {mixed}  {allow}"),
        format!("when body.a or  {allow}\n  body.b and body.c"),
        format!("when body.a or\n  body.b and body.c  {allow}"),
        format!("trigger log {{\n  {allow}\n  message = \"${{{mixed}}}\"\n}}"),
        format!("trigger log {{\n  message = \"${{{mixed}}}\"  {allow}\n}}"),
        format!("trigger log {{  {allow}\n  message = \"${{{mixed}}}\"\n}}"),
    ] {
        // The clause follows directly.
        let text = format!(
            "sensor s on gh.push {{\nrule r {{\n{}\n}}\n}}",
            match example.contains("trigger") {
                true => example.clone(),
                false => format!("{example}\ntrigger log {{ message = \"x\" }}"),
            }
        );
        assert_eq!(left(&text), NOTHING, "{text}");
    }
    for sensor in [
        format!(
            "{allow}\nsensor s on gh.push {{\nrule r {{\nwhen {mixed}\ntrigger log {{ message = \"x\" }}\n}}\n}}"
        ),
        format!(
            "sensor s on gh.push {{  {allow}\nrule r {{\nwhen {mixed}\ntrigger log {{ message = \"x\" }}\n}}\n}}"
        ),
        format!(
            "sensor s on gh.push {{\n# Doc.\n{allow}\n# More.\nrule r {{\nwhen {mixed}\ntrigger log {{ message = \"x\" }}\n}}\n}}"
        ),
    ] {
        assert_eq!(left(&sensor), NOTHING, "{sensor}");
    }
}

#[test]
fn a_comment_does_not_apply_to_the_next_item() {
    let rules = "\
sensor s on gh.push {
  rule one {
    # fuse: allow(mixed-and-or) because the first is clear
    when body.a
    when body.a or body.b and body.c
    trigger log { message = \"x\" }
  }
}
";
    insta::assert_debug_snapshot!(left(rules), @r#"
    [
        "unused-allow `# fuse: allow(mixed-and-or) because the first is clear`",
        "mixed-and-or `body.b and body.c`",
    ]
    "#);
}

#[test]
fn the_innermost_of_two_comments_is_used() {
    let rules = "\
# fuse: allow(mixed-and-or) because the outer is not needed
sensor s on gh.push {
  rule one {
    # fuse: allow(mixed-and-or) because the inner is
    when body.a or body.b and body.c
    trigger log { message = \"x\" }
  }
}
";
    let outer = "# fuse: allow(mixed-and-or) because the outer is not needed";
    assert_eq!(left(rules), [format!("unused-allow `{outer}`")]);
    let both = rules.replace("    trigger", "    when body.d or body.e and body.f\n    trigger");
    assert_eq!(left(&both), NOTHING);
}

#[test]
fn directives_are_not_documentation() {
    let rules = "\
# What it does.
# fuse: allow(undocumented-rule) because it is documented
# And why.
fuse gate default off
# fuse: allow(unused-fuse) because of nothing
fuse other default off
# fuse: the feature gate
fuse prose default off
";
    let ruleset = load(rules);
    let docs: Vec<_> = ruleset.fuses().map(|fuse| fuse.doc).collect();
    assert_eq!(docs, [Some("What it does.\nAnd why."), None, Some("fuse: the feature gate")]);
}

fn repaired(text: &str) -> (String, Repair) {
    let registry = crate::diagnostic::tests::kinds::registry();
    let lints = Lints::default().level(Lint::find("unused-const").unwrap(), Level::Warn);
    let loader = |_: &str| Ok(text.to_owned());
    let repair = Ruleset::repair(&["a.rules"], &loader, &registry, &lints);
    (repair.files.get("a.rules").map_or(text, String::as_str).to_owned(), repair)
}

#[test]
fn unused_comments_are_removed_with_their_lines() {
    let rules = |before: &str, beside: &str| {
        file(&format!(
            "\
# Doc.
{before}condition odd(x) = x == 1 or (x > 2 and x < 4){beside}
# Twelve of them.
# fuse: allow(unused-const) because they come
const dozen = 12
sensor s on gh.push {{ rule r {{
  when odd(body.a)
  trigger log {{ message = \"x\" }} }} }}"
        ))
    };
    let (fixed, repair) = repaired(&rules(
        "# fuse: allow(mixed-and-or) because of this\n",
        "  # fuse: allow(unused-const, mixed-and-or) because of that",
    ));
    assert_eq!(fixed, rules("", ""));
    assert_eq!(repair.applied.len(), 2, "{:?}", repair.applied);
}
