//! The mutations of rules: operators and constants are changed, clauses and fields are removed.

use rustc_hash::FxHashMap;

use super::operators::{ConditionMutation, ConditionMutator};
use super::{blow, flow};
use crate::flow::BlowingFuse;
use crate::ruleset::Ruleset;
use crate::span::Span;
use crate::stdlib;
use crate::typed::{Definition, DefinitionKind, Expr, Mapped, MappedValue, Rule, Sensor};

/// A mutation, with the mutated sensors. They contain only the rules that the mutation affects.
pub(super) struct Mutation {
    pub(super) span: Span,
    pub(super) what: String,
    pub(super) sensors: Vec<Sensor>,
    /// The mutated fuse, if a fuse is mutated. Its sensors are those that require it, and are not changed.
    pub(super) fuse: Option<BlowingFuse>,
    pub(super) changed: ChangedPart,
}

/// The part of a rule that a mutation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangedPart {
    /// A condition, which determines the events that the rule matches.
    Condition,
    /// The action, for every event that the rule matches.
    Action,
    /// The value of a field, for some of the events that the rule matches.
    Value,
    /// The condition of an `unless`, which determines the events that end waits.
    Unless,
    /// Several of these: a named condition that several parts use.
    Several,
}

impl Mutation {
    /// The affected rules.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.sensors.iter().flat_map(|sensor| &sensor.rules)
    }
}

/// All mutations of a rule set, in the order of its rules. A mutation of a named condition affects all its calls at
/// once, like an edit of the condition.
pub(super) fn mutations(ruleset: &Ruleset) -> Vec<Mutation> {
    let mutator = ConditionMutator { ruleset };
    let mut planner = Planner {
        mutator,
        blocks: blocks(ruleset),
        planned: Vec::new(),
        changes: FxHashMap::default(),
    };
    for (at, sensor) in ruleset.typed().sensors.iter().enumerate() {
        planner.sensor(at, sensor);
    }
    for (name, what, sensors) in flow::of_limiters(&ruleset.typed().sensors) {
        let is_it = |one: &&Definition| {
            one.kind == DefinitionKind::Limiter && ruleset.files().text(one.name) == name
        };
        let Some(declared) = ruleset.typed().definitions.iter().find(is_it) else { continue };
        let (span, changed) = (declared.span, ChangedPart::Action);
        planner.planned.push(Planned::Ready(Mutation { span, what, sensors, fuse: None, changed }));
    }
    let fuses = blow::mutations(ruleset.typed());
    planner.planned.extend(fuses.into_iter().map(Planned::Ready));
    let planned = planner.planned.into_iter().map(|planned| planned.mutation(mutator));
    // The standard library has its own tests.
    planned.filter(|mutation| !stdlib::contains(ruleset.files(), mutation.span)).collect()
}

/// The span of the block of each trigger, by the span of its kind.
fn blocks(ruleset: &Ruleset) -> FxHashMap<Span, Span> {
    let sensors = ruleset.trees().iter().flat_map(|file| &file.tree.sensors);
    let triggers = sensors.flat_map(|s| &s.rules).flat_map(|rule| &rule.triggers);
    triggers.map(|trigger| (trigger.kind.span, trigger.block.span)).collect()
}

/// A mutation, built or still to be built.
enum Planned {
    Ready(Mutation),
    /// A mutation of the text of conditions, or of conditionals in fields, with all places that
    /// contain the text.
    OfText {
        change: ConditionMutation,
        span: Span,
        places: Vec<Place>,
        changed: ChangedPart,
    },
}

/// The conditions of a sensor, given by index, or the conditions and fields of one of its rules.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    sensor: usize,
    rule: Option<usize>,
}

impl Planned {
    fn mutation(self, mutator: ConditionMutator<'_>) -> Mutation {
        let (change, span, places, changed) = match self {
            Self::Ready(mutation) => return mutation,
            Self::OfText { change, span, places, changed } => (change, span, places, changed),
        };
        let mutated = |whens: &[Expr]| {
            let mut whens = whens.to_vec();
            whens.iter_mut().for_each(|when| mutator.apply(&change, when));
            whens
        };
        let all = &mutator.ruleset.typed().sensors;
        let mut sensors = Vec::new();
        // The places of one sensor are adjacent.
        for places in places.chunk_by(|a, b| a.sensor == b.sensor) {
            let own = places.first().and_then(|place| all.get(place.sensor));
            let Some(own) = own else { continue };
            let mut sensor = without_rules(own);
            let in_sensor = places.iter().any(|place| place.rule.is_none());
            if in_sensor {
                sensor.when = mutated(&own.when);
            }
            for (at, rule) in own.rules.iter().enumerate() {
                let in_rule = places.iter().any(|place| place.rule == Some(at));
                if in_rule {
                    let mut rule = Rule { when: mutated(&rule.when), ..rule.clone() };
                    let apply = &mut |value: &mut Expr| mutator.apply(&change, value);
                    for trigger in &mut rule.triggers {
                        values_mut(&mut trigger.fields, apply);
                    }
                    flow::unless_mut(&mut rule, apply);
                    sensor.rules.push(rule);
                } else if in_sensor {
                    sensor.rules.push(rule.clone());
                }
            }
            sensors.push(sensor);
        }
        Mutation { span, what: change.what, sensors, fuse: None, changed }
    }
}

struct Planner<'r> {
    mutator: ConditionMutator<'r>,
    blocks: FxHashMap<Span, Span>,
    planned: Vec<Planned>,
    /// The index in `planned` of each mutation of a condition.
    changes: FxHashMap<ConditionMutation, usize>,
}

impl Planner<'_> {
    fn sensor(&mut self, at: usize, sensor: &Sensor) {
        for (i, clause) in sensor.when.iter().enumerate() {
            let mut when = sensor.when.clone();
            when.remove(i);
            let what = "this `when` is removed".into();
            let changed = Sensor { when, ..sensor.clone() };
            self.add(changed, what, clause.span, ChangedPart::Condition);
            self.condition(clause, Place { sensor: at, rule: None });
        }
        for (rules, what, span) in flow::of_sensor(sensor, self.mutator) {
            let changed = Sensor { rules, ..without_rules(sensor) };
            self.add(changed, what, span, ChangedPart::Action);
        }
        for (i, rule) in sensor.rules.iter().enumerate() {
            self.rule(sensor, rule, Place { sensor: at, rule: Some(i) });
        }
    }

    fn rule(&mut self, sensor: &Sensor, rule: &Rule, place: Place) {
        let of_rule = |rule: Rule| Sensor { rules: vec![rule], ..without_rules(sensor) };
        for (i, clause) in rule.when.iter().enumerate() {
            let mut when = rule.when.clone();
            when.remove(i);
            let what = "this `when` is removed".into();
            let changed = of_rule(Rule { when, ..rule.clone() });
            self.add(changed, what, clause.span, ChangedPart::Condition);
            self.condition(clause, place);
        }
        for (_, unless) in rule.cancellable() {
            self.planned_condition(&unless.when, place, ChangedPart::Unless);
        }
        let mut mutated = Vec::new();
        for (i, fuse) in rule.requires.iter().enumerate() {
            let mut requires = rule.requires.clone();
            requires.remove(i);
            let fuses = &self.mutator.ruleset.typed().fuses;
            let name = fuses.get(*fuse).map_or("", |fuse| &fuse.name);
            let what = format!("`requires {name}` is removed");
            let mut free = Rule { requires, ..rule.clone() };
            free.gates.retain(|one| one != fuse);
            for clause in &mut free.flow {
                clause.fuses.retain(|(one, _)| one != fuse);
            }
            free.flow.retain(|clause| !clause.flow.is_requires() || !clause.fuses.is_empty());
            mutated.push((free, what, rule.span));
            if !rule.gates.contains(fuse) {
                let what = format!("`else hold` of `{name}` is removed");
                let mut gated = rule.clone();
                gated.gates.push(*fuse);
                mutated.push((gated, what, rule.span));
            }
        }
        if rule.is_shadow {
            let what = "`shadow` is removed".to_owned();
            mutated.push((Rule { is_shadow: false, ..rule.clone() }, what, rule.span));
        }
        mutated.extend(flow::of_rule(sensor, rule, self.mutator));
        for (i, reaction) in rule.reactions.iter().enumerate() {
            let mut without = rule.clone();
            without.reactions.remove(i);
            mutated.push((without, format!("`on {}` is removed", reaction.kind), reaction.span));
        }
        for (i, trigger) in rule.triggers.iter().enumerate() {
            let Some(block) = self.blocks.get(&trigger.span).copied() else { continue };
            for (fields, what, span) in without_one(&trigger.fields, block) {
                let mut mutated_rule = rule.clone();
                if let Some(trigger) = mutated_rule.triggers.get_mut(i) {
                    trigger.fields = fields;
                }
                mutated.push((mutated_rule, what, span));
            }
        }
        for (rule, what, span) in mutated {
            self.add(of_rule(rule), what, span, ChangedPart::Action);
        }
        for trigger in &rule.triggers {
            values(&trigger.fields, &mut |value| self.choices(value, place));
        }
    }

    fn add(&mut self, sensor: Sensor, what: String, span: Span, changed: ChangedPart) {
        let sensors = vec![sensor];
        self.planned.push(Planned::Ready(Mutation { span, what, sensors, fuse: None, changed }));
    }

    /// Plans all mutations of a condition.
    fn condition(&mut self, expr: &Expr, place: Place) {
        self.planned_condition(expr, place, ChangedPart::Condition);
    }

    fn planned_condition(&mut self, expr: &Expr, place: Place, part: ChangedPart) {
        let mutator = self.mutator;
        mutator.mutations(expr, &mut |change, span| self.plan(change, span, place, part));
    }

    /// Plans the mutations of the conditionals in the value of a field.
    fn choices(&mut self, value: &Expr, place: Place) {
        let mutator = self.mutator;
        mutator.choices(value, &mut |change, span| {
            self.plan(change, span, place, ChangedPart::Value);
        });
    }

    /// Plans a mutation. One that is already planned also affects this place.
    fn plan(&mut self, change: ConditionMutation, span: Span, place: Place, part: ChangedPart) {
        let at = *self.changes.entry(change.clone()).or_insert(self.planned.len());
        match self.planned.get_mut(at) {
            Some(Planned::OfText { places, changed, .. }) => {
                if places.last() != Some(&place) {
                    places.push(place);
                }
                if *changed != part {
                    *changed = ChangedPart::Several;
                }
            }
            Some(Planned::Ready(_)) => {}
            None => {
                let places = vec![place];
                self.planned.push(Planned::OfText { change, span, places, changed: part });
            }
        }
    }
}

/// Calls `visit` with the value of each field, also of nested blocks.
fn values(fields: &[Mapped], visit: &mut dyn FnMut(&Expr)) {
    for field in fields {
        match &field.value {
            MappedValue::Block(inner) => values(inner, visit),
            MappedValue::Expr(expr, _) => visit(expr),
        }
    }
}

/// The same, mutable.
fn values_mut(fields: &mut [Mapped], visit: &mut dyn FnMut(&mut Expr)) {
    for field in fields {
        match &mut field.value {
            MappedValue::Block(inner) => values_mut(inner, visit),
            MappedValue::Expr(expr, _) => visit(expr),
        }
    }
}

/// The variants of a block with one field removed. Ignores fields that come from `defaults` or from the schema.
fn without_one(fields: &[Mapped], block: Span) -> Vec<(Vec<Mapped>, String, Span)> {
    let mut out = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        match &field.value {
            MappedValue::Block(inner) => {
                for (mutated, what, span) in without_one(inner, block) {
                    let mut with = fields.to_vec();
                    if let Some(place) = with.get_mut(i) {
                        place.value = MappedValue::Block(mutated);
                    }
                    out.push((with, what, span));
                }
            }
            MappedValue::Expr(expr, _) if expr.span != block && block.contains(expr.span) => {
                let mut without = fields.to_vec();
                without.remove(i);
                out.push((without, format!("`{}` is removed", field.name), expr.span));
            }
            MappedValue::Expr(..) => {}
        }
    }
    out
}

/// A copy of a sensor without its rules.
pub(super) fn without_rules(sensor: &Sensor) -> Sensor {
    Sensor {
        name: sensor.name.clone(),
        span: sensor.span,
        doc: None,
        events: sensor.events.clone(),
        each: sensor.each.clone(),
        lets: Vec::new(),
        when: sensor.when.clone(),
        flow: sensor.flow.clone(),
        rules: Vec::new(),
    }
}
