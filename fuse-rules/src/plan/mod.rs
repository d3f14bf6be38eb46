//! Checked rules compiled for evaluation: the paths that are read, the conditions to test, the
//! mappings to fill in, by the event that they are for.
//!
//! A plan is immutable, shared by reference and cheap to clone.

mod atom;
mod compile;
mod index;
mod listing;
mod program;
mod reads;

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::eval::explain::Conceal;
use crate::eval::{Evaluation, Pool, exhaustive, explain, indexed, missing};
use crate::event::Event;
use crate::fuses::Fuses;
use crate::scan::Trie;
use crate::span::{Files, Span};
use crate::typed::{self, Expr, Path, Reference, Segment};
use crate::types::Ty;

pub use crate::eval::explain::{
    Explained, ExplainedPage, Explanation, Form, Found, PageRequest, Part,
};
pub(crate) use atom::{Const, Test};
pub(crate) use compile::alone;
pub(crate) use index::{Lookup, Memory, Site, dedup};
pub(crate) use listing::{Concealed, Shown};
pub(crate) use program::{Among, NodeKind, Programs, Ref};
pub use reads::BodyField;

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
    /// Where the bodies of conditions stand, by where they are called.
    pub(crate) calls: FxHashMap<Span, Span>,
    /// By source, then by event.
    pub(crate) events: FxHashMap<String, FxHashMap<String, EventPlan>>,
    /// The memory that deciding takes, kept from one event to the next.
    pub(crate) pool: Pool,
}

/// Everything that is done with one event.
pub(crate) struct EventPlan {
    /// What its body is declared to be.
    pub(crate) ty: Option<Ty>,
    /// Whether one that is not of its type is refused.
    pub(crate) rejects: bool,
    pub(crate) frames: Frames,
    pub(crate) sensors: Vec<SensorPlan>,
    /// The conditions of all rules, what they share once.
    pub(crate) programs: Programs,
    /// The rules that the sites find, as sensor and place in it.
    pub(crate) rules: Vec<RuleAt>,
    /// The places of the rules, each with the index that finds its candidates.
    pub(crate) sites: Vec<Site>,
    /// Rules that go through a list that is computed: no index finds them.
    pub(crate) walked: Vec<RuleAt>,
    /// The expressions of the event's source, which are evaluated when it arrives.
    pub(crate) arrival: Frames,
    pub(crate) expressions: Vec<(String, Expr<Slot>)>,
    /// What explanations do not show, where there is any.
    pub(crate) conceal: Option<Conceal>,
}

/// A rule, by its sensor and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleAt {
    pub(crate) sensor: u32,
    pub(crate) rule: u32,
}

pub(crate) struct SensorPlan {
    pub(crate) name: String,
    /// The number of its first rule among all rules of the event.
    pub(crate) first: usize,
    pub(crate) each: Option<EachPlan>,
    pub(crate) condition: Ref,
    /// The `when` clauses as they are written, for explanations.
    pub(crate) clauses: Vec<Expr<Slot>>,
    pub(crate) rules: Vec<RulePlan>,
}

pub(crate) struct RulePlan {
    pub(crate) name: String,
    pub(crate) requires: Vec<usize>,
    pub(crate) each: Option<Box<EachPlan>>,
    pub(crate) condition: Ref,
    pub(crate) clauses: Vec<Expr<Slot>>,
    pub(crate) once: Option<Box<typed::Once<Slot>>>,
    pub(crate) triggers: Vec<typed::Trigger<Slot>>,
}

pub(crate) struct EachPlan {
    /// The name that it binds.
    pub(crate) name: String,
    pub(crate) list: Expr<Slot>,
    pub(crate) max: usize,
    pub(crate) group: usize,
}

/// What is taken out of an event: the paths, and the frames that their values are put into.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) trie: Trie,
    /// The event itself first, then the elements of each list.
    pub(crate) groups: Vec<Group>,
    /// The slots of the event's frame that are not of its body.
    pub(crate) outside: Vec<u32>,
}

/// Frames of one shape: the event, or the elements of a list that rules go through.
#[derive(Debug)]
pub(crate) struct Group {
    /// The node that its paths start from.
    pub(crate) start: usize,
    pub(crate) slots: Vec<SlotSpec>,
    /// How many elements rules want at most.
    pub(crate) most: usize,
    /// Where the list is, if it stands in the body: the group, and the slot in it.
    pub(crate) list: Option<(usize, u32)>,
    /// Whether the elements are made of a sensitive value.
    pub(crate) sensitive: bool,
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
    pub(crate) level: u32,
    pub(crate) index: u32,
    pub(crate) text: Arc<str>,
    /// Whether it is the value of a sensitive header or parameter, or a part of one.
    pub(crate) sensitive: bool,
}

impl Reference for Slot {
    type Frame = usize;

    fn text(&self) -> &Arc<str> {
        &self.text
    }

    fn is_sensitive(&self) -> bool {
        self.sensitive
    }
}

impl Plan {
    pub(crate) fn compile(rules: &typed::Rules) -> Self {
        Self { inner: Arc::new(compile::compile(rules)) }
    }

    /// Decides an event: what fired, and what would have but was gated or rejected, in the order of
    /// sensors, rules and elements. Its cost follows these, not the number of rules; why the others
    /// did not fire [`explain`](Self::explain) says.
    pub fn evaluate(&self, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
        indexed::evaluate(&self.inner, event, fuses)
    }

    /// Decides an event and gives one decision a rule and element (and trigger, where it fired),
    /// those that did not match or are unknown too. Its cost follows the number of rules.
    pub fn evaluate_all(&self, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
        exhaustive::evaluate(&self.inner, event, fuses)
    }

    /// Decides an event and says why, condition by condition, for every rule and element. Slower than
    /// `evaluate`, with the same decisions.
    pub fn explain(&self, event: &Event<'_>, fuses: &Fuses) -> Explanation {
        explain::explain(&self.inner, event, fuses, &|_| true)
    }

    /// Explains an event as [`explain`](Self::explain) does, of the rules with these full names alone. What
    /// bounds an explanation is theirs then: where there are very many decisions, more is told of each.
    pub fn explain_rules<S: AsRef<str>>(
        &self,
        event: &Event<'_>,
        fuses: &Fuses,
        rules: &[S],
    ) -> Explanation {
        let asked = |name: &str| rules.iter().any(|rule| rule.as_ref() == name);
        explain::explain(&self.inner, event, fuses, &asked)
    }

    /// Explains some decisions of an event, as [`explain`](Self::explain) does all of them and in the same order,
    /// in the memory that these few take. Rules are evaluated to count their decisions; of those that are not
    /// on the page nothing is kept.
    ///
    /// ```
    /// # use fuse_rules::{Event, Fuses, PageRequest, Registry, Ruleset, Schema, SourceSchema};
    /// # let registry = Registry::new()
    /// #     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    /// #     .trigger(Schema::new("page", "Calls a human."));
    /// let rules = r#"source q queue { event e }
    ///                sensor s on q.e { each x in body.all
    ///                  rule r { when x > 4  trigger page {} }
    ///                }"#;
    /// let plan = Ruleset::parse("a.rules", rules, &registry)?.plan();
    /// let event = Event::new("q", "e", br#"{"all": [1, 7, 3]}"#)?;
    ///
    /// let request = PageRequest { rule: None, skip: 1, take: 1, max_parts: 100 };
    /// let page = plan.explain_page(&event, &Fuses::default(), &request);
    /// assert_eq!((page.explanation.decisions.len(), page.total), (1, 3));
    /// assert_eq!(page.explanation.decisions[0].element.as_deref(), Some("x 1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain_page(
        &self,
        event: &Event<'_>,
        fuses: &Fuses,
        request: &PageRequest<'_>,
    ) -> ExplainedPage {
        explain::explain_page(&self.inner, event, fuses, request)
    }

    /// The paths that an event lacks and without which a rule of it cannot fire, each once: those that
    /// conditions ask about other than by `is`. Deciding does not need to know; who counts does.
    ///
    /// ```
    /// use fuse_rules::{Event, Registry, Ruleset, Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let rules = r#"source q queue { event e }
    ///                sensor s on q.e { rule r { when body.severity >= 4  trigger page {} } }"#;
    /// let plan = Ruleset::parse("a.rules", rules, &registry)?.plan();
    /// let event = Event::new("q", "e", br#"{"severty": 5}"#)?;
    /// assert_eq!(plan.missing(&event), ["body.severity"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn missing(&self, event: &Event<'_>) -> Vec<String> {
        missing::missing(&self.inner, event)
    }

    /// Where an event is not of the type that its rules declare: which value, what it is and what its
    /// type says, in a sentence. `None` where it is, or where no type is declared.
    pub fn mismatch(&self, event: &Event<'_>) -> Option<String> {
        exhaustive::mismatch(&self.inner, event)
    }

    /// The value of a source's field that is an expression over the event, as canonical text:
    /// `id`, for example. `None` where there is no such field or it has no value for this event.
    ///
    /// # Errors
    /// The body is not JSON, or a key that the expression reads stands twice in one object of it:
    /// which one, in a sentence.
    pub fn source_field(&self, event: &Event<'_>, field: &str) -> Result<Option<String>, String> {
        exhaustive::source_field(&self.inner, event, field)
    }

    /// Whether the source of an event gives this field as an expression.
    pub fn has_source_field(&self, event: &Event<'_>, field: &str) -> bool {
        let event = self.inner.event(event.source(), event.name());
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
        let event = self.inner.event(source, event);
        event.map(reads::body_fields).unwrap_or_default()
    }

    /// Whether the value of a fuse is on: as set, or else by its rules' default. `None` for a fuse
    /// that no rule file declares.
    pub fn is_on(&self, fuse: &str, fuses: &Fuses) -> Option<bool> {
        let declared = self.inner.fuses.iter().find(|declared| declared.name == fuse)?;
        Some(fuses.get(fuse).unwrap_or(declared.default_on))
    }

    /// The rules that are decided for every event and element, as nothing that must be true of a value
    /// finds them, in the order of their names. What they cost follows their number.
    pub fn always_decided(&self) -> Vec<&str> {
        let events = self.inner.events.values().flat_map(FxHashMap::values);
        let names = events.flat_map(|event| {
            let rest = event.sites.iter().flat_map(|site| &site.rest);
            let rest = rest.filter_map(|rule| event.rules.get(*rule as usize));
            let rules = rest.chain(&event.walked).filter_map(|at| event.rule(*at));
            rules.map(|(_, rule)| rule.name.as_str())
        });
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names
    }

    /// The plan as text that a person can read: paths, atoms and programs.
    pub fn listing(&self) -> String {
        listing::listing(&self.inner)
    }
}

impl Compiled {
    pub(crate) fn event(&self, source: &str, name: &str) -> Option<&EventPlan> {
        self.events.get(source)?.get(name)
    }
}

impl EventPlan {
    /// How many rules listen to the event.
    pub(crate) fn rule_count(&self) -> usize {
        self.sensors.iter().map(|sensor| sensor.rules.len()).sum()
    }

    /// A rule with its sensor.
    pub(crate) fn rule(&self, at: RuleAt) -> Option<(&SensorPlan, &RulePlan)> {
        let sensor = self.sensors.get(at.sensor as usize)?;
        Some((sensor, sensor.rules.get(at.rule as usize)?))
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
