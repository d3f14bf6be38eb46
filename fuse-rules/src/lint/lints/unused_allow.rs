//! `unused-allow`

use crate::diagnostic::Fix;
use crate::lint::allow::{AllowState, AllowedName};
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::span::Span;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-allow",
        title: "an allow comment that is not needed",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-allow.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for comment in &context.allows.comments {
        let names = comment.names.as_deref().unwrap_or_default();
        let is_unused = |name: &AllowedName| name.state.get() == AllowState::Unused;
        if !names.is_empty() && names.iter().all(is_unused) {
            out.add(
                comment.span,
                "this comment allows a lint that finds nothing here",
                |problem| {
                    let fix = Fix::safe("remove the comment", line(comment.span, context), "");
                    problem.label("not needed").fix(fix)
                },
            );
            continue;
        }
        for (at, name) in names.iter().enumerate().filter(|(_, name)| is_unused(name)) {
            out.add(name.span, "this comment allows a lint that finds nothing here", |problem| {
                problem.label("not needed").fix(without(name, names, at))
            });
        }
    }
}

/// A fix that removes one of several names.
fn without(name: &AllowedName, names: &[AllowedName], at: usize) -> Fix {
    let with_comma = match (names.get(at + 1), at.checked_sub(1).and_then(|at| names.get(at))) {
        (Some(next), _) => Span { end: next.span.start, ..name.span },
        (None, Some(before)) => Span { start: before.span.end, ..name.span },
        (None, None) => name.span,
    };
    Fix::safe("remove the name", with_comma, "")
}

/// The span of a comment with the white space before it, and with its line end if it is alone on its line.
fn line(span: Span, context: &LintContext<'_>) -> Span {
    let text = context.files.get(span.file).map_or("", |file| file.text());
    let (before, after) = text.split_at(span.range().start.min(text.len()));
    let kept = before.trim_end_matches([' ', '\t']);
    let start = kept.len();
    let comment_end = after.find(['\n', '\r']).unwrap_or(after.len());
    let alone = kept.is_empty() || kept.ends_with(['\n', '\r']);
    let line_end = match after.get(comment_end..) {
        Some(rest) if alone && rest.starts_with("\r\n") => 2,
        Some(rest) if alone && !rest.is_empty() => 1,
        _ => 0,
    };
    Span::new(span.file, start..before.len() + comment_end + line_end)
}
