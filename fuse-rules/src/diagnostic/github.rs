//! Problems as workflow commands of GitHub Actions, which annotate the lines of a change.

use super::{Diagnostic, Diagnostics, Severity};
use crate::span::Files;

pub(super) fn github(diagnostics: &Diagnostics) -> String {
    diagnostics.iter().map(|diagnostic| command(diagnostic, diagnostics.files())).collect()
}

fn command(diagnostic: &Diagnostic, files: &Files) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = Vec::new();
    let place = diagnostic.label.as_ref().and_then(|l| Some((files.get(l.span.file)?, l.span)));
    if let Some((file, span)) = place {
        let (start, end) = (file.place(span.range().start), file.place(span.range().end));
        properties.push(("file", file.name().to_owned()));
        properties.push(("line", start.line.to_string()));
        properties.push(("endLine", end.line.to_string()));
        // GitHub ignores columns unless the range is on one line.
        if start.line == end.line {
            properties.push(("col", start.column.to_string()));
            properties.push(("endColumn", end.column.to_string()));
        }
    }
    properties.push(("title", format!("{} {}", diagnostic.topic, diagnostic.topic.title())));
    let properties: Vec<String> =
        properties.into_iter().map(|(key, value)| format!("{key}={}", property(&value))).collect();
    let mut message = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        message.push_str("\nhelp: ");
        message.push_str(help);
    }
    format!("::{word} {}::{}\n", properties.join(","), data(&message))
}

/// Escapes the characters that would end a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// In a property, the separators must be escaped too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
