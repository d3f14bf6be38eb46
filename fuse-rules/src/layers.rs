//! The rooms of this crate form layers: a room imports only from rooms above it in [`LAYERS`], which
//! ARCHITECTURE.md explains. This test reads the imports and names each one that points the other way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

/// All rooms, each after those that it may import from.
const LAYERS: [&[&str]; 10] = [
    // Small values that everything else uses.
    &["span", "number", "fuses", "path", "sensitive", "media_type", "literals", "value"],
    // Events as bytes, decisions as data.
    &["scan", "event", "flow", "attempts", "decision", "reaction"],
    &["diagnostic"],
    // Text to tree, and back.
    &["syntax", "loader", "stdlib", "format"],
    // The vocabulary that rules are checked by.
    &["schema", "functions", "types", "json_schema", "infer"],
    // The checked form, its meaning, and the obvious evaluator.
    &["typed", "semantics", "reference"],
    &["check"],
    // What conditions imply, without an event.
    &["analysis"],
    // The compiled form and the fast evaluators.
    &["plan", "eval", "ruleset"],
    // What looks at rules as a whole.
    &["cost", "inventory", "counterfactual", "lint", "autofix", "testing", "fuzzing", "comparison"],
];

/// One import: the file, the room that it is in, and the room that it names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    file: String,
    from: String,
    to: String,
}

fn position(room: &str) -> Option<usize> {
    LAYERS.iter().flat_map(|layer| layer.iter()).position(|other| *other == room)
}

/// The imports of a file that name other rooms. Comments and tests do not count.
fn imports(file: &str, text: &str) -> Vec<Import> {
    let from = file.split(['/', '.']).next().unwrap_or_default();
    let code: Vec<&str> = text
        .lines()
        .take_while(|line| *line != "mod tests {")
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    // In a file of its own, a room's `super` is the crate.
    let root = if file.contains('/') { "crate" } else { "crate|super" };
    let named = Regex::new(&format!(r"\b(?:{root})::(\{{|\w+)")).unwrap();
    let to = named.captures_iter(&code).map(|found| found[1].to_owned());
    to.filter(|to| to != from)
        .map(|to| Import { file: file.into(), from: from.into(), to })
        .collect()
}

/// Why an import is wrong, where it is.
fn fault(import: &Import) -> Option<String> {
    let Import { file, from, to } = import;
    match (position(from), position(to)) {
        (None, _) => Some(format!("`{from}` ({file}) is in no layer")),
        (_, None) => {
            Some(format!("{file} imports `crate::{to}`, which is in no layer: name its room"))
        }
        (Some(from_at), Some(to_at)) if to_at > from_at => {
            Some(format!("{file} imports `crate::{to}`, which is above `{from}`"))
        }
        _ => None,
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap_or_default();
        if name == "tests" || name == "layers" {
            continue;
        }
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn imports_point_to_lower_layers_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut rooms = BTreeSet::new();
    let mut faults = BTreeSet::new();
    for path in paths {
        let file = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        if matches!(file.as_str(), "lib.rs" | "accepts.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        rooms.extend(file.split(['/', '.']).next().map(str::to_owned));
        faults.extend(imports(&file, &text).iter().filter_map(fault));
    }
    assert!(faults.is_empty(), "{}", faults.into_iter().collect::<Vec<_>>().join("\n"));
    let listed: BTreeSet<_> = LAYERS.iter().flat_map(|layer| layer.iter()).copied().collect();
    assert_eq!(listed, rooms.iter().map(String::as_str).collect());
}

#[test]
fn an_import_that_goes_up_is_named() {
    let planted = "use crate::value::Value;\nuse crate::plan::Compiled;\n// use crate::lint;\n";
    let faults: Vec<_> = imports("types/mod.rs", planted).iter().filter_map(fault).collect();
    assert_eq!(faults, ["types/mod.rs imports `crate::plan`, which is above `types`"]);

    let planted = "use super::lint::Lint;\nuse crate::Event;\nmod tests {\nuse crate::fuzzing;\n}";
    let faults: Vec<_> = imports("path.rs", planted).iter().filter_map(fault).collect();
    assert_eq!(
        faults,
        [
            "path.rs imports `crate::lint`, which is above `path`",
            "path.rs imports `crate::Event`, which is in no layer: name its room",
        ]
    );
    assert_eq!(imports("types/mod.rs", "use super::lint;"), []);
}
