//! `mixed-and-or`

use crate::diagnostic::Fix;
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::span::Span;
use crate::syntax::ast::{Expr, ExprKind};
use crate::syntax::visit;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "mixed-and-or",
        title: "`and` and `or` mixed without parentheses",
        level: Level::Warn,
        page: include_str!("../../../lints/mixed-and-or.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for file in context.trees() {
        visit::expressions(&file.tree, &mut |expr| {
            let ExprKind::Or(parts) = &expr.kind else { return };
            for part in parts {
                report(part, expr, out);
            }
        });
    }
}

fn report(part: &Expr, whole: &Expr, out: &mut Findings) {
    if !matches!(part.kind, ExprKind::And(_)) {
        return;
    }
    let span = part.span;
    let (start, end) = (Span { end: span.start, ..span }, Span { start: span.end, ..span });
    out.add(span, "`and` and `or` are mixed without parentheses", |problem| {
        problem
            .label("grouped together, because `and` binds tighter")
            .related(whole.span, "in this `or`")
            .fix(Fix::safe("put parentheses around the `and`", start, "(").and(end, ")"))
    });
}
