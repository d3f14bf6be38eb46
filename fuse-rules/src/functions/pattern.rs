//! Patterns that functions search for in a text: compiled once, when the rules are checked.

use regex::{Captures, Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use super::{CallContext, fits};
use crate::value::Value;

/// The maximum size of a compiled pattern. No reasonable pattern reaches it, but an attack would.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The maximum number of bytes that one call may have to examine again.
pub(crate) const MAX_SEARCHED_BYTES: usize = 4 << 20;
/// How far ahead a search may look for free.
const MAX_FREE_LOOKAHEAD: usize = 64;

/// A compiled pattern that is searched for anywhere in a text.
#[derive(Debug)]
pub(crate) struct SearchPattern {
    regex: Regex,
    captured: Captured,
    replacement: Vec<Piece>,
    /// How far a search can look past the end of a match, if that is bounded.
    lookahead: Option<usize>,
}

/// What a match gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Captured {
    /// The text of this group; 0 is the whole match.
    Text(usize),
    /// The texts of the named groups.
    Groups(Vec<NamedGroup>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedGroup {
    pub(crate) name: String,
    number: usize,
    /// Whether a match may leave it out.
    pub(crate) optional: bool,
}

/// A part of a replacement.
#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

/// Why a pattern or replacement cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// The pattern cannot be compiled, for this reason.
    Malformed(String),
    /// The pattern has this many groups, none of which has a name.
    SeveralGroups(usize),
    /// The replacement refers to this group, which the pattern does not have.
    UnknownGroup(String),
    /// The replacement refers to a group as other languages do.
    Backslash(char),
}

impl SearchPattern {
    /// A pattern whose groups are captured.
    pub(crate) fn to_capture(source: &str) -> Result<Self, PatternError> {
        let pattern = Self::new(source)?;
        match &pattern.captured {
            Captured::Text(count) if *count > 1 => Err(PatternError::SeveralGroups(*count)),
            _ => Ok(pattern),
        }
    }

    /// A pattern whose matches are replaced.
    pub(crate) fn to_replace(source: &str, replacement: &str) -> Result<Self, PatternError> {
        let pattern = Self::new(source)?;
        let replacement = pieces(replacement, &pattern.regex)?;
        Ok(Self { replacement, ..pattern })
    }

    fn new(source: &str) -> Result<Self, PatternError> {
        let hir = parse(source).map_err(PatternError::Malformed)?;
        let regex = compile(source).map_err(PatternError::Malformed)?;
        let mut always = Vec::new();
        captured_always(&hir, &mut always);
        let named = regex.capture_names().enumerate().filter_map(|(number, name)| {
            let optional = !always.contains(&number);
            Some(NamedGroup { name: name?.to_owned(), number, optional })
        });
        let named: Vec<_> = named.collect();
        let captured = match named.is_empty() {
            true => Captured::Text(regex.captures_len() - 1),
            false => Captured::Groups(named),
        };
        Ok(Self { regex, captured, replacement: Vec::new(), lookahead: lookahead(&hir) })
    }

    /// Whether a replacement may have to examine parts of a text many times.
    pub(crate) fn searches_again(&self) -> bool {
        !self.replacement.is_empty()
            && self.lookahead.is_none_or(|ahead| ahead > MAX_FREE_LOOKAHEAD)
    }

    pub(crate) fn captured(&self) -> &Captured {
        &self.captured
    }

    /// What the first match in the text gives; `None` if there is no match, or if the group is not
    /// part of it.
    pub(super) fn capture(&self, text: &str) -> Result<Option<Value<'static>>, String> {
        let Some(found) = self.regex.captures(text) else { return Ok(None) };
        let part = |group| found.get(group).map(|part| part.as_str());
        Ok(match &self.captured {
            Captured::Text(group) => part(*group).map(|part| Value::text(part.to_owned())),
            Captured::Groups(groups) => {
                let parts = groups.iter().filter_map(|group| Some((group, part(group.number)?)));
                // Groups inside groups repeat their text.
                fits(parts.clone().map(|(_, part)| part.len()).sum())?;
                let entry = |(group, part): (&NamedGroup, &str)| {
                    (group.name.clone().into(), Value::text(part.to_owned()))
                };
                Some(Value::Map(parts.map(entry).collect()))
            }
        })
    }

    /// The number of groups, with the whole match.
    pub(crate) fn group_count(&self) -> usize {
        self.regex.captures_len()
    }

    /// The text with all matches replaced, from left to right.
    pub(super) fn replace(&self, text: &str, context: &CallContext) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = 0;
        let mut searched = 0_usize;
        for found in self.regex.captures_iter(text) {
            let Some(whole) = found.get(0) else { continue };
            out.push_str(text.get(rest..whole.start()).unwrap_or_default());
            rest = whole.end();
            self.push_replacement(&found, &mut out);
            fits(out.len())?;
            // The search may have examined this much more than what it has found.
            let ahead = (text.len() - rest).min(self.lookahead.unwrap_or(usize::MAX));
            searched = searched.saturating_add(ahead);
            if searched > MAX_SEARCHED_BYTES {
                return Err("the text is too long for this many matches".into());
            }
        }
        if self.searches_again() {
            context.search(searched);
        }
        out.push_str(text.get(rest..).unwrap_or_default());
        fits(out.len())?;
        Ok(out)
    }

    fn push_replacement(&self, found: &Captures<'_>, out: &mut String) {
        for piece in &self.replacement {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(group) => found.get(*group).map_or("", |part| part.as_str()),
            });
        }
    }
}

/// Parses a pattern.
pub(crate) fn parse(source: &str) -> Result<Hir, String> {
    regex_syntax::parse(source).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    })
}

/// Compiles a pattern that is within the size limits.
pub(crate) fn compile(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(source)
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|_| "it is too large once compiled".to_owned())
}

/// The groups that are part of every match.
fn captured_always(hir: &Hir, groups: &mut Vec<usize>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            groups.extend(usize::try_from(capture.index));
            captured_always(&capture.sub, groups);
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| captured_always(part, groups)),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            captured_always(&repetition.sub, groups);
        }
        _ => {}
    }
}

/// How far a search can look past the end of a match before it is certain of it: not further than
/// the pattern is long, except for a short text at its end that repeats. A pattern that repeats
/// more may look at the whole rest of the text.
fn lookahead(hir: &Hir) -> Option<usize> {
    let parts = match hir.kind() {
        HirKind::Capture(capture) => return lookahead(&capture.sub),
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let (last, before) = parts.split_last()?;
    let length = |part: &Hir| part.properties().maximum_len();
    let before = before.iter().map(length).sum::<Option<usize>>()?;
    Some(before.saturating_add(length(last).or_else(|| repeated(last))?))
}

/// The least length of a short text that is repeated greedily.
fn repeated(hir: &Hir) -> Option<usize> {
    const MAX_REPEATED_BYTES: usize = 4;
    match hir.kind() {
        HirKind::Capture(capture) => repeated(&capture.sub),
        HirKind::Repetition(repetition) if repetition.greedy => {
            let length = repetition.sub.properties().maximum_len()?;
            let one = matches!(repetition.sub.kind(), HirKind::Class(_) | HirKind::Literal(_))
                && length <= MAX_REPEATED_BYTES;
            let least = usize::try_from(repetition.min).ok()?.max(1);
            one.then(|| least.saturating_mul(length))
        }
        _ => None,
    }
}

/// Splits a replacement: `$1`, `$name` and `${name}` are groups, `$$` is a dollar sign.
fn pieces(replacement: &str, regex: &Regex) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = replacement;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\\' && rest.starts_with(|next: char| next.is_ascii_digit()) {
            return Err(PatternError::Backslash(rest.chars().next().unwrap_or('1')));
        }
        let reference = if c == '$' { reference(rest) } else { None };
        match reference {
            _ if c == '$' && rest.starts_with('$') => {
                text.push('$');
                rest = rest.get(1..).unwrap_or_default();
            }
            Some((name, after)) => {
                let group = group(name, regex);
                let group = group.ok_or_else(|| PatternError::UnknownGroup(name.to_owned()))?;
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Group(group));
                rest = after;
            }
            None => text.push(c),
        }
    }
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

/// The name or number of a group after a `$`, and what follows it.
fn reference(rest: &str) -> Option<(&str, &str)> {
    if let Some(inside) = rest.strip_prefix('{') {
        return inside.split_once('}');
    }
    let digit = |c: char| c.is_ascii_digit();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = match rest.chars().next()? {
        first if digit(first) => rest.find(|c| !digit(c)),
        first if word(first) => rest.find(|c| !word(c)),
        _ => return None,
    };
    Some(rest.split_at(end.unwrap_or(rest.len())))
}

fn group(name: &str, regex: &Regex) -> Option<usize> {
    match name.parse() {
        Ok(number) => (number < regex.captures_len()).then_some(number),
        Err(_) => regex.capture_names().position(|known| known == Some(name)),
    }
}

#[cfg(test)]
mod tests;
