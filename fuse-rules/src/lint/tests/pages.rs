//! The pages of the lints in `docs/lints`: their form, their examples, and the index.

use std::fmt::Write as _;
use std::path::Path;

use super::examples;
use crate::lint::{Level, Lint};

/// The index up to its list.
const HEAD: &str = "\
# Lints

`fuse lint` reports rules that are valid but probably not intended. `fuse explain-code NAME` prints the page of a lint.

Each lint has a level:

- `allow`: the lint does not run.
- `warn`: findings are warnings.
- `deny`: findings are errors. `fuse check` reports them, too, unless the lint needs workflow templates.

The section `[lint]` in `fuse.toml` changes levels. The options `--deny`, `--warn` and `--allow` take precedence over it:

```toml
[lint]
unused-const = \"deny\"
undocumented-rule = \"allow\"
```

To suppress a finding in one place, put a comment on the line above it and give a reason. The
[language reference](../language.md#lints) has the details:

```rules
# fuse: allow(unused-const) because the next release uses it
const limit = 3
```

The examples in the pages omit what does not matter: a clause belongs to a rule, a rule to a sensor on `gh.push`, which
is an event of the source `gh`, and there is a fuse `cicd`. The examples run as tests: the lint reports those marked
`fails`, and does not report those marked `passes`.

| Lint | Level | Finding |
| --- | --- | --- |
";

fn sorted() -> Vec<&'static Lint> {
    let mut all: Vec<&Lint> = Lint::all().collect();
    all.sort();
    all
}

fn index() -> String {
    let mut index = HEAD.to_owned();
    for lint in sorted() {
        let level = lint.level().as_str();
        writeln!(index, "| [{lint}]({lint}.md) | {level} | {} |", lint.title()).unwrap();
    }
    index
}

#[test]
fn the_index_lists_every_lint() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lints");
    let path = folder.join("README.md");
    if std::env::var_os("FUSE_WRITE_INDEX").is_some() {
        std::fs::write(&path, index()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let how = "write it by `FUSE_WRITE_INDEX=1 cargo test -p fuse-rules index`";
    assert_eq!(written, index(), "{how}");
    let entries = std::fs::read_dir(&folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = names.filter(|name| name != "README.md").collect();
    files.sort();
    let pages: Vec<String> = sorted().iter().map(|lint| format!("{lint}.md")).collect();
    assert_eq!(files, pages, "docs/lints has a page for every lint and no other pages");
}

#[test]
fn every_page_has_an_example_that_the_lint_reports_and_one_that_it_does_not() {
    let mut wrong = Vec::new();
    for lint in sorted() {
        let page = lint.page();
        let level = lint.level().as_str();
        let start = format!("# {lint}: {}\n\nLevel: `{level}`\n\n", lint.title());
        assert!(page.starts_with(&start), "docs/lints/{lint}.md must start with\n{start}");
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, ["## Example", "## Fix", "## When to allow it"], "{lint}");
        let (before, fix) = page.split_once("\n## Fix\n").unwrap();
        assert!(
            before.contains("\n```rules fails\n") && fix.contains("\n```rules passes\n"),
            "{lint}"
        );
        for example in examples::page(lint) {
            let found = super::found(lint, &example.rules, &example.templates);
            let own = found.iter().filter(|problem| problem.topic.as_str() == lint.name());
            if (own.count() > 0) != example.fails {
                wrong.push(format!("{lint}: wrong in its page:\n{}\n{found}", example.rules));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lints_are_named_like_their_files_and_names_are_unique() {
    let all = sorted();
    for pair in all.windows(2) {
        assert_ne!(pair[0].name(), pair[1].name());
    }
    for lint in all {
        let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(lint.name().chars().all(kebab), "{lint}");
        let file = format!("src/lint/lints/{}.rs", lint.name().replace('-', "_"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let code = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("there is no {file}"));
        assert!(code.starts_with(&format!("//! `{lint}`\n")), "{file}");
        assert_ne!(lint.title(), "");
        assert!(!lint.title().ends_with('.'), "{lint}");
    }
    let last = Lint::all().last().unwrap();
    assert_eq!(last.name(), "unused-allow", "it needs the findings of all other lints");
    assert!(Lint::all().any(|lint| lint.level() == Level::Deny));
}

#[test]
fn an_unknown_name_gets_a_suggestion() {
    insta::assert_snapshot!(Lint::find("unused-cons").unwrap_err(), @"there is no lint `unused-cons`; did you mean `unused-const`?");
    insta::assert_snapshot!(Lint::find("xyz").unwrap_err(), @"there is no lint `xyz`");
}
