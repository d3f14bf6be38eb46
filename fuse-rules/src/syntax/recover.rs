//! Converts the text that recovery skipped to problems that name the mistake.
//!
//! Parses the text again with the rule that should have matched. The message says how far that got
//! and what was expected there.

use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};

use super::hints::{self, Stop, WORDS};
use super::{Grammar, Rule};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::span::{FileId, Span};

/// The byte that a pest error points to.
pub(super) fn position(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// Text that recovery skipped.
#[derive(Clone, Copy)]
pub(super) struct Junk {
    /// The start of the previous item in the same block, if there is one.
    pub(super) before: Option<usize>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The problem of text that did not parse as `probe`.
pub(super) fn problem(file: FileId, text: &str, junk: Junk, probe: Rule) -> Diagnostic {
    let start = junk.start;
    let (mut at, mut wanted) = failure(text, start, junk.end, probe);
    if at == start {
        // Not even the first character parses. Perhaps the text continues the previous item, which
        // was parsed as far as possible.
        if let Some(before) = junk.before {
            let (from_before, wanted_there) = failure(text, before, junk.end, probe);
            if from_before > start {
                (at, wanted) = (from_before, wanted_there);
            }
        }
    }
    // If the error is on a later line, the mistake is on the line before: something is missing
    // there.
    let read = text.get(start..at).unwrap_or("");
    let solid = start + strip_layout(read).len();
    let past_line = read.get(solid - start..).is_some_and(|gap| gap.contains('\n'));
    let nothing_left = text.get(at..junk.end).is_none_or(|rest| rest.trim().is_empty());
    if at > start && (past_line || nothing_left) {
        let from = last_token(text, start, solid);
        let token = text.get(from..solid).unwrap_or("");
        let message = match list(&wanted) {
            Some(wanted) => format!("expected {wanted} after `{token}`"),
            None => format!("something is missing after `{token}`"),
        };
        let help = match probe {
            Rule::probe_fuse => Some("add its default, as in `fuse cicd default off`"),
            Rule::probe_fuse_item if wanted.contains(&"`within`") => {
                Some("add a duration, as in `blow after 20 actions within 10m`")
            }
            _ if wanted.contains(&"`within`") => {
                Some("add a duration, as in `once per body.id within 4h`")
            }
            _ if wanted.contains(&"`unless`") => Some(hints::UNLESS),
            _ => None,
        };
        return Diagnostic::error(Code::E0101, Span::new(file, from..solid), message)
            .label("something is missing after this")
            .maybe_help(help.map(str::to_owned));
    }
    let found = token_at(text, at);
    let span = Span::new(file, at..(at + found.len()).min(text.len()));
    let shown = match found {
        "" if at >= text.len() => "the end of the file".to_owned(),
        "" => "the end of the line".to_owned(),
        found => format!("`{found}`"),
    };
    if probe == Rule::probe_sensor_head && wanted == ["`.`"] {
        let message = "a sensor listens to an event of a source";
        return Diagnostic::error(Code::E0101, Span::new(file, at..at + 1), message)
            .label("the event is missing")
            .help("name both, as in `alertmanager.slo-alerts`");
    }
    let problem = match list(&wanted) {
        Some(wanted) => {
            let message = format!("expected {wanted}, found {shown}");
            Diagnostic::error(Code::E0101, span, message).label("not expected here")
        }
        None => Diagnostic::error(Code::E0101, span, format!("{shown} is not expected here")),
    };
    let stop = Stop { text, found, span, at_start: at == start, probe, before: junk.before };
    let hint = hints::hint(stop);
    problem.maybe_help(hint.help).maybe_fix(hint.fix)
}

/// How far the text parses as `probe`, and what was expected there.
fn failure(text: &str, start: usize, end: usize, probe: Rule) -> (usize, Vec<&'static str>) {
    match Grammar::parse(probe, text.get(start..end).unwrap_or("")) {
        Err(error) => (start + position(&error), wanted(&error)),
        Ok(_) => (start, Vec::new()),
    }
}

/// The parts of text that is not a declaration, as ranges. A line that is not indented and starts
/// like a declaration starts a new part.
pub(super) fn pieces(text: &str) -> Vec<(usize, usize)> {
    let mut starts = vec![0];
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let word = line.split(|c: char| !(is_word(c) || c == '-')).next().unwrap_or("");
        let begins = line.trim_end().ends_with('{') || suggest::nearest(word, WORDS).is_some();
        if offset > 0 && !word.is_empty() && begins {
            starts.push(offset);
        }
        offset += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().copied().zip(ends).collect()
}

/// The text without white space and comments at its end.
fn strip_layout(text: &str) -> &str {
    let mut end = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split_once('#').map_or(line, |(code, _)| code).trim_end();
        if !code.trim_start().is_empty() {
            end = offset + code.len();
        }
        offset += line.len();
    }
    text.get(..end).unwrap_or(text)
}

pub(super) fn is_word(c: char) -> bool {
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
    if c == '"' {
        let opening = before.get(..last).and_then(|text| text.rfind('"'));
        return start + opening.unwrap_or(last);
    }
    if !is_word(c) {
        let symbol =
            |c: char| c.is_ascii_punctuation() && !matches!(c, '"' | ')' | ']' | '}' | '_');
        let from = before.char_indices().rev().take_while(|(_, c)| symbol(*c)).last();
        return start + from.map_or(last, |(i, _)| i);
    }
    let from = before.char_indices().rev().take_while(|(_, c)| word(*c)).last();
    start + from.map_or(last, |(i, _)| i)
}

/// The token that starts at `at`: a word, or one symbol.
fn token_at(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or("");
    let Some(first) = rest.chars().next() else {
        return "";
    };
    let len = if is_word(first) {
        rest.find(|c: char| !(is_word(c) || c == '-')).unwrap_or(rest.len())
    } else if first == '\n' || first == '\r' {
        0
    } else {
        first.len_utf8()
    };
    let token = rest.get(..len).unwrap_or("");
    if is_word(first) { token.trim_end_matches('-') } else { token }
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
    // If an operand is possible, so is an expression; the operators that can precede it add
    // nothing.
    if all.contains(&AN_EXPRESSION) {
        all.retain(|word| *word == AN_EXPRESSION || word.starts_with('`') && word.len() == 3);
    }
    // A type can start in many ways, and can continue with `|`.
    if all.contains(&A_TYPE) {
        all.retain(|word| *word == A_TYPE);
    }
    // Ways to continue an expression are not helpful if something else must follow it.
    let goes_on = |word: &&str| matches!(*word, "`in`" | "`.`" | "`|`");
    if !all.iter().all(&goes_on) {
        all.retain(|word| !goes_on(word));
    }
    all.sort_by_key(|word| (word.starts_with('`'), *word != A_NAME));
    all
}

/// `a`, `a or b`, `a, b or c`; `None` if the list is empty or too long.
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
const A_TYPE: &str = "a type";

/// The name of a grammar rule in messages; `None` if it would not help an author.
fn describe(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::ident | Rule::fuse_name => A_NAME,
        Rule::kw_use => "`use`",
        Rule::kw_std => "`std`",
        Rule::kw_type | Rule::type_decl => "`type`",
        Rule::kw_const | Rule::const_decl => "`const`",
        Rule::kw_condition | Rule::condition_decl => "`condition`",
        Rule::kw_schema | Rule::json_schema => "`json-schema`",
        Rule::bar => "`|`",
        Rule::angle_open => "`<`",
        Rule::angle_close => "`>`",
        Rule::type_expr
        | Rule::type_generic
        | Rule::type_record
        | Rule::type_paren
        | Rule::type_literal
        | Rule::type_name => A_TYPE,
        Rule::type_field => "a field",
        Rule::type_rest => "`...`",
        Rule::parameter => "a parameter",
        Rule::kw_fuse | Rule::expect_fuse => "`fuse`",
        Rule::kw_default => "`default`",
        Rule::kw_blow | Rule::blow_clause => "`blow`",
        Rule::blow_counts => "`actions` or `failures`",
        Rule::kw_reset | Rule::reset_clause => "`reset`",
        Rule::kw_manually => "`manually`",
        Rule::kw_blown => "`blown`",
        Rule::fuse_block => "`{`",
        Rule::kw_defaults => "`defaults`",
        Rule::kw_source => "`source`",
        Rule::kw_sensor => "`sensor`",
        Rule::kw_on => "`on`",
        Rule::kw_rule => "`rule`",
        Rule::kw_requires => "`requires`",
        Rule::kw_each => "`each`",
        Rule::kw_let | Rule::let_clause => "`let`",
        Rule::kw_when => "`when`",
        Rule::kw_after | Rule::after_clause => "`after`",
        Rule::kw_once => "`once`",
        Rule::kw_during | Rule::during_clause => "`during`",
        Rule::window | Rule::window_times => "a window such as `09:00..17:00`",
        Rule::window_days => "days such as `mon..fri`",
        Rule::kw_quiet | Rule::quiet_clause => "`quiet`",
        Rule::kw_still | Rule::still_clause => "`still`",
        Rule::kw_approval | Rule::approval_clause => "`approval`",
        Rule::kw_unless | Rule::unless_part => "`unless`",
        Rule::kw_limit | Rule::limit_clause => "`limit`",
        Rule::kw_concurrency | Rule::concurrency_clause => "`concurrency`",
        Rule::kw_queue => "`queue`",
        Rule::kw_skip => "`skip`",
        Rule::kw_replace => "`replace`",
        Rule::kw_hold => "`hold`",
        Rule::kw_shadow | Rule::shadow_clause => "`shadow`",
        Rule::kw_per => "`per`",
        Rule::kw_within => "`within`",
        Rule::kw_trigger => "`trigger`",
        Rule::kw_retry | Rule::retry_part => "`retry`",
        Rule::kw_backoff => "`backoff`",
        Rule::kw_timeout | Rule::timeout_part => "`timeout`",
        Rule::backoff_range => "delays such as `1s..1m`",
        Rule::range_dots => "`..`",
        Rule::kw_in => "`in`",
        Rule::kw_then => "`then`",
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
        Rule::string | Rule::plain_string | Rule::quote => "a string",
        Rule::integer => "a whole number",
        Rule::duration | Rule::alien_duration => "a duration such as `10m`",
        Rule::expr
        | Rule::conditional
        | Rule::kw_if
        | Rule::if_condition
        | Rule::if_branch
        | Rule::term
        | Rule::root
        | Rule::value
        | Rule::function => AN_EXPRESSION,
        Rule::block | Rule::event_block => "`{`",
        Rule::use_decl => "`use`",
        Rule::fuse_decl => "`fuse`",
        Rule::limiter_decl | Rule::kw_limiter => "`limiter`",
        Rule::limiter_name => "the name of a limiter",
        Rule::limiter_limit => "`limit`",
        Rule::limiter_concurrency => "`concurrency`",
        Rule::defaults_decl => "`defaults`",
        Rule::source_decl => "`source`",
        Rule::sensor_decl => "`sensor`",
        Rule::rule_decl => "`rule`",
        Rule::requires_clause => "`requires`",
        Rule::each_clause => "`each`",
        Rule::when_clause => "`when`",
        Rule::once_clause => "`once`",
        Rule::trigger_clause => "`trigger`",
        Rule::reaction_clause => "`on`",
        Rule::reaction_head => "what to react to, such as `failure`",
        Rule::event_ref => "a source and event such as `alertmanager.slo-alerts`",
        Rule::field | Rule::nested | Rule::key => "a field",
        Rule::from_pick | Rule::kw_from | Rule::send_file => "`from`",
        Rule::kw_test | Rule::test_decl => "`test`",
        Rule::test_head => "a string",
        Rule::kw_with | Rule::with_step | Rule::response_step | Rule::limiter_step => "`with`",
        Rule::kw_response => "`response`",
        Rule::kw_used => "`used`",
        Rule::kw_at | Rule::at_step => "`at`",
        Rule::kw_finish | Rule::finish_step => "`finish`",
        Rule::kw_approve | Rule::answer_step => "`approve`",
        Rule::kw_decline => "`decline`",
        Rule::kw_send | Rule::send_step => "`send`",
        Rule::kw_expect | Rule::expect_step => "`expect`",
        Rule::kw_body | Rule::send_body => "`body`",
        Rule::kw_headers | Rule::send_headers => "`headers`",
        Rule::kw_query | Rule::send_query => "`query`",
        Rule::kw_path | Rule::send_path => "`path`",
        Rule::kw_no | Rule::expect_no => "`no`",
        Rule::kw_nothing | Rule::expect_nothing => "`nothing else`",
        Rule::kw_else => "`else`",
        Rule::kw_times => "`times`",
        Rule::kw_for | Rule::expect_element => "`for element`",
        Rule::kw_element => "`element`",
        Rule::kw_because | Rule::expect_reason => "`because`",
        Rule::expect_count => "how often",
        Rule::outcome => "an outcome such as `gated`",
        Rule::rule_ref | Rule::expect_rule => "a rule",
        Rule::slash => "`/`",
        _ => return None,
    })
}
