//! The syntax tree of a file: nothing is resolved, and every node keeps its span.

mod flow;
mod fuses;
mod operators;
mod test_blocks;
mod trigger;

pub(crate) use crate::path::Segment;
use jiff::SignedDuration;

use crate::number::Number;
use crate::span::Span;
pub(crate) use flow::{FlowClause, HoursText, Limiter, Unless};
pub(crate) use fuses::{Blow, Reset};
pub(crate) use operators::{ArithOp, CompareOp, QuantifierKind, TextOp};
pub(crate) use test_blocks::{Expect, Expected, ExpectedRule, RuleRef, Send, Test, TestStep};
pub(crate) use trigger::{RetryClause, TimeoutClause, Trigger};

/// The declarations of a file, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) uses: Vec<Use>,
    pub(crate) types: Vec<TypeDecl>,
    pub(crate) consts: Vec<Const>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) fuses: Vec<Fuse>,
    pub(crate) limiters: Vec<Limiter>,
    pub(crate) defaults: Vec<Defaults>,
    pub(crate) sources: Vec<Source>,
    pub(crate) sensors: Vec<Sensor>,
    pub(crate) tests: Vec<Test>,
}

impl File {
    /// The declarations without the bodies of sensors and tests: what other files, and the names of all files, need.
    pub(crate) fn outline(&self) -> Self {
        let named = |sensor: &Sensor| Sensor {
            doc: None,
            name: sensor.name.clone(),
            events: Vec::new(),
            shared: Shared::default(),
            rules: Vec::new(),
            broken: sensor.broken,
            incomplete: sensor.incomplete,
        };
        Self {
            uses: self.uses.clone(),
            types: self.types.clone(),
            consts: self.consts.clone(),
            conditions: self.conditions.clone(),
            fuses: self.fuses.clone(),
            limiters: self.limiters.clone(),
            defaults: self.defaults.clone(),
            sources: self.sources.clone(),
            sensors: self.sensors.iter().map(named).collect(),
            tests: Vec::new(),
        }
    }
}

/// A name, or another piece of text with a span.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// `use "file.rules"`, or `use std "module"`.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) std: bool,
    pub(crate) name: Text,
}

/// `type NAME = …`.
#[derive(Clone, Debug)]
pub(crate) struct TypeDecl {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    pub(crate) value: TypeValue,
}

/// The definition of a declared type.
#[derive(Clone, Debug)]
pub(crate) enum TypeValue {
    Type(Type),
    /// A JSON Schema file. The loader replaces the name with its type.
    JsonSchema(Text),
}

/// `const NAME = …`.
#[derive(Clone, Debug)]
pub(crate) struct Const {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    pub(crate) value: Expr,
}

/// `condition NAME(…) = …`.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Text,
    pub(crate) ty: Option<Type>,
}

#[derive(Clone, Debug)]
pub(crate) struct Type {
    pub(crate) kind: TypeKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum TypeKind {
    /// `string`, a declared name, or `module.name`.
    Name {
        module: Option<String>,
        name: String,
    },
    String(String),
    Number(Number),
    Bool(bool),
    List(Box<Type>),
    Map(Box<Type>),
    Record {
        fields: Vec<TypeField>,
        /// `...`: other fields are allowed too.
        open: bool,
    },
    Union(Vec<Type>),
    /// Could not be parsed; the problem is already reported.
    Error,
}

#[derive(Clone, Debug)]
pub(crate) struct TypeField {
    pub(crate) key: Text,
    pub(crate) optional: bool,
    pub(crate) ty: Type,
}

#[derive(Clone, Debug)]
pub(crate) struct Fuse {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    pub(crate) default_on: bool,
    pub(crate) settings: Option<Block>,
    pub(crate) blow: Vec<Blow>,
    pub(crate) resets: Vec<Reset>,
    pub(crate) reactions: Vec<Reaction>,
}

#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) kind: Text,
    pub(crate) block: Block,
}

#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    pub(crate) kind: Text,
    /// The preset, once it is expanded: its fields and events are those of the source, and `kind` is that of the preset.
    pub(crate) preset: Option<Text>,
    pub(crate) block: Block,
    pub(crate) events: Vec<EventDecl>,
}

#[derive(Clone, Debug)]
pub(crate) struct EventDecl {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    pub(crate) ty: Option<Type>,
    /// The conditions that a request must meet to be this event.
    pub(crate) when: Vec<Expr>,
    pub(crate) block: Option<Block>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sensor {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    /// The events that it listens to: none if the header did not parse, and otherwise at least one.
    pub(crate) events: Vec<EventRef>,
    pub(crate) shared: Shared,
    pub(crate) rules: Vec<Rule>,
    /// The header did not parse. Its problem is reported, and the body is still checked.
    pub(crate) broken: bool,
    /// Recovery dropped a rule or clause, so the checker must not report anything as missing.
    pub(crate) incomplete: bool,
}

/// `alertmanager.slo-alerts`.
#[derive(Clone, Debug)]
pub(crate) struct EventRef {
    pub(crate) source: Text,
    pub(crate) event: Text,
    pub(crate) span: Span,
}

/// The clauses that sensors and rules share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    pub(crate) requires: Vec<Text>,
    pub(crate) each: Vec<Each>,
    pub(crate) lets: Vec<Let>,
    pub(crate) when: Vec<Expr>,
    pub(crate) flow: Vec<FlowClause>,
    /// The span of each `shadow`.
    pub(crate) shadow: Vec<Span>,
}

/// `let NAME = …`. Its position among the other clauses determines which of them see the name.
#[derive(Clone, Debug)]
pub(crate) struct Let {
    pub(crate) name: Text,
    pub(crate) value: Expr,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Each {
    pub(crate) name: Text,
    pub(crate) list: Expr,
    pub(crate) max: Option<(u32, Span)>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) doc: Option<String>,
    pub(crate) name: Text,
    pub(crate) shared: Shared,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) broken: bool,
    pub(crate) incomplete: bool,
}

/// `on gated or failure { … }`.
#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    /// What it reacts to.
    pub(crate) kinds: Vec<Text>,
    pub(crate) flow: Vec<FlowClause>,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) span: Span,
    /// Recovery dropped a clause.
    pub(crate) incomplete: bool,
}

/// `{ field = value, nested { … } }`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) fields: Vec<BlockField>,
    pub(crate) span: Span,
    pub(crate) incomplete: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct BlockField {
    pub(crate) key: Text,
    /// `key? = …`: the field is left out if the value is absent.
    pub(crate) optional: bool,
    pub(crate) value: FieldValue,
}

#[derive(Clone, Debug)]
pub(crate) enum FieldValue {
    Expr(Expr),
    Block(Block),
}

impl FieldValue {
    /// A block or the equivalent record literal.
    pub(crate) fn as_block(&self) -> Option<&Block> {
        match self {
            Self::Block(block) | Self::Expr(Expr { kind: ExprKind::Record(block), .. }) => {
                Some(block)
            }
            Self::Expr(_) => None,
        }
    }

    /// As [`FieldValue::as_block`], to change it.
    pub(crate) fn as_block_mut(&mut self) -> Option<&mut Block> {
        match self {
            Self::Block(block) | Self::Expr(Expr { kind: ExprKind::Record(block), .. }) => {
                Some(block)
            }
            Self::Expr(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Null,
    Bool(bool),
    Number(Number),
    Duration(SignedDuration),
    /// A size in bytes, such as `1MiB`.
    Size(u64),
    String(String),
    Interpolated(Vec<TextPart>),
    List(Vec<Expr>),
    /// A record literal, or a nested block in place of a value.
    Record(Block),
    /// A name and the steps after it.
    Path {
        root: Text,
        steps: Vec<PathStep>,
    },
    /// Steps after something other than a name: `split(x, ",")[0]`.
    Access {
        base: Box<Expr>,
        steps: Vec<PathStep>,
    },
    /// A computed key: `channels[body.team]`.
    Lookup {
        base: Box<Expr>,
        key: Box<Expr>,
    },
    Call {
        function: Text,
        arguments: Vec<Expr>,
    },
    Quantifier {
        kind: QuantifierKind,
        name: Text,
        list: Box<Expr>,
        body: Box<Expr>,
    },
    Not(Box<Expr>),
    Neg(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    In {
        negated: bool,
        item: Box<Expr>,
        list: Box<Expr>,
    },
    TextTest {
        op: TextOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Is {
        value: Box<Expr>,
        negated: bool,
        kind: Text,
    },
    Coalesce {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Arith {
        op: ArithOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `if condition then chosen else otherwise`; `else if` is a conditional in `otherwise`.
    If {
        condition: Box<Expr>,
        chosen: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Paren(Box<Expr>),
    /// Could not be parsed; the problem is already reported.
    Error,
}

#[derive(Clone, Debug)]
pub(crate) enum TextPart {
    Text(String),
    Expr(Expr),
}

/// A step of a path in the source.
#[derive(Clone, Debug)]
pub(crate) struct PathStep {
    pub(crate) segment: Segment,
    /// Written `["key"]` instead of `.key`, so the type does not have to know the key.
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}
