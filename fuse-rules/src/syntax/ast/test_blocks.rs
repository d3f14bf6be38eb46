//! `test` declarations in the syntax tree.

use super::{Block, Expr, Text};
use crate::span::Span;

/// `test "…" { … }`.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) name: Text,
    pub(crate) steps: Vec<TestStep>,
    /// The complete step.
    pub(crate) span: Span,
    /// Recovery dropped a step, or the header did not parse.
    pub(crate) incomplete: bool,
}

/// A step of a test.
#[derive(Clone, Debug)]
pub(crate) enum TestStep {
    /// `with fuse NAME on`.
    With {
        fuse: Text,
        on: bool,
    },
    /// `with response RULE { … }`.
    Response {
        rule: RuleRef,
        response: Block,
    },
    /// `with limiter NAME used N per KEY, …`.
    Limiter {
        limiter: Text,
        used: (u32, Span),
        keys: Vec<Expr>,
        span: Span,
    },
    /// `at "TIME"`.
    At(Text),
    /// `finish RULE`.
    Finish(RuleRef),
    Send(Send),
    /// `approve RULE`, `decline RULE`.
    Answer {
        rule: RuleRef,
        is_approved: bool,
        span: Span,
    },
    Expect(Expect),
}

/// `send SOURCE.EVENT …`.
#[derive(Clone, Debug)]
pub(crate) struct Send {
    pub(crate) source: Text,
    pub(crate) event: Text,
    /// The files that contain the body.
    pub(crate) files: Vec<Text>,
    pub(crate) bodies: Vec<Expr>,
    pub(crate) headers: Vec<Block>,
    pub(crate) queries: Vec<Block>,
    /// The parameters of the path.
    pub(crate) paths: Vec<Block>,
    pub(crate) span: Span,
}

/// `expect …`.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub(crate) what: Expected,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Expected {
    NothingElse,
    /// `expect fuse NAME blown`, with fields of its reaction.
    Blown(Text, Option<Block>),
    /// The rule, and the kind of its reaction if that is meant.
    No(RuleRef, Option<Text>),
    Rule(Box<ExpectedRule>),
}

/// The decisions that a test expects of one rule.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedRule {
    pub(crate) rule: RuleRef,
    /// The kind of the rule's reaction, if that is meant.
    pub(crate) reaction: Option<Text>,
    pub(crate) outcome: Option<Text>,
    /// The number of times, and its span.
    pub(crate) count: Option<(u32, Span)>,
    pub(crate) element: Option<(Vec<u32>, Span)>,
    pub(crate) because: Option<Text>,
    pub(crate) fields: Option<Block>,
}

/// A rule by its name, or by the names of its sensor and itself.
#[derive(Clone, Debug)]
pub(crate) struct RuleRef {
    pub(crate) text: String,
    pub(crate) span: Span,
}
