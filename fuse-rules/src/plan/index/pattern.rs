//! The literal texts that every match of a pattern contains.

use regex_syntax::hir::literal::{self, ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind};

use super::access::Access;
use crate::plan::atom::{SlotRef, text_hash};
use crate::typed::{Pattern, TextOp};

/// A required text, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Whole(Box<str>),
    Start(Box<str>),
    End(Box<str>),
    Inside(Box<str>),
}

/// The maximum number of literals for one pattern.
const MAX_LITERALS: usize = 64;
/// The maximum size of a character class that is expanded to its characters.
const MAX_CLASS_CHARS: usize = 4;

impl Literal {
    pub(crate) fn likely(&self) -> f64 {
        match self {
            Self::Whole(text) => likely(text) / 2.0,
            Self::Start(text) | Self::End(text) | Self::Inside(text) => likely(text),
        }
    }

    pub(crate) fn access(self, at: SlotRef) -> Access {
        match self {
            Self::Whole(text) => Access::Equal(at, text_hash(&text)),
            Self::Start(text) => Access::Prefix(at, text),
            Self::End(text) => Access::Suffix(at, text),
            Self::Inside(text) => Access::Contains(at, text),
        }
    }
}

/// The estimated probability that a text of an event contains this literal. It falls with the
/// length.
pub(crate) fn likely(literal: &str) -> f64 {
    0.5 / (1.0 + literal.chars().count() as f64)
}

/// Literals, one of which every match contains; `None` if none is known.
pub(crate) fn literals(pattern: &Pattern) -> Option<Vec<Literal>> {
    match pattern.op {
        TextOp::Like => glob_literals(&pattern.source),
        _ => regex_literals(&pattern.source),
    }
}

/// `*` matches any text, `?` any character.
fn glob_literals(glob: &str) -> Option<Vec<Literal>> {
    // The next character could be escaped.
    if glob.contains('\\') {
        return None;
    }
    let parts: Vec<&str> = glob.split(['*', '?']).collect();
    let (first, last) = (*parts.first()?, *parts.last()?);
    if parts.len() == 1 {
        return Some(vec![Literal::Whole(first.into())]);
    }
    let inside = parts.iter().max_by_key(|part| part.len()).copied()?;
    let longest = first.len().max(last.len()).max(inside.len());
    Some(vec![match longest {
        0 => return None,
        len if first.len() == len => Literal::Start(first.into()),
        len if last.len() == len => Literal::End(last.into()),
        _ => Literal::Inside(inside.into()),
    }])
}

fn regex_literals(regex: &str) -> Option<Vec<Literal>> {
    let hir = regex_syntax::parse(regex).ok()?;
    let start = extracted(&hir, ExtractKind::Prefix);
    if let Some((literals, true)) = &start {
        return Some(literals.iter().map(|text| Literal::Whole(text.clone())).collect());
    }
    let end = extracted(&hir, ExtractKind::Suffix);
    let shortest = |found: &Option<(Vec<Box<str>>, bool)>| {
        found.as_ref().and_then(|(texts, _)| texts.iter().map(|text| text.len()).min()).unwrap_or(0)
    };
    let inside = inside(&hir).map_or(0, |text| text.len());
    let longest = shortest(&start).max(shortest(&end)).max(inside);
    if longest == 0 {
        return None;
    }
    if shortest(&start) == longest {
        return start.map(|(texts, _)| texts.into_iter().map(Literal::Start).collect());
    }
    if shortest(&end) == longest {
        return end.map(|(texts, _)| texts.into_iter().map(Literal::End).collect());
    }
    self::inside(&hir).map(|text| vec![Literal::Inside(text)])
}

/// The texts that matches start or end with, and whether they are the complete matches.
fn extracted(hir: &Hir, kind: ExtractKind) -> Option<(Vec<Box<str>>, bool)> {
    let mut extractor = Extractor::new();
    extractor.kind(kind).limit_class(MAX_CLASS_CHARS).limit_total(MAX_LITERALS);
    let found = extractor.extract(hir);
    let literals = found.literals()?;
    let whole = literals.iter().all(literal::Literal::is_exact);
    let mut texts = Vec::new();
    for literal in literals {
        let text = std::str::from_utf8(literal.as_bytes()).ok()?;
        // An empty prefix has no meaning, but a complete match that is empty does.
        if text.is_empty() && !whole {
            return None;
        }
        texts.push(text.into());
    }
    (!texts.is_empty()).then_some((texts, whole))
}

/// The longest literal in a concatenation.
fn inside(hir: &Hir) -> Option<Box<str>> {
    match hir.kind() {
        HirKind::Capture(capture) => inside(&capture.sub),
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(Into::into),
        HirKind::Concat(parts) => parts.iter().filter_map(inside).max_by_key(|text| text.len()),
        _ => None,
    }
}
