//! Reports values that are required but may be missing.

use super::Checker;
use super::operands::test_for;
use super::scope::Scope;
use super::value_keys::ValueKey;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::FieldType;
use crate::typed::{Expr, ExprKind, Root, Shown};
use crate::types::{Absence, Known, Missing};
use crate::value::Kinds;

/// The part of an expression that may be missing or null.
enum MissingPart {
    /// An element that a quantifier in the expression binds, or a part of it.
    Element,
    /// A value that a condition can test first, and the condition.
    Testable(String),
}

impl Checker<'_> {
    /// Reports a value that is required but may be missing. If only the sender knows, as for a key
    /// of a map, the action is rejected when the value is missing.
    pub(super) fn require_value(
        &mut self,
        key: &str,
        ty: Option<&FieldType>,
        (expr, known): (&Expr, &Known),
        absence: &Absence,
        scope: &Scope,
    ) {
        // A default does not help if the value may be unknown.
        let (path, unknown) = match (&absence.absent, &absence.unknown) {
            (_, Missing::Declared(path)) => (path, true),
            (Missing::Declared(path), _) => (path, false),
            _ => return,
        };
        let default = match ty.map(FieldType::kinds) {
            Some(Kinds::NUMBER) => "0",
            Some(Kinds::BOOL) => "false",
            _ => "\"…\"",
        };
        // In a text, the best place for a default is next to the value that may be missing.
        let parts: &[Expr] = match &expr.kind {
            ExprKind::Concat(parts) => parts,
            _ => &[],
        };
        let part = parts.iter().find(|part| Shown(part).to_string().contains(&**path));
        let shown = self.operand(part.unwrap_or(expr));
        let whole = self.operand(expr);
        let help = match (missing_part(expr, known, path, &whole, scope), ty) {
            (MissingPart::Element, _) => {
                format!("give the part of the element a default: `({path} ?? {default})`")
            }
            (MissingPart::Testable(test), _) if unknown => format!("test it first: `when {test}`"),
            (MissingPart::Testable(test), Some(_)) => format!(
                "give a default: `{shown} ?? {default}`, leave it out: `{key}? = …`, or test it first: `when {test}`"
            ),
            (MissingPart::Testable(test), None) => {
                format!("give a default: `{shown} ?? {default}`, or test it first: `when {test}`")
            }
        };
        self.report(
            Diagnostic::error(
                Code::E0312,
                expr.span,
                format!("`{key}` needs a value, but `{path}` may be missing or null"),
            )
            .label("may be missing")
            .help(help),
        );
    }

    /// An expression as the left side of an operator.
    fn operand(&self, expr: &Expr) -> String {
        match self.written(expr) {
            conditional if conditional.starts_with("if ") => format!("({conditional})"),
            operand => operand,
        }
    }

    /// An expression as its author wrote it, if that is one line.
    fn written(&self, expr: &Expr) -> String {
        match self.text(expr.span) {
            text if text.is_empty() || text.contains('\n') => Shown(expr).to_string(),
            text => text.to_owned(),
        }
    }
}

/// The part of an expression that may be missing at this path. `whole` is the expression as written.
fn missing_part(expr: &Expr, known: &Known, path: &str, whole: &str, scope: &Scope) -> MissingPart {
    let of_event = match value_at(expr, path) {
        Some((Root::Element(level), _)) if level as usize >= scope.bound.len() => {
            return MissingPart::Element;
        }
        Some((root, segments)) => Some(scope.known(&ValueKey::Event(root, segments))),
        None => None,
    };
    // `is present` is true for null, so a value that may be null is tested for its kind.
    let tested = |name: &str, value: &Known| {
        let kinds = value.kinds().minus(Kinds::NULL);
        match test_for(kinds) {
            _ if !value.ty.may_be_null() => format!("{name} is present"),
            Some(test) => format!("{name} is {test}"),
            None => format!("{name} is present and {name} is not null"),
        }
    };
    MissingPart::Testable(match of_event {
        Some(value) if value.absence != Absence::NEVER || value.ty.may_be_null() => {
            tested(path, &value)
        }
        // Something inside of the value may be null. If there is a result, nothing is.
        _ if !expr.is_condition() => tested(whole, known),
        _ => format!("{path} is present and {path} is not null"),
    })
}

/// The value of the event that this text refers to, if the expression reads it.
fn value_at(expr: &Expr, text: &str) -> Option<(Root, Vec<crate::typed::Segment>)> {
    if let ExprKind::Path(path) = &expr.kind {
        let root = path.text.split(['.', '[']).next().unwrap_or_default();
        let mut segments = path.segments.clone();
        loop {
            if *crate::path::path_text(root, &segments) == *text {
                return Some((path.root, segments));
            }
            segments.pop()?;
        }
    }
    expr.children().into_iter().find_map(|child| value_at(child, text))
}
