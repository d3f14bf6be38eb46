//! The pages of the lints, in `docs/lints`, are those that the code has.

use std::fmt::Write as _;
use std::path::Path;

use crate::lint::{Level, Lint};

/// What the index says besides its list.
const HEAD: &str = "\
# Lints

`fuse lint` finds what rules are better without, although they mean something. `fuse explain-code NAME` prints the page
of a lint; the pages are here, too.

Each lint has a level: what it finds is nothing (`allow`), shown (`warn`) or an error (`deny`), which `fuse check` reports,
too, as far as it needs no templates. `[lint]` in `fuse.toml` sets levels, and `--deny`, `--warn` and `--allow` on the command line win over that:

```toml
[lint]
unused-const = \"deny\"
undocumented-rule = \"allow\"
```

A comment allows one at one place, as [the language](../language.md#lints) says.

An example leaves out what does not matter: a clause stands in a rule, a rule in a sensor on `gh.push`, an event of
the source `gh`, and there is a fuse `cicd`. The examples run as tests.

| Lint | Level | What it finds |
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
fn the_index_and_the_pages_of_the_lints_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lints");
    let mut wanted = vec![("README.md".to_owned(), index())];
    wanted.extend(sorted().iter().map(|lint| (format!("{lint}.md"), lint.page())));
    let write = std::env::var_os("FUSE_WRITE_INDEX").is_some();
    let names = || {
        let entries = std::fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
    };
    if write {
        std::fs::create_dir_all(&folder).unwrap();
        names().for_each(|name| std::fs::remove_file(folder.join(name)).unwrap());
        wanted.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    }
    let how = "write them by `FUSE_WRITE_INDEX=1 cargo test -p fuse-rules index`";
    for (name, text) in &wanted {
        let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(&written, text, "docs/lints/{name} is stale: {how}");
    }
    let mut there: Vec<String> = names().collect();
    there.sort();
    let mut names: Vec<String> = wanted.into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(there, names, "docs/lints has other pages than there are lints: {how}");
}

#[test]
fn lints_are_called_as_their_files_and_no_two_alike() {
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
        for text in [lint.finds, lint.instead] {
            assert!(text.trim_end().ends_with('.'), "{lint}: {text}");
        }
        assert!(!lint.title().ends_with('.'), "{lint}");
    }
    assert_eq!(Lint::all().last().unwrap().name(), "unused-allow", "it looks at what others left");
    assert!(Lint::all().any(|lint| lint.level() == Level::Deny));
}

#[test]
fn an_unknown_lint_has_a_neighbour() {
    insta::assert_snapshot!(Lint::find("unused-cons").unwrap_err(), @"there is no lint `unused-cons`; did you mean `unused-const`?");
    insta::assert_snapshot!(Lint::find("xyz").unwrap_err(), @"there is no lint `xyz`");
}
