//! The values that a rule reads from its event. Each path includes the lists that lead to an element.

use std::fmt;

use crate::literals::quoted;
use crate::path::{OUTCOME, Segment};
use crate::syntax::is_name;
use crate::typed::{Each, Expr, ExprKind, Mapped, MappedValue, Path, Root, Rule, Sensor, Trigger};

/// The part of a rule that contains an expression.
#[derive(Clone, Copy)]
pub(crate) enum RulePart<'a> {
    /// The list of an `each`.
    Each,
    When,
    /// A key of a clause of flow control.
    Flow,
    /// A field of a trigger, possibly in a nested block.
    Field(&'a Trigger, &'a Mapped),
}

/// The path of a value from the root of the event, through the lists that lead to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EventPath<'a> {
    pub(crate) root: Root,
    pub(crate) steps: Vec<EventPathStep<'a>>,
}

/// Formats the path as in rules, with `[…]` for the elements of a list.
impl fmt::Display for EventPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.root {
            Root::Body => "body",
            Root::Headers => "headers",
            Root::Query => "query",
            Root::Event => "event",
            Root::Outcome => OUTCOME,
            Root::Element(_) => "…",
        })?;
        for step in &self.steps {
            match step {
                EventPathStep::Key(key) if is_name(key) => write!(f, ".{key}")?,
                EventPathStep::Key(key) => write!(f, "[{}]", quoted(key))?,
                EventPathStep::Index(index) => write!(f, "[{index}]")?,
                EventPathStep::Each => f.write_str("[…]")?,
            }
        }
        Ok(())
    }
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventPathStep<'a> {
    Key(&'a str),
    Index(i64),
    /// Each element of a list.
    Each,
}

/// The lists that the element names in scope iterate over, outermost first. The entry is `None` if the
/// list is not a value of the event.
#[derive(Debug, Default)]
pub(crate) struct Bindings<'a> {
    lists: Vec<Option<EventPath<'a>>>,
}

impl<'a> Bindings<'a> {
    /// The path from the root of the event.
    pub(crate) fn resolve_path(&self, path: &'a Path) -> Option<EventPath<'a>> {
        let steps = path.segments.iter().map(|segment| match segment {
            Segment::Key(key) => EventPathStep::Key(key),
            Segment::Index(index) => EventPathStep::Index(*index),
        });
        match path.root {
            Root::Element(level) => {
                let mut path = self.lists.get(level as usize)?.clone()?;
                path.steps.push(EventPathStep::Each);
                path.steps.extend(steps);
                Some(path)
            }
            root => Some(EventPath { root, steps: steps.collect() }),
        }
    }

    /// The path from the root of the event, if the expression is a path.
    pub(crate) fn resolve(&self, expr: &'a Expr) -> Option<EventPath<'a>> {
        match &expr.kind {
            ExprKind::Path(path) => self.resolve_path(path),
            _ => None,
        }
    }

    /// Enters the scope of a name for the elements of `list`.
    pub(crate) fn bind(&mut self, list: &'a Expr) {
        let path = self.resolve(list);
        self.lists.push(path);
    }

    /// Leaves the innermost scope.
    pub(crate) fn unbind(&mut self) {
        self.lists.pop();
    }
}

/// Calls `visit` for each outermost expression of a rule, beginning with those of its sensor.
pub(crate) fn roots<'a>(
    sensor: &'a Sensor,
    rule: &'a Rule,
    visit: &mut impl FnMut(RulePart<'a>, &'a Expr, &mut Bindings<'a>),
) {
    let mut bindings = Bindings::default();
    let mut shared = |each: &'a Option<Each>, when: &'a [Expr], bindings: &mut Bindings<'a>| {
        if let Some(each) = each {
            visit(RulePart::Each, &each.list, bindings);
            bindings.bind(&each.list);
        }
        when.iter().for_each(|expr| visit(RulePart::When, expr, bindings));
    };
    shared(&sensor.each, &sensor.when, &mut bindings);
    shared(&rule.each, &rule.when, &mut bindings);
    rule.all_flow_keys().for_each(|key| visit(RulePart::Flow, key, &mut bindings));
    for trigger in rule.all_triggers() {
        fields(&trigger.fields, &mut |field, expr| {
            visit(RulePart::Field(trigger, field), expr, &mut bindings);
        });
    }
}

/// Calls `visit` for each field that has a value, including fields of nested blocks.
pub(crate) fn fields<'a>(fields: &'a [Mapped], visit: &mut impl FnMut(&'a Mapped, &'a Expr)) {
    for field in fields {
        match &field.value {
            MappedValue::Expr(expr, _) => visit(field, expr),
            MappedValue::Block(inner) => self::fields(inner, visit),
        }
    }
}

/// Calls `visit` for an expression and all expressions in it, with the names in scope.
pub(crate) fn walk<'a>(
    expr: &'a Expr,
    bindings: &mut Bindings<'a>,
    visit: &mut impl FnMut(&'a Expr, &Bindings<'a>),
) {
    visit(expr, bindings);
    match &expr.kind {
        ExprKind::Quantifier { list, body, .. } => {
            walk(list, bindings, visit);
            bindings.bind(list);
            walk(body, bindings, visit);
            bindings.unbind();
        }
        _ => expr.children().into_iter().for_each(|child| walk(child, bindings, visit)),
    }
}

/// Calls `visit` for every expression of a rule and its sensor.
pub(crate) fn all<'a>(
    sensor: &'a Sensor,
    rule: &'a Rule,
    visit: &mut impl FnMut(RulePart<'a>, &'a Expr, &Bindings<'a>),
) {
    roots(sensor, rule, &mut |part, expr, bindings| {
        walk(expr, bindings, &mut |expr, bindings| visit(part, expr, bindings));
    });
}

/// Calls `visit` for each condition that must hold for `condition` to hold: the condition itself, or
/// the operands of an `and`.
pub(crate) fn required<'a>(condition: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    match &condition.kind {
        ExprKind::And(parts) => parts.iter().for_each(|part| required(part, visit)),
        _ => visit(condition),
    }
}
