//! Reports values that are required but may be missing.

use super::Checker;
use super::operands::test_for;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::FieldType;
use crate::typed::{Expr, ExprKind, Shown};
use crate::types::{Absence, Known, Missing};
use crate::value::Kinds;

impl Checker<'_> {
    /// Reports a value that is required but may be missing. If only the sender knows, as for a key
    /// of a map, the action is rejected when the value is missing.
    pub(super) fn require_value(
        &mut self,
        key: &str,
        ty: Option<&FieldType>,
        (expr, known): (&Expr, &Known),
        absence: &Absence,
    ) {
        let (path, unknown) = match (&absence.absent, &absence.unknown) {
            (Missing::Declared(path), _) => (path, false),
            (_, Missing::Declared(path)) => (path, true),
            _ => return,
        };
        let default = match ty.map(FieldType::kinds) {
            Some(Kinds::NUMBER) => "0",
            Some(Kinds::BOOL) => "false",
            _ => "\"…\"",
        };
        // In a text, the best place for a default is next to the value that may be missing.
        let shown = match &expr.kind {
            ExprKind::Concat(_) => path.to_string(),
            _ => Shown(expr).to_string(),
        };
        // `is present` is true for null, so a value that may be null is tested for its kind.
        let kinds = known.kinds().minus(Kinds::NULL);
        let test = match &expr.kind {
            ExprKind::Path(own) if own.text == *path && known.ty.may_be_null() => test_for(kinds),
            _ => None,
        };
        let test_first = format!("test it first: `when {path} is {}`", test.unwrap_or("present"));
        let help = match ty {
            _ if unknown => test_first,
            Some(_) => format!(
                "give a default: `{shown} ?? {default}`, leave it out: `{key}? = …`, or {test_first}"
            ),
            None => format!("give a default: `{shown} ?? {default}`, or {test_first}"),
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
}
