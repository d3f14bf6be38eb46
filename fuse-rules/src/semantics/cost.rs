//! What parts of rules cost: the number of values of an event that they examine.
//!
//! A [`Cost`] is a formula over the lengths of the event's lists. With assumed lengths it gives the
//! cost that `fuse check` prints; with those of an event, the bound that rejects a rule. The latter
//! bounds the [`Work`](super::Work) of evaluating the part. It ignores that a number can have a long text, and that
//! JSON can contain white space: an event of such values may exceed the limit on the work of all rules.

use super::work::{BYTES_PER_VALUE, DECISION_WORK, weight};
use crate::functions::{MAX_RESULT_BYTES, MAX_SEARCHED_BYTES, ResultSize};
use crate::typed::{
    Each, Expr, ExprKind, Mapped, MappedValue, Path, QuantifierKind, Root, Rule, Sensor,
};
use crate::value::Value;

/// The assumed length of a list of unknown length.
const ASSUMED_LIST_LENGTH: u64 = 1_000;
/// The cost of a pattern match, a test of text or a function call.
const CALL_COST: u64 = 10;
/// How much text counts as one value, if it becomes part of an action, which is kept in memory and
/// on disk.
const RENDERED_BYTES_PER_VALUE: u64 = 1;
/// The cost of keeping a decision. It does not count while lengths are only assumed.
pub(super) const DECISION_COST: u64 = DECISION_WORK as u64;
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
        bytes_per_value: u64,
    },
    /// All of a value that the rules contain.
    Constant {
        values: u64,
        bytes: u64,
        bytes_per_value: u64,
    },
    Sum(Vec<Cost>),
    /// The result of a call, which can be longer than its arguments, up to a maximum.
    Product {
        of: Box<Cost>,
        times: Box<Cost>,
        max_bytes: u64,
        bytes_per_value: u64,
    },
    /// One for each element of a list.
    Length {
        count: Count,
        list: Box<Cost>,
    },
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
    /// The size of the list, with every byte of text.
    pub(crate) list: Cost,
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
    /// At most as many as this list has elements.
    AtMost(Box<Count>),
    Longest(Vec<Count>),
    /// At most the size of the list.
    Size,
}

impl Cost {
    /// The cost of an expression whose value is not examined.
    pub(crate) fn of(expr: &Expr) -> Self {
        let sum = |part: fn(&Expr) -> Self| {
            let parts = expr.children().into_iter().map(part);
            Self::Sum(parts.collect())
        };
        match &expr.kind {
            ExprKind::Const(_) => Self::Fixed(0),
            ExprKind::Path(_) => Self::Fixed(1),
            ExprKind::Quantifier { kind, list, body, .. } => {
                let mut each = vec![Self::of(body), Self::Fixed(1)];
                // The results of `map` are kept.
                if *kind == QuantifierKind::Map {
                    each.push(Self::size(body));
                }
                let each = Self::per_element(list, None, Self::Sum(each));
                let kept = match kind {
                    QuantifierKind::Filter | QuantifierKind::First => Self::size(list),
                    _ => Self::Fixed(0),
                };
                Self::Sum(vec![Self::iterated(list), each, kept])
            }
            ExprKind::In { item, list } => {
                // The size of a constant includes its length.
                let length = match &list.unnamed().kind {
                    ExprKind::Const(_) => Self::Fixed(0),
                    _ => Self::length(list),
                };
                Self::Sum(vec![Self::of(item), Self::examined(list), length])
            }
            ExprKind::Call { pattern, .. } => {
                let again = pattern.as_ref().is_some_and(|pattern| pattern.searches_again());
                let again = if again { Self::Search } else { Self::Fixed(0) };
                let call = Self::Fixed(CALL_COST);
                Self::Sum(vec![sum(Self::examined), call, again, Self::size(expr)])
            }
            ExprKind::Pattern { .. } | ExprKind::TextTest { .. } => {
                Self::Sum(vec![sum(Self::examined), Self::Fixed(CALL_COST)])
            }
            // The keys are compared, and the part is copied.
            ExprKind::Lookup { base, key, .. } => {
                Self::Sum(vec![Self::examined(base), Self::of(key)])
            }
            ExprKind::Concat(_) | ExprKind::Record(_) => {
                Self::Sum(vec![sum(Self::examined), Self::Fixed(1)])
            }
            ExprKind::List(_) | ExprKind::Access { .. } => sum(Self::examined),
            _ => sum(Self::of),
        }
    }

    /// The cost of an expression whose value is examined as a whole.
    pub(crate) fn examined(expr: &Expr) -> Self {
        match &expr.unnamed().kind {
            ExprKind::Path(_) | ExprKind::Const(_) => Self::size(expr),
            _ => Self::Sum(vec![Self::of(expr), Self::size(expr)]),
        }
    }

    /// The size of an expression's value.
    fn size(expr: &Expr) -> Self {
        let parts = || expr.children().into_iter().map(Self::size);
        match &expr.kind {
            ExprKind::Const(value) => Self::constant(weight(value)),
            ExprKind::Path(path) => {
                Self::Whole { path: path.clone(), bytes_per_value: BYTES_PER_VALUE as u64 }
            }
            ExprKind::Named { value, .. } => Self::size(value),
            ExprKind::Access { base, .. } | ExprKind::Lookup { base, .. } => Self::size(base),
            ExprKind::Concat(_) | ExprKind::List(_) => {
                Self::Sum(parts().chain([Self::Fixed(1)]).collect())
            }
            ExprKind::Record(fields) => {
                let keys = fields.iter().map(|field| field.key.len()).sum();
                Self::Sum(parts().chain([Self::constant((1, keys))]).collect())
            }
            ExprKind::Coalesce { left, right }
            | ExprKind::If { chosen: left, otherwise: right, .. } => {
                Self::Sum(vec![Self::size(left), Self::size(right)])
            }
            ExprKind::Quantifier { kind, list, body, .. } => match kind {
                QuantifierKind::Map => {
                    let each = Self::per_element(list, None, Self::size(body));
                    Self::Sum(vec![each, Self::Fixed(1)])
                }
                QuantifierKind::Filter | QuantifierKind::First => Self::size(list),
                _ => Self::Fixed(1),
            },
            ExprKind::Call { function, arguments, pattern } => match function.size {
                ResultSize::AtMost(values) => Self::Fixed(values),
                ResultSize::Arguments => Self::Sum(parts().chain([Self::Fixed(1)]).collect()),
                ResultSize::Longer(times) => Self::product(parts(), Self::Fixed(times), u64::MAX),
                ResultSize::Bytes => {
                    let mut size = Self::Sum(parts().chain([Self::Fixed(1)]).collect());
                    size.count_bytes(RENDERED_BYTES_PER_VALUE);
                    size
                }
                ResultSize::Groups => {
                    let groups = pattern.as_ref().map_or(1, |pattern| pattern.group_count());
                    let times = Self::Fixed(groups as u64);
                    Self::product(parts().take(1), times, MAX_RESULT_BYTES as u64)
                }
                ResultSize::Product => {
                    let last = arguments.len().saturating_sub(1);
                    let mut times = Self::Sum(parts().skip(last).chain([Self::Fixed(1)]).collect());
                    times.count_bytes(RENDERED_BYTES_PER_VALUE);
                    Self::product(parts().take(last), times, MAX_RESULT_BYTES as u64)
                }
            },
            _ => Self::Fixed(1),
        }
    }

    fn constant((values, bytes): (usize, usize)) -> Self {
        let bytes_per_value = BYTES_PER_VALUE as u64;
        Self::Constant { values: values as u64, bytes: bytes as u64, bytes_per_value }
    }

    fn product(of: impl Iterator<Item = Self>, times: Self, max_bytes: u64) -> Self {
        let of = Box::new(Self::Sum(of.chain([Self::Fixed(1)]).collect()));
        let (times, bytes_per_value) = (Box::new(times), BYTES_PER_VALUE as u64);
        Self::Product { of, times, max_bytes, bytes_per_value }
    }

    /// The cost of reading a list to iterate over it.
    fn iterated(list: &Expr) -> Self {
        match &list.unnamed().kind {
            ExprKind::Const(_) => Self::Fixed(0),
            _ => Self::examined(list),
        }
    }

    /// The size of a value, with every byte of its texts.
    fn size_in_bytes(expr: &Expr) -> Self {
        let mut size = Self::size(expr);
        size.count_bytes(RENDERED_BYTES_PER_VALUE);
        size
    }

    fn length(list: &Expr) -> Self {
        Self::Length { count: Count::of(list), list: Box::new(Self::size_in_bytes(list)) }
    }

    fn per_element(list: &Expr, max: Option<usize>, body: Self) -> Self {
        let reads_element = body.reads_elements();
        Self::PerElement(Box::new(PerElementCost {
            count: Count::of(list),
            max: max.map(|max| max as u64),
            elements: Elements::of(list),
            list: Self::size_in_bytes(list),
            body,
            reads_element,
        }))
    }

    /// The cost of iterating over the list of an `each`, with the cost per element.
    pub(crate) fn each(each: Option<&Each>, body: Self) -> Self {
        let Some(each) = each else { return body };
        let body = Self::Sum(vec![Self::Fixed(1), body]);
        let elements = Self::per_element(&each.list, Some(each.max), body);
        Self::Sum(vec![Self::iterated(&each.list), elements])
    }

    /// The cost of a whole rule, with the clauses of its sensor.
    pub(crate) fn of_rule(sensor: &Sensor, rule: &Rule) -> Self {
        let clauses = |clauses: &[Expr]| clauses.iter().map(Self::of).collect::<Vec<_>>();
        let mut inner = clauses(&rule.when);
        inner.extend(rule.all_flow_keys().map(Self::rendered));
        if rule.cancels {
            inner.push(Self::Decision);
        }
        for trigger in rule.all_triggers() {
            inner.push(Self::Decision);
            Self::mapped(&trigger.fields, &mut |expr| inner.push(Self::rendered(expr)));
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

    /// The cost of an expression whose value becomes part of an action.
    fn rendered(expr: &Expr) -> Self {
        let mut cost = Self::examined(expr);
        cost.count_bytes(RENDERED_BYTES_PER_VALUE);
        cost
    }

    fn count_bytes(&mut self, per_value: u64) {
        match self {
            Self::Fixed(_) | Self::Decision | Self::Search | Self::Length { .. } => {}
            Self::Whole { bytes_per_value, .. } | Self::Constant { bytes_per_value, .. } => {
                *bytes_per_value = per_value;
            }
            Self::Product { of, bytes_per_value, .. } => {
                *bytes_per_value = per_value;
                of.count_bytes(per_value);
            }
            Self::Sum(parts) => parts.iter_mut().for_each(|part| part.count_bytes(per_value)),
            Self::PerElement(each) => each.body.count_bytes(per_value),
        }
    }

    /// Whether it depends on an element that is bound around it.
    fn reads_elements(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Decision | Self::Search | Self::Constant { .. } => false,
            Self::Whole { path, .. } => matches!(path.root, Root::Element(_)),
            Self::Sum(parts) => parts.iter().any(Self::reads_elements),
            Self::Product { of, times, .. } => of.reads_elements() || times.reads_elements(),
            Self::Length { list, .. } => list.reads_elements(),
            Self::PerElement(each) => each.list.reads_elements() || each.body.reads_elements(),
        }
    }

    /// The cost if every list has the assumed length, or the `max` of its `each`.
    pub(crate) fn assumed(&self) -> u64 {
        match self {
            Self::Fixed(cost) => *cost,
            Self::Decision | Self::Search => 0,
            Self::Whole { .. } => 1,
            // A short text costs nothing.
            Self::Constant { values, bytes, .. } => {
                values.saturating_sub(1).saturating_add(bytes / BYTES_PER_VALUE as u64)
            }
            Self::Sum(parts) => parts.iter().map(Self::assumed).fold(0, u64::saturating_add),
            Self::Product { of, .. } => of.assumed(),
            Self::Length { count, .. } => count.assumed(None),
            Self::PerElement(each) => {
                each.count.assumed(each.max).saturating_mul(each.body.assumed())
            }
        }
    }
}

impl Count {
    pub(crate) fn of(list: &Expr) -> Self {
        match &list.kind {
            ExprKind::Named { value, .. } => Self::of(value),
            ExprKind::Const(Value::List(items)) => Self::Fixed(items.len() as u64),
            ExprKind::List(items) => Self::Fixed(items.len() as u64),
            ExprKind::Quantifier { kind: QuantifierKind::Map, list, .. } => Self::of(list),
            ExprKind::Quantifier { kind: QuantifierKind::Filter, list, .. } => {
                Self::AtMost(Box::new(Self::of(list)))
            }
            ExprKind::Coalesce { left, right }
            | ExprKind::If { chosen: left, otherwise: right, .. } => {
                Self::Longest(vec![Self::of(left), Self::of(right)])
            }
            ExprKind::Path(path) if matches!(path.root, Root::Body | Root::Element(_)) => {
                Self::Path(path.clone())
            }
            _ => Self::Size,
        }
    }

    /// The length of the list that is filtered, if it is.
    pub(super) fn without_filter(&self) -> &Self {
        match self {
            Self::AtMost(count) => count.without_filter(),
            _ => self,
        }
    }

    /// The length, if that of an event's list is assumed. `max` is that of its `each`.
    pub(crate) fn assumed(&self, max: Option<u64>) -> u64 {
        match self {
            Self::Fixed(count) => (*count).min(max.unwrap_or(u64::MAX)),
            Self::AtMost(count) => count.assumed(max),
            Self::Longest(counts) => {
                counts.iter().map(|count| count.assumed(max)).max().unwrap_or(0)
            }
            Self::Path(_) | Self::Size => max.unwrap_or(ASSUMED_LIST_LENGTH),
        }
    }
}

impl Elements {
    fn of(list: &Expr) -> Self {
        match &list.kind {
            ExprKind::Named { value, .. } => Self::of(value),
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
