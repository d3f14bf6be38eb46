//! How problems look: text with the lines of the file, or JSON lines.

use std::fmt::Write as _;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::{Diagnostic, Diagnostics, Label, Severity, Style};
use crate::span::{FileId, Files, Place};

pub(super) fn text(diagnostics: &Diagnostics, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    }
    .decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MOST) {
        out.push_str(&renderer.render(&[group(diagnostic, diagnostics.files())]));
        out.push_str("\n\n");
    }
    if let Some(more) = diagnostics.len().checked_sub(MOST).filter(|more| *more > 0) {
        // Writing to a string cannot fail.
        let _ok = writeln!(out, "... and {more} more; `--format json` has them all\n");
    }
    out
}

/// How many problems are shown to people; nobody reads on.
const MOST: usize = 200;

fn group<'a>(diagnostic: &'a Diagnostic, files: &'a Files) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code.as_str());
    let mut group = Group::with_title(title);
    // One snippet a file: the file of the fault first, then those of the related places.
    let mut ids: Vec<FileId> = Vec::new();
    for label in diagnostic.label.iter().chain(&diagnostic.related) {
        if !ids.contains(&label.span.file) {
            ids.push(label.span.file);
        }
    }
    for id in ids {
        let Some(file) = files.get(id) else { continue };
        let primary = diagnostic.label.iter().map(|l| (AnnotationKind::Primary, l));
        let related = diagnostic.related.iter().map(|l| (AnnotationKind::Context, l));
        let here: Vec<(AnnotationKind, &Label)> =
            primary.chain(related).filter(|(_, label)| label.span.file == id).collect();
        // Only the lines that are spoken of: a report of many problems must not read the whole file
        // for each.
        let starts = here.iter().map(|(_, label)| label.span.range().start);
        let ends = here.iter().map(|(_, label)| label.span.range().end);
        let Some((lines, text)) = file.lines(starts.min(), ends.max()) else { continue };
        let annotations: Vec<Annotation<'_>> = here
            .into_iter()
            .map(|(kind, label)| annotation(kind, label, lines.offset, text.len()))
            .collect();
        group = group.element(
            Snippet::source(text)
                .line_start(lines.first)
                .path(file.name())
                .annotations(annotations),
        );
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    }
}

fn annotation(kind: AnnotationKind, label: &Label, offset: usize, len: usize) -> Annotation<'_> {
    let range = label.span.range();
    let inside = |at: usize| at.saturating_sub(offset).min(len);
    let annotation = kind.span(inside(range.start)..inside(range.end));
    if label.text.is_empty() { annotation } else { annotation.label(&label.text) }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    code: &'a str,
    severity: Severity,
    message: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    at: Option<JsonPlace<'a>>,
    related: Vec<JsonPlace<'a>>,
}

#[derive(Serialize)]
struct JsonPlace<'a> {
    file: &'a str,
    start: Place,
    end: Place,
    label: &'a str,
}

pub(super) fn json_lines(diagnostics: &Diagnostics) -> String {
    let place = |label: &'_ Label| {
        diagnostics.files().get(label.span.file).map(|file| JsonPlace {
            file: file.name(),
            start: file.place(label.span.start as usize),
            end: file.place(label.span.end as usize),
            label: "",
        })
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        fn with_text<'a>(mut at: JsonPlace<'a>, label: &'a Label) -> JsonPlace<'a> {
            at.label = &label.text;
            at
        }
        let line = JsonLine {
            code: diagnostic.code.as_str(),
            severity: diagnostic.severity,
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            at: diagnostic.label.as_ref().and_then(|l| Some(with_text(place(l)?, l))),
            related: diagnostic
                .related
                .iter()
                .filter_map(|l| Some(with_text(place(l)?, l)))
                .collect(),
        };
        // Plain strings and numbers always serialize.
        out.push_str(&serde_json::to_string(&line).unwrap_or_default());
        out.push('\n');
    }
    out
}
