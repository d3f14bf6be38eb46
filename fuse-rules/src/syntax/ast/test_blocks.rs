//! `test` declarations as they are written.

use super::{Block, Expr, Text};
use crate::span::Span;

/// `test "…" { … }`.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: Text,
    pub(crate) steps: Vec<TestStep>,
    /// All of it.
    pub(crate) span: Span,
    /// A step was dropped by recovery, or the head is.
    pub(crate) incomplete: bool,
}

/// A step of a test.
#[derive(Debug)]
pub(crate) enum TestStep {
    /// `with fuse NAME on`.
    With {
        fuse: Text,
        on: bool,
    },
    /// `at "TIME"`.
    At(Text),
    Send(Send),
    Expect(Expect),
}

/// `send SOURCE.EVENT …`.
#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) source: Text,
    pub(crate) event: Text,
    /// The file of the body.
    pub(crate) files: Vec<Text>,
    pub(crate) bodies: Vec<Expr>,
    pub(crate) headers: Vec<Block>,
    pub(crate) queries: Vec<Block>,
    pub(crate) span: Span,
}

/// `expect …`.
#[derive(Debug)]
pub(crate) struct Expect {
    pub(crate) what: Expected,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Expected {
    NothingElse,
    No(RuleRef),
    Rule(Box<ExpectedRule>),
}

/// What a test expects of one rule.
#[derive(Debug)]
pub(crate) struct ExpectedRule {
    pub(crate) rule: RuleRef,
    pub(crate) outcome: Option<Text>,
    /// How often, and where that is said.
    pub(crate) count: Option<(u32, Span)>,
    pub(crate) element: Option<(Vec<u32>, Span)>,
    pub(crate) because: Option<Text>,
    pub(crate) fields: Option<Block>,
}

/// A rule by its name, or by its sensor's and its own.
#[derive(Debug)]
pub(crate) struct RuleRef {
    pub(crate) text: String,
    pub(crate) span: Span,
}
