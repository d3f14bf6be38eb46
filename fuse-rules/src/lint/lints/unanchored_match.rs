//! `unanchored-match`

use crate::diagnostic::Fix;
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::literals::quoted;
use crate::syntax::ast::{Expr, ExprKind, Segment, TextOp};
use crate::syntax::visit;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unanchored-match",
        title: "a text test that is wider or narrower than it looks",
        level: Level::Warn,
        page: include_str!("../../../lints/unanchored-match.md"),
    },
    check,
};

/// The names of fields that name or classify something.
const NAME_FIELDS: &str = "action app application branch cluster env environment host id image instance \
    job kind login name namespace owner phase project region repo repository service severity \
    state status team tier zone";

fn check(context: &LintContext<'_>, out: &mut Findings) {
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
    context: &LintContext<'_>,
    out: &mut Findings,
) {
    let (begins, ends) = (text.starts_with('^'), text.ends_with('$') && !text.ends_with("\\$"));
    // A wildcard at the open end states that any text may be there.
    let open = |ends: &[&str]| ends.iter().any(|end| text.ends_with(end));
    let goes_on = open(&[".*", ".+", ".*)", ".+)", ".*)?"]);
    let comes_before = text.starts_with('.') || text.starts_with("(.") || text.starts_with("(?");
    if begins && !ends && !goes_on || ends && !begins && !comes_before {
        let (label, end) = match begins {
            true => ("begins with `^` but does not end with `$`", "end"),
            false => ("ends with `$` but does not begin with `^`", "beginning"),
        };
        out.add(right.span, "this pattern must match the whole text", |problem| {
            problem.label(label).help(format!(
                "add `.*` at the {end} to allow any text there, or remove the anchor"
            ))
        });
        return;
    }
    let (ignores_case, rest) = ignoring_case(text);
    let (before, rest) = rest.strip_prefix(".*").map_or((false, rest), |rest| (true, rest));
    let (after, rest) = match rest.strip_suffix(".*").filter(|rest| !rest.ends_with('\\')) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let Some(literal) = literal(rest).filter(|literal| !literal.is_empty()) else { return };
    // Some letters that are not in ASCII have no lower case, but match a letter that is.
    if ignores_case && !literal.is_ascii() {
        return;
    }
    let operator = match (before, after) {
        (false, false) => "==",
        (false, true) => "starts-with",
        (true, false) => "ends-with",
        (true, true) => "contains",
    };
    // `.` does not match the end of a line.
    let of = if before || after { " of one line" } else { "" };
    let a = if ignores_case { "an ASCII" } else { "a" };
    let value = context.text(left.span);
    let (operand, literal) = match ignores_case {
        true => (format!("lower({value})"), literal.to_ascii_lowercase()),
        false => (value.to_owned(), literal),
    };
    let test = if ignores_case { format!("lower(…) {operator}") } else { operator.to_owned() };
    let message = format!("for {a} text{of}, this pattern is equivalent to `{test}`");
    out.add(right.span, message, |problem| {
        let better = format!("{operand} {operator} {}", quoted(&literal));
        // The fix is not safe: for values other than texts, `matches` is unknown but `==` is false.
        problem.label("plain text").fix(Fix::new(format!("write `{better}`"), whole.span, better))
    });
}

/// Whether a pattern begins with the flag that ignores case, and the pattern after it.
fn ignoring_case(pattern: &str) -> (bool, &str) {
    pattern.strip_prefix("(?i)").map_or((false, pattern), |rest| (true, rest))
}

/// The text that a pattern matches, if it matches only one.
pub(super) fn literal(pattern: &str) -> Option<String> {
    let mut literal = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => literal.push(chars.next().filter(|c| regex_syntax::is_meta_character(*c))?),
            // Special only in brackets or in verbose mode.
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
    if !bare || !is_name_field(key) {
        return;
    }
    let message =
        format!("`{key}` looks like a name, and a name may contain this word by accident");
    out.add(right.span, message, |problem| {
        problem.label(format!("also matches `x{text}x`")).help(format!(
            "state its position: `== \"{text}\"`, `starts-with \"{text}-\"`, `like \"*-{text}\"`"
        ))
    });
}

/// Whether a field names something, by its key: `namespace`, `dest_namespace`, `clusterName`.
fn is_name_field(key: &str) -> bool {
    let last = key.rsplit(['_', '-', '.', '/']).next().unwrap_or(key);
    let camel = last.rfind(|c: char| c.is_ascii_uppercase()).and_then(|at| last.get(at..));
    let last = camel.unwrap_or(last).to_ascii_lowercase();
    NAME_FIELDS.split_whitespace().any(|name| name == last)
}
