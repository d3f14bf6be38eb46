//! The settings of a fuse: `{ pending = drop }`.

use super::blocks::given_twice;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::fuses::PendingActions;
use crate::span::Span;
use crate::syntax::ast::{self, BlockField, Expr, ExprKind, FieldValue};

const PENDING: &str = "pending";

/// What becomes of pending actions. Reports each problem of the settings.
pub(super) fn pending(fuse: &ast::Fuse, problems: &mut Vec<Diagnostic>) -> PendingActions {
    let mut known: Option<(PendingActions, Span)> = None;
    for field in fuse.settings.iter().flat_map(|settings| &settings.fields) {
        let key = &field.key;
        if key.text != PENDING {
            let message = format!("a fuse has no setting `{}`", key.text);
            let problem = Diagnostic::error(Code::E0401, key.span, message).label("not known here");
            problems.push(problem.suggest(key, [PENDING], "its settings are"));
        } else if let Some((_, first)) = known {
            problems.push(given_twice(key, first));
        } else {
            let value = value(field).unwrap_or_else(|problem| {
                problems.push(*problem);
                PendingActions::default()
            });
            known = Some((value, key.span));
        }
    }
    known.map(|(pending, _)| pending).unwrap_or_default()
}

fn value(field: &BlockField) -> Result<PendingActions, Box<Diagnostic>> {
    let span = match &field.value {
        FieldValue::Expr(expr) => expr.span,
        FieldValue::Block(block) => block.span,
    };
    let message = format!("`{PENDING}` is `{}`", PendingActions::NAMES.join("` or `"));
    let problem = || Diagnostic::error(Code::E0406, span, message).label("not accepted");
    if field.optional {
        return Err(Box::new(
            problem().help("remove the `?`: the setting does not depend on an event"),
        ));
    }
    match &field.value {
        FieldValue::Expr(Expr { kind: ExprKind::Path { root, steps }, .. }) if steps.is_empty() => {
            PendingActions::parse(&root.text).ok_or_else(|| {
                Box::new(problem().suggest(root, PendingActions::NAMES, "it can be"))
            })
        }
        FieldValue::Expr(Expr { kind: ExprKind::String(text), .. })
            if PendingActions::parse(text).is_some() =>
        {
            let fix = Fix::safe(format!("write `{text}`"), span, text.clone());
            Err(Box::new(problem().fix(fix)))
        }
        _ => Err(Box::new(problem())),
    }
}
