//! `pattern-in-plain-text`

use std::sync::LazyLock;

use regex::Regex;

use super::unanchored_match::literal;
use crate::diagnostic::Fix;
use crate::functions;
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::literals::quoted;
use crate::syntax::ast::{CompareOp, Expr, ExprKind, TextOp};
use crate::syntax::visit;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "pattern-in-plain-text",
        title: "a pattern where plain text is compared",
        level: Level::Warn,
        page: include_str!("../../../lints/pattern-in-plain-text.md"),
    },
    check,
};

/// The functions that take plain text, with the index of that argument, and the function that takes a
/// pattern instead.
const PLAIN_ARGUMENTS: [(&str, usize, Option<&str>); 4] = [
    ("replace", 1, Some("replace-match")),
    ("split", 1, None),
    ("strip-prefix", 1, Some("replace-match")),
    ("strip-suffix", 1, Some("replace-match")),
];

/// Parts of a text that are hardly ever meant literally.
static SIGNS: LazyLock<Vec<(Option<Regex>, &'static str)>> = LazyLock::new(|| {
    [
        (r"\.[*+]", "any text"),
        (r"\\[dwsDWSbB](?:[^A-Za-z]|$)", "a kind of character"),
        (r"[A-Za-z0-9*+)\]]?\\\.[A-Za-z0-9]", "a dot"),
        (r"\[\^?(?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9])[^\]]*\]", "a set of characters"),
        (r"\((?:\?[i:]|[A-Za-z0-9_-]+\|)", "a group"),
        (r"^[A-Za-z0-9_-]+(?:\|[A-Za-z0-9_-]+)+$", "an alternative"),
        // Not a range of versions, such as `^1.2`.
        (r"^\^[^\s^\d]", "the beginning"),
        // Not a price in US$.
        (r"(?:[a-z_)*+\]]|[A-Za-z]{4})\$$", "the end"),
    ]
    .into_iter()
    .map(|(sign, meaning)| (Regex::new(sign).ok(), meaning))
    .collect()
});

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for file in context.trees() {
        visit::expressions(&file.tree, &mut |expr| match &expr.kind {
            ExprKind::Compare { op, left, right } if !op.is_order() => {
                tested(Test::Equal(*op, expr), left, right, context, out);
                tested(Test::Equal(*op, expr), right, left, context, out);
            }
            ExprKind::In { item, list, .. } => {
                if let ExprKind::List(items) = &list.kind {
                    items.iter().for_each(|one| tested(Test::Member, item, one, context, out));
                }
            }
            ExprKind::TextTest { op, left, right }
                if !matches!(op, TextOp::Matches | TextOp::Like) =>
            {
                tested(Test::Part(*op, expr), left, right, context, out);
            }
            ExprKind::Call { function, arguments } => {
                let of_name = |one: &&(&str, usize, Option<&str>)| one.0 == function.text;
                let plain = PLAIN_ARGUMENTS.iter().find(of_name);
                if let Some((name, at, other)) = plain
                    && let (Some(value), Some(argument)) = (arguments.first(), arguments.get(*at))
                {
                    tested(Test::Argument(name, *other), value, argument, context, out);
                }
            }
            _ => {}
        });
    }
}

/// What a text is compared with.
#[derive(Clone, Copy)]
enum Test<'a> {
    /// `==` or `!=`, as a whole.
    Equal(CompareOp, &'a Expr),
    /// An element of a list after `in`.
    Member,
    /// `contains`, `starts-with` or `ends-with`, as a whole.
    Part(TextOp, &'a Expr),
    /// An argument of a function, and the function that takes a pattern.
    Argument(&'static str, Option<&'static str>),
}

fn tested(
    test: Test<'_>,
    value: &Expr,
    compared: &Expr,
    context: &LintContext<'_>,
    out: &mut Findings,
) {
    let ExprKind::String(text) = &compared.kind else { return };
    let operator = match test {
        Test::Equal(op, _) => op.as_str(),
        Test::Member => "in",
        Test::Part(op, _) => op.as_str(),
        Test::Argument(name, _) => name,
    };
    let message = format!("`{operator}` takes plain text, and this looks like a pattern");
    let value = context.text(value.span);
    if let Some(meaning) = regex_sign(text) {
        let better = match test {
            Test::Equal(op, whole) => Some((whole.span, equal(op, value, text))),
            Test::Part(op, whole) => part(op, value, text).map(|text| (whole.span, text)),
            Test::Member | Test::Argument(..) => None,
        };
        let help = match test {
            Test::Argument(_, Some(other)) if functions::find(other).is_some() => {
                format!("use `{other}` for a pattern")
            }
            Test::Argument(..) => "write the plain text".to_owned(),
            _ => "use `matches` for a pattern".to_owned(),
        };
        out.add(compared.span, message, |problem| {
            let problem = problem.label(format!("looks like {meaning}"));
            match better {
                Some((span, better)) => {
                    problem.fix(Fix::new(format!("write `{better}`"), span, better))
                }
                None => problem.help(help),
            }
        });
    } else if matches!(test, Test::Equal(..) | Test::Member) && is_glob(text) {
        out.add(compared.span, message, |problem| {
            let problem = problem.label("`*` is an ordinary character here");
            let like = format!("{value} like {}", quoted(text));
            match test {
                Test::Equal(op, whole) => {
                    let better = negated_if(op, like);
                    problem.fix(Fix::new(format!("write `{better}`"), whole.span, better))
                }
                _ => problem.help(format!("use `{like}`")),
            }
        });
    }
}

/// What a part of the text means in a pattern. A text that is no pattern, or that matches only itself,
/// is none.
fn regex_sign(text: &str) -> Option<&'static str> {
    // Paths of Windows have backslashes.
    let is_path = text.starts_with(r"\\") || text.get(1..3) == Some(r":\");
    if is_path || regex_syntax::parse(text).is_err() {
        return None;
    }
    let has = |sign: &Option<Regex>| sign.as_ref().is_some_and(|sign| sign.is_match(text));
    SIGNS.iter().find(|(sign, _)| has(sign)).map(|(_, meaning)| *meaning)
}

/// Names that end or begin with `*` and are compared as a whole: hosts, as in `*.example.com`, and permissions, as in
/// `s3:*`.
static STAR_NAMES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:\*(?:\.[a-z0-9-]+){2,}|[a-z0-9-]+:\*)$").ok());

/// Whether a text without spaces begins or ends with `*`.
fn is_glob(text: &str) -> bool {
    let star = text.starts_with('*') || text.ends_with('*');
    let is_name = STAR_NAMES.as_ref().is_some_and(|names| names.is_match(text));
    star && !is_name && text.contains(char::is_alphanumeric) && !text.contains(char::is_whitespace)
}

/// The condition, negated where the comparison is `!=`.
fn negated_if(op: CompareOp, condition: String) -> String {
    match op {
        CompareOp::Ne => format!("not ({condition})"),
        _ => condition,
    }
}

/// A comparison with a whole text, as a test of a pattern.
fn equal(op: CompareOp, value: &str, pattern: &str) -> String {
    let pattern = unanchored(pattern);
    let words: Vec<String> = pattern.split('|').map(quoted).collect();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '|' | '-' | '_');
    if words.len() > 1 && pattern.chars().all(is_word) {
        let not = if op == CompareOp::Ne { "not " } else { "" };
        return format!("{value} {not}in [{}]", words.join(", "));
    }
    match literal(pattern) {
        Some(plain) => format!("{value} {} {}", op.as_str(), quoted(&plain)),
        None => negated_if(op, format!("{value} matches {}", raw(pattern))),
    }
}

/// A test of a part of a text, as a test of a pattern, or of the plain text if there is nothing else in
/// the pattern.
fn part(op: TextOp, value: &str, pattern: &str) -> Option<String> {
    let (begins, ends) = (pattern.starts_with('^'), is_ended(pattern));
    let inner = unanchored(pattern);
    let (inner, opens) = inner.strip_prefix(".*").map_or((inner, false), |rest| (rest, true));
    let (inner, goes_on) = inner.strip_suffix(".*").map_or((inner, false), |rest| (rest, true));
    let before = opens || !begins && op != TextOp::StartsWith;
    let after = goes_on || !ends && op != TextOp::EndsWith;
    if let Some(plain) = literal(inner).filter(|plain| !plain.is_empty()) {
        let operator = match (before, after) {
            (false, false) => "==",
            (false, true) => "starts-with",
            (true, false) => "ends-with",
            (true, true) => "contains",
        };
        return Some(format!("{value} {operator} {}", quoted(&plain)));
    }
    let grouped = if inner.contains('|') { format!("(?:{inner})") } else { inner.to_owned() };
    let any = |is_open| if is_open { ".*" } else { "" };
    let flags = if before || after { "(?s)" } else { "" };
    let pattern = format!("{flags}{}{grouped}{}", any(before), any(after));
    regex_syntax::parse(&pattern).ok()?;
    Some(format!("{value} matches {}", raw(&pattern)))
}

/// The pattern without anchors at its ends, which `matches` does not need.
fn unanchored(pattern: &str) -> &str {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    if is_ended(pattern) { pattern.strip_suffix('$').unwrap_or(pattern) } else { pattern }
}

fn is_ended(pattern: &str) -> bool {
    pattern.ends_with('$') && !pattern.ends_with(r"\$")
}

/// A pattern as a literal.
fn raw(pattern: &str) -> String {
    if pattern.contains(['"', '\n', '\r']) { quoted(pattern) } else { format!("r\"{pattern}\"") }
}
