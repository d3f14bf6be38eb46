//! The TextMate grammar in `editors/`, through the engine that VS Code has.

mod words;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{program, skipped};

/// A piece of a line and its scopes, the outermost first.
type Token = (String, Vec<String>);

/// The tokens of texts, line by line; `None` where this machine lacks the engine.
fn tokens(texts: &[String]) -> Option<Vec<Vec<Vec<Token>>>> {
    let node = program("FUSE_TEST_NODE", &["node"])?;
    let here = root().join("tests/editors");
    if !here.join("node_modules").is_dir() {
        skipped("the engine is not installed: `npm ci --prefix tests/editors`");
        return None;
    }
    let mut engine = Command::new(node)
        .arg(here.join("tokens.mjs"))
        .arg(root().join("editors/textmate/fuse.tmLanguage.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let given = serde_json::to_vec(texts).unwrap();
    engine.stdin.take().unwrap().write_all(&given).unwrap();
    let output = engine.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of rules in a folder of the repository, in the order of their names.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rules"));
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

fn texts(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// Each line with its tokens under it, without what every token shares.
fn shown(text: &str, lines: &[Vec<Token>]) -> String {
    let mut out = String::new();
    for (line, tokens) in text.lines().zip(lines) {
        out.push_str(&format!("| {line}\n"));
        for (text, scopes) in tokens.iter().filter(|(text, _)| !text.trim().is_empty()) {
            let scopes: Vec<&str> = scopes
                .iter()
                .map(|scope| scope.trim_end_matches(".fuse"))
                .filter(|scope| *scope != "source" && !scope.starts_with("meta.block"))
                .collect();
            out.push_str(&format!("    {} → {}\n", text.trim(), scopes.join(" ")));
        }
    }
    out
}

#[test]
fn every_construct_has_its_scopes() {
    let files = files("tests/editors");
    let texts = texts(&files);
    let Some(all) = tokens(&texts) else { return };
    for ((file, text), lines) in files.iter().zip(&texts).zip(&all) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        insta::assert_snapshot!(name, shown(text, lines));
    }
}

#[test]
fn in_rules_without_a_fault_everything_has_a_scope_and_nothing_is_illegal() {
    let mut files: Vec<PathBuf> =
        ["rules", "rules/std", "tests/editors"].into_iter().flat_map(files).collect();
    files.retain(|file| !file.ends_with("slips.rules"));
    let Some(all) = tokens(&texts(&files)) else { return };
    for (file, lines) in files.iter().zip(&all) {
        for (text, scopes) in lines.iter().flatten().filter(|(text, _)| !text.trim().is_empty()) {
            let scope = scopes.last().unwrap();
            let told = !scope.starts_with("source.") && !scope.starts_with("meta.");
            assert!(
                told && !scope.starts_with("invalid."),
                "{}: {text} is {scope}",
                file.display()
            );
        }
    }
}
