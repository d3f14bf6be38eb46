//! `unanchored-match`

use crate::diagnostic::Fix;
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint, visit};
use crate::syntax::ast::{Expr, ExprKind, Segment, TextOp};
use crate::literals::quoted;

pub(super) static LINT: Lint = Lint {
    name: "unanchored-match",
    title: "a test of text that is wider or narrower than it looks",
    level: Level::Warn,
    finds: "\
- `matches` takes a pattern for the *whole* text. One that begins with `^` and does not end \
with `$`, or the other way round, was written for a language in which a pattern matches \
anywhere, and matches next to nothing here.
- A pattern of plain text, with or without `.*` around it, is an `==`, a `starts-with`, an \
`ends-with` or a `contains` that is harder to read, in which a dot is easily forgotten to be \
any character, and which the end of a line stops: a dot matches none.
- `contains` with a word, on a field that names or classifies something (`name`, \
`namespace`, `environment`, `branch`, `cluster`, `status`, `state`, `severity`, `region`, \
`team`, …), is also true of names that have the word by accident: `product-page` contains \
`prod`. A word with a separator at either end, such as `-prod`, is taken to be meant.",
    instead: "\
Say which part of the text is meant: `==`, `in`, `starts-with`, `ends-with`, or `like` with \
`*` for what may be anything.",
    flags: &[
        "\
when body.namespace contains \"prod\"
#~ \"prod\"
",
        "\
when body.ref matches \"^refs/tags/v[0-9]+\"
#~ \"^refs/tags/v[0-9]+\"
",
        "\
when body.ref matches \".*/main\" or body.ref matches \"release\"
#~ \".*/main\"
#~ \"release\"
",
        "\
when body.ref matches \"[0-9]$\" and body.text matches r\".*out of memory.*\"
#~ \"[0-9]$\"
#~ r\".*out of memory.*\"
",
        "\
condition prod(alert) = alert.labels.cluster contains \"prod\"
#~ \"prod\"
",
    ],
    passes: &[
        "when body.namespace like \"*-prod\"",
        "when body.namespace contains \"-prod\" and body.message contains \"prod\"",
        "when body.ref matches \"refs/tags/v[0-9]+\" or body.ref matches \"^v[0-9]$\"",
        "when body.ref matches \"^v[0-9].*\" or body.ref matches \".*[0-9]$\"",
        "when body.ref matches \"(.*/)?main$\" or body.ref matches \"^v1(\\\\..*)?\"",
        "when body.text matches \".*[Oo]ut of memory.*\" or body.text matches \"a\\\\\\\\$\"",
    ],
    look,
};

/// Fields that name or classify something.
const NAMES: &str = "action app application branch cluster env environment host id image instance \
    job kind login name namespace owner phase project region repo repository service severity \
    state status team tier zone";

fn look(context: &Context<'_>, out: &mut Findings) {
    for file in context.trees() {
        visit::expressions(&file.tree, &mut |expr| {
            let ExprKind::TextTest { op, left, right } = &expr.kind else { return };
            let ExprKind::String(text) = &right.kind else { return };
            match op {
                TextOp::Matches => pattern(text, left, right, expr, context, out),
                TextOp::Contains => word(text, left, right, out),
                _ => {}
            }
        });
    }
}

fn pattern(
    text: &str,
    left: &Expr,
    right: &Expr,
    whole: &Expr,
    context: &Context<'_>,
    out: &mut Findings,
) {
    let (begins, ends) = (text.starts_with('^'), text.ends_with('$') && !text.ends_with("\\$"));
    // What may be anything at the open end is said there.
    let open = |ends: &[&str]| ends.iter().any(|end| text.ends_with(end));
    let goes_on = open(&[".*", ".+", ".*)", ".+)", ".*)?"]);
    let comes_before = text.starts_with('.') || text.starts_with("(.") || text.starts_with("(?");
    if begins && !ends && !goes_on || ends && !begins && !comes_before {
        let (at, other) = match begins {
            true => ("begins with `^`", "end"),
            false => ("ends with `$`", "beginning"),
        };
        out.add(right.span, "this pattern has to match the whole text", |problem| {
            problem
                .label(format!("{at}, and nothing says what may stand at the {other}"))
                .help(format!(
                    "add `.*` at the {other} where anything may stand there, or leave the anchor out"
                ))
        });
        return;
    }
    let (before, rest) = text.strip_prefix(".*").map_or((false, text), |rest| (true, rest));
    let (after, rest) = match rest.strip_suffix(".*").filter(|rest| !rest.ends_with('\\')) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let Some(literal) = literal(rest).filter(|literal| !literal.is_empty()) else { return };
    let operator = match (before, after) {
        (false, false) => "==",
        (false, true) => "starts-with",
        (true, false) => "ends-with",
        (true, true) => "contains",
    };
    // A dot matches no line end.
    let of = if before || after { " of one line" } else { "" };
    let message = format!("for a text{of}, this pattern says no more than `{operator}`");
    out.add(right.span, message, |problem| {
        let better = format!("{} {operator} {}", context.text(left.span), quoted(&literal));
        // Of what is no text, `==` says that it is another value.
        problem.label("no pattern").fix(Fix::new(format!("write `{better}`"), whole.span, better))
    });
}

/// The text that a pattern of plain text matches.
fn literal(pattern: &str) -> Option<String> {
    let mut literal = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => literal.push(chars.next().filter(|c| regex_syntax::is_meta_character(*c))?),
            // Characters that mean something only in brackets, or in another mode.
            '-' | '#' | '&' | '~' => literal.push(c),
            c if regex_syntax::is_meta_character(c) => return None,
            c => literal.push(c),
        }
    }
    Some(literal)
}

fn word(text: &str, left: &Expr, right: &Expr, out: &mut Findings) {
    let ExprKind::Path { steps, .. } = &left.kind else { return };
    let Some(Segment::Key(key)) = steps.last().map(|step| &step.segment) else { return };
    let is_separator = |c: char| !c.is_alphanumeric();
    let bare = !text.is_empty() && !text.starts_with(is_separator) && !text.ends_with(is_separator);
    if !bare || !names(key) {
        return;
    }
    let message = format!("`{key}` is taken to be a name, and names contain words by accident");
    out.add(right.span, message, |problem| {
        problem.label(format!("also in `x{text}x`")).help(format!(
            "say where it stands: `== \"{text}\"`, `starts-with \"{text}-\"`, `like \"*-{text}\"`"
        ))
    });
}

/// Whether a field of this key names something: `namespace`, `dest_namespace`, `clusterName`.
fn names(key: &str) -> bool {
    let last = key.rsplit(['_', '-', '.', '/']).next().unwrap_or(key);
    let camel = last.rfind(|c: char| c.is_ascii_uppercase()).and_then(|at| last.get(at..));
    let last = camel.unwrap_or(last).to_ascii_lowercase();
    NAMES.split_whitespace().any(|name| name == last)
}
