//! Problems as SARIF 2.1.0, the exchange format of code scanners. Only the parts that fuse uses are
//! modelled here; the tests validate the output against the schema of the standard.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{Diagnostic, Diagnostics, Label, Severity, Topic};
use crate::span::{Files, Span};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The characters that must be escaped in the path of a URI.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message<'static>,
    help: Help,
}

#[derive(Serialize)]
struct Help {
    text: Cow<'static, str>,
    markdown: Cow<'static, str>,
}

#[derive(Serialize)]
struct Message<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Owned {
    text: String,
}

/// One result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Owned,
    locations: Vec<Location<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Clone, PartialEq, Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fix<'a> {
    description: Message<'a>,
    artifact_changes: Vec<Change<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    artifact_location: Artifact,
    replacements: Vec<Replacement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement<'a> {
    deleted_region: Region,
    inserted_content: Message<'a>,
}

pub(super) fn sarif(diagnostics: &Diagnostics) -> String {
    let mut topics: Vec<Topic> = diagnostics.iter().map(|diagnostic| diagnostic.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    let files = diagnostics.files();
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "fuse",
                    version: env!("CARGO_PKG_VERSION"),
                    rules: topics.iter().copied().map(rule).collect(),
                },
            },
            column_kind: "unicodeCodePoints",
            results: diagnostics.iter().map(|problem| finding(problem, &topics, files)).collect(),
        }],
    };
    // Plain strings and numbers always serialize.
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    text
}

fn rule(topic: Topic) -> Rule {
    Rule {
        id: topic.as_str(),
        short_description: Message { text: topic.title() },
        help: Help { text: topic.page(), markdown: topic.page() },
    }
}

fn finding<'a>(problem: &'a Diagnostic, topics: &[Topic], files: &Files) -> Finding<'a> {
    let message = match &problem.help {
        Some(help) => format!("{} (help: {help})", problem.message),
        None => problem.message.clone(),
    };
    let locate = |label: &'a Label| location(label, files);
    Finding {
        rule_id: problem.topic.as_str(),
        rule_index: topics.iter().position(|topic| *topic == problem.topic).unwrap_or_default(),
        level: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: Owned { text: message },
        locations: problem.label.iter().filter_map(locate).collect(),
        related_locations: problem.related.iter().filter_map(locate).collect(),
        fixes: problem.fix.iter().map(|fix| self::fix(fix, files)).collect(),
    }
}

fn location<'a>(label: &'a Label, files: &Files) -> Option<Location<'a>> {
    let (artifact_location, region) = place(label.span, files)?;
    let message = (!label.text.is_empty()).then_some(Message { text: &label.text });
    Some(Location { physical_location: Physical { artifact_location, region }, message })
}

fn fix<'a>(fix: &'a super::Fix, files: &Files) -> Fix<'a> {
    let mut changes: Vec<Change<'a>> = Vec::new();
    for edit in &fix.edits {
        let Some((artifact_location, deleted_region)) = place(edit.span, files) else { continue };
        let inserted_content = Message { text: &edit.text };
        let replacement = Replacement { deleted_region, inserted_content };
        match changes.iter_mut().find(|change| change.artifact_location == artifact_location) {
            Some(change) => change.replacements.push(replacement),
            None => changes.push(Change { artifact_location, replacements: vec![replacement] }),
        }
    }
    Fix { description: Message { text: &fix.title }, artifact_changes: changes }
}

fn place(span: Span, files: &Files) -> Option<(Artifact, Region)> {
    let file = files.get(span.file)?;
    let (start, end) = (file.place(span.range().start), file.place(span.range().end));
    let region = Region {
        start_line: start.line,
        start_column: start.column,
        end_line: end.line,
        end_column: end.column,
    };
    Some((Artifact { uri: uri(file.name()) }, region))
}

/// A file name as a URI: relative to the working directory like the name itself, or with `file://`.
fn uri(name: &str) -> String {
    let path = utf8_percent_encode(name, PATH);
    if name.starts_with('/') { format!("file://{path}") } else { path.to_string() }
}
