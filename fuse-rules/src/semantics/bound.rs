//! The bound on what a rule costs for one event, from the real lengths of its lists.
//!
//! It depends on nothing but the rule and the event, so a rule is rejected or not whatever other
//! rules are loaded. Most rules cannot exceed the limit: [`Growth`] shows that without reading the
//! event again.

use super::cost::{Cost, Count, DECISION_COST, Elements, PerElementCost, SEARCH_COST};
use super::weight;
use crate::path::{Root, Segment};
use crate::typed::{Path, Rule, Sensor};
use crate::value::Value;

/// The default maximum of values that a rule may examine of one event.
pub(crate) const DEFAULT_MAX_WORK: u64 = 50_000_000;

/// What a rule costs for an event.
#[derive(Debug)]
pub(crate) struct RuleBound {
    cost: Cost,
    /// An upper bound that needs only the size of the event.
    pub(crate) growth: Growth,
}

impl RuleBound {
    pub(crate) fn new(sensor: &Sensor, rule: &Rule) -> Self {
        let cost = Cost::of_rule(sensor, rule);
        let mut growth = Growth::default();
        grow(&cost, &mut Vec::new(), &mut growth);
        Self { cost, growth }
    }

    /// Whether the rule would examine more values of this event than `most`.
    pub(crate) fn exceeds<'e>(&'e self, most: u64, event: &'e EventSize<'e>) -> bool {
        let mut meter = Meter { event, most, elements: Vec::new() };
        meter.total(&self.cost) > most
    }
}

/// Why a rule that exceeds the limit is rejected.
pub(crate) fn too_expensive(most: u64) -> String {
    format!("the rule would have to examine more than {most} values of this event (`max_work`)")
}

/// Why such a rule does not match nevertheless.
pub(crate) const FALSE_FOR_EVENT: &str =
    "a condition of the whole event is false, and the elements were not examined";

/// The parts of an event that costs depend on.
#[derive(Debug)]
pub(crate) struct EventSize<'e> {
    pub(crate) body: &'e Value<'e>,
    /// All of its bytes.
    pub(crate) bytes: u64,
}

/// Adds up costs until they exceed a maximum.
struct Meter<'m> {
    event: &'m EventSize<'m>,
    most: u64,
    /// The elements that are bound, outermost first; `None` for computed ones.
    elements: Vec<Option<&'m Value<'m>>>,
}

impl<'m> Meter<'m> {
    /// A cost, or any number above the maximum if it exceeds that.
    fn total(&mut self, cost: &'m Cost) -> u64 {
        match cost {
            Cost::Fixed(cost) => *cost,
            Cost::Decision => DECISION_COST,
            Cost::Search => SEARCH_COST,
            Cost::Whole { path, bytes_per_value } => {
                if !matches!(path.root, Root::Body | Root::Element(_)) {
                    return 1 + self.event.bytes / u64::from(*bytes_per_value);
                }
                let Some(value) = self.value(path) else { return 1 };
                let (values, bytes) = weight(value);
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                u64::try_from(values).unwrap_or(u64::MAX) + bytes / u64::from(*bytes_per_value)
            }
            Cost::Sum(parts) => {
                let mut sum = 0_u64;
                for part in parts {
                    sum = sum.saturating_add(self.total(part));
                    if sum > self.most {
                        break;
                    }
                }
                sum
            }
            Cost::Length(count) => self.count(count),
            Cost::PerElement(each) => self.per_element(each),
        }
    }

    fn per_element(&mut self, each: &'m PerElementCost) -> u64 {
        let items = match &each.elements {
            Elements::Event(path) => match self.value(path) {
                Some(Value::List(items)) => Some(items.as_slice()),
                _ => None,
            },
            Elements::Constant(items) => Some(items.as_slice()),
            Elements::Computed => None,
        };
        let count = self.count(&each.count);
        if count == 0 || each.max.is_some_and(|max| count > max) {
            return 1;
        }
        let depth = self.elements.len();
        let mut sum = 0_u64;
        match items {
            Some(items) if each.reads_element => {
                for item in items {
                    self.elements.push(Some(item));
                    sum = sum.saturating_add(self.total(&each.body));
                    self.elements.truncate(depth);
                    if sum > self.most {
                        break;
                    }
                }
            }
            _ => {
                self.elements.push(None);
                sum = count.saturating_mul(self.total(&each.body));
                self.elements.truncate(depth);
            }
        }
        sum
    }

    fn count(&mut self, count: &'m Count) -> u64 {
        match count {
            Count::Fixed(count) => *count,
            // A computed element comes from texts of the event.
            Count::Path(path) if self.is_computed(path) => self.event.bytes,
            Count::Path(path) => match self.value(path) {
                Some(Value::List(items)) => u64::try_from(items.len()).unwrap_or(u64::MAX),
                _ => 0,
            },
            Count::Longest(counts) => {
                counts.iter().map(|count| self.count(count)).max().unwrap_or(0)
            }
            Count::Computed(cost) => self.total(cost),
        }
    }

    fn is_computed(&self, path: &Path) -> bool {
        match path.root {
            Root::Element(level) => matches!(self.elements.get(level as usize), Some(None)),
            _ => false,
        }
    }

    fn value(&self, path: &Path) -> Option<&'m Value<'m>> {
        let start = match path.root {
            Root::Element(level) => *self.elements.get(level as usize)?,
            _ => Some(self.event.body),
        };
        path.segments
            .iter()
            .try_fold(start?, |value, segment: &Segment| value.step(segment).ok()?)
    }
}

/// The maximum number of elements in a body: each takes at least a byte and a comma.
pub(crate) fn most_elements(bytes: u64) -> u64 {
    bytes / 2 + 1
}

/// The highest powers of the number of elements, and of the number of bytes, that are told apart.
const ELEMENT_POWERS: usize = 4;
const BYTE_POWERS: usize = 3;

/// An upper bound on a cost, as a polynomial in the number of elements of all lists of an event,
/// and in its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    coefficients: [[u64; BYTE_POWERS]; ELEMENT_POWERS],
    /// Whether the powers are too high to be told apart.
    is_steep: bool,
}

impl Growth {
    /// The bound for an event whose lists have so many elements in all, and with so many bytes.
    pub(crate) fn at(&self, elements: u64, bytes: u64) -> u64 {
        if self.is_steep {
            return u64::MAX;
        }
        let mut sum = 0_u64;
        for row in self.coefficients.iter().rev() {
            let row = row.iter().rev().fold(0_u64, |sum, coefficient| {
                sum.saturating_mul(bytes).saturating_add(*coefficient)
            });
            sum = sum.saturating_mul(elements).saturating_add(row);
        }
        sum
    }

    /// A size in bytes within which events cannot exceed the default limit.
    pub(crate) fn cheap_bytes(&self) -> u64 {
        let mut sizes = (0..32).rev().map(|power| 1_u64 << power);
        let is_cheap = |bytes: &u64| self.at(most_elements(*bytes), *bytes) <= DEFAULT_MAX_WORK;
        sizes.find(is_cheap).unwrap_or(0)
    }

    fn add(&mut self, times: u64, elements: usize, bytes: usize) {
        match self.coefficients.get_mut(elements).and_then(|row| row.get_mut(bytes)) {
            Some(coefficient) => *coefficient = coefficient.saturating_add(times),
            None => self.is_steep = true,
        }
    }

    /// A bound on the cost of both together.
    pub(crate) fn and(&mut self, other: &Self) {
        self.is_steep |= other.is_steep;
        for (row, others) in self.coefficients.iter_mut().zip(&other.coefficients) {
            for (coefficient, other) in row.iter_mut().zip(others) {
                *coefficient = coefficient.saturating_add(*other);
            }
        }
    }

    /// A bound on the cost of each.
    pub(crate) fn or(&mut self, other: &Self) {
        self.is_steep |= other.is_steep;
        for (row, others) in self.coefficients.iter_mut().zip(&other.coefficients) {
            for (coefficient, other) in row.iter_mut().zip(others) {
                *coefficient = (*coefficient).max(*other);
            }
        }
    }
}

/// A binder around a part.
#[derive(Clone, Copy)]
enum Binder {
    /// So many elements, and at most so many in a list inside of one. `None` if they are computed.
    Fixed { count: u64, inner: Option<u64> },
    /// The elements of a list in the event, which may be in an element of an outer binder.
    List {
        within: Option<usize>,
        /// Whether its elements are counted when an event is read. If not, it has at most as many
        /// as the event has bytes.
        is_counted: bool,
        /// Whether its elements are those of the list in the event, and not computed from them.
        is_original: bool,
    },
    /// At most as many elements as the event has bytes.
    Computed,
}

/// Adds a cost inside of these binders.
fn grow(cost: &Cost, binders: &mut Vec<Binder>, growth: &mut Growth) {
    match cost {
        Cost::Fixed(cost) => add(*cost, None, binders, growth),
        Cost::Decision => add(DECISION_COST, None, binders, growth),
        Cost::Search => add(SEARCH_COST, None, binders, growth),
        // A value has at most one value per byte, and at most that much text.
        Cost::Whole { path, .. } => {
            add(2, Some(path), binders, growth);
            add(2, None, binders, growth);
        }
        Cost::Sum(parts) => parts.iter().for_each(|part| grow(part, binders, growth)),
        Cost::Length(count) => grow_length(count, binders, growth),
        Cost::PerElement(each) => {
            add(1, None, binders, growth);
            grow_each(&each.count, true, &each.elements, &each.body, binders, growth);
        }
    }
}

fn grow_length(count: &Count, binders: &mut Vec<Binder>, growth: &mut Growth) {
    match count {
        Count::Fixed(count) => add(*count, None, binders, growth),
        Count::Path(path) => add(1, Some(path), binders, growth),
        Count::Longest(counts) => {
            counts.iter().for_each(|count| grow_length(count, binders, growth));
        }
        Count::Computed(cost) => grow(cost, binders, growth),
    }
}

fn grow_each(
    count: &Count,
    is_counted: bool,
    elements: &Elements,
    body: &Cost,
    binders: &mut Vec<Binder>,
    growth: &mut Growth,
) {
    // The other side of `??` may have the elements.
    let is_original = is_counted && matches!(elements, Elements::Event(_));
    let list = |within| Binder::List { within, is_counted, is_original };
    let binder = match count {
        Count::Fixed(count) => Binder::Fixed { count: *count, inner: longest_inside(elements) },
        Count::Path(path) => match path.root {
            Root::Element(level) => match binders.get(level as usize) {
                Some(Binder::Fixed { inner: Some(inner), .. }) => {
                    Binder::Fixed { count: *inner, inner: Some(*inner) }
                }
                Some(Binder::List { is_original: true, .. }) => list(Some(level as usize)),
                _ => Binder::Computed,
            },
            _ => list(None),
        },
        Count::Longest(counts) => {
            for count in counts {
                grow_each(count, false, elements, body, binders, growth);
            }
            return;
        }
        Count::Computed(cost) => {
            grow(cost, binders, growth);
            Binder::Computed
        }
    };
    binders.push(binder);
    grow(body, binders, growth);
    binders.pop();
}

/// A bound on the length of a list inside of a constant.
fn longest_inside(elements: &Elements) -> Option<u64> {
    let Elements::Constant(items) = elements else { return None };
    let values = items.iter().map(|item| weight(item).0).max().unwrap_or(0);
    Some(u64::try_from(values).unwrap_or(u64::MAX))
}

/// Adds a number of values inside of these binders. With a path, the number is multiplied by the
/// bytes of its value.
fn add(times: u64, path: Option<&Path>, binders: &[Binder], growth: &mut Growth) {
    let of = path.and_then(|path| match path.root {
        Root::Element(level) => Some(level as usize),
        _ => None,
    });
    let (mut times, mut elements, mut bytes) = (times, 0, usize::from(path.is_some()));
    for (level, binder) in binders.iter().enumerate() {
        match binder {
            Binder::Fixed { count, .. } => times = times.saturating_mul(*count),
            Binder::Computed => bytes += 1,
            // The elements of all inner lists are elements of the event, too. The values of all
            // elements are parts of the event.
            Binder::List { is_counted, .. } => {
                let is_outer = binders.iter().any(
                    |inner| matches!(inner, Binder::List { within, .. } if *within == Some(level)),
                );
                if !is_outer && of != Some(level) {
                    *(if *is_counted { &mut elements } else { &mut bytes }) += 1;
                }
            }
        }
    }
    growth.add(times, elements, bytes);
}
