//! `mixed-and-or`

use crate::diagnostic::Fix;
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint, visit};
use crate::span::Span;
use crate::syntax::ast::{Expr, ExprKind};

pub(super) static LINT: Lint = Lint {
    name: "mixed-and-or",
    title: "`and` and `or` without parentheses",
    level: Level::Warn,
    finds: "\
`and` binds tighter than `or`, in fuse as in most languages. Who reads a condition that has \
both has to know that, and who writes one may have meant the other reading: `a or b and c` \
is true whenever `a` is, whatever `c` says.",
    instead: "\
Put parentheses around what belongs together. The fix puts them where they change nothing; \
move them where that is not what was meant.",
    flags: &[
        "\
when body.draft == true or body.ref == \"main\" and body.forced == false
#~ body.ref == \"main\" and body.forced == false
",
        "\
when not (body.a or body.b and not body.c)
#~ body.b and not body.c
",
        "\
trigger log { message = \"${body.a and body.b or body.c}\" }
#~ body.a and body.b
",
        "\
condition odd(x) = x == 1 or x > 2 and x < 4 or x > 8 and x < 9
#~ x > 2 and x < 4
#~ x > 8 and x < 9
",
    ],
    passes: &[
        "when body.draft == true or (body.ref == \"main\" and body.forced == false)",
        "when (body.a or body.b) and body.c",
        "when body.a or any(x in body.list: x.a and x.b)",
        "when body.a and body.b and not (body.c or body.d)",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
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
    out.add(span, "`and` and `or` stand side by side without parentheses", |problem| {
        problem
            .label("this belongs together, as `and` binds tighter")
            .related(whole.span, "in this `or`")
            .fix(Fix::safe("put parentheses around the `and`", start, "(").and(end, ")"))
    });
}
