//! Inlines named conditions: arguments replace parameters, and the levels of the elements that the
//! condition binds are shifted by the number of binders around the call.

use std::sync::Arc;

use super::{fold, lookups};
use crate::path::path_text;
use crate::semantics;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Path, Root, Segment};
use crate::types::{Absence, Ty};

/// The body of a condition. Its parameters are the outermost elements.
#[derive(Debug)]
pub(super) struct ConditionTemplate {
    body: Expr,
    /// Whether it may be unknown even if its arguments are present.
    pub(super) absence: Absence,
    /// The types of its parameters.
    pub(super) parameters: Vec<Ty>,
    size: usize,
    /// How many times the body uses each parameter.
    uses: Vec<usize>,
}

impl ConditionTemplate {
    pub(super) fn new(body: Expr, absence: Absence, parameters: Vec<Ty>) -> Self {
        let mut uses = vec![0; parameters.len()];
        body.references(&mut |path| {
            if let Some(count) = level(path).and_then(|level| uses.get_mut(level)) {
                *count += 1;
            }
        });
        // A bare path does not look like a condition, so `??` would apply to it.
        let body = if body.is_condition() {
            body
        } else {
            Expr { span: body.span, kind: ExprKind::And(vec![body]) }
        };
        Self { size: size(&body), body, absence, parameters, uses }
    }

    /// The span of the body.
    pub(super) fn span(&self) -> Span {
        self.body.span
    }

    /// The number of nodes of a call with these arguments.
    pub(super) fn size_with(&self, arguments: &[Expr]) -> usize {
        let arguments = arguments.iter().zip(&self.uses);
        arguments.fold(self.size, |sum, (argument, uses)| {
            sum.saturating_add(size(argument).saturating_mul(*uses))
        })
    }

    /// The body with these arguments, below `bound` binders.
    pub(super) fn call(&self, arguments: &[Expr], bound: usize, span: Span) -> Expr {
        let mut expr = self.body.clone();
        substitute(&mut expr, &Call { arguments, bound }, 0);
        Expr { span, ..expr }
    }
}

/// The number of nodes of an expression, including the values of its constants.
pub(super) fn size(expr: &Expr) -> usize {
    let own = match &expr.kind {
        ExprKind::Const(value) => semantics::weight(value).0,
        _ => 1,
    };
    expr.children().into_iter().fold(own, |sum, child| sum.saturating_add(size(child)))
}

/// The depth of an expression.
pub(super) fn depth(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(depth).max().unwrap_or(0)
}

struct Call<'a> {
    arguments: &'a [Expr],
    /// The number of binders around the call.
    bound: usize,
}

/// Replaces parameters by arguments, below `inner` binders of the condition itself.
fn substitute(expr: &mut Expr, call: &Call<'_>, inner: usize) {
    match &mut expr.kind {
        ExprKind::Path(path) => {
            let Some(level) = level(path) else { return };
            match call.arguments.get(level) {
                Some(argument) => *expr = call.argument(argument, &path.segments, expr.span, inner),
                None => path.root = element(level - call.arguments.len() + call.bound),
            }
        }
        ExprKind::Quantifier { list, body, .. } => {
            substitute(list, call, inner);
            substitute(body, call, inner + 1);
        }
        _ => expr.children_mut().into_iter().for_each(|child| substitute(child, call, inner)),
    }
    if let ExprKind::Lookup { base, key, .. } = &mut expr.kind {
        **key = lookups::key_of(base, key.as_ref().clone());
    }
    // With a constant argument, a computed key may become a step of a path.
    if let ExprKind::Lookup { base, key, .. } = &expr.kind
        && let ExprKind::Const(value) = &key.kind
        && let Ok(segment) = semantics::ops::segment(key, value)
    {
        let constant = match &base.kind {
            ExprKind::Const(value) => lookups::constant_part(value, &segment),
            _ => None,
        };
        expr.kind = match (constant, base.kind.clone()) {
            (Some(part), _) => ExprKind::Const(part),
            (None, ExprKind::Path(path)) => ExprKind::Path(extended(path, &[segment])),
            (None, _) => ExprKind::Access { base: base.clone(), segments: vec![segment] },
        };
    }
    // With constant arguments, an interpolation may become a constant.
    if let ExprKind::Concat(parts) = &mut expr.kind {
        expr.kind = fold::interpolation(std::mem::take(parts));
    }
}

impl Call<'_> {
    /// An argument, or the part of it that a path of the condition selects.
    fn argument(&self, argument: &Expr, segments: &[Segment], span: Span, inner: usize) -> Expr {
        let mut argument = argument.clone();
        shift(&mut argument, self.bound, inner);
        if segments.is_empty() {
            return argument;
        }
        let kind = match argument.kind {
            ExprKind::Path(path) => ExprKind::Path(extended(path, segments)),
            _ => ExprKind::Access { base: Box::new(argument), segments: segments.to_vec() },
        };
        Expr { kind, span }
    }
}

/// Shifts the levels of elements that an argument binds by the binders of the condition around it.
pub(super) fn shift(expr: &mut Expr, bound: usize, inner: usize) {
    if let ExprKind::Path(path) = &mut expr.kind
        && let Some(level) = level(path).filter(|level| *level >= bound)
    {
        path.root = element(level + inner);
    }
    expr.children_mut().into_iter().for_each(|child| shift(child, bound, inner));
}

pub(super) fn extended(path: Path, more: &[Segment]) -> Path {
    let mut more = more.to_vec();
    // Header names are case-insensitive.
    if path.root == Root::Headers
        && path.segments.is_empty()
        && let Some(Segment::Key(key)) = more.first_mut()
    {
        key.make_ascii_lowercase();
    }
    let text: Arc<str> = format!("{}{}", path.text, path_text("", &more)).into();
    let mut segments = path.segments;
    segments.append(&mut more);
    Path { root: path.root, segments, text }
}

fn level(path: &Path) -> Option<usize> {
    match path.root {
        Root::Element(level) => Some(level as usize),
        _ => None,
    }
}

fn element(level: usize) -> Root {
    Root::Element(u32::try_from(level).unwrap_or(u32::MAX))
}
