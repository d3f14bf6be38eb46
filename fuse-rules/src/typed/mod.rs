//! Checked rules: every name is resolved, every literal is parsed, every block is complete. Only
//! the checker creates them, so nothing has to be checked again.

mod address;
mod definitions;
mod display;
mod flow;
mod fuse;
mod outline;
mod path;
mod reaction;
mod references;
mod response;
mod sensitive;
mod test_blocks;

use std::fmt;
use std::sync::Arc;

use regex::Regex;
use rustc_hash::FxHashMap;

use crate::attempts::AttemptPolicy;
use crate::functions::{Function, SearchPattern};
pub(crate) use crate::path::{Root, Segment};
use crate::schema::{BodyShape, FieldType, PathPattern};
use crate::span::{Files, Span};
pub(crate) use crate::syntax::ast::{ArithOp, CompareOp, QuantifierKind, TextOp};
pub(crate) use crate::types::IsTest;
use crate::types::{Known, Ty};
use crate::value::Value;
pub(crate) use address::Address;
pub(crate) use definitions::Definition;
pub use definitions::DefinitionKind;
pub(crate) use display::{Concealed, Shown};
pub(crate) use flow::{FlowClause, Unless, during_text, may_be_counted, may_be_suppressed};
pub(crate) use fuse::{Fuse, blowing};
pub(crate) use path::{Path, Reference};
pub(crate) use reaction::Reaction;
pub use references::NameReference;
pub(crate) use response::ResponseInfo;
pub(crate) use sensitive::is_compared_with_others;
pub(crate) use test_blocks::{
    Body, Expect, Expected, ExpectedFields, ExpectedRule, Send, Test, TestStep,
};

/// The declarations of all files, checked.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) files: Files,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) fuses: Vec<Fuse>,
    pub(crate) sources: Vec<Source>,
    /// Shared with the rules of a later load, if their files do not change.
    pub(crate) sensors: Vec<Arc<Sensor>>,
    /// Empty unless the rules were loaded in detail; only testing needs them.
    pub(crate) tests: Vec<Test>,
    /// What the checker knows about each expression, if it was asked to keep that.
    pub(crate) known: FxHashMap<Span, Known>,
    /// The span of the body of the called condition, by the span of the call; and of the value of a
    /// `let`, by the span of its use.
    pub(crate) calls: FxHashMap<Span, Span>,
    /// The names of the `let`s, by the spans of their uses.
    pub(crate) lets: FxHashMap<Span, Arc<str>>,
    /// The declarations of all names, sorted by the name, if the checker was asked to keep that.
    pub(crate) references: Vec<NameReference>,
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    /// The span of its name.
    pub(crate) span: Span,
    pub(crate) kind: String,
    /// The preset of the kind that it was written with.
    pub(crate) preset: Option<String>,
    pub(crate) doc: Option<String>,
    pub(crate) events: Vec<EventDecl>,
}

/// An event with the fields of its source and its own merged.
#[derive(Debug)]
pub(crate) struct EventDecl {
    pub(crate) name: String,
    /// The span of its name.
    pub(crate) span: Span,
    pub(crate) doc: Option<String>,
    /// The declared type of its body.
    pub(crate) ty: Option<Ty>,
    /// The span of this type.
    pub(crate) ty_span: Option<Span>,
    /// The type of its body as rules see it: by its declaration and its format.
    pub(crate) body: Ty,
    /// What its body is when it arrives, by its format.
    pub(crate) shape: BodyShape,
    /// The type of its body as it arrives.
    pub(crate) arrives: Ty,
    /// The conditions that a request must meet to be this event; they read the body as it arrives.
    pub(crate) when: Vec<Expr>,
    /// Makes the body that rules see from the body that arrives.
    pub(crate) decode: Option<Expr>,
    /// The address, if the kind of its source has one.
    pub(crate) address: Option<Address>,
    pub(crate) fields: serde_json::Map<String, serde_json::Value>,
    /// Fields with an expression over the event as their value.
    pub(crate) expressions: Vec<(String, Expr)>,
}

impl EventDecl {
    /// Whether an event that does not conform to its type is refused.
    pub(crate) fn rejects(&self) -> bool {
        self.fields.get("mismatch").is_some_and(|policy| policy == "reject")
    }

    /// The parameters of its path. Each request has all of them, and none is empty.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        let path = self.address.iter().filter_map(|address| address.path.as_ref());
        path.flat_map(PathPattern::parameters)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Sensor {
    pub(crate) name: String,
    /// The span of its name.
    pub(crate) span: Span,
    pub(crate) doc: Option<String>,
    /// The events that it listens to.
    pub(crate) events: Vec<EventName>,
    pub(crate) each: Option<Each>,
    pub(crate) lets: Vec<Let>,
    pub(crate) when: Vec<Expr>,
    /// Its clauses of flow control, for tools. Each of its rules has a copy.
    pub(crate) flow: Vec<FlowClause>,
    pub(crate) rules: Vec<Rule>,
}

/// The name of an event, with its source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EventName {
    pub(crate) source: String,
    pub(crate) event: String,
}

impl EventName {
    pub(crate) fn as_pair(&self) -> (&str, &str) {
        (&self.source, &self.event)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.source, self.event)
    }
}

impl Sensor {
    /// Whether it listens to this event of this source.
    pub(crate) fn listens_to(&self, source: &str, event: &str) -> bool {
        self.events.iter().any(|own| own.as_pair() == (source, event))
    }
}

/// A `let`, for tools. Its uses are inlined.
#[derive(Clone, Debug)]
pub(crate) struct Let {
    pub(crate) name: String,
    pub(crate) value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Each<P: Reference = Path> {
    pub(crate) name: String,
    pub(crate) list: Expr<P>,
    pub(crate) max: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// `sensor/rule`.
    pub(crate) name: String,
    /// The span of its name.
    pub(crate) span: Span,
    pub(crate) doc: Option<String>,
    /// The fuses of the sensor and of the rule, as indices into `Rules::fuses`.
    pub(crate) requires: Vec<usize>,
    /// Those of them without `else hold`: while one is off, the rule is gated.
    pub(crate) gates: Vec<usize>,
    pub(crate) each: Option<Each>,
    pub(crate) lets: Vec<Let>,
    pub(crate) when: Vec<Expr>,
    /// The clauses of flow control of the sensor and of the rule, in the order in which they are passed.
    pub(crate) flow: Vec<FlowClause>,
    /// Whether its actions are recorded instead of performed.
    pub(crate) is_shadow: bool,
    pub(crate) triggers: Vec<Trigger>,
    /// The response that its triggers get, if one of them gets one.
    pub(crate) response: Option<ResponseInfo>,
    pub(crate) reactions: Vec<Reaction>,
    /// Whether it is the `unless` of a `still` clause, which cancels waits instead of acting.
    pub(crate) cancels: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Trigger<P: Reference = Path> {
    pub(crate) kind: String,
    /// The span of its kind.
    pub(crate) span: Span,
    pub(crate) attempts: AttemptPolicy,
    /// Whether its rule has `concurrency … else replace`.
    pub(crate) is_replaceable: bool,
    pub(crate) fields: Vec<Mapped<P>>,
}

/// One field of a trigger block.
#[derive(Clone, Debug)]
pub(crate) struct Mapped<P: Reference = Path> {
    /// The key, prefixed by the keys of the blocks around it: `parameters.app-name`.
    pub(crate) name: Arc<str>,
    pub(crate) key: String,
    pub(crate) optional: bool,
    pub(crate) value: MappedValue<P>,
}

#[derive(Clone, Debug)]
pub(crate) enum MappedValue<P: Reference = Path> {
    Expr(Expr<P>, FieldType),
    Block(Vec<Mapped<P>>),
}

/// An expression. `P` is how it refers to values of the event: by path here, by slot in a plan.
#[derive(Clone, Debug)]
pub(crate) struct Expr<P: Reference = Path> {
    pub(crate) kind: ExprKind<P>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind<P: Reference = Path> {
    Const(Value<'static>),
    Path(P),
    Access {
        base: Box<Expr<P>>,
        segments: Vec<Segment>,
    },
    /// A part under a computed key.
    Lookup {
        base: Box<Expr<P>>,
        key: Box<Expr<P>>,
        /// The name of the constant that the base is.
        table: Option<Arc<str>>,
    },
    /// The value of a `let`, which a plan evaluates once per frame.
    Named {
        value: Box<Expr<P>>,
        memo: P::Memo,
    },
    /// Interpolation: the concatenated texts of all parts.
    Concat(Vec<Expr<P>>),
    List(Vec<Expr<P>>),
    Record(Vec<RecordField<P>>),
    Call {
        function: &'static Function,
        arguments: Vec<Expr<P>>,
        /// The pattern that the function searches for.
        pattern: Option<Arc<SearchPattern>>,
    },
    Neg(Box<Expr<P>>),
    Arith {
        op: ArithOp,
        left: Box<Expr<P>>,
        right: Box<Expr<P>>,
    },
    Coalesce {
        left: Box<Expr<P>>,
        right: Box<Expr<P>>,
    },
    /// Evaluates the condition, and then only the branch that it chooses.
    If {
        condition: Box<Expr<P>>,
        chosen: Box<Expr<P>>,
        otherwise: Box<Expr<P>>,
    },
    Not(Box<Expr<P>>),
    And(Vec<Expr<P>>),
    Or(Vec<Expr<P>>),
    Compare {
        op: CompareOp,
        left: Box<Expr<P>>,
        right: Box<Expr<P>>,
    },
    In {
        item: Box<Expr<P>>,
        list: Box<Expr<P>>,
    },
    /// `contains`, `starts-with`, `ends-with`.
    TextTest {
        op: TextOp,
        left: Box<Expr<P>>,
        right: Box<Expr<P>>,
    },
    /// `matches`, `like`.
    Pattern {
        value: Box<Expr<P>>,
        pattern: Arc<Pattern>,
    },
    Is {
        value: Box<Expr<P>>,
        negated: bool,
        test: IsTest,
    },
    Quantifier {
        kind: QuantifierKind,
        /// The name of the element.
        name: Arc<str>,
        list: Box<Expr<P>>,
        body: Box<Expr<P>>,
        frame: P::Frame,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct RecordField<P: Reference = Path> {
    pub(crate) key: String,
    pub(crate) optional: bool,
    pub(crate) value: Expr<P>,
}

/// A compiled pattern that matches whole texts, with its source.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) op: TextOp,
    pub(crate) source: String,
    pub(crate) regex: Regex,
}

impl<P: Reference> Expr<P> {
    /// Whether the expression is a condition by its form: true, false or unknown.
    pub(crate) fn is_condition(&self) -> bool {
        match &self.kind {
            ExprKind::Not(_)
            | ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Compare { .. }
            | ExprKind::In { .. }
            | ExprKind::TextTest { .. }
            | ExprKind::Pattern { .. }
            | ExprKind::Is { .. } => true,
            ExprKind::Quantifier { kind, .. } => kind.is_condition(),
            ExprKind::Named { value, .. } => value.is_condition(),
            ExprKind::If { chosen, otherwise, .. } => {
                chosen.is_condition() && otherwise.is_condition()
            }
            _ => false,
        }
    }

    /// The expression itself, or the value of a `let`.
    pub(crate) fn unnamed(&self) -> &Self {
        match &self.kind {
            ExprKind::Named { value, .. } => value.unnamed(),
            _ => self,
        }
    }

    /// The operands of this expression, in order.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Const(_) | ExprKind::Path(_) => Vec::new(),
            ExprKind::Access { base: one, .. }
            | ExprKind::Named { value: one, .. }
            | ExprKind::Neg(one)
            | ExprKind::Not(one)
            | ExprKind::Pattern { value: one, .. }
            | ExprKind::Is { value: one, .. } => vec![one],
            ExprKind::Concat(all)
            | ExprKind::List(all)
            | ExprKind::And(all)
            | ExprKind::Or(all)
            | ExprKind::Call { arguments: all, .. } => all.iter().collect(),
            ExprKind::Record(fields) => fields.iter().map(|field| &field.value).collect(),
            ExprKind::Arith { left, right, .. }
            | ExprKind::Lookup { base: left, key: right, .. }
            | ExprKind::Coalesce { left, right }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::In { item: left, list: right }
            | ExprKind::TextTest { left, right, .. }
            | ExprKind::Quantifier { list: left, body: right, .. } => vec![left, right],
            ExprKind::If { condition, chosen, otherwise } => vec![condition, chosen, otherwise],
        }
    }

    /// The same, mutable.
    pub(crate) fn children_mut(&mut self) -> Vec<&mut Self> {
        match &mut self.kind {
            ExprKind::Const(_) | ExprKind::Path(_) => Vec::new(),
            ExprKind::Access { base: one, .. }
            | ExprKind::Named { value: one, .. }
            | ExprKind::Neg(one)
            | ExprKind::Not(one)
            | ExprKind::Pattern { value: one, .. }
            | ExprKind::Is { value: one, .. } => vec![one],
            ExprKind::Concat(all)
            | ExprKind::List(all)
            | ExprKind::And(all)
            | ExprKind::Or(all)
            | ExprKind::Call { arguments: all, .. } => all.iter_mut().collect(),
            ExprKind::Record(fields) => fields.iter_mut().map(|field| &mut field.value).collect(),
            ExprKind::Arith { left, right, .. }
            | ExprKind::Lookup { base: left, key: right, .. }
            | ExprKind::Coalesce { left, right }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::In { item: left, list: right }
            | ExprKind::TextTest { left, right, .. }
            | ExprKind::Quantifier { list: left, body: right, .. } => vec![left, right],
            ExprKind::If { condition, chosen, otherwise } => vec![condition, chosen, otherwise],
        }
    }

    /// Whether it reads a sensitive value. If so, neither its values nor its constants are shown.
    pub(crate) fn is_sensitive(&self) -> bool {
        match &self.kind {
            ExprKind::Path(path) => path.is_sensitive(),
            _ => self.children().into_iter().any(Self::is_sensitive),
        }
    }

    /// Calls `visit` with every path (or slot) in the expression, in order.
    pub(crate) fn references<'e>(&'e self, visit: &mut impl FnMut(&'e P)) {
        if let ExprKind::Path(path) = &self.kind {
            visit(path);
        }
        for child in self.children() {
            child.references(visit);
        }
    }
}
