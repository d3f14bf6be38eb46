//! Problems as JSON lines, for programs.

use serde::Serialize;

use super::{Diagnostic, Diagnostics, Severity};
use crate::span::{Files, Place, Span};

#[derive(Serialize)]
struct Line<'a> {
    code: &'a str,
    severity: Severity,
    message: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    at: Option<Labelled<'a>>,
    related: Vec<Labelled<'a>>,
    fix: Option<Fix<'a>>,
}

#[derive(Serialize)]
struct Labelled<'a> {
    #[serde(flatten)]
    at: At<'a>,
    label: &'a str,
}

#[derive(Serialize)]
struct At<'a> {
    file: &'a str,
    start: Place,
    end: Place,
}

#[derive(Serialize)]
struct Fix<'a> {
    title: &'a str,
    safe: bool,
    edits: Vec<Edit<'a>>,
}

#[derive(Serialize)]
struct Edit<'a> {
    #[serde(flatten)]
    at: At<'a>,
    text: &'a str,
}

pub(super) fn json_lines(diagnostics: &Diagnostics) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        // Plain strings and numbers always serialize.
        out.push_str(
            &serde_json::to_string(&line(diagnostic, diagnostics.files())).unwrap_or_default(),
        );
        out.push('\n');
    }
    out
}

fn line<'a>(diagnostic: &'a Diagnostic, files: &'a Files) -> Line<'a> {
    let labelled =
        |label: &'a super::Label| Some(Labelled { at: at(files, label.span)?, label: &label.text });
    Line {
        code: diagnostic.topic.as_str(),
        severity: diagnostic.severity,
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        at: diagnostic.label.as_ref().and_then(labelled),
        related: diagnostic.related.iter().filter_map(labelled).collect(),
        fix: diagnostic.fix.as_ref().map(|fix| Fix {
            title: &fix.title,
            safe: fix.safe,
            edits: fix
                .edits
                .iter()
                .filter_map(|edit| Some(Edit { at: at(files, edit.span)?, text: &edit.text }))
                .collect(),
        }),
    }
}

fn at(files: &Files, span: Span) -> Option<At<'_>> {
    let file = files.get(span.file)?;
    let range = span.range();
    Some(At { file: file.name(), start: file.place(range.start), end: file.place(range.end) })
}
