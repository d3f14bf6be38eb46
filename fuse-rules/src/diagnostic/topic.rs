//! What a problem is one of: a fault with a code, or what a lint finds.

use std::borrow::Cow;
use std::fmt;

use super::{Code, Lint};

/// What a problem is one of. It is printed with the problem, and has a page of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A fault of the rules.
    Code(Code),
    /// What a lint looks for.
    Lint(&'static Lint),
}

impl Topic {
    /// The code, as `E0201`, or the lint's name, as `unused-const`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code(code) => code.as_str(),
            Self::Lint(lint) => lint.name(),
        }
    }

    /// What it is about, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Code(code) => code.title(),
            Self::Lint(lint) => lint.title(),
        }
    }

    /// Its page in Markdown.
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
