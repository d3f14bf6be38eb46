//! What parts of rules cost: the number of values of an event that they examine.
//!
//! A [`Cost`] is a formula over the lengths of the event's lists. With assumed lengths it gives the
//! cost that `fuse check` prints; with those of an event, the bound that rejects a rule.

use super::work::weight;
use crate::functions::{MAX_RANGE, MAX_SEARCHED_BYTES};
use crate::typed::{
    Each, Expr, ExprKind, Mapped, MappedValue, Path, QuantifierKind, Root, Rule, Sensor,
};
use crate::value::Value;

/// The assumed length of a list of unknown length.
const ASSUMED_LIST_LENGTH: u64 = 1_000;
/// The cost of a pattern match, a test of text or a function call.
const CALL_COST: u64 = 10;
/// How much text counts as one value.
const BYTES_PER_VALUE: u32 = 64;
/// The same for text that becomes part of an action, which is kept in memory and on disk.
const RENDERED_BYTES_PER_VALUE: u32 = 1;
/// The cost of keeping a decision. It does not count while lengths are only assumed.
pub(super) const DECISION_COST: u64 = 16;
/// The maximum cost of examining parts of a text again.
pub(super) const SEARCH_COST: u64 = MAX_SEARCHED_BYTES as u64 / BYTES_PER_VALUE as u64;

/// The cost of a part of a rule.
#[derive(Clone, Debug)]
pub(crate) enum Cost {
    /// The same for every event.
    Fixed(u64),
    /// A decision.
    Decision,
    /// A call that examines parts of a text again. It does not count while lengths are only
    /// assumed.
    Search,
    /// All of a value, whose text counts by its bytes.
    Whole {
        path: Path,
        bytes_per_value: u32,
    },
    Sum(Vec<Cost>),
    /// One for each element of a list.
    Length(Count),
    /// A cost for each element of a list.
    PerElement(Box<PerElementCost>),
}

/// A cost for each element of a list.
#[derive(Clone, Debug)]
pub(crate) struct PerElementCost {
    pub(crate) count: Count,
    /// The `max` of an `each`. A longer list is not iterated over.
    pub(crate) max: Option<u64>,
    pub(crate) elements: Elements,
    pub(crate) body: Cost,
    /// Whether the body reads the element.
    pub(crate) reads_element: bool,
}

/// Where the elements of a list come from.
#[derive(Clone, Debug)]
pub(crate) enum Elements {
    /// A list of the event.
    Event(Path),
    Constant(Vec<Value<'static>>),
    Computed,
}

/// The length of a list.
#[derive(Clone, Debug)]
pub(crate) enum Count {
    Fixed(u64),
    /// The length of the list at this path.
    Path(Path),
    Longest(Vec<Count>),
    /// At most as many as the values of the expression have values and bytes.
    Computed(Box<Cost>),
}

impl Cost {
    /// The cost of an expression. `whole` is whether its user examines all of its value.
    pub(crate) fn of(expr: &Expr, whole: bool) -> Self {
        let parts = |whole| expr.children().into_iter().map(move |part| Self::of(part, whole));
        match &expr.kind {
            ExprKind::Const(_) => Self::Fixed(0),
            ExprKind::Path(path) if whole => Self::whole(path),
            ExprKind::Path(_) => Self::Fixed(1),
            ExprKind::Quantifier { kind, list, body, .. } => {
                // The results of `map` are kept.
                let body = Self::of(body, *kind == QuantifierKind::Map);
                let each = Self::per_element(list, None, Self::Sum(vec![body, Self::Fixed(1)]));
                Self::Sum(vec![Self::of(list, true), each])
            }
            ExprKind::In { item, list } => Self::Sum(vec![
                Self::of(item, false),
                Self::of(list, true),
                Self::Length(Count::of(list)),
            ]),
            ExprKind::Call { function, pattern, .. } => {
                let made = if function.name == "range" { MAX_RANGE.unsigned_abs() } else { 0 };
                let call = [Self::Fixed(CALL_COST.saturating_add(made))];
                let again = pattern.as_ref().is_some_and(|pattern| pattern.searches_again());
                let again = again.then_some(Self::Search);
                Self::Sum(parts(true).chain(call).chain(again).collect())
            }
            ExprKind::Pattern { .. } | ExprKind::TextTest { .. } => {
                Self::Sum(parts(true).chain([Self::Fixed(CALL_COST)]).collect())
            }
            // The keys are compared, and the part is copied.
            ExprKind::Lookup { base, key, .. } => {
                let part = match &base.kind {
                    ExprKind::Const(value) => {
                        let (values, bytes) = weight(value);
                        Self::Fixed(u64::try_from(values.saturating_add(bytes)).unwrap_or(u64::MAX))
                    }
                    _ => Self::of(base, true),
                };
                Self::Sum(vec![Self::of(base, true), part, Self::of(key, true)])
            }
            ExprKind::Coalesce { .. } => Self::Sum(parts(whole).collect()),
            ExprKind::If { condition, chosen, otherwise } => Self::Sum(vec![
                Self::of(condition, false),
                Self::of(chosen, whole),
                Self::of(otherwise, whole),
            ]),
            ExprKind::Compare { .. }
            | ExprKind::Arith { .. }
            | ExprKind::Is { .. }
            | ExprKind::Neg(_)
            | ExprKind::Not(_)
            | ExprKind::And(_)
            | ExprKind::Or(_) => Self::Sum(parts(false).collect()),
            _ => Self::Sum(parts(true).collect()),
        }
    }

    fn whole(path: &Path) -> Self {
        Self::Whole { path: path.clone(), bytes_per_value: BYTES_PER_VALUE }
    }

    fn per_element(list: &Expr, max: Option<usize>, body: Self) -> Self {
        let reads_element = body.reads_elements();
        Self::PerElement(Box::new(PerElementCost {
            count: Count::of(list),
            max: max.map(|max| u64::try_from(max).unwrap_or(u64::MAX)),
            elements: Elements::of(list),
            body,
            reads_element,
        }))
    }

    /// The cost of iterating over the list of an `each`, with the cost per element.
    pub(crate) fn each(each: Option<&Each>, body: Self) -> Self {
        let Some(each) = each else { return body };
        let body = Self::Sum(vec![Self::Fixed(1), body]);
        let list = Self::of(&each.list, true);
        Self::Sum(vec![list, Self::per_element(&each.list, Some(each.max), body)])
    }

    /// The cost of a whole rule, with the clauses of its sensor.
    pub(crate) fn of_rule(sensor: &Sensor, rule: &Rule) -> Self {
        let clauses = |clauses: &[Expr]| {
            clauses.iter().map(|clause| Self::of(clause, false)).collect::<Vec<_>>()
        };
        let mut inner = clauses(&rule.when);
        if let Some(once) = &rule.once {
            inner.extend(once.keys.iter().map(|key| Self::of(key, true).rendered()));
        }
        for trigger in &rule.triggers {
            inner.push(Self::Decision);
            Self::mapped(&trigger.fields, &mut |expr| inner.push(Self::of(expr, true).rendered()));
        }
        let mut outer = clauses(&sensor.when);
        outer.push(Self::each(rule.each.as_ref(), Self::Sum(inner)));
        Self::each(sensor.each.as_ref(), Self::Sum(outer))
    }

    /// Calls `visit` with every expression of trigger fields.
    pub(crate) fn mapped<'f>(fields: &'f [Mapped], visit: &mut dyn FnMut(&'f Expr)) {
        for field in fields {
            match &field.value {
                MappedValue::Expr(expr, _) => visit(expr),
                MappedValue::Block(inner) => Self::mapped(inner, visit),
            }
        }
    }

    /// The same for a value that becomes part of an action.
    fn rendered(mut self) -> Self {
        self.count_bytes(RENDERED_BYTES_PER_VALUE);
        self
    }

    fn count_bytes(&mut self, per_value: u32) {
        match self {
            Self::Fixed(_) | Self::Decision | Self::Search | Self::Length(_) => {}
            Self::Whole { bytes_per_value, .. } => *bytes_per_value = per_value,
            Self::Sum(parts) => parts.iter_mut().for_each(|part| part.count_bytes(per_value)),
            Self::PerElement(each) => each.body.count_bytes(per_value),
        }
    }

    /// Whether it depends on an element that is bound around it.
    fn reads_elements(&self) -> bool {
        let is_element = |path: &Path| matches!(path.root, Root::Element(_));
        match self {
            Self::Fixed(_) | Self::Decision | Self::Search => false,
            Self::Whole { path, .. } => is_element(path),
            Self::Sum(parts) => parts.iter().any(Self::reads_elements),
            Self::Length(count) => count.reads_elements(),
            Self::PerElement(each) => each.count.reads_elements() || each.body.reads_elements(),
        }
    }

    /// The cost if every list has the assumed length, or the `max` of its `each`.
    pub(crate) fn assumed(&self) -> u64 {
        match self {
            Self::Fixed(cost) => *cost,
            Self::Decision | Self::Search => 0,
            Self::Whole { .. } => 1,
            Self::Sum(parts) => parts.iter().map(Self::assumed).fold(0, u64::saturating_add),
            Self::Length(count) => count.assumed(None),
            Self::PerElement(each) => {
                each.count.assumed(each.max).saturating_mul(each.body.assumed())
            }
        }
    }
}

impl Count {
    pub(crate) fn of(list: &Expr) -> Self {
        match &list.kind {
            ExprKind::Const(Value::List(items)) => Self::fixed(items.len()),
            ExprKind::List(items) => Self::fixed(items.len()),
            ExprKind::Quantifier {
                kind: QuantifierKind::Filter | QuantifierKind::Map,
                list,
                ..
            } => Self::of(list),
            ExprKind::Coalesce { left, right }
            | ExprKind::If { chosen: left, otherwise: right, .. } => {
                Self::Longest(vec![Self::of(left), Self::of(right)])
            }
            ExprKind::Path(path) if matches!(path.root, Root::Body | Root::Element(_)) => {
                Self::Path(path.clone())
            }
            _ => {
                let mut cost = Cost::of(list, true);
                cost.count_bytes(1);
                Self::Computed(Box::new(cost))
            }
        }
    }

    fn fixed(len: usize) -> Self {
        Self::Fixed(u64::try_from(len).unwrap_or(u64::MAX))
    }

    fn reads_elements(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Path(path) => matches!(path.root, Root::Element(_)),
            Self::Longest(counts) => counts.iter().any(Self::reads_elements),
            Self::Computed(cost) => cost.reads_elements(),
        }
    }

    /// The length, if that of an event's list is assumed. `max` is that of its `each`.
    pub(crate) fn assumed(&self, max: Option<u64>) -> u64 {
        match self {
            Self::Fixed(count) => (*count).min(max.unwrap_or(u64::MAX)),
            Self::Longest(counts) => {
                counts.iter().map(|count| count.assumed(max)).max().unwrap_or(0)
            }
            Self::Path(_) | Self::Computed(_) => max.unwrap_or(ASSUMED_LIST_LENGTH),
        }
    }
}

impl Elements {
    fn of(list: &Expr) -> Self {
        match &list.kind {
            ExprKind::Path(path) if matches!(path.root, Root::Body | Root::Element(_)) => {
                Self::Event(path.clone())
            }
            ExprKind::Const(Value::List(items)) => Self::Constant(items.clone()),
            ExprKind::Quantifier { kind: QuantifierKind::Filter, list: inner, .. }
            | ExprKind::Coalesce { left: inner, .. } => Self::of(inner),
            _ => Self::Computed,
        }
    }
}
