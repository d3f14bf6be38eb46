//! Help for common slips: habits of other languages, and keywords in the wrong place.

use super::Rule;
use super::recover::is_word;
use crate::diagnostic::{Fix, suggest};
use crate::span::Span;

/// The point where parsing stopped.
#[derive(Clone, Copy)]
pub(super) struct Stop<'a> {
    pub(super) text: &'a str,
    /// The token that was not expected.
    pub(super) found: &'a str,
    pub(super) span: Span,
    /// Whether parsing stopped at the first token.
    pub(super) at_start: bool,
    /// The rule that should have matched.
    pub(super) probe: Rule,
    /// The start of the previous item in the same block, if there is one.
    pub(super) before: Option<usize>,
}

/// The help for a slip, and its fix if there is one.
#[derive(Default)]
pub(super) struct Hint {
    pub(super) help: Option<String>,
    pub(super) fix: Option<Fix>,
}

impl Hint {
    fn help(text: impl Into<String>) -> Self {
        Self { help: Some(text.into()), fix: None }
    }

    fn fix(fix: Fix) -> Self {
        Self { help: None, fix: Some(fix) }
    }
}

/// The keywords that start a declaration or a clause.
pub(super) const WORDS: [&str; 14] = [
    "use", "fuse", "defaults", "source", "sensor", "rule", "requires", "each", "let", "when",
    "once", "trigger", "event", "test",
];
/// How `during` is written.
const DURING: &str = "write ranges with two dots, times with four digits, and dates as strings, as in \
     `during mon..fri 09:00..17:00, sat 10:00..12:00 \"Europe/Madrid\" except \"2026-12-25\" else wait`";
/// How the clauses of a trigger are written.
const ATTEMPTS: &str = "write the clauses of a trigger in this order: `trigger http retry 5 backoff 1s..1m timeout 10s { … }`";
/// How `still` is written.
pub(super) const UNLESS: &str = "add the events that end the wait, as in `still 5m per body.id unless alerts.resolved when body.ok`";
const TEXT_TESTS: [&str; 5] = ["matches", "contains", "starts-with", "ends-with", "like"];
const QUANTIFIERS: [&str; 7] = ["any(", "all(", "none(", "count(", "filter(", "map(", "first("];
const UNITS: [&str; 5] = ["ms", "s", "m", "h", "d"];

pub(super) fn hint(stop: Stop<'_>) -> Hint {
    let found = stop.found;
    let at = stop.span.range().start;
    let before = stop.text.get(..at).unwrap_or("").trim_end_matches([' ', '\t']);
    let after = stop.text.get(at + found.len()..).unwrap_or("");
    let touches = before.len() == at;
    if stop.probe == Rule::probe_fuse {
        return fuse(stop, before);
    }
    if stop.probe == Rule::probe_sensor_head && matches!(found, "," | "and" | "|") {
        let title = "join the events with `or`, as in `on github.push or gitlab.push`";
        return Hint::help(title);
    }
    if stop.at_start
        && let Some(place) = misplaced(found, stop.probe)
    {
        return Hint::help(place);
    }
    let of_context = quantifier(stop, before)
        .or_else(|| key(stop, before))
        .or_else(|| part(stop, before, after));
    if let Some(hint) = of_context {
        return hint;
    }
    if found == "if" && !stop.at_start {
        return Hint::help("put this conditional in parentheses: `(if … then … else …)`");
    }
    if let Some((spelling, fix)) = foreign(found) {
        let title = format!("write {spelling}");
        return match fix.filter(|_| !stop.at_start || continues_line(stop)) {
            Some(right) => Hint::fix(Fix::safe(title, stop.span, right)),
            None => Hint::help(title),
        };
    }
    match found {
        "-" if before.ends_with('\n') && after.starts_with(' ') => {
            Hint::help("a list is written `[\"a\", \"b\"]`")
        }
        _ if line_before(before).starts_with("during") => Hint::help(DURING),
        _ if line_before(before).starts_with("trigger") && !line_before(before).contains('{') => {
            Hint::help(ATTEMPTS)
        }
        "-" => Hint::help("put a space on both sides of `-` to subtract"),
        "/" if after.starts_with(['/', '*']) => Hint::help("comments start with `#`"),
        ":" if after.trim_start_matches([' ', '\t']).starts_with('\n') => {
            Hint::help("a block is written `name { … }`")
        }
        "$" => Hint::help(
            "a path starts with `body`, `headers`, `query` or `event`, as in `body.name`",
        ),
        "'" | "`" => Hint::help("strings are written in double quotes, as in \"text\""),
        "\"" if before.ends_with(" is") || before.ends_with(" not") => {
            Hint::help("`is` tests the kind of a value; to compare, write `== \"…\"`")
        }
        "\"" if before.ends_with("within") => {
            Hint::help("a duration has a unit and no quotes, as in `90s` or `1h`")
        }
        word if TEXT_TESTS.contains(&word) && after.starts_with('(') => Hint::help(format!(
            "`{word}` is written between its operands, as in `body.name {word} \"x\"`"
        )),
        _ if line_before(before) == "after" && found.chars().any(|c| !c.is_ascii_digit()) => {
            Hint::help("write which match acts, as in `after 3 within 1m per body.app`")
        }
        "per" | "in" | "for" if line_before(before).starts_with("after") => Hint::help(
            "write the time in which the matches are counted before the keys, as in \
             `after 3 within 1m per body.app`",
        ),
        "within" | "per" | "in" if line_before(before).starts_with("limit") => {
            Hint::help("write how many actions per which time, as in `limit 3 per 1h per body.app`")
        }
        "else" if line_before(before).starts_with("limit") => {
            Hint::help("`else wait` comes last, as in `limit 3 per 1h per body.app else wait`")
        }
        _ if line_before(before).starts_with("concurrency") && before.ends_with("else") => {
            Hint::help(
                "write what becomes of others: `else queue`, which is the default, or `else skip`",
            )
        }
        "within" | "for" | "in" if line_before(before).starts_with("concurrency") => Hint::help(
            "write how many may be in progress, and the keys, as in `concurrency 1 per body.app`",
        ),
        "within" | "for" if line_before(before).starts_with("quiet") => {
            Hint::help("write how long no other event may come, as in `quiet 5m per body.app`")
        }
        "within" | "for" | "when" | "unless" if line_before(before).starts_with("still") => {
            Hint::help(UNLESS)
        }
        "when" | "each" if before.ends_with("unless") => Hint::help(UNLESS),
        "within" if before.ends_with("once") => {
            Hint::help("add the key that must not repeat, as in `once per body.id within 4h`")
        }
        unit if UNITS.contains(&unit) && before.ends_with(|c: char| c.is_ascii_digit()) => {
            Hint::help(format!("write the unit directly after the number, as in `10{unit}`"))
        }
        "," if continues_line(stop) && in_parentheses(before) => {
            Hint::help("a list is written with brackets: `[\"a\", \"b\"]`")
        }
        "," if continues_line(stop) => {
            Hint::help("join two conditions with `and`, or write two `when` clauses")
        }
        "{" if before.ends_with('=') => Hint::default(),
        "(" if touches && before.ends_with(|c: char| is_word(c)) => {
            Hint::help("values have no methods; functions are called as in `len(body.items)`")
        }
        "[" | "(" if !touches => {
            Hint::help(format!("`{found}` must directly follow its operand, without a space"))
        }
        "}" if stop.at_start => {
            Hint::help("there is one `}` too many, or a `{` is missing before it")
        }
        _ if stop.at_start && !WORDS.contains(&found) => match suggest::nearest(found, WORDS) {
            Some(near) => Hint::fix(Fix::new(format!("did you mean `{near}`?"), stop.span, near)),
            None => joined(stop),
        },
        _ => joined(stop),
    }
}

/// The condition of a quantifier that does not follow a colon: `any(x in body.l where …)`.
fn quantifier(stop: Stop<'_>, before: &str) -> Option<Hint> {
    let is_separator = matches!(stop.found, "where" | "if" | "when" | "," | "|" | ";" | ">");
    if !is_separator && !matches!(stop.found, "." | ":") {
        return None;
    }
    let arrow = if stop.found == ">" { "=" } else { "" };
    let (start, word) = QUANTIFIERS
        .into_iter()
        .filter_map(|word| before.rmatch_indices(word).next())
        .max_by_key(|(at, _)| *at)?;
    let written = before.get(start..)?.strip_suffix(arrow)?.trim_end();
    let is_open = written.matches('(').count() == written.matches(')').count() + 1;
    if !is_open || written.contains([':', '\n']) {
        return None;
    }
    if !written.contains(" in ") {
        let title = format!("name the element, as in `{word}x in body.items: x.size)`");
        return Some(Hint::help(title));
    }
    if !is_separator {
        return None;
    }
    let span = Span::new(stop.span.file, start + written.len()..stop.span.range().end);
    Some(Hint::fix(Fix::new(format!("write `{written}: …)`"), span, ":")))
}

/// A part of a text or list in brackets: `body.sha[0:7]`.
fn part(stop: Stop<'_>, before: &str, after: &str) -> Option<Hint> {
    if stop.found != ":" {
        return None;
    }
    let open = before.rfind('[')?;
    let in_path = |c: char| is_word(c) || matches!(c, '.' | '-');
    let operand = before.get(..open)?;
    let start = operand.trim_end_matches(in_path).len();
    let close = after.find(']')?;
    let (operand, from, to) =
        (operand.get(start..)?, before.get(open + 1..)?.trim(), after.get(..close)?.trim());
    let is_index = |text: &str| text.chars().all(in_path);
    if operand.is_empty() || !is_index(from) || !is_index(to) {
        return None;
    }
    let arguments = [operand, if from.is_empty() { "0" } else { from }, to];
    let arguments: Vec<&str> = arguments.into_iter().filter(|part| !part.is_empty()).collect();
    let right = format!("slice({})", arguments.join(", "));
    let span = Span::new(stop.span.file, start..stop.span.range().end + close + 1);
    Some(Hint::fix(Fix::safe(format!("write `{right}`"), span, right)))
}

/// A key with characters that names do not have, such as `body.größe`.
fn key(stop: Stop<'_>, before: &str) -> Option<Hint> {
    if !stop.found.contains(|c: char| !c.is_ascii() && is_word(c)) {
        return None;
    }
    let start = before.trim_end_matches(|c: char| is_word(c) || c == '-').len();
    let end = stop.span.range().end;
    let touches = before.len() == stop.span.range().start;
    let start = if touches { start } else { stop.span.range().start };
    let name = stop.text.get(start..end)?;
    if stop.text.get(..start)?.ends_with('.') {
        let span = Span::new(stop.span.file, start - 1..end);
        let right = format!("[\"{name}\"]");
        let title = format!("write a key that is not a name in brackets: `{right}`");
        return Some(Hint::fix(Fix::safe(title, span, right)));
    }
    if !matches!(stop.probe, Rule::probe_field | Rule::probe_type_field | Rule::probe_pick) {
        return None;
    }
    let span = Span::new(stop.span.file, start..end);
    let right = format!("\"{name}\"");
    let title = format!("write a key that is not a name in quotes: `{right}`");
    Some(Hint::fix(Fix::new(title, span, right)))
}

/// A second condition in one clause.
fn joined(stop: Stop<'_>) -> Hint {
    // The possible first tokens of a condition.
    let condition = ["body", "headers", "query", "event", "not", "("].contains(&stop.found);
    if condition && stop.at_start && continues_line(stop) {
        Hint::help("join two conditions with `and` or `or`")
    } else {
        Hint::default()
    }
}

/// Whether this continues the item before it on the same line.
fn continues_line(stop: Stop<'_>) -> bool {
    stop.before.is_some_and(|before| {
        let between = stop.text.get(before..stop.span.range().start);
        !between.is_some_and(|line| line.contains('\n'))
    })
}

/// A fuse whose default does not parse.
fn fuse(stop: Stop<'_>, before: &str) -> Hint {
    let right = match stop.found {
        "true" | "True" | "yes" | "1" | "enabled" | "ON" | "On" => "on",
        "false" | "False" | "no" | "0" | "disabled" | "OFF" | "Off" => "off",
        "on" | "off" if before.ends_with(|c: char| is_word(c)) => {
            let right = format!("default {}", stop.found);
            return Hint::fix(Fix::safe(format!("write `{right}`"), stop.span, right));
        }
        _ => return Hint::help("add its default, as in `fuse cicd default off`"),
    };
    if before.ends_with("default") {
        Hint::fix(Fix::safe(format!("write `{right}`"), stop.span, right))
    } else {
        Hint::help(format!("add its default, as in `fuse cicd default {right}`"))
    }
}

/// The correct place for a keyword that is in the wrong one.
fn misplaced(word: &str, probe: Rule) -> Option<&'static str> {
    Some(match (word, probe) {
        ("rule", Rule::probe_declaration) => {
            "a rule must be inside a sensor: `sensor NAME on SOURCE.EVENT { rule … }`"
        }
        (
            "requires" | "each" | "let" | "when" | "during" | "after" | "once" | "quiet" | "still"
            | "limit" | "approval" | "concurrency" | "shadow",
            Rule::probe_declaration,
        ) => "a clause must be inside a sensor or rule",
        ("trigger", _) => "this clause must be inside a rule: `rule NAME { … }`",
        ("event", Rule::probe_declaration) => {
            "an event must be inside its source: `source NAME KIND { event … }`"
        }
        ("use" | "fuse" | "defaults" | "source" | "sensor", Rule::probe_clause) => {
            "a declaration must be outside of sensors and rules"
        }
        ("rule", Rule::probe_clause) => {
            "rules cannot be nested; write them one after another in the sensor"
        }
        _ => return None,
    })
}

/// The equivalent of another language's keyword, and its replacement text.
fn foreign(word: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match word {
        "startsWith" | "hasPrefix" | "startswith" | "starts_with" => {
            ("`starts-with`, as in `body.a starts-with \"x\"`", Some("starts-with"))
        }
        "endsWith" | "hasSuffix" | "endswith" | "ends_with" => {
            ("`ends-with`, as in `body.a ends-with \"x\"`", Some("ends-with"))
        }
        "exists" | "defined" => ("`is present`, as in `body.a is present`", Some("is present")),
        "equals" | "eq" => ("`==`", Some("==")),
        "AND" | "And" => ("`and`", Some("and")),
        "OR" | "Or" => ("`or`", Some("or")),
        "NOT" | "Not" => ("`not`", Some("not")),
        "IN" => ("`in`", Some("in")),
        "for" | "foreach" | "loop" => ("`each x in …`", None),
        "if" | "where" | "match" => ("`when …`", None),
        "var" | "val" | "def" | "set" => ("`let NAME = …`", None),
        "dedupe" | "unique" => ("`once per … within …`", None),
        "hours" | "between" | "schedule" | "window" => {
            ("`during mon..fri 09:00..17:00 \"Europe/Madrid\"`", None)
        }
        "debounce" | "settle" => ("`quiet 2m per body.app`", None),
        "sustained" | "hold" | "pending" | "delay" => {
            ("`still 5m per alert.fingerprint unless … when …`", None)
        }
        "approve" | "manual" | "confirm" | "review" => ("`approval within 4h by \"GROUP\"`", None),
        "dry-run" | "dryrun" | "canary" => ("`shadow`", None),
        "throttle" | "rate" | "ratelimit" | "rate-limit" => {
            ("`limit 3 per 1h per body.app` or `once per … within …`", None)
        }
        "parallel" | "parallelism" | "mutex" | "serialize" | "max-in-flight" => {
            ("`concurrency 1 per body.app`", None)
        }
        "threshold" | "occurrences" => ("`after 3 within 1m per body.app`", None),
        "action" | "then" | "do" => ("`trigger …`", None),
        "import" | "include" => ("`use \"file.rules\"`", None),
        _ => return None,
    })
}

/// The line so far, without its indentation.
fn line_before(before: &str) -> &str {
    before.rsplit('\n').next().unwrap_or_default().trim_start()
}

/// Whether the line so far iterates over a parenthesized list after `in`.
fn in_parentheses(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or("");
    line.rfind('(').is_some_and(|at| {
        line.get(..at).is_some_and(|start| start.trim_end().ends_with(" in"))
            && !line.get(at..).is_some_and(|rest| rest.contains(')'))
    })
}
