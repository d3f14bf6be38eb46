//! The declarations of a rule set, as data for tools that list, document or serve them.

mod fuses;
mod printed;

use std::fmt;

pub use crate::plan::BodyField;
pub use crate::ruleset::{PresetEvent, PresetInfo, PresetSecret, PresetSetting};
pub use fuses::FuseInfo;
pub use printed::{PrintedRule, RuleDifferences};
use serde_json::{Map, Value as Json};

use crate::reaction::ReactionKind;
use crate::ruleset::Ruleset;
use crate::schema::TriggerInfo;
use crate::span::{Files, Span};
use crate::typed::Shown;
use crate::typed::{self, Expr, ExprKind, Mapped, MappedValue};
pub use crate::typed::{DefinitionKind, NameReference};

/// A declared type, constant, condition or limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefinitionInfo<'a> {
    /// What it defines.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: &'a str,
    /// The comment above it.
    pub doc: Option<&'a str>,
    /// Its source text, from its name on.
    pub text: &'a str,
}

/// A declared source.
#[derive(Clone, Debug)]
pub struct SourceInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind, as in `webhook`.
    pub kind: &'a str,
    /// The preset of its kind that it was written with, as in `github`.
    pub preset: Option<&'a str>,
    /// The comment above it.
    pub doc: Option<&'a str>,
    /// Its events, in their order.
    pub events: Vec<EventInfo<'a>>,
}

/// A declared event, with its source.
#[derive(Clone, Debug)]
pub struct EventInfo<'a> {
    /// The source's name.
    pub source: &'a str,
    /// The source's kind, as in `webhook`.
    pub kind: &'a str,
    /// The preset of this kind that the source was written with, as in `github`.
    pub preset: Option<&'a str>,
    /// The event's name.
    pub name: &'a str,
    /// The comment above it.
    pub doc: Option<&'a str>,
    /// The declared type of its body, as written: a name or a whole type.
    pub ty: Option<&'a str>,
    /// The conditions that a request must meet to be this event, all of which must be true.
    pub when: Vec<String>,
    /// The expression that makes the body that rules see.
    pub decode: Option<String>,
    /// The fields of the source's block, overridden by those of the event, with defaults, checked
    /// against the schema. For the fields with expressions, see `Plan::source_field`.
    pub fields: &'a Map<String, Json>,
    /// The fields that are expressions over the event.
    pub expressions: Vec<Written>,
}

/// An event that a sensor listens to. It is printed as in rules: `source.event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SensorEvent<'a> {
    /// The name of its source.
    pub source: &'a str,
    /// Its own name.
    pub name: &'a str,
}

impl fmt::Display for SensorEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.source, self.name)
    }
}

impl RuleInfo<'_> {
    /// Whether its sensor listens to this event of this source.
    pub fn listens_to(&self, source: &str, event: &str) -> bool {
        self.events.contains(&SensorEvent { source, name: event })
    }
}

/// A declared sensor.
#[derive(Clone, Debug)]
pub struct SensorInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// The comment above it.
    pub doc: Option<&'a str>,
    /// The events that it listens to: at least one.
    pub events: Vec<SensorEvent<'a>>,
    /// Its own `each`.
    pub each: Option<EachInfo<'a>>,
    /// Its own `let` clauses, in their order.
    pub lets: Vec<LetInfo<'a>>,
    /// Its own conditions, all of which must be true.
    pub when: Vec<String>,
    /// Its clauses of flow control, which each of its rules has to pass by itself.
    pub flow: Vec<String>,
    /// Its rules, in their order.
    pub rules: Vec<RuleInfo<'a>>,
}

/// A declared rule.
#[derive(Clone, Debug)]
pub struct RuleInfo<'a> {
    /// Its full name, `sensor/rule`.
    pub name: &'a str,
    /// The place of its name; see [`Files::locate`].
    pub span: Span,
    /// The comment above it.
    pub doc: Option<&'a str>,
    /// The events that its sensor listens to: at least one.
    pub events: Vec<SensorEvent<'a>>,
    /// The fuses that it or its sensor requires.
    pub requires: Vec<&'a str>,
    /// Those of them for which its matches wait: the fuses of each `requires … else hold D`.
    pub holds: Vec<Vec<&'a str>>,
    /// Its own `each`.
    pub each: Option<EachInfo<'a>>,
    /// Its own `let` clauses, in their order.
    pub lets: Vec<LetInfo<'a>>,
    /// Its own conditions, all of which must be true.
    pub when: Vec<String>,
    /// Its own clauses of flow control, in the order in which they are passed.
    pub flow: Vec<String>,
    /// The events that end its waits: those after `unless`.
    pub cancelled_by: Vec<SensorEvent<'a>>,
    /// The groups whose members may approve its actions: any of them. `None` if its actions need no approval, and empty if
    /// everyone may approve them.
    pub approvers: Option<Vec<String>>,
    /// Whether it or its sensor has `shadow`: its actions are recorded instead of performed.
    pub is_shadow: bool,
    /// Its triggers, in their order, with the values that do not depend on an event.
    pub triggers: Vec<TriggerInfo>,
    /// The fields of each trigger, as expressions.
    pub written: Vec<Vec<Written>>,
    /// What it does instead of acting, or after its action failed.
    pub reactions: Vec<ReactionInfo<'a>>,
}

impl RuleInfo<'_> {
    /// The triggers of the rule and of its reactions.
    pub fn all_triggers(&self) -> impl Iterator<Item = &TriggerInfo> {
        self.triggers.iter().chain(self.reactions.iter().flat_map(|reaction| &reaction.triggers))
    }
}

/// A reaction of a rule or a fuse, `on KIND { … }`.
#[derive(Clone, Debug)]
pub struct ReactionInfo<'a> {
    /// What it reacts to.
    pub kind: ReactionKind,
    /// Its full name, `sensor/rule on gated`.
    pub name: &'a str,
    /// Its clauses of flow control.
    pub flow: Vec<String>,
    /// Its triggers, as those of a rule.
    pub triggers: Vec<TriggerInfo>,
    /// The fields of each trigger, as expressions.
    pub written: Vec<Vec<Written>>,
}

/// `each NAME in LIST max N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EachInfo<'a> {
    /// The name of an element.
    pub name: &'a str,
    /// The list, as an expression.
    pub list: String,
    /// The maximum number of elements.
    pub max: usize,
}

/// `let NAME = VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetInfo<'a> {
    /// The name.
    pub name: &'a str,
    /// The value, as an expression.
    pub value: String,
}

/// A field and its expression. The fields of `defaults` and of the schema are included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its key, prefixed by the keys of the blocks around it: `parameters.app-name`.
    pub name: String,
    /// Whether it is omitted when its value is missing.
    pub optional: bool,
    /// The expression.
    pub value: String,
}

impl Ruleset {
    /// The declared types, constants, conditions and limiters, without those of the standard library.
    pub fn definitions(&self) -> impl Iterator<Item = DefinitionInfo<'_>> {
        self.typed().definitions.iter().map(|definition| DefinitionInfo {
            kind: definition.kind,
            name: self.files().text(definition.name),
            doc: definition.doc.as_deref(),
            text: self.files().text(definition.span),
        })
    }

    /// The declared sources.
    pub fn sources(&self) -> impl Iterator<Item = SourceInfo<'_>> {
        self.typed().sources.iter().map(|source| SourceInfo {
            name: &source.name,
            kind: &source.kind,
            preset: source.preset.as_deref(),
            doc: source.doc.as_deref(),
            events: source.events.iter().map(|event| self.event(source, event)).collect(),
        })
    }

    /// The declared events.
    pub fn events(&self) -> impl Iterator<Item = EventInfo<'_>> {
        self.sources().flat_map(|source| source.events)
    }

    /// The declared sensors.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let text = r#"source q queue { event e }
    ///               ## Wakes somebody up.
    ///               sensor s on q.e { when body.severity >= 4  rule r { trigger page {} } }"#;
    /// let ruleset = Ruleset::parse("x.rules", text, &registry)?;
    /// let sensor = ruleset.sensors().next().unwrap();
    /// assert_eq!(sensor.doc, Some("Wakes somebody up."));
    /// assert_eq!(sensor.when, ["body.severity >= 4"]);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    pub fn sensors(&self) -> impl Iterator<Item = SensorInfo<'_>> {
        self.typed().sensors.iter().map(|sensor| SensorInfo {
            name: &sensor.name,
            doc: sensor.doc.as_deref(),
            events: events(sensor),
            each: sensor.each.as_ref().map(|each| self.each(each)),
            lets: self.lets(&sensor.lets),
            when: self.texts(&sensor.when),
            flow: self.flow(sensor.flow.iter()),
            rules: sensor.rules.iter().map(|rule| self.rule(sensor, rule)).collect(),
        })
    }

    /// The declared rules.
    pub fn rules(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.sensors().flat_map(|sensor| sensor.rules)
    }

    fn event<'a>(
        &'a self,
        source: &'a typed::Source,
        event: &'a typed::EventDecl,
    ) -> EventInfo<'a> {
        let expression = |(name, expr): &(String, Expr)| Written {
            name: name.clone(),
            optional: false,
            value: text(self.files(), expr),
        };
        EventInfo {
            source: &source.name,
            kind: &source.kind,
            preset: source.preset.as_deref(),
            name: &event.name,
            doc: event.doc.as_deref(),
            ty: event.ty_span.map(|span| self.files().text(span)),
            fields: &event.fields,
            when: self.texts(&event.when),
            decode: event.decode.as_ref().map(|expr| text(self.files(), expr)),
            expressions: event.expressions.iter().map(expression).collect(),
        }
    }

    fn rule<'a>(&'a self, sensor: &'a typed::Sensor, rule: &'a typed::Rule) -> RuleInfo<'a> {
        let fuses = rule.requires.iter().filter_map(|fuse| self.typed().fuses.get(*fuse));
        let reactions = rule.reactions.iter().map(|reaction| self.reaction(reaction));
        RuleInfo {
            name: &rule.name,
            span: rule.span,
            doc: rule.doc.as_deref(),
            events: events(sensor),
            requires: fuses.map(|fuse| fuse.name.as_str()).collect(),
            holds: rule.holds().map(|fuses| fuses.collect()).collect(),
            each: rule.each.as_ref().map(|each| self.each(each)),
            lets: self.lets(&rule.lets),
            when: self.texts(&rule.when),
            flow: self.flow(rule.flow.iter().filter(|clause| !sensor.shares(clause))),
            cancelled_by: rule
                .cancellable()
                .map(|(_, unless)| unless.event.as_pair())
                .map(|(source, name)| SensorEvent { source, name })
                .collect(),
            approvers: rule.approvers().map(<[String]>::to_vec),
            is_shadow: rule.is_shadow,
            triggers: rule.triggers.iter().map(TriggerInfo::from_trigger).collect(),
            written: self.written(&rule.triggers),
            reactions: reactions.collect(),
        }
    }

    fn reaction<'a>(&'a self, reaction: &'a typed::Reaction) -> ReactionInfo<'a> {
        ReactionInfo {
            kind: reaction.kind,
            name: &reaction.name,
            flow: self.flow(reaction.flow.iter()),
            triggers: reaction.triggers.iter().map(TriggerInfo::from_trigger).collect(),
            written: self.written(&reaction.triggers),
        }
    }

    fn written(&self, triggers: &[typed::Trigger]) -> Vec<Vec<Written>> {
        let written = triggers.iter().map(|trigger| {
            let mut all = Vec::new();
            collect(self.files(), &trigger.fields, &mut all);
            all
        });
        written.collect()
    }

    fn flow<'c>(&self, clauses: impl Iterator<Item = &'c typed::FlowClause>) -> Vec<String> {
        let clause = |clause: &typed::FlowClause| {
            let own = clause.text(&self.texts(&clause.keys));
            let Some(unless) = &clause.unless else { return own };
            match self.files().text(unless.span) {
                // Several lines may contain comments.
                written if written.is_empty() || written.contains('\n') => {
                    format!("{own} {}", unless.text(&|expr| text(self.files(), expr)))
                }
                written => format!("{own} {written}"),
            }
        };
        clauses.map(clause).collect()
    }

    fn each<'a>(&self, each: &'a typed::Each) -> EachInfo<'a> {
        EachInfo { name: &each.name, list: text(self.files(), &each.list), max: each.max }
    }

    fn lets<'a>(&self, lets: &'a [typed::Let]) -> Vec<LetInfo<'a>> {
        let info = |own: &'a typed::Let| LetInfo {
            name: &own.name,
            value: text(self.files(), &own.value),
        };
        lets.iter().map(info).collect()
    }

    fn texts(&self, exprs: &[Expr]) -> Vec<String> {
        exprs.iter().map(|expr| text(self.files(), expr)).collect()
    }
}

fn events(sensor: &typed::Sensor) -> Vec<SensorEvent<'_>> {
    let events = sensor.events.iter().map(typed::EventName::as_pair);
    events.map(|(source, name)| SensorEvent { source, name }).collect()
}

fn collect(files: &Files, fields: &[Mapped], into: &mut Vec<Written>) {
    for field in fields {
        match &field.value {
            MappedValue::Block(inner) => collect(files, inner, into),
            MappedValue::Expr(expr, _) => into.push(Written {
                name: field.name.to_string(),
                optional: field.optional,
                value: text(files, expr),
            }),
        }
    }
}

/// The source text of an expression on one line. Where the source text is incomplete (a default, or
/// a pick of `from`) or spans several lines, which may contain comments, the expression is printed
/// instead.
fn text(files: &Files, expr: &Expr) -> String {
    let written = files.text(expr.span);
    match &expr.kind {
        ExprKind::Const(_) | ExprKind::Path(_) => Shown(expr).to_string(),
        _ if written.is_empty() || written.contains('\n') => Shown(expr).to_string(),
        _ => written.to_owned(),
    }
}
