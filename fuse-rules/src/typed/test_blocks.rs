//! Checked `test` declarations.

use crate::decision::Outcome;
use crate::flow::FlowRequest;
use crate::reaction::{ActionResponse, ReactionKind};
use crate::span::Span;

/// A `test` with all names resolved and all values computed.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    /// The span of its name.
    pub(crate) span: Span,
    /// The span of the whole test.
    pub(crate) whole: Span,
    pub(crate) steps: Vec<TestStep>,
}

#[derive(Debug)]
pub(crate) enum TestStep {
    With {
        fuse: String,
        on: bool,
    },
    /// What the actions of a rule get. The rule has its full name.
    Response {
        rule: String,
        response: ActionResponse,
    },
    /// Matches of other rules that a limiter lets through.
    Limiter {
        request: Box<FlowRequest>,
        used: u32,
    },
    At(jiff::Timestamp),
    /// The actions of the oldest occurrence in progress of a rule end.
    Finish(String),
    Send(Send),
    /// A person answers what waits for approval. The rule has its full name.
    Answer {
        rule: String,
        is_approved: bool,
        span: Span,
    },
    Expect(Expect),
}

/// An event that a test sends.
#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) source: String,
    pub(crate) event: String,
    pub(crate) body: Body,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    /// The parameters of the path.
    pub(crate) path: Vec<(String, String)>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// The name of the file that contains it, for the loader.
    File {
        name: String,
        span: Span,
    },
    Json(String),
}

#[derive(Debug)]
pub(crate) struct Expect {
    pub(crate) what: Expected,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Expected {
    /// No other rule fires, and no other action is rejected.
    NothingElse,
    /// This fuse is blown after the events, and its reaction has these fields.
    Blown(String, Option<ExpectedFields>),
    /// This rule does not fire.
    No(String),
    Rule(Box<ExpectedRule>),
}

#[derive(Debug)]
pub(crate) struct ExpectedRule {
    /// Its full name.
    pub(crate) rule: String,
    /// The kind, if it is the name of a reaction.
    pub(crate) reaction: Option<ReactionKind>,
    pub(crate) outcome: Outcome,
    pub(crate) count: Option<u32>,
    pub(crate) element: Option<Vec<u32>>,
    pub(crate) because: Option<String>,
    pub(crate) fields: Option<ExpectedFields>,
}

/// The fields of an action that a test expects.
#[derive(Debug)]
pub(crate) struct ExpectedFields {
    pub(crate) span: Span,
    /// Fields that the action has. It may have others.
    pub(crate) values: serde_json::Map<String, serde_json::Value>,
    /// The paths of fields that the action does not have.
    pub(crate) left_out: Vec<Vec<String>>,
    /// The triggers of the rule that set all of these fields, by position.
    pub(crate) triggers: Vec<u32>,
}
