//! Every example is what its fence says: right, laid out, wrong in the way it says, or of this result.

use std::collections::BTreeMap;
use std::process::Command;

use fuse_rules::lint::{Level, Lint, Lints};
use fuse_rules::testing::Tests;
use serde_json::Value;

use super::page::{Example, examples};
use super::{files, load, page, read, value, with_rule};

#[test]
fn every_example_is_right() {
    let page = page();
    let examples = examples(&page);
    let files = files(&examples);
    let mut event = "null";
    let mut checked = 0;
    let mut wrong = String::new();
    for example in &examples {
        let result = match example.words.first().map(String::as_str) {
            Some("rules") if example.is("expr") => expressions(&files, example, event),
            Some("rules") => rules(&files, example),
            Some("json") => {
                if example.is("event") {
                    event = &example.text;
                }
                serde_json::from_str::<Value>(&example.text)
                    .map(drop)
                    .map_err(|why| why.to_string())
            }
            Some("yaml" | "sh" | "text") => Ok(()),
            _ => Err("what is this an example of?".to_owned()),
        };
        if let Err(why) = result {
            wrong.push_str(&format!("docs/language.md:{}: {why}\n", example.line));
        }
        checked += usize::from(example.is("rules"));
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked > 50, "{checked} examples");
}

/// The configuration of senders can be copied as it is.
#[test]
fn every_source_of_the_page_about_senders_is_right() {
    let page = read("docs/senders.md");
    let examples = examples(&page);
    let rules: Vec<_> = examples.iter().filter(|example| example.is("rules")).collect();
    let result = |example: &&Example| super::examples::rules(&BTreeMap::new(), example).err();
    let wrong: Vec<_> = rules.iter().filter_map(result).collect();
    assert!(wrong.is_empty() && rules.len() >= 5, "{wrong:?}");
}

fn rules(files: &BTreeMap<&str, &str>, example: &Example) -> Result<(), String> {
    let text = match example.is("rule") {
        true => with_rule(files, example.file(), &example.text),
        false => example.text.clone(),
    };
    if example.is("fails") {
        let problems = load(files, &text).err().ok_or("this is right")?;
        let codes: Vec<_> = problems.iter().map(|problem| problem.topic.as_str()).collect();
        return (codes == example.codes()).then_some(()).ok_or_else(|| problems.to_string());
    }
    let ruleset = load(files, &text).map_err(|problems| problems.to_string())?;
    if !ruleset.warnings().is_empty() {
        return Err(ruleset.warnings().to_string());
    }
    let tests = Tests::new(&ruleset, files);
    if let Some(problems) = (0..tests.len()).find_map(|test| tests.run(test).err()) {
        return Err(problems.to_string());
    }
    if example.is("finds") {
        // Examples are about one thing, and their tests are elsewhere.
        let untested = Lint::find("rule-without-test").unwrap();
        let found = Lints::default().level(untested, Level::Allow).run(&ruleset);
        let names: Vec<_> = found.iter().map(|problem| problem.topic.as_str()).collect();
        if names != example.finds() {
            return Err(found.to_string());
        }
    }
    let laid_out = match example.is("rule") {
        true => laid_out(&example.text),
        false => fuse_rules::format("example.rules", &text).map_err(|why| why.to_string())?,
    };
    let same = example.text == laid_out;
    same.then_some(()).ok_or_else(|| format!("`fuse fmt` lays this out as\n{laid_out}"))
}

/// `EXPRESSION  # => RESULT`, line by line. A text block has several lines.
fn expressions(files: &BTreeMap<&str, &str>, example: &Example, event: &str) -> Result<(), String> {
    let mut above = String::new();
    for line in example.text.lines() {
        let Some((text, expected)) = line.split_once("# => ") else {
            above.push_str(&format!("{line}\n"));
            continue;
        };
        let expression = std::mem::take(&mut above) + text.trim_end();
        let found = value(files, example.file(), &expression, event)?;
        if found != expected {
            return Err(format!("{line}\nis {found}"));
        }
    }
    if above.is_empty() { Ok(()) } else { Err("there is no result".to_owned()) }
}

/// The clauses as the one layout has them.
fn laid_out(clauses: &str) -> String {
    let text = format!("sensor s on a.b {{ rule r {{\n{clauses}}} }}");
    let text = fuse_rules::format("example.rules", &text).unwrap_or_else(|why| panic!("{why}"));
    let lines: Vec<&str> = text.lines().collect();
    let inside = lines[2..lines.len() - 2].iter();
    inside.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

/// What the page shows of the command is what the command says.
#[test]
fn the_command_prints_what_is_shown() {
    let page = page();
    let examples = examples(&page);
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files(&examples) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let commands = examples.iter().zip(&examples[1..]);
    let shown: Vec<_> = commands.filter(|(sh, text)| sh.is("sh") && text.is("text")).collect();
    assert!(!shown.is_empty());
    for (sh, text) in shown {
        let last = sh.text.trim().lines().last().unwrap();
        let arguments = last.strip_prefix("fuse ").unwrap().split_whitespace();
        let output = Command::new(env!("CARGO_BIN_EXE_fuse"))
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        for part in text.text.split("…\n") {
            assert!(output.contains(part), "docs/language.md:{}: {output}", text.line);
        }
    }
}
