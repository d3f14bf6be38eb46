//! Paths: what they start with, and what is known of where they lead.

use std::sync::{Arc, LazyLock};

use super::Checker;
use super::expressions::broken;
use super::names::What;
use super::scope::{Place, Scope};
use crate::diagnostic::{Code, Diagnostic, Fix, suggest};
use crate::path::{EVENT_FIELDS, ROOTS, path_text};
use crate::span::Span;
use crate::syntax::ast::{PathStep, Text};
use crate::typed::{Expr, ExprKind, Path, Root, Segment};
use crate::types::{Field, Format, Known, Record, Rest, Ty, Wrong};
use crate::value::{Kinds, Value};

impl Checker<'_> {
    pub(super) fn path(
        &mut self,
        root: &Text,
        steps: &[PathStep],
        span: Span,
        scope: &Scope,
    ) -> (Expr, Known) {
        let mut segments = segments(steps);
        let bound = scope.level(&root.text).is_some();
        if !bound && ROOTS.contains(&root.text.as_str()) && self.no_event(root, scope) {
            return broken(span);
        }
        let resolved = match (root.text.as_str(), scope.level(&root.text)) {
            (_, Some(level)) => Root::Element(u32::try_from(level).unwrap_or(u32::MAX)),
            ("body", _) => Root::Body,
            ("headers", _) => {
                if let Some(Segment::Key(key)) = segments.first_mut() {
                    key.make_ascii_lowercase();
                }
                Root::Headers
            }
            ("query", _) => Root::Query,
            ("event", _) => Root::Event,
            _ => {
                if let Some(constant) = self.constant_path(root, steps, span) {
                    return constant;
                }
                self.unknown_root(root, segments.is_empty(), scope);
                return broken(span);
            }
        };
        if let Some(problem) = misused(resolved, root, &segments, span) {
            self.report(problem);
            return broken(span);
        }
        let (from, known) = scope.start(resolved, &segments);
        let base = |at: usize| scope.text(resolved, segments.get(..at).unwrap_or(&[]));
        let Some(known) = self.steps(known, steps.get(from..).unwrap_or(&[]), from, &base) else {
            return broken(span);
        };
        let text = path_text(&root.text, &segments);
        let path = Path { root: resolved, segments, text };
        (Expr { kind: ExprKind::Path(path), span }, known)
    }

    /// Follows steps from a value; `None` where one leads nowhere, which is reported. `base` names
    /// the value before a step, and `from` is the number of the first.
    pub(super) fn steps(
        &mut self,
        mut known: Known,
        steps: &[PathStep],
        from: usize,
        base: &dyn Fn(usize) -> Arc<str>,
    ) -> Option<Known> {
        for (at, step) in steps.iter().enumerate() {
            let base = || base(from + at);
            match known.step(&step.segment, step.quoted, &base) {
                Ok(next) => known = next,
                Err(wrong) => {
                    self.report(nowhere(step, &known, &base(), wrong));
                    return None;
                }
            }
        }
        Some(known)
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
            Place::Test => (
                "what a test says does not depend on an event".to_owned(),
                "write the value itself, or the name of a constant".to_owned(),
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
        let bound = scope.bound.iter().map(|bound| bound.name.text.as_str());
        let known = bound.chain(roots.iter().copied()).chain(consts);
        let name = &root.text;
        let fields = scope.known(&(Root::Body, Vec::new()));
        let of_body = matches!(scope.place, Place::Rule)
            && !fields.ty.is_any()
            && fields.step(&Segment::Key(name.clone()), false, &|| "body".into()).is_ok();
        let help = match (suggest::misspelt(name, known.clone()), name.as_str()) {
            _ if of_body => format!("did you mean `body.{name}`?"),
            (_, "True" | "yes" | "Yes" | "TRUE") => "write `true`".to_owned(),
            (_, "False" | "no" | "No" | "FALSE") => "write `false`".to_owned(),
            (_, "nil" | "None" | "undefined" | "missing") => {
                "ask `is missing`, or `is null` for a value that is null".to_owned()
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, _) if roots.is_empty() => format!(
                "text stands in quotes: \"{name}\"; a constant is declared with `const {name} = …`"
            ),
            (None, _) if alone => format!(
                "text stands in quotes: \"{name}\"; a field of what was sent is `body.{name}`"
            ),
            (None, _) => format!(
                "a field of what was sent is `body.{name}`; a name for an element comes from `each {name} in …`"
            ),
        };
        let fix = match name.as_str() {
            "True" | "TRUE" | "yes" | "Yes" => Some(Fix::safe("write `true`", root.span, "true")),
            "False" | "FALSE" | "no" | "No" => Some(Fix::safe("write `false`", root.span, "false")),
            "nil" | "None" | "undefined" | "missing" => None,
            _ => suggest::fix(name, root.span, known),
        };
        self.report(
            Diagnostic::error(Code::E0201, root.span, format!("nothing here is called `{name}`"))
                .label("not known")
                .help(help)
                .maybe_fix(fix),
        );
    }
}

/// A use of `event`, a header or a parameter that can be told from the path alone.
fn misused(resolved: Root, root: &Text, segments: &[Segment], span: Span) -> Option<Diagnostic> {
    match (resolved, segments) {
        (Root::Event, [Segment::Key(key)]) if EVENT_FIELDS.contains(&key.as_str()) => None,
        (Root::Event, _) => {
            let field = match segments {
                [Segment::Key(key)] => key.as_str(),
                _ => "",
            };
            let help = suggest::help(field, EVENT_FIELDS, "its fields are");
            Some(
                Diagnostic::error(Code::E0211, span, "`event` has no such field")
                    .label("not known")
                    .maybe_help(help.map(|h| format!("{h}; what was sent is `body`"))),
            )
        }
        (Root::Headers | Root::Query, [Segment::Index(_), ..] | [_, _, ..]) => {
            let what = if resolved == Root::Headers { "header" } else { "parameter" };
            Some(
                Diagnostic::error(Code::E0301, span, format!("a {what} is one string"))
                    .label("nothing is inside of it")
                    .help(format!("name it whole, as in `{}[\"x-name\"]`", root.text)),
            )
        }
        _ => None,
    }
}

/// The problem of a step that leads nowhere.
fn nowhere(step: &PathStep, from: &Known, base: &str, wrong: Wrong) -> Diagnostic {
    let problem = |message: String| Diagnostic::error(Code::E0203, step.span, message);
    let (names, open) = match (&step.segment, wrong) {
        (Segment::Key(_), Wrong::NoField { known, open }) => (known, open),
        (Segment::Index(_), _) => {
            return problem(format!("`{base}` is {}, which has no elements", from.kinds()))
                .label("not a list");
        }
        (Segment::Key(key), Wrong::NothingInside) => {
            let what = match from.kinds() {
                Kinds::NOTHING => "missing here".to_owned(),
                kinds => format!("{kinds}, which has no fields"),
            };
            let problem = problem(format!("`{base}` is {what}")).label("nothing is inside of it");
            return if from.kinds().meets(Kinds::LIST) {
                problem.help(format!(
                    "go through its elements: `each x in {base}`, or `any(x in {base}: x.{key} …)`"
                ))
            } else {
                problem
            };
        }
    };
    let Segment::Key(key) = &step.segment else { return problem("this leads nowhere".to_owned()) };
    let near = suggest::nearest(key, names.iter().map(AsRef::as_ref));
    let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let by_key = Value::text(key.as_str()).to_json_text().unwrap_or_default();
    let help = match (near, open) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, false) if listed.is_empty() => "its type has no fields".to_owned(),
        (None, false) => format!("its fields are: {}", listed.join(", ")),
        (None, true) if listed.len() <= 12 => format!(
            "its fields are: {}; one that its type does not list is read as `{base}[{by_key}]`",
            listed.join(", ")
        ),
        (None, true) => {
            format!("a field that its type does not list is read as `{base}[{by_key}]`")
        }
    };
    // A key in brackets has another span than its text.
    let bare = step.span.range().len() == key.len();
    let fix = near.filter(|_| bare).map(|near| Fix::new(help.clone(), step.span, near));
    problem(format!("`{base}` has no field `{key}`"))
        .label("not in its type")
        .help(help)
        .maybe_fix(fix)
}

/// The type of `event`.
pub(super) fn event_type() -> Ty {
    static TYPE: LazyLock<Ty> = LazyLock::new(|| {
        let field = |name: &str| {
            let ty = if name == "time" { Ty::format(Format::Timestamp) } else { Ty::string() };
            (Arc::from(name), Field { ty, optional: false })
        };
        // `type` and `subject` are there where the sender says so, in the headers of CloudEvents.
        let fields = ["id", "source", "name", "time"].into_iter().map(field).collect();
        Ty::record(Record { fields, rest: Rest::Each(Ty::string()) })
    });
    TYPE.clone()
}

/// The steps as they are evaluated.
pub(super) fn segments(steps: &[PathStep]) -> Vec<Segment> {
    steps.iter().map(|step| step.segment.clone()).collect()
}
