//! Computed keys: `channels[body.team]`.

use std::sync::Arc;

use super::Checker;
use super::expressions::unchecked;
use super::operands::absence_of;
use super::paths::segments;
use super::scope::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::functions;
use crate::path::{Root, Segment, path_text};
use crate::semantics::ops;
use crate::span::Span;
use crate::syntax::ast::{self, PathStep};
use crate::typed::{Expr, ExprKind, Shown};
use crate::types::{Absence, Known, Missing, Rest, Ty};
use crate::value::{Kinds, Value};

/// The function for names of headers.
const LOWER: &str = "lower";

impl Checker<'_> {
    pub(super) fn lookup(
        &mut self,
        base: &ast::Expr,
        key: &ast::Expr,
        span: Span,
        scope: &mut Scope,
    ) -> (Expr, Known) {
        let (key_expr, key_known) = self.expr(key, scope);
        if let ExprKind::Const(value) = &key_expr.kind
            && let Ok(segment) = ops::segment(&key_expr, value)
        {
            // A key that does not depend on the event is a step of a path, so that only its value is
            // read.
            let step = PathStep { segment, quoted: true, span: key.span };
            return match &base.kind {
                ast::ExprKind::Path { root, steps } => {
                    let steps: Vec<_> = steps.iter().cloned().chain([step]).collect();
                    self.path(root, &steps, span, scope)
                }
                _ => self.access(base, &[step], span, scope),
            };
        }
        let written = base;
        let (base, known) = self.expr(base, scope);
        let key = (key_expr, key_known);
        if self.is_wrong_key(&base, &known, &key) {
            return unchecked(span);
        }
        let key_expr = key_of(&base, key.0.clone());
        let (key_expr, table) = (Box::new(key_expr), table_name(written, &base, scope));
        let kind = ExprKind::Lookup { base: Box::new(base.clone()), key: key_expr, table };
        let expr = Expr { kind, span };
        let found = found(&expr, &base, &known, &key.1);
        let absence = found.absence.max(known.absence).max(absence_of(&key.0, &key.1));
        (expr, Known { ty: found.ty, absence })
    }

    /// A value and the steps after it.
    pub(super) fn access(
        &mut self,
        base: &ast::Expr,
        steps: &[PathStep],
        span: Span,
        scope: &mut Scope,
    ) -> (Expr, Known) {
        let (base, known) = self.expr(base, scope);
        let shown = |_| Shown(&base).to_string().into();
        let Some(known) = self.steps(known, steps, 0, &shown) else {
            return unchecked(span);
        };
        let kind = ExprKind::Access { base: Box::new(base), segments: segments(steps) };
        (Expr { kind, span }, known)
    }

    /// Reports a value that has no parts, and a key that none of them can have.
    fn is_wrong_key(&mut self, base: &Expr, known: &Known, key: &(Expr, Known)) -> bool {
        let (of_base, of_key) = (known.kinds(), key.1.kinds());
        if known.ty.is_nothing() || key.1.ty.is_nothing() {
            return false;
        }
        let name = self.text(base.span).to_owned();
        if !of_base.meets(Kinds::LIST.or(Kinds::MAP)) {
            let message = format!("`{name}` is {of_base}, which has no fields or elements");
            self.error(Code::E0203, base.span, message, "not a map or a list");
            return true;
        }
        let keys = [(Kinds::MAP, Kinds::STRING), (Kinds::LIST, Kinds::NUMBER)];
        let usable = keys.iter().filter(|(of, _)| of_base.meets(*of));
        let wanted = usable.fold(Kinds::NOTHING, |kinds, (_, key)| kinds.or(*key));
        if of_key.meets(wanted) {
            return self.require_one_kind(&key.0, &key.1, wanted, "a key in brackets");
        }
        let shown = Shown(&key.0);
        let (message, help) = match (wanted, of_key) {
            (Kinds::STRING, Kinds::NUMBER) => (
                "the keys of a map are strings".to_owned(),
                Some(format!("convert it, as in `{name}[string({shown})]`")),
            ),
            (Kinds::NUMBER, Kinds::STRING) => (
                "the elements of a list are numbered".to_owned(),
                Some(format!(
                    "find an element by a field: `first(x in {name}: x.name == {shown})`"
                )),
            ),
            _ => (format!("a key in brackets must be {wanted}"), None),
        };
        let problem = Diagnostic::error(Code::E0301, key.0.span, message);
        self.report(problem.label(format!("this is {of_key}")).maybe_help(help));
        true
    }
}

/// The key into a value. The names of headers are in lower case, however the sender wrote them.
pub(super) fn key_of(base: &Expr, key: Expr) -> Expr {
    let is_lower = match &key.kind {
        ExprKind::Call { function, .. } => function.name == LOWER,
        ExprKind::Const(_) => true,
        _ => false,
    };
    match (&base.kind, functions::find(LOWER)) {
        (ExprKind::Path(path), Some(function)) if path.root == Root::Headers && !is_lower => {
            let span = key.span;
            Expr { kind: ExprKind::Call { function, arguments: vec![key], pattern: None }, span }
        }
        _ => key,
    }
}

/// The name of a constant that is a table. A `let` has no such name, since it means something else
/// in another rule.
fn table_name(written: &ast::Expr, base: &Expr, scope: &Scope) -> Option<Arc<str>> {
    match (&written.kind, &base.kind) {
        (ast::ExprKind::Path { root, steps }, ExprKind::Const(_))
            if scope.let_index(&root.text).is_none() =>
        {
            Some(path_text(&root.text, &segments(steps)))
        }
        _ => None,
    }
}

/// What is known about the part of a value under a computed key.
fn found(expr: &Expr, base: &Expr, known: &Known, key: &Known) -> Known {
    if known.ty.is_any() {
        return Known::any();
    }
    let shown = |expr: &Expr| Missing::Declared(Shown(expr).to_string().into());
    let nowhere = || Known { ty: Ty::nothing(), absence: Absence::absent(shown(expr)) };
    let kinds = key.kinds().minus(Kinds::NULL);
    if kinds == Kinds::STRING
        && let Some(words) = key.ty.literal_strings()
    {
        let base = || Shown(base).to_string().into();
        let parts = words.map(|word| {
            let segment = Segment::Key(word.to_owned());
            known.step(&segment, true, &base).unwrap_or_else(|_| nowhere())
        });
        return parts.reduce(Known::or).unwrap_or_else(nowhere);
    }
    let (maps, lists) = known.ty.structures();
    let mut found = Known { ty: Ty::nothing(), absence: Absence::absent(Missing::Open) };
    if kinds.meets(Kinds::STRING) && !maps.is_empty() {
        found.ty = known.ty.map_values();
        // The rules know all keys of a closed record, so it is up to them what other keys mean.
        if maps.iter().all(|map| map.rest == Rest::Nothing) {
            found.absence = Absence::absent(shown(expr));
        }
    }
    if kinds.meets(Kinds::NUMBER) && !lists.is_empty() {
        found.ty = found.ty.or(known.ty.element());
    }
    let elsewhere = known.kinds().minus(Kinds::MAP).minus(Kinds::LIST);
    if elsewhere != Kinds::NOTHING {
        found.absence = found.absence.max(Absence::absent(shown(base)));
    }
    found
}

/// The part of a constant under a constant key; `None` if there is none.
pub(super) fn constant_part(value: &Value<'static>, segment: &Segment) -> Option<Value<'static>> {
    value.step(segment).ok().flatten().cloned()
}
