//! Names that refer to declarations.

use crate::span::Span;

/// A name in the rules, and the name of the declaration to which it refers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameReference {
    /// The span of the name that refers to a declaration.
    pub span: Span,
    /// The span of the name in the declaration.
    pub definition: Span,
}
