//! `malformed-allow`

use crate::diagnostic::suggest;
use crate::lint::allow::{AllowComment, AllowedName};
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "malformed-allow",
        title: "an allow comment that has no effect",
        level: Level::Deny,
        page: include_str!("../../../lints/malformed-allow.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for comment in &context.allows.comments {
        let Some(names) = &comment.names else {
            out.add(comment.span, "this comment is not a directive that fuse knows", |problem| {
                problem.help("write `# fuse: allow(LINT) because REASON`")
            });
            continue;
        };
        let unknown: Vec<&AllowedName> = names.iter().filter(|name| name.lint.is_none()).collect();
        for name in &unknown {
            self::unknown(name, context, out);
        }
        if unknown.is_empty() {
            incomplete(comment, out);
        }
    }
}

fn unknown(name: &AllowedName, context: &LintContext<'_>, out: &mut Findings) {
    let text = context.text(name.span).to_owned();
    out.add(name.span, format!("there is no lint `{text}`"), |problem| {
        let fix = suggest::fix(&text, name.span, Lint::all().map(Lint::name));
        let problem = problem.label("unknown lint").maybe_fix(fix);
        match problem.help {
            Some(_) => problem,
            None => problem.help("`fuse explain-code` lists all lints"),
        }
    });
}

fn incomplete(comment: &AllowComment, out: &mut Findings) {
    if comment.target.is_none() {
        out.add(comment.span, "this comment does not belong to any item", |problem| {
            problem.label("no item begins on this line or directly below").help(
                "put it directly above a declaration, rule, clause or field, or at the end of its first line",
            )
        });
    } else if !comment.has_reason {
        out.add(comment.span, "this comment needs a reason", |problem| {
            problem
                .label("no reason")
                .help("add the reason, as in `# fuse: allow(LINT) because REASON`")
        });
    }
}
