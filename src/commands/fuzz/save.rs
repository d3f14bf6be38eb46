//! Findings as tests: one event per finding, and its current result.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use fuse_rules::Ruleset;
use fuse_rules::fuzzing::{Finding, FindingKind, FoundEvent};
use fuse_rules::literals::quoted;
use fuse_runtime::read_error;

use crate::commands::test_file::add_uses;
use crate::output;

/// Writes the events of findings to a folder, and adds a test for each to its `found.rules`. Keeps
/// what was saved there before.
pub(super) fn save(folder: &Path, ruleset: &Ruleset, findings: &[Finding]) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| {
        format!("`{}` cannot be written: {error}", path.display())
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let path = folder.join("found.rules");
    let mut text = match std::fs::read_to_string(&path) {
        Ok(before) => before,
        Err(error) if error.kind() == ErrorKind::NotFound => HEAD.to_owned(),
        Err(error) => return Err(read_error(&path, &error)),
    };
    add_uses(&mut text, &path, ruleset)?;
    let first = next_number(folder).map_err(|error| failed(folder, error))?;
    let events = findings
        .iter()
        .filter_map(|finding| Some((finding, finding.event.as_ref()?, outcome(finding.kind)?)))
        // A test sends the body as it arrives.
        .filter(|(_, event, _)| !event.is_decoded);
    let mut bodies = Vec::new();
    for (number, (finding, event, outcome)) in (first..).zip(events) {
        let name = format!("{number}-{}.json", finding.kind.as_str());
        add_test(&mut text, (number, &name), ruleset, (finding, event, outcome));
        bodies.push((folder.join(name), event.pretty_body()));
    }
    let text = fuse_rules::format(&path.to_string_lossy(), &text)
        .map_err(|problems| format!("the findings cannot be added as tests: {problems}"))?;
    for (path, body) in &bodies {
        std::fs::write(path, format!("{body}\n")).map_err(|error| failed(path, error))?;
    }
    std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    output::print(&format!("saved {} as {}\n", bodies.len(), path.display()));
    Ok(())
}

/// The start of a file of found events.
const HEAD: &str = "# Events that fuzzing found, and their results.\n\n";

/// The first number that is not used in the folder.
fn next_number(folder: &Path) -> std::io::Result<u32> {
    let mut next = 1;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.split_once('-')?.0.parse::<u32>().ok());
        next = next.max(number.map_or(1, |number| number.saturating_add(1)));
    }
    Ok(next)
}

fn add_test(
    text: &mut String,
    (number, file): (u32, &str),
    ruleset: &Ruleset,
    (finding, event, outcome): (&Finding, &FoundEvent, &str),
) {
    // Writing to a string cannot fail.
    let title = quoted(&format!("{number}: {}", finding.message));
    let _ok = writeln!(text, "\ntest {title} {{");
    let rule = ruleset.rules().find(|rule| rule.name == finding.rule);
    for fuse in rule.iter().flat_map(|rule| &rule.requires) {
        let _ok = writeln!(text, "with fuse {fuse} on");
    }
    let (at, file) = (quoted(&event.received), quoted(file));
    let _ok = write!(text, "at {at}\nsend {}.{} from {file}", event.source, event.name);
    for (what, texts) in
        [("headers", &event.headers), ("query", &event.query), ("path", &event.path)]
    {
        if !texts.is_empty() {
            let fields =
                texts.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)));
            let _ok = write!(text, " {what} {{ {} }}", fields.collect::<Vec<_>>().join(", "));
        }
    }
    let _ok = writeln!(text, "\nexpect {} {outcome}\n}}", finding.rule);
}

/// The outcome that a test expects of a finding's rule; none if no event shows the finding.
fn outcome(kind: FindingKind) -> Option<&'static str> {
    match kind {
        FindingKind::Rejected => Some("rejected"),
        FindingKind::Unknown => Some("unknown"),
        FindingKind::Hostile => Some("fired"),
        FindingKind::NeverFired | FindingKind::AlwaysTogether | FindingKind::Disagreement => None,
    }
}
