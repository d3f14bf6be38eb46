//! Files that somebody made to hurt: an error each, soon and in bounded memory.

use std::fs;
use std::process::Command;

/// What the process may take of the address space, in KiB: far more than it needs.
const MEMORY: usize = 3_000_000;

/// Runs `fuse` in a folder with these files, and gives the exit code and the codes of the problems.
fn codes(command: &[&str], files: &[(&str, &[u8])]) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\""),
            env!("CARGO_BIN_EXE_fuse"),
        ])
        .args(command)
        .arg(files[0].0)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.len() < 200_000, "what is said is bounded: {}", text.len());
    let codes = text.lines().filter_map(|line| line.strip_prefix("error[")?.get(..5));
    let mut codes: Vec<String> = codes.map(str::to_owned).collect();
    codes.dedup();
    (output.status.code(), codes)
}

/// The codes of one file's problems.
fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    let text = text.as_ref();
    let (exit, found) = codes(&["check"], &[("a.rules", text)]);
    assert_eq!(exit, Some(1), "{found:?}");
    found
}

/// A rule with this condition.
fn condition(text: &str) -> String {
    format!(
        "source q webhook {{ port = 1, path = \"/\"\n event e }}\n\
         sensor s on q.e {{ rule r {{ when {text}\n trigger log {{ message = \"x\" }} }} }}"
    )
}

const TEN_MB: usize = 10_000_000;

#[test]
fn ten_megabytes() {
    assert_eq!(problems("A".repeat(TEN_MB)), ["E0101"]);
    assert_eq!(problems("\"".repeat(TEN_MB)), ["E0101"]);
    assert_eq!(problems("{".repeat(TEN_MB)), ["E0108"]);
    assert_eq!(problems(format!("const s = \"{}\"", "a".repeat(TEN_MB))), ["E0216"]);
    assert_eq!(problems("\0".repeat(TEN_MB)), ["E0101"]);
    assert_eq!(problems([0xff].repeat(TEN_MB)), ["E0504"]);
}

#[test]
fn a_hundred_thousand_parentheses() {
    let (open, close) = ("(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(problems(condition(&format!("{open}body.a == 1{close}"))), ["E0108"]);
    assert_eq!(problems(condition(&open)), ["E0108"]);
    assert_eq!(problems(condition(&"not ".repeat(100_000))), ["E0101"]);
}

#[test]
fn a_million_tokens_on_a_line() {
    assert_eq!(problems("x ".repeat(1_000_000)), ["E0101"]);
    assert_eq!(problems(format!("const c = [{}]", "1, ".repeat(500_000))), ["E0216"]);
}

#[test]
fn bytes_that_are_no_text() {
    assert_eq!(problems(b"fuse a\0 default on"), ["E0101"]);
    assert_eq!(problems(b"fuse a default on # \xff"), ["E0504"]);
    let (exit, found) = codes(&["fmt"], &[("a.rules", b"fuse a default on # \xff")]);
    assert_eq!((exit, found), (Some(2), Vec::new()), "what is no text is no file of rules");
}

#[test]
fn patterns_that_grow() {
    let bombs = ["(((a{1000}){1000}){1000}){1000}", "(a{0,65535}){0,65535}", "\\w{5000}{50}"];
    for bomb in bombs {
        assert_eq!(
            problems(condition(&format!("body.a matches r\"{bomb}\""))),
            ["E0305"],
            "{bomb}"
        );
    }
}

#[test]
fn files_and_references_in_circles() {
    let circle: [(&str, &[u8]); 2] =
        [("a.rules", b"use \"b.rules\""), ("b.rules", b"use \"a.rules\"")];
    assert_eq!(codes(&["check"], &circle), (Some(1), vec!["E0505".to_owned()]));

    let names: Vec<String> = (0..2_000).map(|i| format!("{i}.rules")).collect();
    let mut chain: Vec<_> = names.windows(2).map(|two| format!("use \"{}\"", two[1])).collect();
    chain.push("fuse f default maybe".into());
    let chain: Vec<_> =
        names.iter().zip(&chain).map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    assert_eq!(codes(&["check"], &chain), (Some(1), vec!["E0101".to_owned()]));

    let schema: &[u8] = br##"{ "$ref": "#/$defs/a",
        "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }"##;
    let files: [(&str, &[u8]); 2] =
        [("a.rules", b"type t = json-schema \"s.json\""), ("s.json", schema)];
    assert_eq!(codes(&["check"], &files), (Some(1), vec!["E0508".to_owned()]));
}

/// Deciding is spared by the index what explaining would have to look at.
#[test]
fn an_event_that_takes_too_long_to_explain() {
    let folder = tempfile::tempdir().unwrap();
    let rules: String = (0..100)
        .map(|i| {
            let when = format!("any(o in body.l: o == x and o == {i})");
            format!("rule r{i} {{ when {when}\n trigger log {{ message = \"x\" }} }}\n")
        })
        .collect();
    let source = "source q webhook { port = 1, path = \"/\"\n event e }";
    let text = format!("{source}\nsensor s on q.e {{ each x in body.l\n{rules}}}\n");
    fs::write(folder.path().join("a.rules"), text).unwrap();
    let elements: Vec<String> = (0..400).map(|i| format!("\"{i}\"")).collect();
    let body = format!("{{\"l\":[{}]}}", elements.join(","));
    fs::write(folder.path().join("e.json"), body).unwrap();
    fs::write(folder.path().join("fuse.toml"), "[rules]\nmax_work = 2000000\n").unwrap();
    let arguments = [
        "explain",
        "a.rules",
        "--config",
        "fuse.toml",
        "--source",
        "q.e",
        "--event",
        "e.json",
        "--at",
        "2026-01-01T00:00:00Z",
    ];
    insta::assert_snapshot!(super::ran_in(folder.path(), &arguments), @"
    exit 0
    q.e, from e.json, id `example`

    not shown: why rules did not fire, since that would take too long for this event
    ");
}
