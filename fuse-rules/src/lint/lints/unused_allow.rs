//! `unused-allow`

use crate::diagnostic::Fix;
use crate::lint::allow::{Name, State};
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};
use crate::span::Span;

pub(super) static LINT: Lint = Lint {
    name: "unused-allow",
    title: "a comment that allows what is not there",
    level: Level::Warn,
    finds: "\
A comment `# fuse: allow(LINT) because REASON` stands at something in which that lint finds \
nothing, or nothing any more. Left there, it would silence the lint when it is right one \
day. Of a lint that does not run nothing is said.",
    instead: "Remove the comment, or the name in it, which is what the fix does.",
    flags: &[
        "\
# The numbers that are odd.
# fuse: allow(mixed-and-or) because everybody knows
#~ # fuse: allow(mixed-and-or) because everybody knows
condition odd(x) = x == 1 or (x > 2 and x < 4)
",
        "\
# fuse: allow(malformed-allow, mixed-and-or) because everybody knows
#~ malformed-allow
condition odd(x) = x == 1 or x > 2 and x < 4
",
        "\
sensor example on gh.push {
  rule one {
    when body.a or body.b # fuse: allow(mixed-and-or) because everybody knows
#~ # fuse: allow(mixed-and-or) because everybody knows
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
# The numbers that are odd.
condition odd(x) = x == 1 or (x > 2 and x < 4)
",
        "\
# fuse: allow(unused-const) because the next release uses it
const most = 3
",
        "\
# fuse: allow(mixed-and-or) because everybody knows
condition odd(x) = x == 1 or x > 2 and x < 4
",
        "\
sensor example on gh.push {
  rule one {
    # fuse: allow(mixed-and-or) because everybody knows
    when body.a or body.b and body.c
    trigger log { message = \"x\" }
  }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for comment in &context.allows.comments {
        let names = comment.names.as_deref().unwrap_or_default();
        let is_unused = |name: &Name| name.state.get() == State::Unused;
        if !names.is_empty() && names.iter().all(is_unused) {
            out.add(comment.span, "this comment allows what is not there", |problem| {
                let fix = Fix::safe("remove the comment", line(comment.span, context), "");
                problem.label("nothing is found here").fix(fix)
            });
            continue;
        }
        for (at, name) in names.iter().enumerate().filter(|(_, name)| is_unused(name)) {
            out.add(name.span, "this comment allows what is not there", |problem| {
                problem.label("finds nothing here").fix(without(name, names, at))
            });
        }
    }
}

/// Takes one of several names out.
fn without(name: &Name, names: &[Name], at: usize) -> Fix {
    let with_comma = match (names.get(at + 1), at.checked_sub(1).and_then(|at| names.get(at))) {
        (Some(next), _) => Span { end: next.span.start, ..name.span },
        (None, Some(before)) => Span { start: before.span.end, ..name.span },
        (None, None) => name.span,
    };
    Fix::safe("remove the name", with_comma, "")
}

/// A comment with the white space before it, and with its line end where it stands alone.
fn line(span: Span, context: &Context<'_>) -> Span {
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
