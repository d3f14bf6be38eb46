//! Findings as tests: an event each, and what it leads to now.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use fuse_rules::{Finding, FindingKind, Ruleset, quoted};

use crate::output;

/// Writes the events of findings into a folder, and `found.rules` with a test for each.
pub(super) fn save(folder: &Path, ruleset: &Ruleset, findings: &[Finding]) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| {
        format!("`{}` cannot be written: {error}", path.display())
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut text = String::from("# Events that fuzzing found, and what they lead to.\n\n");
    for file in ruleset.files().iter().map(|file| file.name()) {
        if file.ends_with(".rules") && Path::new(file).exists() {
            // Writing to a string cannot fail.
            let _ok = writeln!(text, "use {}", quoted(&relative(folder, Path::new(file))?));
        }
    }
    let mut count = 0;
    for finding in findings {
        let (Some(event), Some(outcome)) = (&finding.event, outcome(finding.kind)) else {
            continue;
        };
        count += 1;
        let name = format!("{count}-{}.json", finding.kind.as_str());
        let path = folder.join(&name);
        std::fs::write(&path, format!("{}\n", event.pretty_body()))
            .map_err(|error| failed(&path, error))?;
        let title = quoted(&format!("{count}: {}", finding.message));
        let _ok = writeln!(text, "\ntest {title} {{");
        let rule = ruleset.rules().find(|rule| rule.name == finding.rule);
        for fuse in rule.iter().flat_map(|rule| &rule.requires) {
            let _ok = writeln!(text, "with fuse {fuse} on");
        }
        let (at, file) = (quoted(&event.received), quoted(&name));
        let _ok = write!(text, "at {at}\nsend {}.{} from {file}", event.source, event.name);
        for (what, texts) in [("headers", &event.headers), ("query", &event.query)] {
            if !texts.is_empty() {
                let fields =
                    texts.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)));
                let _ok = write!(text, " {what} {{ {} }}", fields.collect::<Vec<_>>().join(", "));
            }
        }
        let _ok = writeln!(text, "\nexpect {} {outcome}\n}}", finding.rule);
    }
    let path = folder.join("found.rules");
    let text = fuse_rules::format("found.rules", &text)
        .map_err(|problems| format!("what was found cannot be written as tests: {problems}"))?;
    std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    output::print(&format!("saved {count} as {}\n", path.display()));
    Ok(())
}

/// What a test expects of a finding's rule; nothing where no event shows it.
fn outcome(kind: FindingKind) -> Option<&'static str> {
    match kind {
        FindingKind::Rejected => Some("rejected"),
        FindingKind::Unknown => Some("unknown"),
        FindingKind::Hostile => Some("fired"),
        FindingKind::NeverFired | FindingKind::AlwaysTogether | FindingKind::Disagreement => None,
    }
}

/// A file's name as it is used from a folder.
fn relative(folder: &Path, file: &Path) -> Result<String, String> {
    let whole = |path: &Path| {
        path.canonicalize().map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
    };
    let (folder, file) = (whole(folder)?, whole(file)?);
    let shared = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(file.components().skip(shared)).collect();
    Ok(path.to_string_lossy().into_owned())
}
