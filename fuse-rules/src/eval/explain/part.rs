//! A condition split into parts, as data: the text, truth and values of each part.

use std::fmt;

use serde::Serialize;

/// A condition, or a part of one, with its result.
///
/// In JSON, empty fields are left out, except for `truth`, which is null if unknown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// The source text on one line, shortened if it is long. If the part reads a
    /// [sensitive](crate::explain::is_sensitive) header, its constants are hidden.
    pub text: String,
    /// The position in the source, as `file:line:column`.
    pub place: String,
    /// How the truth follows from the parts.
    pub form: Form,
    /// The element of a quantifier's list, such as `label 0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// `true`, `false`, or `None` for unknown.
    pub truth: Option<bool>,
    /// The reason why it is unknown, with the path at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether this is one of the few parts that caused the decision. If they are true or false,
    /// the result is the same for any values of the others. If they are unknown, the result is
    /// known once they are; if one is the condition of a conditional, its branch counts too.
    pub deciding: bool,
    /// The values that this part reads itself, not through its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
    /// The parts, in the order of the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The number of further parts that are left out. The parts that are shown decide the result.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// How the truth of a condition follows from its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// No parts: the condition reads values.
    Test,
    /// `not …`
    Not,
    /// `… and …`
    And,
    /// `… or …`
    Or,
    /// `if … then … else …`. The parts are the condition and the branch that it chooses; only the
    /// condition if it is unknown.
    If,
    /// A call of a named condition. Its only part is the body of the condition.
    Call,
    /// `any(… in …: …)`; the parts are its elements.
    Any,
    /// `all(… in …: …)`; the parts are its elements.
    All,
    /// `none(… in …: …)`; the parts are its elements.
    None,
}

/// A value that a part reads: of a path, a constant, a call, a count, or a list that is computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The source text of the path or expression, or the constant's name.
    pub path: String,
    /// The value as JSON, shortened if it is long; `None` if it is missing. If it comes from a
    /// [sensitive](crate::explain::is_sensitive) header or is compared with one, it is
    /// [`HIDDEN`](crate::explain::HIDDEN), which is not JSON.
    pub value: Option<String>,
}

impl Part {
    /// The number of parts, including this one.
    pub(super) fn size(&self) -> usize {
        1 + self.parts.iter().map(Self::size).sum::<usize>()
    }

    /// Marks this part as deciding, and the parts that decide it.
    pub(super) fn decide(&mut self) {
        self.deciding = true;
        if self.form == Form::If {
            let known = self.truth.is_some();
            let parts = self.parts.iter_mut().filter(|part| known || part.truth.is_none());
            return parts.for_each(Self::decide);
        }
        let (truth, most) = self.form.deciders(self.truth);
        let parts = self.parts.iter_mut().filter(|part| part.truth == truth);
        parts.take(most).for_each(Self::decide);
    }
}

impl Form {
    /// The truth of the parts that decide it, and their maximum number.
    pub(crate) fn deciders(self, truth: Option<bool>) -> (Option<bool>, usize) {
        let Some(truth) = truth else { return (None, usize::MAX) };
        let (of_parts, one_is_enough) = match self {
            Self::Test | Self::Call => (truth, true),
            Self::Not => (!truth, true),
            Self::And | Self::All => (truth, !truth),
            Self::Or | Self::Any => (truth, truth),
            Self::None => (!truth, !truth),
            Self::If => (truth, false),
        };
        (Some(of_parts), if one_is_enough { 1 } else { usize::MAX })
    }

    /// Whether the parts are elements of a list.
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
