//! Problems as text for people: each with its lines of the file, and what to write instead.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Fix, Label, Severity, Style};
use crate::span::{FileId, Files, Span};

pub(super) fn text(diagnostics: &Diagnostics, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    }
    .decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MAX_SHOWN) {
        let mut groups = vec![group(diagnostic, diagnostics.files())];
        groups.extend(diagnostic.fix.as_ref().map(|fix| suggestion(fix, diagnostics.files())));
        out.push_str(&renderer.render(&groups));
        out.push_str("\n\n");
    }
    if let Some(more) = diagnostics.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        // Writing to a string cannot fail.
        let _ok = writeln!(out, "... and {more} more; `--format json` has them all\n");
    }
    out
}

/// The number of problems that are shown to people; nobody reads more.
const MAX_SHOWN: usize = 200;

fn group<'a>(diagnostic: &'a Diagnostic, files: &'a Files) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.topic.as_str());
    let mut group = Group::with_title(title);
    // One snippet per file: first the file of the problem, then those of the related spans.
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
        // Only include the lines with labels: a report with many problems must not read the
        // complete file for each.
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
    // The title of a fix is printed below.
    let said = |help: &&String| diagnostic.fix.as_ref().is_some_and(|fix| fix.title == **help);
    match diagnostic.help.as_ref().filter(|help| !said(help)) {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    }
}

/// The lines that a fix changes, before and after.
fn suggestion<'a>(fix: &'a Fix, files: &'a Files) -> Group<'a> {
    let mut group = Group::with_title(Level::HELP.secondary_title(&fix.title));
    let mut ids: Vec<FileId> = fix.edits.iter().map(|edit| edit.span.file).collect();
    ids.dedup();
    for id in ids {
        let Some(file) = files.get(id) else { continue };
        let here = || fix.edits.iter().filter(|edit| edit.span.file == id);
        let starts = here().map(|edit| edit.span.range().start);
        let ends = here().map(|edit| edit.span.range().end);
        let Some((lines, text)) = file.lines(starts.min(), ends.max()) else { continue };
        let patches = here().map(|edit| {
            Patch::new(inside(edit.span, lines.offset, text.len()), edit.text.as_str())
        });
        group = group.element(Snippet::source(text).line_start(lines.first).patches(patches));
    }
    group
}

fn annotation(kind: AnnotationKind, label: &Label, offset: usize, len: usize) -> Annotation<'_> {
    let annotation = kind.span(inside(label.span, offset, len));
    if label.text.is_empty() { annotation } else { annotation.label(&label.text) }
}

/// A span as a range in a part of the file that starts at `offset`.
fn inside(span: Span, offset: usize, len: usize) -> Range<usize> {
    let cut = |at: usize| at.saturating_sub(offset).min(len);
    let range = span.range();
    cut(range.start)..cut(range.end)
}
