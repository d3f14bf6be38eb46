//! Sets of texts: finite sets, or all texts that pass some tests except a finite set.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Automata, Pick};
use crate::functions::ranges::Range;
use crate::typed::Pattern;
use crate::types::{Format, Ty};
use crate::value::Value;

/// The text that is used if any text will do.
pub(crate) const ANY_TEXT: &str = "x";

/// Up to how many characters an automaton counts.
const MAX_COUNTED_CHARACTERS: usize = 100;

/// A test of a text.
#[derive(Clone, Debug)]
pub(crate) enum StringTest {
    Start(Arc<str>),
    End(Arc<str>),
    Contains(Arc<str>),
    Pattern(Arc<Pattern>),
    /// Whether it has at most this many characters.
    AtMost(usize),
    /// Whether a function can return it.
    Range(&'static Range),
    /// Whether it has a format of this type. Formats are not regular.
    Type(Arc<Ty>),
}

impl PartialEq for StringTest {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Start(a), Self::Start(b))
            | (Self::End(a), Self::End(b))
            | (Self::Contains(a), Self::Contains(b)) => a == b,
            (Self::Pattern(a), Self::Pattern(b)) => a.op == b.op && a.source == b.source,
            (Self::AtMost(a), Self::AtMost(b)) => a == b,
            (Self::Range(a), Self::Range(b)) => std::ptr::eq(*a, *b),
            (Self::Type(a), Self::Type(b)) => a == b,
            _ => false,
        }
    }
}

impl StringTest {
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Start(start) => text.starts_with(&**start),
            Self::End(end) => text.ends_with(&**end),
            Self::Contains(inside) => text.contains(&**inside),
            Self::Pattern(pattern) => pattern.regex.is_match(text),
            Self::AtMost(most) => text.chars().nth(*most).is_none(),
            Self::Range(range) => range.has_text(text),
            Self::Type(ty) => ty.mismatch(&Value::text(text)).is_none(),
        }
    }

    /// The texts that pass, as a pattern; `None` if they are not a regular language.
    pub(super) fn regex(&self) -> Option<String> {
        let any = "(?s:.*)";
        Some(match self {
            Self::Start(text) => format!(r"\A{}{any}\z", regex::escape(text)),
            Self::End(text) => format!(r"\A{any}{}\z", regex::escape(text)),
            Self::Contains(text) => format!(r"\A{any}{}{any}\z", regex::escape(text)),
            Self::Pattern(pattern) => pattern.regex.as_str().to_owned(),
            Self::AtMost(most) if *most <= MAX_COUNTED_CHARACTERS => {
                format!(r"\A(?s:.{{0,{most}}})\z")
            }
            Self::AtMost(_) => return None,
            Self::Range(range) => return range.regex(),
            Self::Type(_) => return None,
        })
    }
}

/// A set of texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TextSet {
    Only(Arc<BTreeSet<Arc<str>>>),
    /// All texts with these test results, except these.
    But(Arc<BTreeSet<Arc<str>>>, Vec<(StringTest, bool)>),
}

impl TextSet {
    pub(crate) fn none() -> Self {
        Self::Only(Arc::default())
    }

    pub(crate) fn all() -> Self {
        Self::But(Arc::default(), Vec::new())
    }

    pub(crate) fn only(texts: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self::Only(Arc::new(texts.into_iter().collect()))
    }

    pub(crate) fn but(texts: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self::But(Arc::new(texts.into_iter().collect()), Vec::new())
    }

    /// The texts of this set that have this test result.
    pub(crate) fn tested(self, test: StringTest, passes: bool) -> Self {
        self.and(&Self::But(Arc::default(), vec![(test, passes)]))
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(some), other) | (other, Self::Only(some)) => {
                if some.iter().all(|text| other.has(text)) {
                    return Self::Only(some.clone());
                }
                Self::only(some.iter().filter(|text| other.has(text)).cloned())
            }
            (Self::But(own, tests), Self::But(others, more)) => {
                let mut tests = tests.clone();
                for (test, passes) in more {
                    match tests.iter().find(|(own, _)| own == test) {
                        Some((_, own)) if own == passes => {}
                        Some(_) => return Self::none(),
                        None => tests.push((test.clone(), *passes)),
                    }
                }
                let but = match (own.is_empty(), others.is_empty()) {
                    (true, _) => others.clone(),
                    (_, true) => own.clone(),
                    _ => Arc::new(own.union(others).cloned().collect()),
                };
                Self::But(but, tests)
            }
        }
    }

    /// A set that contains both sets: all texts, unless both are finite or one contains the other.
    pub(crate) fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::only(a.iter().chain(b.iter()).cloned()),
            (Self::Only(some), more) | (more, Self::Only(some))
                if some.iter().all(|text| more.has(text)) =>
            {
                more.clone()
            }
            (a, b) if a == b => a.clone(),
            _ => Self::all(),
        }
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        match self {
            Self::Only(some) => some.contains(text),
            Self::But(but, tests) => {
                !but.contains(text) && tests.iter().all(|(test, is)| test.passes(text) == *is)
            }
        }
    }

    /// Whether the set is obviously empty; `pick` decides it more precisely.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Only(some) if some.is_empty())
    }

    /// The texts of which all parts of its texts are members, as far as that is known.
    pub(crate) fn parts(&self) -> Self {
        let Self::But(_, tests) = self else { return Self::all() };
        let kept = tests.iter().filter(|(test, passes)| match test {
            StringTest::Range(range) => *passes && range.has_parts(),
            StringTest::Contains(_) => !passes,
            StringTest::AtMost(_) => *passes,
            _ => false,
        });
        Self::But(Arc::default(), kept.cloned().collect())
    }

    /// Its texts, if it lists them.
    pub(crate) fn finite(&self) -> Option<&BTreeSet<Arc<str>>> {
        match self {
            Self::Only(some) => Some(some),
            Self::But(..) => None,
        }
    }

    /// A text of the set, as simple as possible.
    pub(crate) fn pick(&self, automata: &mut Automata) -> Pick<Arc<str>> {
        let (but, tests) = match self {
            Self::Only(some) => {
                return some.first().map_or(Pick::None, |one| Pick::One(one.clone()));
            }
            Self::But(but, tests) => (but, tests),
        };
        if let Some(text) = likely_texts(tests).into_iter().find(|text| self.has(text)) {
            return Pick::One(text.into());
        }
        if tests.is_empty() {
            // One more than the number of excluded texts.
            let numbered = (1..=but.len() + 1).map(|n| format!("x{n}"));
            let found = numbered.into_iter().find(|text| !but.contains(text.as_str()));
            return found.map_or(Pick::Unsure, |text| Pick::One(text.into()));
        }
        match automata.pick(but, tests) {
            Pick::One(text) if self.has(&text) => Pick::One(text.into()),
            Pick::None => Pick::None,
            Pick::One(_) | Pick::Unsure => Pick::Unsure,
        }
    }
}

/// Texts that are likely to pass.
fn likely_texts(tests: &[(StringTest, bool)]) -> Vec<String> {
    let (mut starts, mut insides, mut ends) = (vec![""], vec![""], vec![""]);
    let mut found = Vec::new();
    for (test, passes) in tests {
        match test {
            _ if !passes => {}
            StringTest::Start(text) => starts.push(text),
            StringTest::End(text) => ends.push(text),
            StringTest::Contains(text) => insides.push(text),
            StringTest::Pattern(pattern) => {
                found.push(pattern.source.replace(['\\', '*', '?'], ""))
            }
            StringTest::AtMost(_) | StringTest::Range(_) => {}
            StringTest::Type(_) => {
                found.extend(Format::ALL.map(|format| format.example().to_owned()))
            }
        }
    }
    let longest = |texts: &[&str]| {
        texts.iter().max_by_key(|text| text.len()).map_or("", |text| text).to_owned()
    };
    let (start, inside, end) = (longest(&starts), insides.concat(), longest(&ends));
    found.extend([format!("{start}{inside}{end}"), format!("{start}{end}")]);
    found.extend([start.clone(), end.clone(), inside.clone()]);
    if !start.is_empty() || !inside.is_empty() || !end.is_empty() {
        let parts =
            [start, inside, end].map(|part| if part.is_empty() { "x".into() } else { part });
        found.push(parts.join("-"));
    }
    if tests.iter().any(|(test, passes)| *passes && matches!(test, StringTest::Type(_))) {
        let started = Format::ALL.map(Format::example).map(|example| {
            let start = longest(&starts);
            format!("{start}{}", example.get(start.len()..).unwrap_or(""))
        });
        found.extend(started);
    }
    // The empty text is the least informative one, so it comes last.
    found.retain(|text| !text.is_empty());
    found.extend([ANY_TEXT, "y", ""].map(str::to_owned));
    found
}
