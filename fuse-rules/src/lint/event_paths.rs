//! What a rule reads of its event, by whole paths: through which lists an element is reached.

use std::fmt;

use crate::literals::quoted;
use crate::path::Segment;
use crate::syntax::is_name;
use crate::typed::{Each, Expr, ExprKind, Mapped, MappedValue, Path, Root, Rule, Sensor, Trigger};

/// Which part of a rule an expression stands in.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// The list of an `each`.
    Each,
    When,
    Once,
    /// A field of a trigger, which may stand in blocks.
    Field(&'a Trigger, &'a Mapped),
}

/// A value of the event with the lists on the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whole<'a> {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step<'a>>,
}

/// As an author would write it, with `[…]` for each element.
impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.root {
            Root::Body => "body",
            Root::Headers => "headers",
            Root::Query => "query",
            Root::Event => "event",
            Root::Element(_) => "…",
        })?;
        for step in &self.steps {
            match step {
                Step::Key(key) if is_name(key) => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "[{}]", quoted(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Each => f.write_str("[…]")?,
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(i64),
    /// To each element in turn.
    Each,
}

/// The lists that the names around a place go through, outermost first; `None` for one that is no
/// value of the event.
#[derive(Debug, Default)]
pub(crate) struct Bound<'a> {
    lists: Vec<Option<Whole<'a>>>,
}

impl<'a> Bound<'a> {
    /// The whole path of a value.
    pub(crate) fn whole(&self, path: &'a Path) -> Option<Whole<'a>> {
        let steps = path.segments.iter().map(|segment| match segment {
            Segment::Key(key) => Step::Key(key),
            Segment::Index(index) => Step::Index(*index),
        });
        match path.root {
            Root::Element(level) => {
                let mut whole = self.lists.get(level as usize)?.clone()?;
                whole.steps.push(Step::Each);
                whole.steps.extend(steps);
                Some(whole)
            }
            root => Some(Whole { root, steps: steps.collect() }),
        }
    }

    /// The whole path of an expression that is one.
    pub(crate) fn of(&self, expr: &'a Expr) -> Option<Whole<'a>> {
        match &expr.kind {
            ExprKind::Path(path) => self.whole(path),
            _ => None,
        }
    }

    pub(crate) fn bind(&mut self, list: &'a Expr) {
        let whole = self.of(list);
        self.lists.push(whole);
    }

    pub(crate) fn unbind(&mut self) {
        self.lists.pop();
    }
}

/// Calls `visit` with the expressions of a rule that stand in no other, those of its sensor first.
pub(crate) fn roots<'a>(
    sensor: &'a Sensor,
    rule: &'a Rule,
    visit: &mut impl FnMut(Part<'a>, &'a Expr, &mut Bound<'a>),
) {
    let mut bound = Bound::default();
    let mut shared = |each: &'a Option<Each>, when: &'a [Expr], bound: &mut Bound<'a>| {
        if let Some(each) = each {
            visit(Part::Each, &each.list, bound);
            bound.bind(&each.list);
        }
        when.iter().for_each(|expr| visit(Part::When, expr, bound));
    };
    shared(&sensor.each, &sensor.when, &mut bound);
    shared(&rule.each, &rule.when, &mut bound);
    let keys = rule.once.iter().flat_map(|once| &once.keys);
    keys.for_each(|key| visit(Part::Once, key, &mut bound));
    for trigger in &rule.triggers {
        fields(&trigger.fields, &mut |field, expr| {
            visit(Part::Field(trigger, field), expr, &mut bound);
        });
    }
}

/// The fields of blocks that have a value.
pub(crate) fn fields<'a>(fields: &'a [Mapped], visit: &mut impl FnMut(&'a Mapped, &'a Expr)) {
    for field in fields {
        match &field.value {
            MappedValue::Expr(expr, _) => visit(field, expr),
            MappedValue::Block(inner) => self::fields(inner, visit),
        }
    }
}

/// Calls `visit` with an expression and all in it, each with what is bound there.
pub(crate) fn below<'a>(
    expr: &'a Expr,
    bound: &mut Bound<'a>,
    visit: &mut impl FnMut(&'a Expr, &Bound<'a>),
) {
    visit(expr, bound);
    match &expr.kind {
        ExprKind::Quantifier { list, body, .. } => {
            below(list, bound, visit);
            bound.bind(list);
            below(body, bound, visit);
            bound.unbind();
        }
        _ => expr.children().into_iter().for_each(|child| below(child, bound, visit)),
    }
}

/// Calls `visit` with every expression of a rule and of its sensor.
pub(crate) fn all<'a>(
    sensor: &'a Sensor,
    rule: &'a Rule,
    visit: &mut impl FnMut(Part<'a>, &'a Expr, &Bound<'a>),
) {
    roots(sensor, rule, &mut |part, expr, bound| {
        below(expr, bound, &mut |expr, bound| visit(part, expr, bound));
    });
}

/// Calls `visit` with what has to be true for a condition to be: itself, and the parts of an `and`.
pub(crate) fn required<'a>(condition: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    match &condition.kind {
        ExprKind::And(parts) => parts.iter().for_each(|part| required(part, visit)),
        _ => visit(condition),
    }
}
