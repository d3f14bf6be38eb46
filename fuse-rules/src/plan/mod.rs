//! Checked rules compiled for evaluation: the paths that are read, the conditions to test, the
//! mappings to fill in, by the event that they are for.
//!
//! A plan is immutable, shared by reference and cheap to clone.

mod compile;
mod listing;
mod reads;
mod trie;

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::check::typed::{self, Expr, Path, Reference, Segment};
use crate::eval::{Evaluation, explain, machine};
use crate::event::Event;
use crate::fuses::Fuses;
use crate::span::Files;
use crate::types::Ty;
use crate::value::DuplicateKey;

pub use crate::eval::explain::{Clause, Explained, Explanation, Found};
pub(crate) use compile::alone;
pub(crate) use listing::Shown;
pub use reads::BodyField;
pub(crate) use trie::Trie;

/// Rules compiled for evaluation.
///
/// An evaluation is a pure function of the event and the fuses: the same event gives the same
/// decisions, today and after a restart.
#[derive(Clone)]
pub struct Plan {
    inner: Arc<Compiled>,
}

/// What a plan holds.
pub(crate) struct Compiled {
    pub(crate) files: Files,
    pub(crate) fuses: Vec<typed::Fuse>,
    /// By source and event.
    pub(crate) events: FxHashMap<(String, String), EventPlan>,
}

/// Everything that is done with one event.
pub(crate) struct EventPlan {
    /// What its body is declared to be.
    pub(crate) ty: Option<Ty>,
    /// Whether one that is not of its type is refused.
    pub(crate) rejects: bool,
    pub(crate) frame: FrameSpec,
    pub(crate) sensors: Vec<SensorPlan>,
    /// The expressions of the event's source, which are evaluated when it arrives.
    pub(crate) arrival: FrameSpec,
    pub(crate) expressions: Vec<(String, Expr<Slot>)>,
}

pub(crate) struct SensorPlan {
    pub(crate) name: String,
    pub(crate) each: Option<EachPlan>,
    pub(crate) condition: Condition,
    /// The `when` clauses as they are written, for explanations.
    pub(crate) clauses: Vec<Expr<Slot>>,
    pub(crate) rules: Vec<RulePlan>,
}

pub(crate) struct RulePlan {
    pub(crate) name: String,
    pub(crate) requires: Vec<usize>,
    pub(crate) each: Option<EachPlan>,
    pub(crate) condition: Condition,
    pub(crate) clauses: Vec<Expr<Slot>>,
    pub(crate) once: Option<typed::Once<Slot>>,
    pub(crate) triggers: Vec<typed::Trigger<Slot>>,
}

pub(crate) struct EachPlan {
    /// The name that it binds.
    pub(crate) name: String,
    pub(crate) list: Expr<Slot>,
    pub(crate) max: usize,
    pub(crate) frame: FrameSpec,
}

/// A condition with negations pushed down to its atoms, which Kleene's logic allows.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    /// An atom of a frame, evaluated at most once an element.
    Atom {
        frame: usize,
        index: usize,
        negated: bool,
    },
}

/// What is kept of an event, or of an element that a binder binds.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameSpec {
    /// The paths into the body or the element.
    pub(crate) trie: Trie,
    pub(crate) slots: Vec<SlotSpec>,
    pub(crate) atoms: Vec<Expr<Slot>>,
}

/// Where a slot's value comes from.
#[derive(Clone, Debug)]
pub(crate) struct SlotSpec {
    pub(crate) text: Arc<str>,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The trie puts it there, from the end of these steps.
    Tree(Vec<Segment>),
    Headers(Vec<Segment>),
    Query(Vec<Segment>),
    Event(Vec<Segment>),
}

/// A value of the event, by the frame that holds it.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// 0 is the event; then one for each binder around the place, outermost first.
    pub(crate) frame: usize,
    pub(crate) index: usize,
    pub(crate) text: Arc<str>,
}

impl Reference for Slot {
    type Frame = Arc<FrameSpec>;

    fn text(&self) -> &Arc<str> {
        &self.text
    }
}

impl Plan {
    pub(crate) fn compile(rules: &typed::Rules) -> Self {
        Self { inner: Arc::new(compile::compile(rules)) }
    }

    /// Decides an event: one decision a rule and element (and trigger, where it fired).
    pub fn evaluate(&self, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
        machine::evaluate(&self.inner, event, fuses)
    }

    /// Decides an event and says why, clause by clause. Slower than `evaluate`, with the same
    /// decisions.
    pub fn explain(&self, event: &Event<'_>, fuses: &Fuses) -> Explanation {
        explain::explain(&self.inner, event, fuses)
    }

    /// Where an event is not of the type that its rules declare: which value, what it is and what its
    /// type says, in a sentence. `None` where it is, or where no type is declared.
    pub fn mismatch(&self, event: &Event<'_>) -> Option<String> {
        machine::mismatch(&self.inner, event)
    }

    /// The value of a source's field that is an expression over the event, as canonical text:
    /// `id`, for example. `None` where there is no such field or it has no value for this event.
    ///
    /// # Errors
    /// A key that the expression reads stands twice in one object of the body: which one, in a
    /// sentence.
    pub fn source_field(&self, event: &Event<'_>, field: &str) -> Result<Option<String>, String> {
        machine::source_field(&self.inner, event, field).map_err(|DuplicateKey(key)| {
            format!("the key `{key}` stands twice in one object of the body")
        })
    }

    /// Whether the source of an event gives this field as an expression.
    pub fn has_source_field(&self, event: &Event<'_>, field: &str) -> bool {
        let key = (event.source().to_owned(), event.name().to_owned());
        let event = self.inner.events.get(&key);
        event.is_some_and(|event| event.expressions.iter().any(|(name, _)| name == field))
    }

    /// What the rules read of the body of an event, in the order in which they first read it: what
    /// its sender has to send. Empty for an event that no rules are for.
    ///
    /// ```
    /// use fuse_rules::{Field, FieldType, Registry, Ruleset, Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "").field(Field::required("team", FieldType::String, "")));
    /// let rules = r#"
    ///     source tickets queue { event opened }
    ///     sensor urgent on tickets.opened {
    ///       rule call { when body.kind == "outage"  trigger page { team = body.team.name } }
    ///     }
    /// "#;
    /// let plan = Ruleset::parse("tickets.rules", rules, &registry)?.plan();
    ///
    /// let fields = plan.body_fields("tickets", "opened");
    /// assert_eq!(fields[0].keys, ["kind"]);
    /// assert_eq!(fields[0].strings, ["outage"]);
    /// assert_eq!(fields[1].keys, ["team", "name"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn body_fields(&self, source: &str, event: &str) -> Vec<BodyField> {
        let event = self.inner.events.get(&(source.to_owned(), event.to_owned()));
        event.map(reads::body_fields).unwrap_or_default()
    }

    /// Whether the value of a fuse is on: as set, or else by its rules' default. `None` for a fuse
    /// that no rule file declares.
    pub fn is_on(&self, fuse: &str, fuses: &Fuses) -> Option<bool> {
        let declared = self.inner.fuses.iter().find(|declared| declared.name == fuse)?;
        Some(fuses.get(fuse).unwrap_or(declared.default_on))
    }

    /// The plan as text that a person can read: paths, atoms and programs.
    pub fn listing(&self) -> String {
        listing::listing(&self.inner)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("events", &self.inner.events.len()).finish_non_exhaustive()
    }
}

/// A path as it is kept apart from others of a frame.
fn origin(path: &Path) -> Origin {
    match path.root {
        typed::Root::Body | typed::Root::Element(_) => Origin::Tree(path.segments.clone()),
        typed::Root::Headers => Origin::Headers(path.segments.clone()),
        typed::Root::Query => Origin::Query(path.segments.clone()),
        typed::Root::Event => Origin::Event(path.segments.clone()),
    }
}
