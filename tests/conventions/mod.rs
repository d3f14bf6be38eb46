//! Conventions of the code that a compiler does not check: names of types, sizes of files, and errors that
//! are types.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::root;

const CRATES: [&str; 3] = ["fuse-rules/src", "fuse-runtime/src", "src"];
const MAX_LINES: usize = 450;

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Skip build output.
        if path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            out.push(path);
        }
    }
}

/// The files of a folder with their texts, by their names in the repository.
fn texts(folder: &str) -> BTreeMap<String, String> {
    let mut paths = Vec::new();
    files(&root().join(folder), &mut paths);
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(named).collect()
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

/// The names of the types that are visible outside of their files, each with the files that declare it.
fn types<'t>(
    texts: impl Iterator<Item = (&'t String, &'t String)>,
) -> BTreeMap<String, Vec<String>> {
    let declared = Regex::new(r"(?m)^\s*pub(?:\(\w+\))? (?:struct|enum|trait|type) (\w+)").unwrap();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in texts {
        for found in declared.captures_iter(text) {
            all.entry(found[1].to_owned()).or_default().push(name.clone());
        }
    }
    all
}

/// The tree of the syntax and the checked form describe the same things at two stages, by the same names.
fn is_one_thing_at_two_stages(files: &[String]) -> bool {
    let [one, other] = files else { return false };
    let is_tree = |file: &str| file.starts_with("fuse-rules/src/syntax/ast");
    let is_checked = |file: &str| file.starts_with("fuse-rules/src/typed/");
    is_tree(one) && is_checked(other)
}

#[test]
fn a_type_name_is_unique_in_its_crate() {
    for folder in CRATES {
        let texts = texts(folder);
        let mut twice = types(texts.iter().filter(|(name, _)| !is_test(name)));
        twice.retain(|_, files| files.len() > 1 && !is_one_thing_at_two_stages(files));
        assert!(twice.is_empty(), "{twice:#?}");
    }
    let planted = BTreeMap::from([
        ("a.rs".to_owned(), "pub struct Step;\nstruct Private;".to_owned()),
        ("b.rs".to_owned(), "pub(crate) enum Step {}\nstruct Private;".to_owned()),
    ]);
    assert_eq!(types(planted.iter())["Step"], ["a.rs", "b.rs"]);
    assert!(!types(planted.iter()).contains_key("Private"));
}

#[test]
fn no_file_is_longer_than_a_reader_wants() {
    let folders = CRATES.into_iter().chain(["tests", "benches", "examples", "fuse-rules/tests"]);
    for (name, text) in folders.flat_map(texts) {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{name} has {lines} lines, more than {MAX_LINES}");
    }
}

#[test]
fn public_errors_are_types() {
    let signature = Regex::new(
        r"(?m)^\s*pub (?:async )?fn (\w+)[^{;]*?->[^{;]*Result<[^{;]*,\s*String>\s*[{;]",
    )
    .unwrap();
    for (name, text) in ["fuse-rules/src", "fuse-runtime/src"].into_iter().flat_map(texts) {
        if let Some(found) = signature.captures(&text) {
            panic!("{name}: the error of `{}` is a string", &found[1]);
        }
    }
    assert!(signature.is_match("pub fn load(name: &str) -> Result<Vec<u8>, String> {"));
    assert!(!signature.is_match("pub fn load(name: &str) -> Result<String, LoadError> {"));
}
