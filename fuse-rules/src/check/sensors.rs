//! Sensors and rules: clauses, triggers, and missing parts.

use rustc_hash::FxHashMap;

use super::blocks::merged;
use super::event_parts::EventView;
use super::flow::joined;
use super::scope::Scope;
use super::{Checker, names};
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::Schema;
use crate::syntax::ast::{self, Text};
use crate::typed::{self, Expr};
use crate::types::Ty;
use crate::value::Kinds;

/// The maximum number of elements of an `each` without `max`.
const DEFAULT_MAX_ELEMENTS: usize = 1_000;
/// The largest number that `max` accepts.
const MAX_ELEMENTS: u32 = 100_000;

/// The clauses of a sensor or rule, checked.
struct Shared {
    /// The fuses without `else hold`.
    gates: Vec<usize>,
    each: Option<typed::Each>,
    lets: Vec<typed::Let>,
    when: Vec<Expr>,
    flow: Vec<typed::FlowClause>,
    is_shadow: bool,
}

impl Checker<'_> {
    pub(super) fn sensor(&mut self, sensor: &ast::Sensor) -> typed::Sensor {
        let mut scope = self.scope_of(sensor);
        let shared = self.shared(&sensor.shared, &mut scope);
        if sensor.rules.is_empty() && !sensor.incomplete && !sensor.broken {
            self.report(
                Diagnostic::error(
                    Code::E0503,
                    sensor.name.span,
                    format!("sensor `{}` has no rules", sensor.name.text),
                )
                .label("this sensor does nothing")
                .help("add `rule NAME { … }`, or remove the sensor"),
            );
        }
        let mut seen: FxHashMap<&str, &Text> = FxHashMap::default();
        let mut rules = Vec::new();
        for rule in &sensor.rules {
            let name = rule.name.text.as_str();
            match seen.get(name).filter(|_| !rule.broken) {
                Some(first) => self.report(names::declared_twice("rule", &rule.name, first)),
                None => drop(seen.entry(name).or_insert(&rule.name)),
            }
            let (mark, bound, lets) = (scope.mark(), scope.bound.len(), scope.lets.len());
            rules.push(self.rule(sensor, rule, &shared, &mut scope));
            scope.restore(mark);
            scope.bound.truncate(bound);
            scope.lets.truncate(lets);
        }
        typed::Sensor {
            name: sensor.name.text.clone(),
            span: sensor.name.span,
            doc: sensor.doc.clone(),
            events: sensor.events.iter().map(event_name).collect(),
            each: shared.each,
            lets: shared.lets,
            when: shared.when,
            flow: shared.flow,
            rules,
        }
    }

    /// The scope of a sensor: a value is known as far as all events that it listens to agree.
    fn scope_of(&mut self, sensor: &ast::Sensor) -> Scope {
        let mut views = Vec::new();
        for (i, event) in sensor.events.iter().enumerate() {
            let name = event_name(event);
            let mut before = sensor.events.iter().take(i);
            if let Some(first) = before.find(|other| event_name(other) == name) {
                self.report(
                    Diagnostic::error(
                        Code::E0501,
                        event.span,
                        format!("this sensor listens to `{name}` twice"),
                    )
                    .label("the second one")
                    .related(first.span, "the first one")
                    .help("remove one of them"),
                );
                continue;
            }
            views.push(self.event_of(event));
        }
        match views.into_iter().collect::<Option<Vec<EventView>>>() {
            Some(views) => EventView::joined_scope(&views),
            None => Scope::with_body(Ty::any()),
        }
    }

    /// An event that a sensor or an `unless` names.
    pub(super) fn event_of(&mut self, listened: &ast::EventRef) -> Option<EventView> {
        let source = match self.names.source(&listened.source) {
            Ok(source) => source,
            Err(problem) => {
                self.report(*problem);
                return None;
            }
        };
        if let Err(problem) = self.names.event(source, &listened.event) {
            self.report(*problem);
            return None;
        }
        let key = (source.name.text.clone(), listened.event.text.clone());
        self.bodies.get(&key).cloned()
    }

    fn rule(
        &mut self,
        sensor: &ast::Sensor,
        rule: &ast::Rule,
        outer: &Shared,
        scope: &mut Scope,
    ) -> typed::Rule {
        let shared = self.shared(&rule.shared, scope);
        self.check_repeated_waits(&outer.flow, &shared.flow);
        let mut gates = outer.gates.clone();
        gates.extend(shared.gates);
        gates.sort_unstable();
        gates.dedup();
        let held = outer.flow.iter().chain(&shared.flow).flat_map(|clause| &clause.fuses);
        let mut requires = gates.clone();
        requires.extend(held.map(|(fuse, _)| fuse));
        requires.sort_unstable();
        requires.dedup();
        let is_shadow = outer.is_shadow || shared.is_shadow;
        if rule.triggers.is_empty() && !rule.incomplete && !rule.broken {
            self.report(
                Diagnostic::error(
                    Code::E0502,
                    rule.name.span,
                    format!("rule `{}` triggers nothing", rule.name.text),
                )
                .label("no `trigger` in this rule")
                .help("add `trigger KIND { … }`, for example `trigger log { message = \"…\" }`"),
            );
        }
        let triggers: Vec<_> =
            rule.triggers.iter().filter_map(|trigger| self.trigger(trigger, scope)).collect();
        let name = format!("{}/{}", sensor.name.text, rule.name.text);
        let mut checked = typed::Rule {
            name,
            span: rule.name.span,
            doc: rule.doc.clone(),
            requires,
            gates,
            each: shared.each,
            lets: shared.lets,
            when: shared.when,
            flow: joined(outer.flow.clone(), shared.flow, is_shadow),
            is_shadow,
            response: self.response(&triggers),
            triggers,
            reactions: Vec::new(),
            cancels: false,
        };
        self.check_replaceable(&mut checked);
        checked.reactions = self.reactions(&rule.reactions, &checked, scope);
        checked
    }

    /// Marks the triggers of a rule with `concurrency … else replace`. Reports one that has nothing to stop.
    fn check_replaceable(&mut self, rule: &mut typed::Rule) {
        let Some(clause) = rule.flow.iter().find(|clause| clause.flow.replaces()) else { return };
        rule.triggers.iter_mut().for_each(|trigger| trigger.is_replaceable = true);
        let is_stoppable = |trigger: &typed::Trigger| {
            self.registry.find_trigger(&trigger.kind).is_none_or(Schema::is_stoppable)
        };
        if rule.is_shadow || rule.triggers.is_empty() || rule.triggers.iter().any(is_stoppable) {
            return;
        }
        let message = format!("nothing that rule `{}` does can be stopped", rule.name);
        let trigger = rule.triggers.first().map(|trigger| trigger.span);
        let problem = Diagnostic::error(Code::E0516, clause.span, message)
            .label("`else replace` stops the oldest match in progress");
        let problem = match trigger {
            Some(span) => problem.related(span, "fuse cannot stop this"),
            None => problem,
        };
        self.report(
            problem.help(
                "write `else queue` or `else skip`, or let the rule start a workflow or a job",
            ),
        );
    }

    fn shared(&mut self, shared: &ast::Shared, scope: &mut Scope) -> Shared {
        let mut gates = Vec::new();
        for name in &shared.requires {
            match self.names.fuse(name) {
                Ok(fuse) => gates.push(fuse),
                Err(problem) => self.report(*problem),
            }
        }
        if let [first, second, ..] = shared.each.as_slice() {
            self.report(repeated_clause("each", second.span, first.span));
        }
        let mut lets = Vec::new();
        let first = shared.each.first();
        // As in the canonical order: an `each` stands before the conditions.
        let is_outside = |own: &&ast::Let| first.is_some_and(|each| own.span < each.span);
        scope.later = shared.lets.iter().map(|own| own.name.clone()).collect();
        for own in shared.lets.iter().filter(is_outside) {
            lets.push(self.let_clause(own, scope));
        }
        let each = first.map(|each| self.each(each, scope));
        let mut inside = shared.lets.iter().filter(|own| !is_outside(own)).peekable();
        let mut when = Vec::new();
        for condition in &shared.when {
            while let Some(own) = inside.next_if(|own| own.span < condition.span) {
                lets.push(self.let_clause(own, scope));
            }
            when.push(self.assumed(condition, scope).0);
        }
        for own in inside {
            lets.push(self.let_clause(own, scope));
        }
        scope.later.clear();
        let flow = self.flow(&shared.flow, scope);
        if let [first, second, ..] = shared.shadow.as_slice() {
            self.report(repeated_clause("shadow", *second, *first));
        }
        let is_shadow = !shared.shadow.is_empty();
        Shared { gates, each, lets, when, flow, is_shadow }
    }

    pub(super) fn each(&mut self, each: &ast::Each, scope: &mut Scope) -> typed::Each {
        let (list, known) = self.list(&each.list, scope, "each");
        let max = match each.max {
            Some((max, span)) if max == 0 || max > MAX_ELEMENTS => {
                self.report(
                    Diagnostic::error(
                        Code::E0506,
                        span,
                        format!("`max` takes a number from 1 to {MAX_ELEMENTS}"),
                    )
                    .label("out of range")
                    .help(format!("leave it out for the default of {DEFAULT_MAX_ELEMENTS}")),
                );
                DEFAULT_MAX_ELEMENTS
            }
            Some((max, _)) => max as usize,
            None => DEFAULT_MAX_ELEMENTS,
        };
        scope.assume_kind(&list, Kinds::LIST);
        self.bind(&each.name, known.ty.element(), scope);
        typed::Each { name: each.name.text.clone(), list, max }
    }

    pub(super) fn trigger(
        &mut self,
        trigger: &ast::Trigger,
        scope: &mut Scope,
    ) -> Option<typed::Trigger> {
        let kind = &trigger.kind;
        let Some(schema) = self.registry.find_trigger(&kind.text) else {
            let known = self.registry.triggers().map(|schema| schema.kind());
            self.report(
                Diagnostic::error(
                    Code::E0209,
                    kind.span,
                    format!("there is no trigger `{}`", kind.text),
                )
                .label("not known")
                .suggest(kind, known, "the triggers are"),
            );
            return None;
        };
        let mut block = merged(schema.fields(), &trigger.block, self.defaults_of(&kind.text));
        let before = self.problems.len();
        self.misplaced_clauses(&mut block, schema);
        let mut fields = self.block(schema.fields(), &block, scope, "");
        self.complete_block(schema, &block, kind, &mut fields);
        self.verify_block(schema, kind, &block, &fields, before);
        let attempts = self.attempts(trigger, schema);
        let (kind, span) = (kind.text.clone(), kind.span);
        Some(typed::Trigger { kind, span, attempts, is_replaceable: false, fields })
    }
}

pub(super) fn event_name(event: &ast::EventRef) -> typed::EventName {
    typed::EventName { source: event.source.text.clone(), event: event.event.text.clone() }
}

pub(super) fn repeated_clause(
    what: &str,
    second: crate::span::Span,
    first: crate::span::Span,
) -> Diagnostic {
    Diagnostic::error(Code::E0501, second, format!("`{what}` occurs twice here"))
        .label("the second one")
        .related(first, "the first one")
        .help(match what {
            "each" => "put the second `each` in a rule; it is nested in the sensor's",
            "during" => "write all windows in one clause, as in `during mon..fri 09:00..17:00, sat 10:00..12:00`",
            "quiet" | "still" => "keep one of them; a rule waits for one duration",
            "approval" => "name all groups in one clause, as in `approval by \"sre\", \"leads\"`",
            "shadow" => "keep one of them",
            _ => "list all keys in one `once per a, b within D`",
        })
}
