//! Paths: what they start with, and what can be known of where they lead.

use std::sync::Arc;

use super::Checker;
use super::expressions::{Scope, broken};
use super::names::What;
use super::scope::Place;
use super::typed::{Expr, ExprKind, Path, Root, Segment};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::span::Span;
use crate::syntax::ast::{Step, Text};
use crate::value::{Kinds, Value};

/// The fields of the root `event`.
pub(crate) const EVENT_FIELDS: [&str; 6] = ["id", "source", "name", "time", "type", "subject"];
pub(super) const ROOTS: [&str; 4] = ["body", "headers", "query", "event"];

impl Checker<'_> {
    pub(super) fn path(
        &mut self,
        root: &Text,
        steps: &[Step],
        span: Span,
        scope: &Scope,
    ) -> (Expr, Kinds) {
        let mut segments = segments(steps);
        let bound = scope.bound.iter().rposition(|name| name.text == root.text);
        if bound.is_none() && ROOTS.contains(&root.text.as_str()) && self.no_event(root, scope) {
            return broken(span);
        }
        let (resolved, kinds) = match (root.text.as_str(), bound) {
            (_, Some(level)) => {
                let parameter = scope.parameters.get(level).filter(|_| segments.is_empty());
                let level = u32::try_from(level).unwrap_or(u32::MAX);
                (Root::Element(level), parameter.copied().unwrap_or(Kinds::JSON))
            }
            ("body", _) => (Root::Body, Kinds::JSON),
            ("headers", _) => {
                if let Some(Segment::Key(key)) = segments.first_mut() {
                    key.make_ascii_lowercase();
                }
                (Root::Headers, text_map_kinds(&segments))
            }
            ("query", _) => (Root::Query, text_map_kinds(&segments)),
            ("event", _) => {
                let field = match segments.as_slice() {
                    [Segment::Key(key)] => key.clone(),
                    _ => String::new(),
                };
                if !EVENT_FIELDS.contains(&field.as_str()) {
                    let help = suggest::help(&field, EVENT_FIELDS, "its fields are");
                    self.report(
                        Diagnostic::error(Code::E0211, span, "`event` has no such field")
                            .label("not known")
                            .maybe_help(help.map(|h| format!("{h}; what was sent is `body`"))),
                    );
                    return broken(span);
                }
                (Root::Event, Kinds::STRING)
            }
            _ => {
                if let Some(constant) = self.constant_path(root, steps, span) {
                    return constant;
                }
                self.unknown_root(root, segments.is_empty(), scope);
                return broken(span);
            }
        };
        let inside = matches!(segments.as_slice(), [Segment::Index(_), ..] | [_, _, ..]);
        if matches!(resolved, Root::Headers | Root::Query) && inside {
            let what = if resolved == Root::Headers { "header" } else { "parameter" };
            self.report(
                Diagnostic::error(Code::E0301, span, format!("a {what} is one string"))
                    .label("nothing is inside of it")
                    .help(format!("name it whole, as in `{}[\"x-name\"]`", root.text)),
            );
            return broken(span);
        }
        let text = path_text(&root.text, &segments);
        let path = Path { root: resolved, segments, text };
        (Expr { kind: ExprKind::Path(path), span }, kinds)
    }

    /// Reports a part of the event where there is none.
    fn no_event(&mut self, root: &Text, scope: &Scope) -> bool {
        let name = &root.text;
        let (message, help) = match &scope.place {
            Place::Rule => return false,
            Place::Const => (
                "a constant does not depend on the event".to_owned(),
                "write a value, or a condition with a parameter: `condition is-x(p) = …`"
                    .to_owned(),
            ),
            Place::Condition(condition) => (
                format!(
                    "condition `{condition}` sees its parameters and constants, and not `{name}`"
                ),
                format!("add a parameter, and pass it: `{condition}({name})`"),
            ),
        };
        let problem = Diagnostic::error(Code::E0213, root.span, message);
        self.report(problem.label("a part of the event").help(help));
        true
    }

    fn unknown_root(&mut self, root: &Text, alone: bool, scope: &Scope) {
        let roots = if matches!(scope.place, Place::Rule) { &ROOTS[..] } else { &[] };
        let consts = self.names.all_seen(What::Const, root.span.file);
        let bound = scope.bound.iter().map(|name| name.text.as_str());
        let known = bound.chain(roots.iter().copied()).chain(consts);
        let name = &root.text;
        let help = match (suggest::nearest(name, known), name.as_str()) {
            (_, "True" | "yes" | "Yes" | "TRUE") => "write `true`".to_owned(),
            (_, "False" | "no" | "No" | "FALSE") => "write `false`".to_owned(),
            (_, "nil" | "None" | "undefined" | "missing") => {
                "ask `is missing`, or `is null` for a value that is null".to_owned()
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, _) if roots.is_empty() => {
                format!(
                    "text stands in quotes: \"{name}\"; a constant is declared with `const {name} = …`"
                )
            }
            (None, _) if alone => format!(
                "text stands in quotes: \"{name}\"; a field of what was sent is `body.{name}`"
            ),
            (None, _) => format!(
                "a field of what was sent is `body.{name}`; a name for an element comes from `each {name} in …`"
            ),
        };
        self.report(
            Diagnostic::error(Code::E0201, root.span, format!("nothing here is called `{name}`"))
                .label("not known")
                .help(help),
        );
    }
}

/// The steps as they are evaluated.
pub(super) fn segments(steps: &[Step]) -> Vec<Segment> {
    steps.iter().map(|step| step.segment.clone()).collect()
}

/// Headers and the query are maps of strings.
fn text_map_kinds(segments: &[Segment]) -> Kinds {
    if segments.is_empty() { Kinds::MAP } else { Kinds::STRING }
}

/// A path as an author would write it.
pub(crate) fn path_text(root: &str, segments: &[Segment]) -> Arc<str> {
    let mut text = root.to_owned();
    for segment in segments {
        match segment {
            Segment::Key(key) if is_name(key) => {
                text.push('.');
                text.push_str(key);
            }
            // Whole, however long: different paths have different texts.
            Segment::Key(key) => {
                let key = Value::text(key.clone()).to_json_text().unwrap_or_default();
                text.push_str(&format!("[{key}]"));
            }
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text.into()
}

fn is_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && !key.ends_with('-')
        && !key.contains("--")
}
