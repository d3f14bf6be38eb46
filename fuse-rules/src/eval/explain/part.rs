//! A condition taken apart, as data: what each part of it says, what it came to, on which values.

use std::fmt;

use serde::Serialize;

/// A condition, or a part of one, and how it came out.
///
/// As JSON, what is empty is left out, except for `truth`, which is null for unknown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// It as it is written, on one line, cut where it is long. Where it looks at a
    /// [sensitive](crate::is_sensitive) header, its constants are hidden.
    pub text: String,
    /// Where it is written, as `file:line:column`.
    pub place: String,
    /// How it follows from its parts.
    pub form: Form,
    /// The element of a quantifier's list that it is about, as in `label 0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// `true`, `false`, or `None` for unknown.
    pub truth: Option<bool>,
    /// Why it is unknown, where it is: in words, with the path at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it is one of the few parts that made the decision what it is. Of what is true or false:
    /// whatever the others were, it would be the same. Of what is unknown: once these were known, it
    /// would be.
    pub deciding: bool,
    /// The values that it looked at itself, not through its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
    /// What it is made of, in the order in which it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// How many further parts it has that are not told here. Those that are told decide it.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// How a condition follows from its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// It has no parts: it looks at values.
    Test,
    /// `not …`
    Not,
    /// `… and …`
    And,
    /// `… or …`
    Or,
    /// A call of a named condition; its one part is the condition, where that is declared.
    Call,
    /// `any(… in …: …)`; its parts are its elements.
    Any,
    /// `all(… in …: …)`; its parts are its elements.
    All,
    /// `none(… in …: …)`; its parts are its elements.
    None,
}

/// A path and what stood there, a constant and what it is, or a call, a count or a list that is made, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The path, or what is computed, as it is written, or the constant's name.
    pub path: String,
    /// Its value as JSON, cut where it is long; `None` where it is missing. [`HIDDEN`](crate::HIDDEN), which
    /// is not JSON, where it is that of a [sensitive](crate::is_sensitive) header or is compared with one.
    pub value: Option<String>,
}

impl Part {
    /// How many parts it has, with itself.
    pub(super) fn size(&self) -> usize {
        1 + self.parts.iter().map(Self::size).sum::<usize>()
    }

    /// Marks it as deciding, and of its parts those that decide it.
    pub(super) fn decide(&mut self) {
        self.deciding = true;
        let (truth, most) = self.form.deciders(self.truth);
        let parts = self.parts.iter_mut().filter(|part| part.truth == truth);
        parts.take(most).for_each(Self::decide);
    }
}

impl Form {
    /// The truth of the parts that decide it, and how many of them do at most.
    pub(crate) fn deciders(self, truth: Option<bool>) -> (Option<bool>, usize) {
        let Some(truth) = truth else { return (None, usize::MAX) };
        let (of_parts, one_is_enough) = match self {
            Self::Test | Self::Call => (truth, true),
            Self::Not => (!truth, true),
            Self::And | Self::All => (truth, !truth),
            Self::Or | Self::Any => (truth, truth),
            Self::None => (!truth, !truth),
        };
        (Some(of_parts), if one_is_enough { 1 } else { usize::MAX })
    }

    /// Whether its parts are elements of a list.
    pub fn is_quantifier(self) -> bool {
        matches!(self, Self::Any | Self::All | Self::None)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "`{}` is {value}", self.path),
            None => write!(f, "`{}` is missing", self.path),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
