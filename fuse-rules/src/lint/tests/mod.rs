//! The lints report what their examples mark, and nothing else.

mod allow;
mod claims;
mod examples;
mod files;
mod pages;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use super::{Level, Lint, Lints, TemplateFile};
use crate::diagnostic::tests::fixes::broken_fixes;
use crate::diagnostic::tests::kinds::registry;
use crate::diagnostic::{Diagnostic, Diagnostics, Topic};
use crate::ruleset::Ruleset;
use examples::Example;
pub(crate) use examples::file;

/// Loads one file of rules, which may use only the standard library.
pub(crate) fn load(text: &str) -> Ruleset {
    try_load(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn try_load(text: &str) -> Result<Ruleset, Diagnostics> {
    let files = BTreeMap::from([("main.rules", text)]);
    Ruleset::load_in_detail(&["main.rules"], &files, &registry())
}

/// One lint alone; `unused-allow` needs the findings of the others.
fn only(lint: &'static Lint) -> Lints {
    match lint.name() {
        "unused-allow" => Lints::all_at(Level::Warn),
        _ => Lints::none().level(lint, Level::Warn),
    }
}

/// The findings of one lint.
pub(crate) fn found(lint: &'static Lint, rules: &str, templates: &str) -> Diagnostics {
    let templates = TemplateFile::read("templates.yaml", templates).unwrap();
    only(lint).templates(vec![templates]).run(&load(rules))
}

/// The line, from 0, and the text of each span that the lint marks. A text of several lines is cut after
/// the first line.
fn marked(lint: &'static Lint, example: &Example) -> Vec<(usize, String)> {
    let problems = found(lint, &example.rules, &example.templates);
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

#[test]
fn safe_fixes_remove_the_finding_and_change_no_decision() {
    let mut fixed = BTreeSet::new();
    for lint in Lint::all() {
        let examples = examples::page(lint).into_iter().chain(examples::cases(lint));
        for Example { rules, .. } in examples.filter(|example| example.fails) {
            let lints = only(lint);
            let is_safe = |problem: &Diagnostic| {
                problem.topic == Topic::Lint(lint) && problem.fix.as_ref().is_some_and(|f| f.safe)
            };
            if !lints.run(&load(&rules)).iter().any(is_safe) {
                continue;
            }
            let loader = |_: &str| Ok(rules.clone());
            let repair = Ruleset::repair(&["main.rules"], &loader, &registry(), &lints);
            let after = repair.outcome.unwrap_or_else(|problems| panic!("{problems}"));
            assert!(!lints.run(&after).iter().any(is_safe), "{lint}: {rules}");
            assert_eq!(after.plan().listing(), load(&rules).plan().listing(), "{lint}: {rules}");
            fixed.insert(lint.name());
        }
    }
    let all = ["mixed-and-or", "unused-allow", "unused-use"];
    assert_eq!(fixed.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn every_fix_of_an_example_parses() {
    for lint in Lint::all() {
        for example in examples::page(lint).into_iter().chain(examples::cases(lint)) {
            let broken = broken_fixes(&found(lint, &example.rules, &example.templates));
            assert!(broken.is_empty(), "{lint}: {}", broken.join("\n"));
        }
    }
}

#[test]
fn every_lint_marks_what_its_cases_mark_and_nothing_else() {
    let mut wrong = Vec::new();
    for lint in Lint::all() {
        let cases = examples::cases(lint);
        for fails in [true, false] {
            assert!(cases.iter().any(|case| case.fails == fails), "{lint} lacks a case");
        }
        for case in cases {
            let (marks, rules) = (&case.marks, &case.rules);
            assert_eq!(case.fails, !marks.is_empty(), "{lint}: a failing case has marks:\n{rules}");
            let found = marked(lint, &case);
            if found != *marks {
                wrong.push(format!("{lint}: {found:?} and not {marks:?} in\n{rules}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// If many rules have the same triggers, a rule is still compared with those that match its example event.
#[test]
fn a_rule_is_shadowed_among_many_that_do_the_same() {
    let rule = |name: &str, when: &str| {
        format!("rule {name} {{ when {when}  trigger log {{ message = \"m\" }} }}\n")
    };
    let narrow = |i: usize| rule(&format!("r{i}"), &format!("body.number == {i}"));
    // Another rule with another action matches, too.
    let other = "rule other { when body.number > 0  trigger log { message = \"o\" } }";
    let wide = rule("wide", "body.number >= 5 and body.number < 8");
    let rules: String = (0..60).map(narrow).collect();
    let text = file(&format!("sensor example on gh.push {{ {other} {rules} {wide} }}"));
    let found = found(Lint::find("shadowed-rule").unwrap(), &text, "");
    let messages: Vec<&str> = found.iter().map(|problem| problem.message.as_str()).collect();
    let expected = [5, 6, 7].map(|i| {
        format!("whenever rule `example/r{i}` matches, so does `example/wide`, which has the same triggers")
    });
    assert_eq!(messages, expected);
}
