//! The cookbook: each of its files is right by itself and beside the others, wholly tested, and shown
//! as it is on the page.

use std::collections::BTreeMap;

use fuse_rules::lint::Lints;
use fuse_rules::testing::Tests;
use fuse_rules::{Decision, Event, Ruleset};
use fuse_runtime::engine::reject_unrenderable;
use fuse_runtime::event::EventKey;
use fuse_runtime::triggers::{ActionFiles, Triggers};
use fuse_runtime::{Disk, rule_files};

use crate::docs::page::{Example, examples};
use crate::docs::{kinds, read};

const FOLDER: &str = "rules/cookbook";

/// The files of the cookbook, from the repository's root, where tests run.
fn recipes() -> Vec<String> {
    rule_files(&[FOLDER]).unwrap()
}

/// Loads some of them; what warns is wrong, too.
fn load(names: &[String]) -> Ruleset {
    let ruleset = Ruleset::load_in_detail(names, &Disk, &kinds());
    let ruleset = ruleset.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(ruleset.warnings().is_empty(), "{}", ruleset.warnings());
    ruleset
}

#[test]
fn all_load_together() {
    let names = recipes();
    assert!(names.len() >= 35, "{names:?}");
    load(&names);
}

#[test]
fn lints_find_nothing_in_them() {
    for names in recipes().into_iter().map(|name| vec![name]).chain([recipes()]) {
        let found = Lints::default().run(&load(&names));
        assert!(found.is_empty(), "{found}");
    }
}

#[test]
fn each_is_laid_out() {
    for name in recipes() {
        let text = read(&name);
        let laid_out = fuse_rules::format(&name, &text).unwrap_or_else(|why| panic!("{why}"));
        assert!(text == laid_out, "`fuse fmt` lays {name} out as\n{laid_out}");
    }
}

/// All that rules declare, with its documentation. Types of the standard library have a full stop.
fn documented(ruleset: &Ruleset) -> impl Iterator<Item = (&str, Option<&str>)> {
    let fuses = ruleset.fuses().map(|fuse| (fuse.name, fuse.doc));
    let definitions = ruleset.definitions().map(|one| (one.name, one.doc));
    let sources = ruleset.sources().map(|source| (source.name, source.doc));
    let events = ruleset.events().map(|event| (event.name, event.doc));
    let sensors = ruleset.sensors().map(|sensor| (sensor.name, sensor.doc));
    let rules = ruleset.rules().map(|rule| (rule.name, rule.doc));
    fuses.chain(definitions).chain(sources).chain(events).chain(sensors).chain(rules)
}

#[test]
fn each_begins_with_a_header_and_documents_all() {
    for name in recipes() {
        let text = read(&name);
        let mut header = text.lines().take_while(|line| line.starts_with('#'));
        assert!(header.any(|line| line.starts_with("# To adapt: ")), "{name}");
        let ruleset = load(std::slice::from_ref(&name));
        let undocumented: Vec<&str> = documented(&ruleset)
            .filter(|(name, doc)| doc.is_none() && !name.contains('.'))
            .map(|(name, _)| name)
            .collect();
        assert!(undocumented.is_empty(), "in {name} {undocumented:?} have no documentation");
    }
}

/// By themselves, not among the tests of others; with the actions that the command would make.
#[test]
fn each_is_wholly_tested() {
    let triggers = Triggers::local(ActionFiles::new("manifests"));
    let backends = |decision: &mut Decision, event: &Event<'_>| {
        let (source, name) = (event.source().to_owned(), event.name().to_owned());
        let key = EventKey { source, name, id: event.event_id().to_owned() };
        reject_unrenderable(decision, &triggers, &key);
    };
    let mut wrong = String::new();
    for name in recipes() {
        let ruleset = load(&[name]);
        let tests = Tests::new(&ruleset, &Disk).backends(&backends);
        for problems in (0..tests.len()).filter_map(|test| tests.run(test).err()) {
            wrong += &problems.to_string();
        }
        // As `fuse test --coverage` reports it.
        let coverage = tests.without_impossible(tests.coverage(0..tests.len()));
        wrong += &tests.uncovered(&coverage).to_string();
        let mutants = tests.mutants(0..tests.len(), &mut |_, _| {});
        assert!(mutants.len() > 5, "{mutants:?}");
        wrong += &tests.survivors(&mutants).to_string();
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_page_shows_each_as_it_is() {
    let page = read("docs/cookbook.md");
    let examples = examples(&page);
    let mut shown: BTreeMap<String, Vec<&Example>> = BTreeMap::new();
    for example in examples.iter().filter(|example| example.is("rules")) {
        let file = example.file().unwrap_or_else(|| panic!("line {} names no file", example.line));
        shown.entry(format!("{FOLDER}/{file}")).or_default().push(example);
    }
    for name in recipes() {
        let text = read(&name);
        let link = format!("](../{name}))");
        let rows: Vec<&str> = page.lines().filter(|line| line.contains(&link)).collect();
        assert_eq!(rows.len(), 1, "the table of docs/cookbook.md has {name} in {rows:?}");
        let title = rows[0].strip_prefix("| [").and_then(|row| row.split_once("](#")).unwrap().0;
        let anchor = title.to_lowercase().replace(' ', "-").replace([',', '/'], "");
        assert!(rows[0].contains(&format!("[{title}](#{anchor})")), "{}", rows[0]);
        assert!(page.contains(&format!("\n### {title}\n")), "there is no heading `{title}`");
        let examples = shown.remove(&name).unwrap_or_else(|| panic!("{name} is not shown"));
        for example in examples {
            // Whole lines: what is shown begins and ends where one does.
            let part = format!("\n{}", example.text);
            let line = example.line;
            assert!(text.contains(&part), "docs/cookbook.md:{line} is no part of {name}");
        }
    }
    assert!(shown.is_empty(), "there are no files {:?}", shown.keys());
}
