//! What recovery took up, as problems that name the fault.
//!
//! The text is read again with the rule that should have matched; how far that gets, and what it
//! wanted there, is the message.

use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};

use super::{Grammar, Rule};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::span::{FileId, Span};

/// Where a pest error points.
pub(super) fn position(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// The problem of the text at `start..end`, which did not parse as `probe`.
pub(super) fn problem(
    file: FileId,
    text: &str,
    start: usize,
    end: usize,
    probe: Rule,
) -> Diagnostic {
    let rest = text.get(start..).unwrap_or("");
    let (at, wanted) = match Grammar::parse(probe, rest) {
        Err(error) => (start + position(&error), wanted(&error)),
        // It parses on its own, so it is what stands before it that is at fault.
        Ok(_) => (start, Vec::new()),
    };
    // A fault that shows only on a later line is one of the line before: something is missing.
    let read = text.get(start..at).unwrap_or("");
    let solid = start + strip_layout(read).len();
    if at > start
        && read
            .get(solid - start..)
            .is_some_and(|gap| gap.contains('\n'))
    {
        let from = last_token(text, start, solid);
        let token = text.get(from..solid).unwrap_or("");
        let message = match list(&wanted) {
            Some(wanted) => format!("expected {wanted} after `{token}`"),
            None => format!("something is missing after `{token}`"),
        };
        return Diagnostic::error(Code::E0101, Span::new(file, from..solid), message)
            .label("nothing follows on this line or the next");
    }
    let found = token_at(text, at);
    let to = (at + found.len()).min(text.len());
    let span = Span::new(file, at..to);
    let shown = if found.is_empty() {
        "the end of the file".to_owned()
    } else {
        format!("`{found}`")
    };
    let message = match list(&wanted) {
        Some(wanted) => format!("expected {wanted}, found {shown}"),
        None => format!("{shown} is not expected here"),
    };
    let problem = Diagnostic::error(Code::E0101, span, message).label("not expected here");
    let problem = problem.maybe_help(hint(text, at, found, at == start));
    debug_assert!(end >= start, "recovery takes up at least one character");
    problem
}

/// Help for slips that are easy to name.
fn hint(text: &str, at: usize, found: &str, at_start: bool) -> Option<String> {
    const WORDS: [&str; 12] = [
        "use", "fuse", "defaults", "source", "sensor", "rule", "requires", "each", "when", "once",
        "trigger", "event",
    ];
    let before = text.get(..at).unwrap_or("").trim_end_matches([' ', '\t']);
    match found {
        "-" => Some("put a space on both sides of `-` to subtract".into()),
        ";" => Some("clauses and fields end with their line; leave the `;` out".into()),
        ":" => Some("a field is written `name = value`".into()),
        "$" => Some(
            "a path starts with `body`, `headers`, `query` or `event`, as in `body.name`".into(),
        ),
        "{" if before.ends_with('=') => None,
        "[" | "(" if before.len() < at => Some(format!(
            "`{found}` touches what it belongs to, without a space"
        )),
        "}" if at_start => Some("there is one `}` too many, or a `{` is missing before it".into()),
        _ if at_start && !WORDS.contains(&found) => {
            let near = suggest::nearest(found, WORDS)?;
            Some(format!("did you mean `{near}`?"))
        }
        _ => None,
    }
}

/// The text without the white space and comments at its end.
fn strip_layout(text: &str) -> &str {
    let mut end = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line
            .split_once('#')
            .map_or(line, |(code, _)| code)
            .trim_end();
        if !code.trim_start().is_empty() {
            end = offset + code.len();
        }
        offset += line.len();
    }
    text.get(..end).unwrap_or(text)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The start of the token that ends at `end`.
fn last_token(text: &str, start: usize, end: usize) -> usize {
    let before = text.get(start..end).unwrap_or("");
    let word = |c: char| is_word(c) || c == '-' || c == '.';
    let mut chars = before.char_indices().rev().peekable();
    let Some(&(last, c)) = chars.peek() else {
        return start;
    };
    if !is_word(c) {
        let symbol =
            |c: char| c.is_ascii_punctuation() && !matches!(c, '"' | ')' | ']' | '}' | '_');
        let from = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| symbol(*c))
            .last();
        return start + from.map_or(last, |(i, _)| i);
    }
    let from = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| word(*c))
        .last();
    start + from.map_or(last, |(i, _)| i)
}

/// The token that starts at `at`: a word, or one symbol.
fn token_at(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or("");
    let Some(first) = rest.chars().next() else {
        return "";
    };
    let len = if is_word(first) {
        rest.find(|c: char| !(is_word(c) || c == '-'))
            .unwrap_or(rest.len())
    } else if first == '\n' || first == '\r' {
        0
    } else {
        first.len_utf8()
    };
    rest.get(..len).unwrap_or("").trim_end_matches('-')
}

fn wanted(error: &Error<Rule>) -> Vec<&'static str> {
    let ErrorVariant::ParsingError { positives, .. } = &error.variant else {
        return Vec::new();
    };
    let mut all: Vec<&'static str> = Vec::new();
    for rule in positives {
        if let Some(word) = describe(*rule).filter(|word| !all.contains(word)) {
            all.push(word);
        }
    }
    // Where an operand may begin, an expression may; the operators that may go on before it say
    // nothing more.
    if all.contains(&AN_EXPRESSION) {
        all.retain(|word| *word == AN_EXPRESSION || word.starts_with('`') && word.len() == 3);
    }
    all.sort_by_key(|word| (word.starts_with('`'), *word != A_NAME));
    all
}

/// `a`, `a or b`, `a, b or c`; `None` where there is nothing or too much to name.
fn list(words: &[&str]) -> Option<String> {
    match words {
        [] => None,
        [one] => Some((*one).to_owned()),
        [head @ .., last] if words.len() <= 8 => Some(format!("{} or {last}", head.join(", "))),
        _ => None,
    }
}

const AN_EXPRESSION: &str = "an expression";
const A_NAME: &str = "a name";

/// What a rule is called in messages; `None` for what says nothing to an author.
fn describe(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::ident => A_NAME,
        Rule::kw_use => "`use`",
        Rule::kw_fuse => "`fuse`",
        Rule::kw_default => "`default`",
        Rule::kw_defaults => "`defaults`",
        Rule::kw_source => "`source`",
        Rule::kw_sensor => "`sensor`",
        Rule::kw_on => "`on`",
        Rule::kw_rule => "`rule`",
        Rule::kw_requires => "`requires`",
        Rule::kw_each => "`each`",
        Rule::kw_when => "`when`",
        Rule::kw_once => "`once`",
        Rule::kw_per => "`per`",
        Rule::kw_within => "`within`",
        Rule::kw_trigger => "`trigger`",
        Rule::kw_in => "`in`",
        Rule::switch => "`on` or `off`",
        Rule::brace_open => "`{`",
        Rule::brace_close | Rule::close => "`}`",
        Rule::paren_open => "`(`",
        Rule::paren_close => "`)`",
        Rule::bracket_close => "`]`",
        Rule::comma => "`,`",
        Rule::colon => "`:`",
        Rule::dot => "`.`",
        Rule::assign => "`=`",
        Rule::string | Rule::quote => "a string",
        Rule::integer => "a whole number",
        Rule::duration => "a duration such as `10m`",
        Rule::expr | Rule::term | Rule::root | Rule::value | Rule::function => AN_EXPRESSION,
        Rule::block => "`{`",
        Rule::use_decl => "`use`",
        Rule::fuse_decl => "`fuse`",
        Rule::defaults_decl => "`defaults`",
        Rule::source_decl => "`source`",
        Rule::sensor_decl => "`sensor`",
        Rule::rule_decl => "`rule`",
        Rule::requires_clause => "`requires`",
        Rule::each_clause => "`each`",
        Rule::when_clause => "`when`",
        Rule::once_clause => "`once`",
        Rule::trigger_clause => "`trigger`",
        Rule::event_ref => "a source and event such as `alertmanager.slo-alerts`",
        Rule::field | Rule::nested | Rule::key => "a field",
        Rule::from_pick => "`from`",
        _ => return None,
    })
}
