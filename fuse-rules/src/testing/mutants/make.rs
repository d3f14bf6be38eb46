//! The faults that are planted: operators turned, constants changed, clauses and fields left out.

use rustc_hash::FxHashMap;

use super::own::{Change, Parts};
use crate::ruleset::Ruleset;
use crate::span::Span;
use crate::typed::{Expr, Mapped, MappedValue, Rule, Sensor};

/// A fault, with the sensors that have it. Of their rules only those are kept that have it.
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) what: String,
    pub(super) sensors: Vec<Sensor>,
    /// Whether it is one of conditions: else the rule matches as before.
    pub(super) of_condition: bool,
}

impl Fault {
    /// The rules that have it.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.sensors.iter().flat_map(|sensor| &sensor.rules)
    }
}

/// Every fault that is planted into a rule set, in the order of its rules. What is changed in a named condition
/// is changed for all calls at once, as it would be by who writes it.
pub(super) fn faults(ruleset: &Ruleset) -> Vec<Fault> {
    let parts = Parts { ruleset };
    let mut maker = Maker {
        parts,
        blocks: blocks(ruleset),
        planned: Vec::new(),
        changes: FxHashMap::default(),
    };
    for (at, sensor) in ruleset.typed().sensors.iter().enumerate() {
        maker.sensor(at, sensor);
    }
    maker.planned.into_iter().map(|planned| planned.fault(parts)).collect()
}

/// Where the block of each trigger stands, by where its kind does.
fn blocks(ruleset: &Ruleset) -> FxHashMap<Span, Span> {
    let sensors = ruleset.trees().iter().flat_map(|file| &file.tree.sensors);
    let triggers = sensors.flat_map(|s| &s.rules).flat_map(|rule| &rule.triggers);
    triggers.map(|trigger| (trigger.kind.span, trigger.block.span)).collect()
}

/// A fault that will be planted.
enum Planned {
    Made(Fault),
    /// One of the text of conditions, and the conditions that it is a part of.
    Changed {
        change: Change,
        span: Span,
        places: Vec<Place>,
    },
}

/// The conditions of a sensor, by its number, or of one of its rules.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    sensor: usize,
    rule: Option<usize>,
}

impl Planned {
    fn fault(self, parts: Parts<'_>) -> Fault {
        let (change, span, places) = match self {
            Self::Made(fault) => return fault,
            Self::Changed { change, span, places } => (change, span, places),
        };
        let faulty = |whens: &[Expr]| {
            let mut whens = whens.to_vec();
            whens.iter_mut().for_each(|when| parts.plant(&change, when));
            whens
        };
        let all = &parts.ruleset.typed().sensors;
        let mut sensors = Vec::new();
        // The places of one sensor stand beside each other.
        for places in places.chunk_by(|a, b| a.sensor == b.sensor) {
            let own = places.first().and_then(|place| all.get(place.sensor));
            let Some(own) = own else { continue };
            let mut sensor = alone(own);
            let in_sensor = places.iter().any(|place| place.rule.is_none());
            if in_sensor {
                sensor.when = faulty(&own.when);
            }
            for (at, rule) in own.rules.iter().enumerate() {
                let in_rule = places.iter().any(|place| place.rule == Some(at));
                if in_rule {
                    sensor.rules.push(Rule { when: faulty(&rule.when), ..rule.clone() });
                } else if in_sensor {
                    sensor.rules.push(rule.clone());
                }
            }
            sensors.push(sensor);
        }
        Fault { span, what: change.what, sensors, of_condition: true }
    }
}

struct Maker<'r> {
    parts: Parts<'r>,
    blocks: FxHashMap<Span, Span>,
    planned: Vec<Planned>,
    /// Where in the plan each change stands.
    changes: FxHashMap<Change, usize>,
}

impl Maker<'_> {
    fn sensor(&mut self, at: usize, sensor: &Sensor) {
        for (i, clause) in sensor.when.iter().enumerate() {
            let mut when = sensor.when.clone();
            when.remove(i);
            let what = "this `when` is left out".into();
            self.plant(Sensor { when, ..sensor.clone() }, what, clause.span, true);
            self.condition(clause, Place { sensor: at, rule: None });
        }
        for (i, rule) in sensor.rules.iter().enumerate() {
            self.rule(sensor, rule, Place { sensor: at, rule: Some(i) });
        }
    }

    fn rule(&mut self, sensor: &Sensor, rule: &Rule, place: Place) {
        let of_rule = |rule: Rule| Sensor { rules: vec![rule], ..alone(sensor) };
        for (i, clause) in rule.when.iter().enumerate() {
            let mut when = rule.when.clone();
            when.remove(i);
            let what = "this `when` is left out".into();
            self.plant(of_rule(Rule { when, ..rule.clone() }), what, clause.span, true);
            self.condition(clause, place);
        }
        let mut faulty = Vec::new();
        for (i, fuse) in rule.requires.iter().enumerate() {
            let mut requires = rule.requires.clone();
            requires.remove(i);
            let fuses = &self.parts.ruleset.typed().fuses;
            let name = fuses.get(*fuse).map_or("", |fuse| &fuse.name);
            let what = format!("`requires {name}` is left out");
            faulty.push((Rule { requires, ..rule.clone() }, what, rule.span));
        }
        if let Some(once) = &rule.once {
            let span = once.keys.first().map_or(rule.span, |key| key.span);
            let none = Rule { once: None, ..rule.clone() };
            faulty.push((none, "`once` is left out".into(), span));
            for (i, key) in once.keys.iter().enumerate().filter(|_| once.keys.len() > 1) {
                let mut once = once.clone();
                once.keys.remove(i);
                let what = format!("the key `{}` is left out", self.parts.text(key.span));
                faulty.push((Rule { once: Some(once), ..rule.clone() }, what, key.span));
            }
        }
        for (i, trigger) in rule.triggers.iter().enumerate() {
            let Some(block) = self.blocks.get(&trigger.span).copied() else { continue };
            for (fields, what, span) in without_one(&trigger.fields, block) {
                let mut faulty_rule = rule.clone();
                if let Some(trigger) = faulty_rule.triggers.get_mut(i) {
                    trigger.fields = fields;
                }
                faulty.push((faulty_rule, what, span));
            }
        }
        for (rule, what, span) in faulty {
            self.plant(of_rule(rule), what, span, false);
        }
    }

    fn plant(&mut self, sensor: Sensor, what: String, span: Span, of_condition: bool) {
        let sensors = vec![sensor];
        self.planned.push(Planned::Made(Fault { span, what, sensors, of_condition }));
    }

    /// Plans every fault of a condition, or says that one that is planned stands here, too.
    fn condition(&mut self, expr: &Expr, place: Place) {
        let Self { parts, planned, changes, .. } = self;
        parts.changes(expr, &mut |change, span| {
            let at = *changes.entry(change.clone()).or_insert(planned.len());
            match planned.get_mut(at) {
                Some(Planned::Changed { places, .. }) if places.last() != Some(&place) => {
                    places.push(place);
                }
                Some(_) => {}
                None => {
                    planned.push(Planned::Changed { change, span, places: vec![place] });
                }
            }
        });
    }
}

/// The fields of a block with one left out. Those of `defaults` and of the schema are not this rule's.
fn without_one(fields: &[Mapped], block: Span) -> Vec<(Vec<Mapped>, String, Span)> {
    let mut out = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        match &field.value {
            MappedValue::Block(inner) => {
                for (faulty, what, span) in without_one(inner, block) {
                    let mut with = fields.to_vec();
                    if let Some(place) = with.get_mut(i) {
                        place.value = MappedValue::Block(faulty);
                    }
                    out.push((with, what, span));
                }
            }
            MappedValue::Expr(expr, _) if expr.span != block && block.contains(expr.span) => {
                let mut without = fields.to_vec();
                without.remove(i);
                out.push((without, format!("`{}` is left out", field.name), expr.span));
            }
            MappedValue::Expr(..) => {}
        }
    }
    out
}

/// A sensor without its rules.
fn alone(sensor: &Sensor) -> Sensor {
    Sensor {
        name: sensor.name.clone(),
        span: sensor.span,
        doc: None,
        source: sensor.source.clone(),
        event: sensor.event.clone(),
        each: sensor.each.clone(),
        when: sensor.when.clone(),
        rules: Vec::new(),
    }
}
