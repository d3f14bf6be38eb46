//! Prints rules by their meaning, to find those that differ between two versions of a rule set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::ruleset::Ruleset;
use crate::typed::{
    DefinitionKind, Each, EventDecl, EventName, Expr, FlowClause, Mapped, MappedValue, Rule,
    Sensor, Shown, Trigger,
};

/// A rule, printed with everything that its decisions and actions depend on. The texts are for comparisons, not for
/// people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintedRule {
    /// The events that it listens to.
    pub events: String,
    /// The lists that it iterates over, and its conditions, with those of its sensor.
    pub conditions: String,
    /// The fuses that it requires, its `once`, and its triggers.
    pub action: String,
}

/// The full names of rules that are not the same in two versions of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleDifferences {
    /// Rules that only the new version has.
    pub added: Vec<String>,
    /// Rules that only the old version has.
    pub removed: Vec<String>,
    /// Rules whose [`PrintedRule`]s differ.
    pub changed: Vec<String>,
}

impl Ruleset {
    /// Each rule by its full name, printed with everything that its decisions and actions depend on: named
    /// conditions and constants are expanded, and comments and layout are left out. A rule with the same texts in
    /// two versions of the rules decides alike in both.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let printed = |when: &str| {
    ///     let text = format!(
    ///         "const limit = 4
    ///          source q queue {{ event e }}
    ///          sensor s on q.e {{ rule r {{
    ///            when {when}
    ///            trigger page {{}}
    ///            }} }}"
    ///     );
    ///     let ruleset = Ruleset::parse("a.rules", &text, &registry)?;
    ///     Ok::<_, fuse_rules::Diagnostics>(ruleset.printed_rules()["s/r"].clone())
    /// };
    /// assert_eq!(printed("body.a > limit # high")?, printed("(body.a > 4)")?);
    /// assert_ne!(printed("body.a > limit")?, printed("body.a >= limit")?);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    pub fn printed_rules(&self) -> BTreeMap<&str, PrintedRule> {
        self.printed(self.typed().sensors.iter())
    }

    /// The rules that differ from those of an older version of these rules. Rules that [`Ruleset::load_with`] did not
    /// load again are not compared.
    pub fn different_rules(&self, old: &Self) -> RuleDifferences {
        let (was, is) = (shared(&old.typed().sensors), shared(&self.typed().sensors));
        let differs = |others: &BTreeSet<*const Sensor>, sensor: &&Arc<Sensor>| {
            !others.contains(&Arc::as_ptr(sensor))
        };
        let was_printed = old.printed(old.typed().sensors.iter().filter(|one| differs(&is, one)));
        let is_printed = self.printed(self.typed().sensors.iter().filter(|one| differs(&was, one)));
        let mut found = RuleDifferences::default();
        for (name, printed) in &is_printed {
            match was_printed.get(name) {
                None => found.added.push((*name).to_owned()),
                Some(former) if former != printed => found.changed.push((*name).to_owned()),
                Some(_) => {}
            }
        }
        let removed = was_printed.keys().filter(|name| !is_printed.contains_key(*name));
        found.removed = removed.map(|name| (*name).to_owned()).collect();
        found
    }

    fn printed<'r>(
        &'r self,
        sensors: impl Iterator<Item = &'r Arc<Sensor>>,
    ) -> BTreeMap<&'r str, PrintedRule> {
        let mut events = BTreeMap::new();
        for source in &self.typed().sources {
            for event in &source.events {
                events.insert((&*source.name, &*event.name), printed_event(event));
            }
        }
        // A lookup is printed with the name of its table.
        let tables = self.definitions().filter(|one| one.kind == DefinitionKind::Const);
        let tables: Vec<(String, &str)> =
            tables.map(|table| (format!("{}[", table.name), table.text)).collect();
        let mut rules = BTreeMap::new();
        for sensor in sensors {
            let mut listens = Printer::default();
            for (source, name) in sensor.events.iter().map(EventName::as_pair) {
                let event = events.get(&(source, name)).map_or("", String::as_str);
                listens.part("on", format_args!("{source}.{name} {event}"));
            }
            for rule in &sensor.rules {
                let mut conditions = Printer::default();
                conditions.conditions(sensor.each.as_ref(), &sensor.when);
                conditions.conditions(rule.each.as_ref(), &rule.when);
                let mut action = Printer::default();
                let fuses = rule.requires.iter().filter_map(|fuse| self.typed().fuses.get(*fuse));
                fuses.for_each(|fuse| action.part("requires", format_args!("{}", fuse.name)));
                action.action(rule);
                for printer in [&mut conditions, &mut action] {
                    for (use_of, text) in &tables {
                        if printer.text.contains(use_of) {
                            printer.part("table", format_args!("{text}"));
                        }
                    }
                }
                let (events, conditions) = (listens.text.clone(), conditions.text);
                let printed = PrintedRule { events, conditions, action: action.text };
                rules.insert(&*rule.name, printed);
            }
        }
        rules
    }
}

/// Where the sensors are, to find those that two versions of the rules share.
fn shared(sensors: &[Arc<Sensor>]) -> BTreeSet<*const Sensor> {
    sensors.iter().map(Arc::as_ptr).collect()
}

/// What the meaning of a rule depends on in an event that it listens to.
fn printed_event(event: &EventDecl) -> String {
    let mut printer = Printer::default();
    printer.part("format", format_args!("{:?} {}", event.shape, event.arrives));
    printer.part("body", format_args!("{}", event.body));
    printer.part("rejects", format_args!("{}", event.rejects()));
    event.when.iter().for_each(|when| printer.expr("when", when));
    event.decode.iter().for_each(|decode| printer.expr("decode", decode));
    event.expressions.iter().for_each(|(name, value)| printer.expr(name, value));
    printer.text
}

#[derive(Default)]
struct Printer {
    text: String,
}

impl Printer {
    fn part(&mut self, what: &str, value: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _infallible = writeln!(self.text, "{what} {value}");
    }

    fn expr(&mut self, what: &str, expr: &Expr) {
        self.part(what, format_args!("{}", Shown(expr)));
    }

    fn conditions(&mut self, each: Option<&Each>, when: &[Expr]) {
        if let Some(each) = each {
            self.expr("each", &each.list);
            self.part("max", format_args!("{}", each.max));
        }
        when.iter().for_each(|when| self.expr("when", when));
    }

    fn action(&mut self, rule: &Rule) {
        if rule.is_shadow {
            self.part("shadow", format_args!(""));
        }
        self.performed(&rule.flow, &rule.triggers);
        for reaction in &rule.reactions {
            self.part("on", format_args!("{}", reaction.kind));
            self.performed(&reaction.flow, &reaction.triggers);
        }
    }

    fn performed(&mut self, flow: &[FlowClause], triggers: &[Trigger]) {
        for clause in flow {
            clause.keys.iter().for_each(|key| self.expr("key", key));
            self.part("flow", format_args!("{:?} {:?}", clause.flow, clause.limiter));
            if let Some(unless) = &clause.unless {
                self.part("unless", format_args!("{}", unless.event));
                unless.each.iter().for_each(|each| self.conditions(Some(each), &[]));
                self.expr("when", &unless.when);
                unless.keys.iter().for_each(|key| self.expr("key", key));
            }
        }
        for trigger in triggers {
            self.part("trigger", format_args!("{} {}", trigger.kind, trigger.attempts));
            self.fields(&trigger.fields);
        }
    }

    fn fields(&mut self, fields: &[Mapped]) {
        for field in fields {
            let optional = if field.optional { "?" } else { "" };
            match &field.value {
                MappedValue::Expr(expr, _) => {
                    self.part(&field.name, format_args!("{optional} = {}", Shown(expr)));
                }
                MappedValue::Block(inner) => {
                    self.part(&field.name, format_args!("{optional} {{"));
                    self.fields(inner);
                    self.part("}", format_args!(""));
                }
            }
        }
    }
}
