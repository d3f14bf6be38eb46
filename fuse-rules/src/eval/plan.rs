//! [`Plan`]: the public operations on compiled rules.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;

use super::arrival::is_seen_as_received;
use super::explain::{self, ExplainedPage, Explanation, PageRequest};
use super::{Pool, exhaustive, indexed, missing, reactions};
use crate::decision::{Decided, Decision, Evaluation};
use crate::event::Event;
use crate::fuses::Fuses;
use crate::plan::{self, BodyField, Compiled};
use crate::reaction::{BlownCause, ReactionCause, ReactionKind};
use crate::reference;
use crate::semantics::DEFAULT_MAX_WORK;
use crate::typed;

/// Compiled rules with the memory for evaluation, which is reused for the next event.
pub(crate) struct Pooled {
    compiled: Arc<Compiled>,
    pub(crate) pool: Pool,
    /// The maximum number of values that a rule may examine of one event.
    pub(crate) max_work: u64,
}

impl Deref for Pooled {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.compiled
    }
}

/// Rules compiled for evaluation: immutable, shared by reference and cheap to clone.
///
/// An evaluation is a pure function of the event and the fuses: the same event gives the same
/// decisions, today and after a restart.
#[derive(Clone)]
pub struct Plan {
    inner: Arc<Pooled>,
}

impl Plan {
    pub(crate) fn compile(rules: &typed::Rules) -> Self {
        Self::with(Arc::new(plan::compile(rules)), DEFAULT_MAX_WORK)
    }

    fn with(compiled: Arc<Compiled>, max_work: u64) -> Self {
        Self { inner: Arc::new(Pooled { compiled, pool: Pool::default(), max_work }) }
    }

    /// The same rules with another limit on the values that a rule may examine of one event.
    #[must_use]
    pub(crate) fn with_max_work(&self, max_work: u64) -> Self {
        Self::with(Arc::clone(&self.inner.compiled), max_work)
    }

    #[cfg(test)]
    pub(super) fn pooled(&self) -> &Pooled {
        &self.inner
    }

    pub(super) fn compiled(&self) -> &Compiled {
        &self.inner
    }

    /// Decides an event. Returns the decisions that fired, and those that would have fired but were
    /// gated or rejected, in the order of sensors, rules and elements. The cost depends on these,
    /// not on the number of rules. [`explain`](Self::explain) shows why the others did not fire.
    pub fn evaluate(&self, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
        self.decide_seen(event, fuses, false).evaluation
    }

    /// Decides an event like [`evaluate`](Self::evaluate), and reports a [mismatch](Self::mismatch)
    /// and [missing](Self::missing) paths from the same pass over its bytes.
    ///
    /// ```
    /// use fuse_rules::{Event, Fuses, Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let rules = r#"source q queue { event e : { severity?: int } }
    ///                sensor s on q.e { rule r { when body.severity >= 4  trigger page {} } }"#;
    /// let plan = Ruleset::parse("a.rules", rules, &registry)?.plan();
    /// let event = Event::unread("q", "e", br#"{"severty": 5}"#)?;
    /// let decided = plan.decide(&event, &Fuses::default());
    /// assert_eq!(decided.missing, ["body.severity"]);
    /// assert_eq!(decided.evaluation.mismatch, plan.mismatch(&event));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decide(&self, event: &Event<'_>, fuses: &Fuses) -> Decided {
        self.decide_seen(event, fuses, true)
    }

    fn decide_seen(&self, event: &Event<'_>, fuses: &Fuses, observe: bool) -> Decided {
        let event_plan = self.inner.event(event.source(), event.name());
        // Most events are seen as they arrive, and need not be moved.
        if event_plan.is_none_or(|event_plan| is_seen_as_received(event_plan, event)) {
            return indexed::decide_event(&self.inner, event_plan, event, fuses, observe);
        }
        match self.seen(event) {
            Ok(event) => indexed::decide_event(&self.inner, event_plan, &event, fuses, observe),
            Err(why) => {
                let evaluation = indexed::refused(why.to_string());
                Decided { evaluation, missing: Vec::new() }
            }
        }
    }

    /// Whether a rule for this event reacts to this kind of outcome.
    pub fn reacts(&self, event: (&str, &str), rule: &str, kind: ReactionKind) -> bool {
        reactions::reacts(&self.inner, event, rule, kind)
    }

    /// Evaluates the reaction of a rule to an outcome. Returns one decision per trigger of the reaction, with the
    /// clauses of flow control that it has to pass; their rule is [`ReactionKind::name_for`]. There are none if the
    /// rule has no such reaction, or if its conditions are not true for the event and element.
    ///
    /// ```
    /// use fuse_rules::{Event, Fuses, ReactionCause, Registry, Ruleset};
    /// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
    ///
    /// let text = Field::required("text", FieldType::String, "What to say.");
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human.").field(text));
    /// let rules = r#"
    ///     fuse calls default off
    ///     source q queue { event e }
    ///     sensor s on q.e {
    ///       rule r {
    ///         requires calls
    ///         trigger page { text = "${body.app} is down" }
    ///         on gated { trigger page { text = "not called for ${body.app}: ${outcome.reason}" } }
    ///       }
    ///     }
    /// "#;
    /// let plan = Ruleset::parse("a.rules", rules, &registry)?.plan();
    /// let event = Event::new("q", "e", br#"{"app": "pay"}"#)?;
    /// let gated = &plan.evaluate(&event, &Fuses::default()).decisions[0];
    /// let reactions = plan.react(&event, &ReactionCause::of_decision(gated).unwrap());
    /// let action = reactions[0].action.as_ref().unwrap();
    /// assert_eq!(action.rule, "s/r on gated");
    /// assert_eq!(action.fields["text"], "not called for pay: fuse `calls` is off");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn react(&self, event: &Event<'_>, cause: &ReactionCause) -> Vec<Decision> {
        let fields = cause.fields(event.event_id());
        match self.seen(event) {
            Ok(event) => {
                reactions::react(&self.inner, &event.borrowed().with_outcome(fields), cause)
            }
            // No rule saw the event.
            Err(_) => Vec::new(),
        }
    }

    /// Whether a fuse has a reaction for when it blows.
    pub fn reacts_to_blown(&self, fuse: &str) -> bool {
        self.inner.fuses.iter().any(|one| one.name == fuse && one.reaction.is_some())
    }

    /// Evaluates the reaction of a fuse that blew at this time. Returns one decision per trigger; their rule is
    /// [`BlownCause::reaction`]. There are none if the fuse has no reaction.
    pub fn react_to_blown(&self, cause: &BlownCause, now: Timestamp) -> Vec<Decision> {
        let fuse = self.inner.fuses.iter().find(|fuse| fuse.name == cause.fuse);
        let reaction = fuse.and_then(|fuse| fuse.reaction.as_ref());
        reaction.map_or_else(Vec::new, |reaction| reference::blown(reaction, cause, now))
    }

    /// Decides an event and returns one decision per rule and element (and trigger, if it fired),
    /// including those that did not match or are unknown. The cost grows with the number of rules.
    pub fn evaluate_all(&self, event: &Event<'_>, fuses: &Fuses) -> Evaluation {
        match self.seen(event) {
            Ok(event) => exhaustive::evaluate(&self.inner, &event, fuses),
            Err(why) => exhaustive::refused(&self.inner, event, &why.to_string()),
        }
    }

    /// Decides an event and explains every decision, condition by condition, for every rule and
    /// element. Slower than `evaluate`, with the same decisions.
    pub fn explain(&self, event: &Event<'_>, fuses: &Fuses) -> Explanation {
        self.explain_asked(event, fuses, &|_| true)
    }

    /// Explains an event like [`explain`](Self::explain), but only for the rules with these full
    /// names. The limits of an explanation then apply to these rules only, so if there are very
    /// many decisions, each is shown in more detail.
    pub fn explain_rules<S: AsRef<str>>(
        &self,
        event: &Event<'_>,
        fuses: &Fuses,
        rules: &[S],
    ) -> Explanation {
        let asked = |name: &str| rules.iter().any(|rule| rule.as_ref() == name);
        self.explain_asked(event, fuses, &asked)
    }

    fn explain_asked(
        &self,
        event: &Event<'_>,
        fuses: &Fuses,
        asked: &dyn Fn(&str) -> bool,
    ) -> Explanation {
        match self.seen(event) {
            Ok(event) => explain::explain(&self.inner, &event, fuses, asked),
            Err(why) => explain::refused(&self.inner, event, asked, why.to_string()),
        }
    }

    /// Explains some of the decisions that [`explain`](Self::explain) would explain, in the same
    /// order, using memory only for these. To count the decisions, all rules are evaluated; nothing
    /// is kept for decisions outside the page.
    ///
    /// ```
    /// # use fuse_rules::{Event, Fuses, Registry, Ruleset};
    /// # use fuse_rules::explain::PageRequest;
    /// # use fuse_rules::schema::{Schema, SourceSchema};
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
        match self.seen(event) {
            Ok(event) => explain::explain_page(&self.inner, &event, fuses, request),
            Err(why) => explain::refused_page(&self.inner, event, request, why.to_string()),
        }
    }

    /// The paths that an event lacks and that a rule needs in order to fire, without duplicates:
    /// the paths that conditions read other than with `is`. They are useful for metrics; evaluation
    /// does not need them.
    ///
    /// ```
    /// use fuse_rules::{Event, Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
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
        let event = self.seen(event);
        event.map(|event| missing::missing(&self.inner, &event)).unwrap_or_default()
    }

    /// How an event differs from the type that its rules declare: the value, its kind, and what the
    /// type requires, in one sentence. `None` if it conforms, or if no type is declared.
    pub fn mismatch(&self, event: &Event<'_>) -> Option<String> {
        exhaustive::mismatch(&self.inner, &*self.seen(event).ok()?)
    }

    /// The paths that the rules read from the body of an event, in the order of their first use:
    /// what the sender has to send. Empty for an event without rules.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
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
        event.map(plan::body_fields).unwrap_or_default()
    }

    /// Whether a fuse is on: as set, or the default of its rules. `None` for a fuse that no rules
    /// file declares.
    pub fn is_on(&self, fuse: &str, fuses: &Fuses) -> Option<bool> {
        let declared = self.inner.fuses.iter().find(|declared| declared.name == fuse)?;
        Some(fuses.get(fuse).unwrap_or(declared.default_on))
    }

    /// The rules that are evaluated for every event and element, because the index has no fact to
    /// find them by, in the order of their names. Their cost grows with their number.
    pub fn always_decided(&self) -> Vec<&str> {
        self.inner.always_decided()
    }

    /// The plan as readable text: paths, atoms and programs.
    pub fn listing(&self) -> String {
        plan::listing(&self.inner)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("events", &self.inner.events.len()).finish_non_exhaustive()
    }
}
