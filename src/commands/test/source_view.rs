//! Coverage as files for other tools: an HTML page with coloured rules, and lcov.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fuse_rules::diagnostic::{Files, SourceFile, Span};
use fuse_rules::testing::Coverage;

/// A span in a file, with its covered and missing outcomes.
struct Mark {
    span: Span,
    /// Each outcome or truth, and whether it was seen.
    seen: Vec<(String, bool)>,
}

impl Mark {
    fn missing(&self) -> Vec<&str> {
        self.seen.iter().filter(|(_, seen)| !seen).map(|(what, _)| what.as_str()).collect()
    }
}

/// The marks of each file, in their order.
fn marks(files: &Files, coverage: &Coverage) -> BTreeMap<String, Vec<Mark>> {
    let rules = coverage.rules.iter().map(|rule| {
        let outcomes = rule.outcomes.iter().map(|(outcome, seen)| (outcome.to_string(), *seen));
        let flow = rule.flow.iter().map(|(by, seen)| (format!("held back by {by}"), *seen));
        Mark { span: rule.span, seen: outcomes.chain(flow).collect() }
    });
    let atoms = coverage.atoms.iter().map(|atom| {
        let truths =
            [("true", atom.seen_true), ("false", atom.seen_false), ("unknown", atom.seen_unknown)];
        let seen = truths.into_iter().filter_map(|(what, seen)| Some((what.to_owned(), seen?)));
        Mark { span: atom.span, seen: seen.collect() }
    });
    let fuses = coverage.fuses.iter();
    let fuses = fuses.map(|fuse| Mark { span: fuse.span, seen: vec![("blown".into(), fuse.blew)] });
    let mut by_file: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
    for mark in rules.chain(atoms).chain(fuses) {
        if let Some(file) = files.get(mark.span.file) {
            by_file.entry(file.name().to_owned()).or_default().push(mark);
        }
    }
    for marks in by_file.values_mut() {
        // Outer spans come before inner ones.
        marks.sort_by_key(|mark| (mark.span.start, std::cmp::Reverse(mark.span.end)));
    }
    by_file
}

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c1c1c; background: #fff }
pre { background: #f6f6f4; padding: 1rem; overflow-x: auto; line-height: 1.6 }
mark { border-radius: 3px; padding: 1px 2px; color: inherit }
mark.all { background: #cfeccf } mark.part { background: #ffe3a3 } mark.none { background: #ffc9c4 }
mark.part::after, mark.none::after { content: ' never ' attr(data-missing); font-size: 11px; color: #7a2e00 }
.n { color: #999; user-select: none }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #e4e4e4 } pre { background: #1f1f1f }
  mark.all { background: #1d4422 } mark.part { background: #5a4409 } mark.none { background: #66221d }
  mark.part::after, mark.none::after { color: #ffc48a }
}";

/// A page with every file: covered parts in green, partly covered ones in yellow, and the others in
/// red.
pub(super) fn html(files: &Files, coverage: &Coverage) -> String {
    let (wanted, seen) = coverage.counts();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Coverage of rules</title>\n<style>\n{STYLE}\n</style>\n<h1>Coverage of rules: {:.1} %</h1>\n\
         <p>{seen} of {wanted} outcomes of rules and truths of conditions were seen in tests.</p>\n",
        coverage.percent()
    );
    for (name, marks) in marks(files, coverage) {
        let Some(file) = files.iter().find(|file| file.name() == name) else { continue };
        // Writing to a string cannot fail.
        let _ok = writeln!(out, "<h2>{}</h2>\n<pre>{}</pre>", escaped(&name), source(file, &marks));
    }
    out.push_str("</html>\n");
    out
}

/// The text of a file with line numbers, and with its marks.
fn source(file: &SourceFile, marks: &[Mark]) -> String {
    // The tags to insert at each byte: end tags come before start tags.
    let mut tags: BTreeMap<usize, (String, String)> = BTreeMap::new();
    for mark in marks {
        let missing = mark.missing();
        let class = match missing.len() {
            0 => "all",
            len if len == mark.seen.len() => "none",
            _ => "part",
        };
        let seen = mark
            .seen
            .iter()
            .map(|(what, seen)| format!("{what}: {}", if *seen { "seen" } else { "never" }));
        let title = seen.collect::<Vec<_>>().join(", ");
        let range = mark.span.range();
        let open = format!(
            "<mark class=\"{class}\" title=\"{}\" data-missing=\"{}\">",
            escaped(&title),
            escaped(&missing.join(", "))
        );
        tags.entry(range.start).or_default().1.push_str(&open);
        tags.entry(range.end).or_default().0.push_str("</mark>");
    }
    let mut out = String::new();
    let mut offset = 0;
    for (number, line) in file.text().split_inclusive('\n').enumerate() {
        let _ok = write!(out, "<span class=\"n\">{:>4}  </span>", number + 1);
        for (at, c) in line.char_indices() {
            if let Some((ends, starts)) = tags.get(&(offset + at)) {
                out.push_str(ends);
                out.push_str(starts);
            }
            out.push_str(&escaped(c.encode_utf8(&mut [0; 4])));
        }
        offset += line.len();
    }
    if let Some((ends, _)) = tags.get(&offset) {
        out.push_str(ends);
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The lcov format: a line is covered to the extent that its outcomes were seen; each outcome and
/// truth is a branch.
pub(super) fn lcov(files: &Files, coverage: &Coverage) -> String {
    let mut out = String::new();
    for (name, marks) in marks(files, coverage) {
        let Some(file) = files.iter().find(|file| file.name() == name) else { continue };
        let _ok = writeln!(out, "TN:\nSF:{name}");
        let mut lines: BTreeMap<usize, usize> = BTreeMap::new();
        let (mut found, mut hit) = (0, 0);
        for (block, mark) in marks.iter().enumerate() {
            let line = file.place(mark.span.range().start).line;
            let seen = mark.seen.iter().filter(|(_, seen)| *seen).count();
            *lines.entry(line).or_default() += seen;
            for (branch, (_, seen)) in mark.seen.iter().enumerate() {
                let _ok = writeln!(out, "BRDA:{line},{block},{branch},{}", usize::from(*seen));
            }
            found += mark.seen.len();
            hit += seen;
        }
        let _ok = writeln!(out, "BRF:{found}\nBRH:{hit}");
        for (line, seen) in &lines {
            let _ok = writeln!(out, "DA:{line},{seen}");
        }
        let covered = lines.values().filter(|seen| **seen > 0).count();
        let _ok = writeln!(out, "LF:{}\nLH:{covered}\nend_of_record", lines.len());
    }
    out
}
