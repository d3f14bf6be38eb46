//! The topic of a problem: an error code or a lint.

use std::borrow::Cow;
use std::fmt;

use super::{Code, Lint};

/// The topic of a problem. It is printed with the problem, and has its own page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// An error in the rules.
    Code(Code),
    /// A lint.
    Lint(&'static Lint),
}

impl Topic {
    /// The code, such as `E0201`, or the name of the lint, such as `unused-const`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code(code) => code.as_str(),
            Self::Lint(lint) => lint.name(),
        }
    }

    /// A short description.
    pub fn title(self) -> &'static str {
        match self {
            Self::Code(code) => code.title(),
            Self::Lint(lint) => lint.title(),
        }
    }

    /// The page in Markdown.
    pub fn page(self) -> Cow<'static, str> {
        match self {
            Self::Code(code) => code.page().into(),
            Self::Lint(lint) => lint.page().into(),
        }
    }
}

impl From<Code> for Topic {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

impl PartialEq<Code> for Topic {
    fn eq(&self, code: &Code) -> bool {
        *self == Self::Code(*code)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
