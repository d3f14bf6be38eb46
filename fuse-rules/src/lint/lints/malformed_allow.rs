//! `malformed-allow`

use crate::diagnostic::suggest;
use crate::lint::allow::{Comment, Name};
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "malformed-allow",
    title: "a comment that should allow something and does not",
    level: Level::Deny,
    finds: "\
A comment `# fuse: allow(LINT) because REASON` silences a lint for what it stands at. One \
that names no lint, stands at nothing or says no reason looks as if it did, and does not do \
what its author believes: the reason is what the next reader needs in order to know whether \
it still holds.",
    instead: "\
Name lints as they are printed, say why what they find is right here, and put the comment \
straight above a declaration, rule, clause or field, or on its line.",
    flags: &[
        "\
# fuse: allow(unused-cons) because the next release uses it
#~ unused-cons
const most = 3
",
        "\
# fuse: allow(unused-const)
#~ # fuse: allow(unused-const)
const most = 3
",
        "\
# fuse: ignore(unused-const) because it is used soon
#~ # fuse: ignore(unused-const) because it is used soon
const most = 3
",
        "\
# fuse: allow(unused-const) because it stands at nothing
#~ # fuse: allow(unused-const) because it stands at nothing

const most = 3
",
    ],
    passes: &[
        "\
# fuse: allow(unused-const) because the next release uses it
const most = 3
",
        "\
# fuse: a word (in parentheses) is no directive
const most = 3 # fuse: allow(unused-const) because the next release uses it
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for comment in &context.allows.comments {
        let Some(names) = &comment.names else {
            out.add(comment.span, "this comment says nothing that fuse knows", |problem| {
                problem.help("write `# fuse: allow(LINT) because REASON`")
            });
            continue;
        };
        let unknown: Vec<&Name> = names.iter().filter(|name| name.lint.is_none()).collect();
        for name in &unknown {
            self::unknown(name, context, out);
        }
        if unknown.is_empty() {
            incomplete(comment, out);
        }
    }
}

fn unknown(name: &Name, context: &Context<'_>, out: &mut Findings) {
    let text = context.text(name.span).to_owned();
    out.add(name.span, format!("there is no lint `{text}`"), |problem| {
        let fix = suggest::fix(&text, name.span, Lint::all().map(Lint::name));
        let problem = problem.label("not known").maybe_fix(fix);
        match problem.help {
            Some(_) => problem,
            None => problem.help("`fuse explain-code` lists all of them"),
        }
    });
}

fn incomplete(comment: &Comment, out: &mut Findings) {
    if comment.about.is_none() {
        out.add(comment.span, "this comment stands at nothing that it could allow", |problem| {
            problem.label("nothing begins on this line or straight below").help(
                "put it straight above a declaration, rule, clause or field, or on its line",
            )
        });
    } else if !comment.has_reason {
        out.add(comment.span, "what is allowed here needs a reason", |problem| {
            problem
                .label("no reason")
                .help("say why, as in `# fuse: allow(LINT) because REASON`")
        });
    }
}
