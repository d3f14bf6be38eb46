//! The pages of the codes in `docs/errors`. Each has an example that fails with its code, and a
//! near miss that passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::fixes::broken_fixes;
use super::kinds::{registry, whole};
use crate::diagnostic::{Code, Diagnostics, Topic};
use crate::fuzzing::Fuzzer;
use crate::ruleset::Ruleset;
use crate::testing::Tests;

/// An example of a page, with its additional files.
struct Example {
    fails: bool,
    files: BTreeMap<String, String>,
}

/// The fenced blocks of a page: `rules fails` and `rules passes`, each followed by its additional
/// files, which the fence names.
fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in page.split("\n```rules ").skip(1) {
        let (word, rest) = block.split_once('\n').unwrap();
        let text = rest.split_once("\n```").unwrap().0;
        if word == "fails" || word == "passes" {
            let files = BTreeMap::from([("main.rules".to_owned(), whole(text))]);
            examples.push(Example { fails: word == "fails", files });
        } else {
            let example = examples.last_mut().expect("a file belongs to an example");
            example.files.insert(word.to_owned(), format!("{text}\n"));
        }
    }
    examples
}

/// The default limit for the cost of a rule.
const MAX_COST: u64 = 100_000_000;

/// The codes of all problems of an example.
fn codes(example: &Example, page: Code) -> (BTreeSet<Topic>, String) {
    let problems = problems(example, page);
    (problems.iter().map(|problem| problem.topic).collect(), problems.to_string())
}

fn problems(example: &Example, page: Code) -> Diagnostics {
    let names = example.files.keys().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| name.ends_with(".rules")).collect();
    let files: BTreeMap<&str, &str> =
        example.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let loaded = Ruleset::load_in_detail(&names, &files, &registry());
    match &loaded {
        Ok(ruleset) => match ruleset.within_cost(MAX_COST) {
            Ok(()) if ruleset.warnings().is_empty() => of_tests(ruleset, &files, page),
            Ok(()) => ruleset.warnings().clone(),
            Err(problems) => problems,
        },
        Err(problems) => problems.clone(),
    }
}

/// The failures of an example's tests, or their gaps in coverage, if the page is about that.
fn of_tests(ruleset: &Ruleset, files: &BTreeMap<&str, &str>, page: Code) -> Diagnostics {
    let tests = Tests::new(ruleset, files);
    let all = 0..tests.len();
    match page {
        Code::E0606 => tests.uncovered(&tests.coverage(all)),
        Code::E0608 => {
            let mut fuzzer = Fuzzer::new(ruleset, 7).tests(&tests);
            (0..500).for_each(|_| fuzzer.step());
            fuzzer.problems()
        }
        Code::E0607 => tests.survivors(&tests.mutants(all, &mut |_, _| {})),
        _ => all
            .filter_map(|test| tests.run(test).err())
            .next()
            .unwrap_or_else(|| ruleset.warnings().clone()),
    }
}

#[test]
fn every_page_has_an_example_that_raises_its_code_alone_and_one_that_raises_none() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let page = code.page();
        let heading = format!("# {code}: {}\n", code.title());
        assert!(page.starts_with(&heading), "docs/errors/{code}.md begins with `{heading}`");
        // No rules can show a bug in fuse.
        if code.as_str().starts_with("E09") {
            continue;
        }
        for part in ["\n## Example\n", "\n## Fix\n"] {
            assert!(page.contains(part), "docs/errors/{code}.md has no part `{}`", part.trim());
        }
        let examples = examples(page);
        for fails in [true, false] {
            let word = if fails { "fails" } else { "passes" };
            assert!(
                examples.iter().any(|example| example.fails == fails),
                "docs/errors/{code}.md has no block ```rules {word}"
            );
        }
        for example in &examples {
            let wanted =
                if example.fails { BTreeSet::from([Topic::Code(*code)]) } else { BTreeSet::new() };
            let (found, text) = codes(example, *code);
            if found != wanted {
                wrong.push(format!("an example of docs/errors/{code}.md says:\n{text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fix_of_a_page_parses() {
    let mut broken = Vec::new();
    let mut fixed = 0;
    for code in Code::ALL {
        for example in examples(code.page()).iter().filter(|example| example.fails) {
            let problems = problems(example, *code);
            fixed += problems.iter().filter(|problem| problem.fix.is_some()).count();
            broken.extend(broken_fixes(&problems));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(fixed > 10, "{fixed}");
}

#[test]
fn codes_are_read_in_any_case_and_a_wrong_one_has_a_neighbour() {
    insta::assert_snapshot!("e0100".parse::<Code>().unwrap_err(), @"there is no code `e0100`; did you mean `E0101`?");
    assert_eq!("e0101".parse(), Ok(Code::E0101));
    assert_eq!("E0101".parse(), Ok(Code::E0101));
    insta::assert_snapshot!("when".parse::<Code>().unwrap_err(), @"there is no code `when`; a code is printed with each problem, as in `E0101`");
}

/// The text of the index before its list.
const HEAD: &str = "\
# Error codes

Every error and warning of `fuse check`, `fuse test` and `fuse fuzz` has a code, except for findings of
[lints](../lints/README.md), which have names. The meaning of a code never changes. `fuse explain-code E0301` prints
the page of a code.

The examples on these pages are abbreviated. A single clause belongs to a rule, and a single rule belongs to a sensor
on `gh.push`, an event of the source `gh`. A fuse named `cicd` is declared. All examples run as tests: each failing
example raises exactly the code of its page, and each passing example raises none.
";

const FAMILIES: &[(&str, &str)] = &[
    ("E01", "Syntax"),
    ("E02", "Names"),
    ("E03", "Values and types"),
    ("E04", "Fields of blocks"),
    ("E05", "Files and declarations"),
    ("E06", "Tests"),
    ("E09", "Internal errors"),
];

fn index() -> String {
    let mut index = HEAD.to_owned();
    for (prefix, title) in FAMILIES {
        let codes: Vec<_> =
            Code::ALL.iter().filter(|code| code.as_str().starts_with(prefix)).collect();
        if codes.is_empty() {
            continue;
        }
        write!(index, "\n## {title}\n\n").unwrap();
        for code in codes {
            writeln!(index, "- [{code}]({code}.md): {}", code.title()).unwrap();
        }
    }
    index
}

#[test]
fn the_index_lists_every_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/errors/README.md");
    if std::env::var_os("FUSE_WRITE_INDEX").is_some() {
        std::fs::write(path, index()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, index(), "write it by `FUSE_WRITE_INDEX=1 cargo test -p fuse-rules index`");
}
