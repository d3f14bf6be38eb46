//! Every lint finds what its examples mark, and nothing in those that it passes.

mod allow;
mod claims;
mod files;
mod pages;

use std::collections::{BTreeMap, BTreeSet};

use super::page::{FILE, marks, unmarked};
use super::{Level, Lint, Lints, TemplateFile};
use crate::diagnostic::tests::kinds::{registry, whole};
use crate::diagnostic::{Diagnostic, Diagnostics, Topic};
use crate::ruleset::Ruleset;

/// An example as a file of rules: one that declares a source is a file as it is.
pub(crate) fn file(example: &str) -> String {
    if example.starts_with("source ")
        || example.contains("\nsource ")
        || example.starts_with("use ")
    {
        example.to_owned()
    } else {
        match example.split_once(FILE) {
            Some((rules, yaml)) => format!("{}{FILE}{yaml}", whole(rules)),
            None => whole(example),
        }
    }
}

/// The rules of an example, which may take in the standard library and nothing else.
pub(crate) fn load(text: &str) -> Ruleset {
    try_load(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn try_load(text: &str) -> Result<Ruleset, Diagnostics> {
    let files = BTreeMap::from([("main.rules", text)]);
    Ruleset::load_in_detail(&["main.rules"], &files, &registry())
}

/// What one lint alone finds in a file, which workflow templates may follow.
pub(crate) fn found(lint: &'static Lint, text: &str) -> Diagnostics {
    let (text, yaml) = text.split_once(FILE).unwrap_or((text, ""));
    // What looks at the others' findings needs them.
    let lints =
        if lint.name() == "unused-allow" { Lints::all_at(Level::Warn) } else { Lints::none() };
    let templates = TemplateFile::read("templates.yaml", yaml).unwrap();
    lints.level(lint, Level::Warn).templates(vec![templates]).run(&load(text))
}

/// The line, from 0, and the text of each place that one lint marks; text of several lines is marked up to
/// the end of the first.
fn marked(lint: &'static Lint, text: &str) -> Vec<(usize, String)> {
    let problems = found(lint, text);
    let own = problems.iter().filter(|problem| problem.topic.as_str() == lint.name());
    let mut marked: Vec<(usize, String)> = own
        .map(|problem| {
            let span = problem.label.as_ref().unwrap().span;
            let file = problems.files().get(span.file).unwrap();
            assert_eq!(file.name(), "main.rules");
            let text = problems.files().text(span).lines().next().unwrap_or_default().trim_end();
            (file.place(span.range().start).line - 1, text.to_owned())
        })
        .collect();
    marked.sort();
    marked
}

/// Applied until none is left, they leave nothing to find, and rules that do the same.
#[test]
fn safe_fixes_mend_what_is_found_and_change_no_decision() {
    let mut mended = BTreeSet::new();
    for lint in Lint::all() {
        for example in lint.flags {
            let text = unmarked(&file(example));
            let lints = match lint.name() {
                "unused-allow" => Lints::all_at(Level::Warn),
                _ => Lints::none().level(lint, Level::Warn),
            };
            let is_safe = |problem: &Diagnostic| {
                problem.topic == Topic::Lint(lint) && problem.fix.as_ref().is_some_and(|f| f.safe)
            };
            let (text, _) = text.split_once(FILE).unwrap_or((&text, ""));
            if !lints.run(&load(text)).iter().any(is_safe) {
                continue;
            }
            let loader = |_: &str| Ok(text.to_owned());
            let repair = Ruleset::repair(&["main.rules"], &loader, &registry(), &lints);
            let after = repair.outcome.unwrap_or_else(|problems| panic!("{problems}"));
            assert!(!lints.run(&after).iter().any(is_safe), "{lint}: {example}");
            assert_eq!(after.plan().listing(), load(text).plan().listing(), "{lint}: {example}");
            mended.insert(lint.name());
        }
    }
    let all = ["mixed-and-or", "unused-allow", "unused-use"];
    assert_eq!(mended.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn every_lint_marks_what_its_examples_say_and_nothing_else() {
    let mut wrong = Vec::new();
    for lint in Lint::all() {
        assert!(!lint.flags.is_empty() && !lint.passes.is_empty(), "{lint} has no examples");
        for example in lint.flags.iter().chain(lint.passes) {
            let text = file(example);
            let mut wanted = marks(&text);
            wanted.sort();
            let found = marked(lint, &unmarked(&text));
            if found != wanted {
                wrong.push(format!("{lint}: {found:?} and not {wanted:?} in\n{text}"));
            }
        }
        for example in lint.flags {
            assert!(!marks(example).is_empty(), "{lint}: nothing is marked in\n{example}");
        }
        for example in lint.passes {
            assert!(marks(example).is_empty(), "{lint}: something is marked in\n{example}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of many rules that do the same, those that match one's event are compared with it, whatever their place.
#[test]
fn a_rule_is_shadowed_among_many_that_do_the_same() {
    let rule = |name: &str, when: &str| {
        format!("rule {name} {{ when {when}  trigger log {{ message = \"m\" }} }}\n")
    };
    let narrow = |i: usize| rule(&format!("r{i}"), &format!("body.number == {i}"));
    // One that does something else matches as well.
    let other = "rule other { when body.number > 0  trigger log { message = \"o\" } }";
    let wide = rule("wide", "body.number >= 5 and body.number < 8");
    let rules: String = (0..60).map(narrow).collect();
    let text = file(&format!("sensor example on gh.push {{ {other} {rules} {wide} }}"));
    let found = found(Lint::find("shadowed-rule").unwrap(), &text);
    let told: Vec<&str> = found.iter().map(|problem| problem.message.as_str()).collect();
    let expected = [5, 6, 7].map(|i| {
        format!("whenever rule `example/r{i}` matches, so does `example/wide`, which has the same triggers")
    });
    assert_eq!(told, expected);
}
