//! Findings in rule sets with several files.

use std::collections::BTreeMap;

use super::file;
use crate::diagnostic::tests::kinds::registry;
use crate::lint::{Level, Lint, Lints, TemplateFile};
use crate::ruleset::Ruleset;

const SOURCE: &str = "source gh webhook {\n  port = 1\n  path = \"/gh\"\n  event push\n}\n";
const SENSOR: &str = "sensor s on gh.push {\n  rule r { trigger log { message = \"x\" } }\n}\n";

/// The findings of the `unused-…` lints if the caller names these files, each as `file:line:column lint`.
fn found(named: &[&str], files: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let ruleset = Ruleset::load_in_detail(named, &files, &registry())
        .unwrap_or_else(|problems| panic!("{problems}"));
    let lints = Lint::all().filter(|lint| lint.name().starts_with("unused"));
    let lints = lints.fold(Lints::none(), |lints, lint| lints.level(lint, Level::Warn));
    let problems = lints.run(&ruleset);
    let place = |problem: &crate::Diagnostic| {
        let span = problem.label.as_ref().unwrap().span;
        format!("{} {}", problems.files().locate(span), problem.topic)
    };
    problems.iter().map(place).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn unused_declarations_in_unnamed_files_are_not_reported() {
    let shared = format!("{SOURCE}fuse other default on\nconst spare = 1\n");
    let main = format!("use \"shared.rules\"\n{SENSOR}");
    let files = [("main.rules", main.as_str()), ("shared.rules", shared.as_str())];
    assert_eq!(found(&["main.rules"], &files), NOTHING);
    assert_eq!(found(&["shared.rules"], &files), NOTHING, "it exists for other files");
    let both = ["shared.rules:6:6 unused-fuse", "shared.rules:7:7 unused-const"];
    assert_eq!(found(&["main.rules", "shared.rules"], &files), both);
    // The same holds for a comment that allows it.
    let reason = "# fuse: allow(unused-const) because of others\nconst spare";
    let shared = shared.replace("const spare", reason);
    let files = [("main.rules", main.as_str()), ("shared.rules", shared.as_str())];
    assert_eq!(found(&["main.rules"], &files), NOTHING);
    assert_eq!(found(&["main.rules", "shared.rules"], &files), ["shared.rules:6:6 unused-fuse"]);
}

/// An element may have the name of a constant that its file does not see.
#[test]
fn an_element_does_not_use_the_constant_of_another_file() {
    let sensor = SENSOR.replace("{ trigger", "{ when any(x in body.list: x == z)  trigger");
    let main = format!("use \"group.rules\"\n{SOURCE}{sensor}");
    let files = [
        ("main.rules", main.as_str()),
        ("group.rules", "use \"consts.rules\"\nconst z = y\n"),
        ("consts.rules", "const x = 1\nconst y = 2\n"),
    ];
    let named = ["main.rules", "group.rules", "consts.rules"];
    assert_eq!(found(&named, &files), ["consts.rules:1:7 unused-const"]);
}

#[test]
fn a_use_that_loads_sensors_is_needed() {
    let sensors = format!("use \"source.rules\"\n{SENSOR}");
    let files = [
        ("all.rules", "use \"group.rules\"\n"),
        ("group.rules", "use \"sensors.rules\"\nuse \"spare.rules\"\n"),
        ("sensors.rules", sensors.as_str()),
        ("source.rules", SOURCE),
        ("spare.rules", "const spare = 1\n"),
    ];
    assert_eq!(found(&["all.rules"], &files), ["group.rules:2:5 unused-use"]);
}

#[test]
fn the_standard_library_is_not_linted() {
    let main = format!(
        "use std \"github\"\n{}{SENSOR}",
        SOURCE.replace("event push", "event push : github.push")
    );
    assert_eq!(found(&["main.rules"], &[("main.rules", main.as_str())]), NOTHING);
    let files = BTreeMap::from([("main.rules", main.as_str())]);
    let ruleset = Ruleset::load_in_detail(&["main.rules"], &files, &registry()).unwrap();
    for problem in &Lints::all_at(Level::Deny).run(&ruleset) {
        let file = problem.label.as_ref().unwrap().span.file;
        assert_eq!(ruleset.files().get(file).unwrap().name(), "main.rules");
    }
}

/// A comment above a field covers findings about its key.
#[test]
fn a_comment_above_a_field_covers_its_key() {
    let yaml = "kind: WorkflowTemplate\nmetadata: { name: t }\n";
    let templates = || vec![TemplateFile::read("t.yaml", yaml).unwrap()];
    let lint = Lint::find("unknown-parameter").unwrap();
    let lints = Lints::none().level(lint, Level::Deny).templates(templates());
    let rules = |comment: &str| {
        file(&format!(
            "trigger workflow {{\n template = \"t\"\n namespace = \"n\"\n parameters {{\n{comment}  a = 1\n }}\n}}"
        ))
    };
    let found = |text: &str| lints.run(&super::load(text)).len();
    assert_eq!(found(&rules("")), 1);
    assert_eq!(found(&rules("  # fuse: allow(unknown-parameter) because it comes\n")), 0);
}
