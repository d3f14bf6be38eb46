//! Paths: resolves their roots, and follows their steps through the types.

use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;

use super::Checker;
use super::expressions::unchecked;
use super::names::DeclarationKind;
use super::scope::{PathParameter, Scope, ScopeKind};
use super::value_keys::ValueKey;
use crate::diagnostic::{Code, Diagnostic, Fix, suggest};
use crate::path::{EVENT_FIELDS, OUTCOME, PATH_FIELD, ROOTS, path_text};
use crate::span::Span;
use crate::syntax::ast::{PathStep, Text};
use crate::syntax::is_name;
use crate::typed::{Expr, ExprKind, Path, Root, Segment};
use crate::types::{Format, Known, Record, RecordMember, Rest, StepError, Ty};
use crate::value::{Kinds, Value};

impl Checker<'_> {
    pub(super) fn path(
        &mut self,
        root: &Text,
        steps: &[PathStep],
        span: Span,
        scope: &Scope,
    ) -> (Expr, Known) {
        if let Some(index) = scope.let_index(&root.text) {
            return self.let_path(index, root, steps, span, scope);
        }
        let mut segments = segments(steps);
        let level = scope.level(&root.text);
        if let Some(binding) = level.and_then(|level| scope.bound.get(level)) {
            self.names.references().add(root.span, binding.name.span);
        }
        if level.is_none()
            && ROOTS.contains(&root.text.as_str())
            && self.report_missing_event(root, scope)
        {
            return unchecked(span);
        }
        let resolved = match (root.text.as_str(), level) {
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
            (OUTCOME, _) if scope.outcome.is_some() => Root::Outcome,
            _ => {
                if let Some(constant) = self.constant_path(root, steps, span) {
                    return constant;
                }
                self.unknown_root(root, segments.is_empty(), scope);
                return unchecked(span);
            }
        };
        if let Some(problem) = misused(resolved, root, &segments, span, scope) {
            self.report(problem);
            return unchecked(span);
        }
        let (from, known) = scope.start(resolved, &segments);
        let base = |at: usize| scope.text(resolved, segments.get(..at).unwrap_or(&[]));
        let Some(known) = self.steps(known, steps.get(from..).unwrap_or(&[]), from, &base) else {
            return unchecked(span);
        };
        let text = path_text(&root.text, &segments);
        let path = Path { root: resolved, segments, text };
        (Expr { kind: ExprKind::Path(path), span }, known)
    }

    /// Follows the steps from a value; `None` if one of them leads nowhere, which is reported.
    /// `base` is the text of the value before a step, and `from` the index of the first step.
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
                    self.report(no_such_step(step, &known, &base(), wrong));
                    return None;
                }
            }
        }
        Some(known)
    }

    /// Reports a path into the event where there is no event.
    fn report_missing_event(&mut self, root: &Text, scope: &Scope) -> bool {
        let name = &root.text;
        let (message, help) = match &scope.kind {
            ScopeKind::Rule => return false,
            ScopeKind::Const => (
                "a constant cannot depend on the event".to_owned(),
                "write a value, or a condition with a parameter: `condition is-x(p) = …`"
                    .to_owned(),
            ),
            ScopeKind::Fuse => (
                "a fuse has no event that its reaction could read".to_owned(),
                "read `outcome.fuse`, `outcome.rule`, `outcome.reason` or `outcome.event`"
                    .to_owned(),
            ),
            ScopeKind::Test => (
                "the values in a test cannot depend on an event".to_owned(),
                "write the value itself, or the name of a constant".to_owned(),
            ),
            ScopeKind::Condition(condition) => (
                format!(
                    "condition `{condition}` can only use its parameters and constants, not `{name}`"
                ),
                format!("add a parameter, and pass it: `{condition}({name})`"),
            ),
        };
        let problem = Diagnostic::error(Code::E0213, root.span, message);
        self.report(problem.label("a part of the event").help(help));
        true
    }

    fn unknown_root(&mut self, root: &Text, alone: bool, scope: &Scope) {
        if let Some(later) = scope.later.iter().find(|later| later.text == root.text) {
            return self.report(
                Diagnostic::error(
                    Code::E0201,
                    root.span,
                    format!("`{}` has no value yet", root.text),
                )
                .label("used before its `let`")
                .related(later.span, "defined here")
                .help("move the `let` above the clauses that use it"),
            );
        }
        let roots = if matches!(scope.kind, ScopeKind::Rule) { &ROOTS[..] } else { &[] };
        let consts = self.names.all_seen(DeclarationKind::Const, root.span.file);
        let bound = scope.bound.iter().map(|bound| bound.name.text.as_str());
        let lets = scope.lets.iter().map(|own| own.name.text.as_str());
        let known = bound.chain(lets).chain(roots.iter().copied()).chain(consts);
        let name = &root.text;
        let fields = scope.known(&ValueKey::Event(Root::Body, Vec::new()));
        let of_body = matches!(scope.kind, ScopeKind::Rule)
            && !fields.ty.is_any()
            && fields.step(&Segment::Key(name.clone()), false, &|| "body".into()).is_ok();
        let help = match (suggest::misspelt(name, known.clone()), name.as_str()) {
            _ if of_body => format!("did you mean `body.{name}`?"),
            (_, OUTCOME) => {
                "only a reaction has an outcome: `on failure { … }`, after the triggers of the rule"
                    .to_owned()
            }
            (_, "True" | "yes" | "Yes" | "TRUE") => "write `true`".to_owned(),
            (_, "False" | "no" | "No" | "FALSE") => "write `false`".to_owned(),
            (_, "nil" | "None" | "undefined" | "missing") => {
                "write `is missing`, or `is null` for a value that is null".to_owned()
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, _) if roots.is_empty() => format!(
                "put text in quotes: \"{name}\"; declare a constant with `const {name} = …`"
            ),
            (None, _) if alone => {
                format!("put text in quotes: \"{name}\"; a field of the event is `body.{name}`")
            }
            (None, _) => format!(
                "a field of the event is `body.{name}`; bind an element with `each {name} in …`"
            ),
        };
        let fix = match name.as_str() {
            "True" | "TRUE" | "yes" | "Yes" => Some(Fix::safe("write `true`", root.span, "true")),
            "False" | "FALSE" | "no" | "No" => Some(Fix::safe("write `false`", root.span, "false")),
            "nil" | "None" | "undefined" | "missing" => None,
            _ => suggest::fix(name, root.span, known.clone()),
        };
        self.report(
            Diagnostic::error(Code::E0201, root.span, format!("unknown name `{name}`"))
                .label("not known")
                .help(help)
                .candidates(name, known)
                .maybe_fix(fix),
        );
    }
}

/// A misuse of `event`, a header or a parameter that is apparent from the path alone.
pub(super) fn misused(
    resolved: Root,
    root: &Text,
    segments: &[Segment],
    span: Span,
    scope: &Scope,
) -> Option<Diagnostic> {
    match (resolved, segments) {
        (Root::Event, [Segment::Key(path), Segment::Key(name)]) if path == PATH_FIELD => {
            let known: Vec<String> =
                scope.parameters().iter().map(|own| own.name.clone()).collect();
            (!known.contains(name)).then(|| unknown_parameter(name, &known, span))
        }
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
                    .candidates(field, EVENT_FIELDS)
                    .maybe_help(help.map(|h| format!("{h}; the body of the event is `body`"))),
            )
        }
        (Root::Headers | Root::Query, [Segment::Index(_), ..] | [_, _, ..]) => {
            let what = if resolved == Root::Headers { "header" } else { "parameter" };
            Some(
                Diagnostic::error(Code::E0301, span, format!("a {what} is one string"))
                    .label("it has no fields or elements")
                    .help(format!(
                        "put the whole name in brackets, as in `{}[\"x-name\"]`",
                        root.text
                    )),
            )
        }
        _ => None,
    }
}

/// A parameter that the event's path does not have.
pub(super) fn unknown_parameter(name: &str, known: &[String], span: Span) -> Diagnostic {
    let names = known.iter().map(String::as_str);
    let help = match known {
        [] => {
            format!("its path has no parameters; declare one, as in `path = \"/hooks/{{{name}}}\"`")
        }
        _ => suggest::help(name, names.clone(), "its parameters are").unwrap_or_default(),
    };
    Diagnostic::error(Code::E0211, span, format!("the event's path has no parameter `{name}`"))
        .label("not known")
        .help(help)
        .candidates(name, names)
}

/// The problem of a step that leads nowhere.
fn no_such_step(step: &PathStep, from: &Known, base: &str, wrong: StepError) -> Diagnostic {
    let problem = |message: String| Diagnostic::error(Code::E0203, step.span, message);
    let (names, open) = match (&step.segment, wrong) {
        (Segment::Key(_), StepError::NoField { known, open }) => (known, open),
        (Segment::Index(_), _) => {
            return problem(format!("`{base}` is {}, which has no elements", from.kinds()))
                .label("not a list");
        }
        (Segment::Key(key), StepError::NothingInside) => {
            let what = match from.kinds() {
                Kinds::NOTHING => "missing here".to_owned(),
                kinds => format!("{kinds}, which has no fields"),
            };
            let problem =
                problem(format!("`{base}` is {what}")).label("it has no fields or elements");
            return if from.kinds().meets(Kinds::LIST) {
                problem.help(format!(
                    "iterate over its elements: `each x in {base}`, or `any(x in {base}: x.{key} …)`"
                ))
            } else if let Some(written) = base.strip_prefix("json(") {
                problem
                    .help(format!("`json` writes JSON; to read it, write `parse-json({written}`"))
            } else {
                problem
            };
        }
    };
    let Segment::Key(key) = &step.segment else {
        return problem("there is nothing at this path".to_owned());
    };
    let near = suggest::nearest(key, names.iter().map(AsRef::as_ref));
    let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let by_key = Value::text(key.as_str()).to_json_text().unwrap_or_default();
    let help = match (near, open) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, false) if listed.is_empty() => "its type has no fields".to_owned(),
        (None, false) => format!("its fields are: {}", listed.join(", ")),
        (None, true) if listed.len() <= 12 => format!(
            "its fields are: {}; read a field that its type does not list as `{base}[{by_key}]`",
            listed.join(", ")
        ),
        (None, true) => {
            format!("read a field that its type does not list as `{base}[{by_key}]`")
        }
    };
    // If the span of a key differs from its text, the key is in brackets.
    let bare = step.span.range().len() == key.len();
    let fix = near
        .filter(|near| bare && is_name(near))
        .map(|near| Fix::new(help.clone(), step.span, near));
    problem(format!("`{base}` has no field `{key}`"))
        .label("not in its type")
        .help(help)
        .candidates(key, names.iter().map(AsRef::as_ref))
        .maybe_fix(fix)
}

/// The type of `event`, for an event whose path has these parameters.
pub(super) fn event_type(parameters: &[PathParameter]) -> Ty {
    static PLAIN: LazyLock<Ty> = LazyLock::new(|| typed_event(&[]));
    match parameters {
        [] => PLAIN.clone(),
        parameters => typed_event(parameters),
    }
}

fn typed_event(parameters: &[PathParameter]) -> Ty {
    let text = |optional| RecordMember { ty: Ty::string(), optional };
    let field = |name: &str| {
        let ty = if name == "time" { Ty::format(Format::Timestamp) } else { Ty::string() };
        (Arc::from(name), RecordMember { ty, optional: false })
    };
    // `type` and `subject` depend on the sender, because they are CloudEvents headers.
    let mut fields: IndexMap<_, _> =
        ["id", "source", "name", "time"].into_iter().map(field).collect();
    if !parameters.is_empty() {
        let of_path = parameters
            .iter()
            .map(|own| (Arc::from(own.name.as_str()), text(own.optional)))
            .collect();
        let ty = Ty::record(Record { fields: of_path, rest: Rest::Nothing });
        // An event without parameters has no `path` at all.
        let optional = parameters.iter().all(|own| own.optional);
        fields.insert(Arc::from(PATH_FIELD), RecordMember { ty, optional });
    }
    Ty::record(Record { fields, rest: Rest::Each(Ty::string()) })
}

/// The steps in the form for evaluation.
pub(super) fn segments(steps: &[PathStep]) -> Vec<Segment> {
    steps.iter().map(|step| step.segment.clone()).collect()
}
