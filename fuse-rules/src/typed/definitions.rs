//! The declarations that are inlined where they are used.

use crate::span::Span;

/// The kind of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionKind {
    /// `type NAME = …`
    Type,
    /// `const NAME = …`
    Const,
    /// `condition NAME(…) = …`
    Condition,
    /// `limiter NAME { … }`
    Limiter,
}

/// A type, constant, condition or limiter, for tools that list them. Their uses are inlined.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) kind: DefinitionKind,
    pub(crate) doc: Option<String>,
    pub(crate) name: Span,
    /// From the name on.
    pub(crate) span: Span,
}
