//! The bound on what a rule costs for one event, from the real lengths of its lists.
//!
//! It depends on nothing but the rule and the event, so a rule is rejected or not whatever other
//! rules are loaded. Most rules cannot exceed the limit: [`Growth`] shows that without reading the
//! event again.

use super::cost::{Cost, Count, DECISION_COST, Elements, PerElementCost, SEARCH_COST};
use super::growth::Growth;
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
        Self { growth: Growth::of_cost(&cost), cost }
    }

    /// Whether the rule would examine more values of this event than `most`.
    pub(crate) fn exceeds<'e>(&'e self, most: u64, event: &'e EventSize<'e>) -> bool {
        let mut meter = Meter { event, most, elements: Vec::new(), is_limited: true };
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

/// Computed elements inside of so many others count as if each of them had everything. Otherwise,
/// the time for a bound would double with each level.
pub(super) const MAX_PRECISE_LEVELS: usize = 4;

/// Adds up costs until they exceed a maximum.
struct Meter<'m> {
    event: &'m EventSize<'m>,
    most: u64,
    /// The elements that are bound, outermost first.
    elements: Vec<Element<'m>>,
    /// Whether the limits of `each` and of results apply.
    is_limited: bool,
}

/// An element that is bound.
#[derive(Clone, Copy)]
enum Element<'m> {
    Known(&'m Value<'m>),
    /// A computed one, with its maximum size.
    Computed(u64),
}

impl<'m> Meter<'m> {
    /// A cost, or any number above the maximum if it exceeds that.
    fn total(&mut self, cost: &'m Cost) -> u64 {
        match cost {
            Cost::Fixed(cost) => *cost,
            Cost::Decision => DECISION_COST,
            Cost::Search => SEARCH_COST,
            Cost::Whole { path, bytes_per_value } => match self.element(path) {
                Some(Element::Computed(size)) => size,
                // A map has an entry for a few bytes.
                None if path.root != Root::Body && path.segments.is_empty() => 2 + self.event.bytes,
                None if path.root != Root::Body => 1 + self.event.bytes / bytes_per_value,
                _ => {
                    let (values, bytes) = self.value(path).map_or((1, 0), weight);
                    values as u64 + bytes as u64 / bytes_per_value
                }
            },
            Cost::Constant { values, bytes, bytes_per_value } => {
                values.saturating_add(bytes / bytes_per_value)
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
            Cost::Product { of, times, max_bytes, bytes_per_value } => {
                let size = self.total(of).saturating_mul(self.total(times));
                match self.is_limited {
                    true => size.min((max_bytes / bytes_per_value).saturating_add(1)),
                    false => size,
                }
            }
            Cost::Length { count, list } => self.count(count, list),
            Cost::PerElement(each) => self.per_element(each),
        }
    }

    fn per_element(&mut self, each: &'m PerElementCost) -> u64 {
        let count = self.count(&each.count, &each.list);
        let max = each.max.filter(|_| self.is_limited);
        if count == 0 || max.is_some_and(|max| count > max && self.is_exact(&each.count)) {
            return 1;
        }
        let items = match &each.elements {
            Elements::Event(path) => match self.value(path) {
                Some(Value::List(items)) => Some(items.as_slice()),
                _ => None,
            },
            Elements::Constant(items) => Some(items.as_slice()),
            Elements::Computed => None,
        };
        // A longer list is not iterated over.
        let count = count.min(max.unwrap_or(u64::MAX));
        match items {
            Some(items) if each.reads_element => {
                let mut sum = 0_u64;
                for item in items {
                    sum = sum.saturating_add(self.inside(Element::Known(item), &each.body));
                    if sum > self.most {
                        break;
                    }
                }
                sum
            }
            _ if !each.reads_element => {
                count.saturating_mul(self.inside(Element::Known(&Value::Null), &each.body))
            }
            _ => {
                let size = self.total(&each.list);
                let large = Element::Computed(size);
                let most = count.saturating_mul(self.inside(large, &each.body));
                let computed = |element: &&Element<'_>| matches!(element, Element::Computed(_));
                if self.elements.iter().filter(computed).count() >= MAX_PRECISE_LEVELS {
                    return most;
                }
                // Without limits, a cost grows at least as fast as the size of an element, so it is
                // highest if one element has everything.
                let is_limited = std::mem::replace(&mut self.is_limited, false);
                let small = self.inside(Element::Computed(1), &each.body);
                let all = count.saturating_mul(small);
                let all = all.saturating_add(self.inside(large, &each.body));
                self.is_limited = is_limited;
                most.min(all)
            }
        }
    }

    fn inside(&mut self, element: Element<'m>, body: &'m Cost) -> u64 {
        self.elements.push(element);
        let cost = self.total(body);
        self.elements.pop();
        cost
    }

    /// The maximum length of a list. `list` is its size.
    fn count(&mut self, count: &'m Count, list: &'m Cost) -> u64 {
        match count {
            Count::Fixed(count) => *count,
            Count::Path(path) => match (self.element(path), self.value(path)) {
                (Some(Element::Computed(size)), _) => size,
                (_, Some(Value::List(items))) => items.len() as u64,
                _ => 0,
            },
            Count::AtMost(count) => self.count(count, list),
            Count::Longest(counts) => {
                counts.iter().map(|count| self.count(count, list)).max().unwrap_or(0)
            }
            Count::Size => self.total(list),
        }
    }

    /// Whether the length of a list is its maximum length.
    fn is_exact(&self, count: &Count) -> bool {
        match count {
            Count::Fixed(_) => true,
            Count::Path(path) => !matches!(self.element(path), Some(Element::Computed(_))),
            Count::AtMost(_) | Count::Longest(_) | Count::Size => false,
        }
    }

    fn element(&self, path: &Path) -> Option<Element<'m>> {
        match path.root {
            Root::Element(level) => self.elements.get(level as usize).copied(),
            _ => None,
        }
    }

    /// The value at a path, if it is known.
    fn value(&self, path: &Path) -> Option<&'m Value<'m>> {
        let start = match (path.root, self.element(path)) {
            (Root::Body, _) => self.event.body,
            (_, Some(Element::Known(value))) => value,
            _ => return None,
        };
        let mut segments = path.segments.iter();
        segments.try_fold(start, |value, segment: &Segment| value.step(segment).ok()?)
    }
}
