//! Checked rules compiled for evaluation, by event: the paths to read, the conditions to test, and
//! the mappings to render.

mod atom;
mod compile;
mod conceal;
mod events;
mod index;
mod listing;
mod program;
mod reads;
mod routes;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::reaction::ReactionKind;
use crate::scan::{Keys, Trie};
use crate::semantics::{Growth, RuleBound};
use crate::span::{Files, Span};
use crate::typed::{self, Expr, Path, Reference, Segment};
use crate::types::Ty;

pub(crate) use atom::{AtomTest, Constant};
pub(crate) use conceal::{Conceal, Show};
pub(crate) use events::compile;
pub(crate) use index::{Lookup, Memory, Site, dedup};
pub(crate) use listing::listing;
pub(crate) use program::{Among, Choice, NodeKind, PartRef, Programs};
pub use reads::BodyField;
pub(crate) use reads::body_fields;
pub(crate) use routes::RoutePlan;

/// The content of a plan.
pub(crate) struct Compiled {
    pub(crate) files: Files,
    pub(crate) fuses: Vec<typed::Fuse>,
    /// The spans of the bodies of named conditions, by the span of the call; and of the values of
    /// `let`s, by the span of the use.
    pub(crate) calls: FxHashMap<Span, Span>,
    /// The names of the `let`s, by the spans of their uses.
    pub(crate) lets: FxHashMap<Span, Arc<str>>,
    pub(crate) events: EventPlans,
    /// The addresses whose events have conditions.
    pub(crate) routes: Vec<RoutePlan>,
}

/// The compiled rules of one event.
pub(crate) struct EventPlan {
    /// The declared type of the body.
    pub(crate) ty: Option<Ty>,
    /// Whether an event that does not conform to its type is refused.
    pub(crate) rejects: bool,
    pub(crate) frames: Frames,
    pub(crate) sensors: Vec<SensorPlan>,
    /// The `unless` conditions of `still` clauses about this event, each as a sensor with one rule. They are numbered
    /// after the sensors and their rules.
    pub(crate) cancellers: Vec<SensorPlan>,
    /// The `let`s whose values are kept, by their numbers.
    pub(crate) lets: Vec<LetPlan>,
    /// The conditions of all rules. Shared parts occur once.
    pub(crate) programs: Programs,
    /// The rules that the sites refer to, as sensor and index within it.
    pub(crate) rules: Vec<RuleAt>,
    /// The sites of the rules, each with its index.
    pub(crate) sites: Vec<Site>,
    /// Rules that iterate over a computed list, which no index can find.
    pub(crate) walked: Vec<RuleAt>,
    /// The address of the event among the routes, if its events have conditions.
    pub(crate) route: Option<usize>,
    /// Whether a body that arrives may be a structured cloud event.
    pub(crate) takes_cloud_events: bool,
    /// Makes the body that rules see from the body that arrives.
    pub(crate) decode: Option<DecodePlan>,
    /// The expressions of the event's source, which are evaluated when the event arrives.
    pub(crate) arrival: Frames,
    pub(crate) expressions: Vec<(String, Expr<Slot>)>,
    /// The names of the nested blocks of the event's source.
    pub(crate) blocks: Vec<String>,
    /// The bound on the cost of each rule, in the order of the rules.
    pub(crate) bounds: Vec<RuleBound>,
    /// A bound on all of them together.
    pub(crate) total_growth: Growth,
    /// The bytes of an event within which all rules together stay within the default limit.
    pub(crate) cheap_bytes: u64,
    /// What each rule reacts to, by its full name. Only rules with reactions are here.
    pub(crate) reacting: FxHashMap<String, Vec<ReactionKind>>,
    /// The values to hide in explanations, if there are any.
    pub(crate) conceal: Option<Conceal>,
}

/// The `decode` of an event.
pub(crate) struct DecodePlan {
    pub(crate) frames: Frames,
    pub(crate) expr: Expr<Slot>,
}

/// A `let` that is evaluated once per frame.
pub(crate) struct LetPlan {
    pub(crate) name: Arc<str>,
    /// The level of the innermost frame that it reads.
    pub(crate) level: u32,
    /// Its expression as text.
    pub(crate) value: String,
}

/// A rule, as sensor and index within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleAt {
    pub(crate) sensor: u32,
    pub(crate) rule: u32,
}

pub(crate) struct SensorPlan {
    pub(crate) name: String,
    /// The index of the first rule among all rules of the event.
    pub(crate) first: usize,
    pub(crate) each: Option<EachPlan>,
    pub(crate) condition: PartRef,
    /// The `when` clauses as in the source, for explanations.
    pub(crate) clauses: Vec<Expr<Slot>>,
    pub(crate) rules: Vec<RulePlan>,
}

pub(crate) struct RulePlan {
    pub(crate) name: String,
    pub(crate) gates: Vec<usize>,
    pub(crate) each: Option<Box<EachPlan>>,
    pub(crate) condition: PartRef,
    pub(crate) clauses: Vec<Expr<Slot>>,
    pub(crate) flow: Vec<typed::FlowClause<Slot>>,
    pub(crate) is_shadow: bool,
    pub(crate) triggers: Vec<typed::Trigger<Slot>>,
    pub(crate) reactions: Vec<typed::Reaction<Slot>>,
    /// Whether it is the `unless` of a `still` clause.
    pub(crate) cancels: bool,
}

pub(crate) struct EachPlan {
    /// The name that the `each` binds.
    pub(crate) name: String,
    pub(crate) list: Expr<Slot>,
    pub(crate) max: usize,
    pub(crate) group: usize,
}

/// The values to extract from an event: the paths, and the frames for their values.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) trie: Trie,
    /// The event first, then the elements of each list.
    pub(crate) groups: Vec<Group>,
    /// The slots of the event's frame that do not come from its body.
    pub(crate) outside: Vec<u32>,
    /// Whether frames keep the values of `let`s.
    pub(crate) has_lets: bool,
}

/// Frames of one shape: the event, or the elements of a list that rules iterate over.
#[derive(Debug)]
pub(crate) struct Group {
    /// The trie node at which the paths start.
    pub(crate) start: usize,
    pub(crate) slots: Vec<SlotSpec>,
    /// The maximum number of elements that rules use.
    pub(crate) max_elements: usize,
    /// The position of the list if it is in the body: its group, and its slot there.
    pub(crate) list: Option<(usize, u32)>,
    /// Whether the elements come from a sensitive value.
    pub(crate) sensitive: bool,
}

/// The origin of a slot's value.
#[derive(Clone, Debug)]
pub(crate) struct SlotSpec {
    pub(crate) text: Arc<str>,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A value of the body, which the trie extracts at the end of these steps.
    Tree(Vec<Segment>),
    Headers(Vec<Segment>),
    Query(Vec<Segment>),
    Event(Vec<Segment>),
    Outcome(Vec<Segment>),
}

/// A value of the event, by the frame that contains it.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// 0 is the event; then one level per binder, outermost first.
    pub(crate) level: u32,
    pub(crate) index: u32,
    pub(crate) text: Arc<str>,
    /// Whether this is the value of a sensitive header or parameter, or a part of one.
    pub(crate) sensitive: bool,
}

/// Where the value of a `let` is kept: in the innermost frame that it reads, under this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memo {
    pub(crate) level: u32,
    pub(crate) number: u32,
}

impl Reference for Slot {
    type Frame = usize;
    type Memo = Memo;

    fn text(&self) -> &Arc<str> {
        &self.text
    }

    fn is_sensitive(&self) -> bool {
        self.sensitive
    }
}

/// The plans of events, by source and event.
#[derive(Default)]
pub(crate) struct EventPlans {
    sources: Keys,
    /// For each source, its events.
    events: Vec<Keys>,
    /// The plans, each with the names of its source and event.
    plans: Vec<((String, String), EventPlan)>,
}

impl EventPlans {
    #[inline]
    fn get(&self, source: &str, event: &str) -> Option<&EventPlan> {
        let events = self.events.get(self.sources.get(source.as_bytes())?)?;
        let (_, plan) = self.plans.get(events.get(event.as_bytes())?)?;
        Some(plan)
    }

    /// Adds the plan of an event that has none.
    pub(crate) fn insert(&mut self, source: &str, event: &str, plan: EventPlan) {
        let at = self.sources.get(source.as_bytes()).unwrap_or_else(|| {
            self.sources.insert(source, self.events.len());
            self.events.push(Keys::default());
            self.events.len() - 1
        });
        if let Some(events) = self.events.get_mut(at) {
            events.insert(event, self.plans.len());
            self.plans.push(((source.to_owned(), event.to_owned()), plan));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ((&str, &str), &EventPlan)> {
        self.plans.iter().map(|((source, event), plan)| ((&**source, &**event), plan))
    }

    pub(crate) fn len(&self) -> usize {
        self.plans.len()
    }
}

impl Compiled {
    /// The rules that are decided for every event and element, because the index cannot find them,
    /// in the order of their names.
    pub(crate) fn always_decided(&self) -> Vec<&str> {
        let names = self.events.iter().flat_map(|(_, event)| {
            let rest = event.sites.iter().flat_map(|site| &site.rest);
            let rest = rest.filter_map(|rule| event.rules.get(*rule as usize));
            let rules = rest.chain(&event.walked).filter_map(|at| event.rule(*at));
            let rules = rules.filter(|(_, rule)| !rule.cancels);
            rules.map(|(_, rule)| rule.name.as_str())
        });
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        // A sensor may listen to several events.
        names.dedup();
        names
    }

    /// The plan for an event.
    pub(crate) fn event(&self, source: &str, name: &str) -> Option<&EventPlan> {
        self.events.get(source, name)
    }
}

impl EventPlan {
    /// The expression that its source sets a field to, and the values that it reads.
    pub(crate) fn expression(&self, field: &str) -> Option<(&Frames, &Expr<Slot>)> {
        let (_, expr) = self.expressions.iter().find(|(name, _)| name == field)?;
        Some((&self.arrival, expr))
    }

    /// The number of rules for the event.
    pub(crate) fn rule_count(&self) -> usize {
        self.sensors.iter().map(|sensor| sensor.rules.len()).sum()
    }

    /// The sensors, and then the `unless` conditions.
    pub(crate) fn sensors_and_cancellers(&self) -> impl Iterator<Item = &SensorPlan> {
        self.sensors.iter().chain(&self.cancellers)
    }

    /// A rule with its sensor, or an `unless`.
    pub(crate) fn rule(&self, at: RuleAt) -> Option<(&SensorPlan, &RulePlan)> {
        let number = at.sensor as usize;
        let canceller = || self.cancellers.get(number.checked_sub(self.sensors.len())?);
        let sensor = self.sensors.get(number).or_else(canceller)?;
        Some((sensor, sensor.rules.get(at.rule as usize)?))
    }
}

/// The origin of a path's value.
fn origin(path: &Path) -> Origin {
    match path.root {
        typed::Root::Body | typed::Root::Element(_) => Origin::Tree(path.segments.clone()),
        typed::Root::Headers => Origin::Headers(path.segments.clone()),
        typed::Root::Query => Origin::Query(path.segments.clone()),
        typed::Root::Event => Origin::Event(path.segments.clone()),
        typed::Root::Outcome => Origin::Outcome(path.segments.clone()),
    }
}
