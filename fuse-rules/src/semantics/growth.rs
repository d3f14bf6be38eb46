//! An upper bound on a cost that needs only the size of an event, and not its values.

use super::bound::{DEFAULT_MAX_WORK, MAX_PRECISE_LEVELS};
use super::cost::{Cost, Count, DECISION_COST, Elements, PerElementCost, SEARCH_COST};
use super::weight;
use crate::path::Root;
use crate::typed::Path;

/// The number of powers of the number of elements, and of the number of bytes, that are tracked.
const ELEMENT_POWERS: usize = 4;
const BYTE_POWERS: usize = 3;

/// An upper bound on a cost, as a polynomial in the number of elements of all lists of an event,
/// and in its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    coefficients: [[u64; BYTE_POWERS]; ELEMENT_POWERS],
    /// Whether a power is too high to be tracked.
    is_steep: bool,
}

/// The maximum number of elements in a body: each takes at least a byte and a comma.
pub(crate) fn most_elements(bytes: u64) -> u64 {
    bytes / 2 + 1
}

impl Growth {
    pub(super) fn of_cost(cost: &Cost) -> Self {
        Scope::default().cost(cost)
    }

    /// The bound for an event with this many bytes, whose lists have this many elements in total.
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

    /// Adds another cost.
    pub(crate) fn add_all(&mut self, other: &Self) {
        self.is_steep |= other.is_steep;
        for (row, others) in self.coefficients.iter_mut().zip(&other.coefficients) {
            for (coefficient, other) in row.iter_mut().zip(others) {
                *coefficient = coefficient.saturating_add(*other);
            }
        }
    }

    fn power(times: u64, elements: usize, bytes: usize) -> Self {
        let mut growth = Self::default();
        growth.add(times, elements, bytes);
        growth
    }

    fn fixed(times: u64) -> Self {
        Self::power(times, 0, 0)
    }

    fn bytes() -> Self {
        Self::power(1, 0, 1)
    }

    fn add(&mut self, times: u64, elements: usize, bytes: usize) {
        match self.coefficients.get_mut(elements).and_then(|row| row.get_mut(bytes)) {
            Some(coefficient) => *coefficient = coefficient.saturating_add(times),
            None => self.is_steep |= times > 0,
        }
    }

    fn plus(mut self, other: &Self) -> Self {
        self.add_all(other);
        self
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = Self { is_steep: self.is_steep || other.is_steep, ..Self::default() };
        for (elements, bytes, times) in self.terms() {
            for (more_elements, more_bytes, more) in other.terms() {
                let times = times.saturating_mul(more);
                product.add(times, elements + more_elements, bytes + more_bytes);
            }
        }
        product
    }

    /// The powers with their coefficients, without those that are 0.
    fn terms(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        let rows = self.coefficients.iter().enumerate();
        let all = rows.flat_map(|(elements, row)| {
            row.iter().enumerate().map(move |(bytes, times)| (elements, bytes, *times))
        });
        all.filter(|(.., times)| *times > 0)
    }
}

/// A binder around a part.
#[derive(Clone)]
enum Binder {
    /// The number of elements, and the maximum size of one.
    Fixed { count: u64, size: u64 },
    /// The elements of a list in the event, which may be in an element of an outer binder.
    List {
        within: Option<usize>,
        /// Whether its elements are those of a binder of the plan, so that lists in them are counted
        /// when an event is read.
        is_counted: bool,
    },
    /// Computed elements: their number, and the size of one.
    Computed { count: Growth, size: Growth },
}

/// The binders around a part, outermost first.
#[derive(Clone, Default)]
struct Scope {
    binders: Vec<Binder>,
    /// The first of the binders that are multiplied.
    start: usize,
}

impl Scope {
    /// The cost of a part for all elements of the binders.
    fn cost(&mut self, cost: &Cost) -> Growth {
        match cost {
            Cost::Fixed(cost) => self.for_all(&Growth::fixed(*cost), None),
            Cost::Decision => self.for_all(&Growth::fixed(DECISION_COST), None),
            Cost::Search => self.for_all(&Growth::fixed(SEARCH_COST), None),
            Cost::Constant { values, bytes, bytes_per_value } => {
                let size = values.saturating_add(bytes / bytes_per_value);
                self.for_all(&Growth::fixed(size), None)
            }
            Cost::Whole { path, .. } => self.whole(path),
            Cost::Sum(parts) => {
                let mut sum = Growth::default();
                parts.iter().for_each(|part| sum.add_all(&self.cost(part)));
                sum
            }
            Cost::Product { of, times, max_bytes, .. } => match fixed(times) {
                Some(times) => self.cost(of).times(&Growth::fixed(times)),
                None => self.for_all(&Growth::fixed(max_bytes.saturating_add(1)), None),
            },
            Cost::Length { count, list } => {
                let count = self.once().count(count, list);
                self.for_all(&count, None)
            }
            Cost::PerElement(each) => self.each(each),
        }
    }

    fn each(&mut self, each: &PerElementCost) -> Growth {
        let all = self.for_all(&Growth::fixed(1), None);
        if let Some(binder) = self.known(each) {
            return all.plus(&self.inside(binder, &each.body));
        }
        let mut once = self.once();
        let (count, size) = (once.count(&each.count, &each.list), once.cost(&each.list));
        let computed = |binder: &&Binder| matches!(binder, Binder::Computed { .. });
        if self.binders.iter().filter(computed).count() >= MAX_PRECISE_LEVELS {
            let count = count.plus(&Growth::fixed(1));
            return all.plus(&self.inside(Binder::Computed { count, size }, &each.body));
        }
        // See `Meter::per_element`.
        let small = Binder::Computed { count, size: Growth::fixed(1) };
        let large = Binder::Computed { count: Growth::fixed(1), size };
        let small = self.inside(small, &each.body);
        all.plus(&small).plus(&self.inside(large, &each.body))
    }

    /// The binder of a list that is a part of the event, or of the rules.
    fn known(&self, each: &PerElementCost) -> Option<Binder> {
        match (each.count.without_filter(), &each.elements) {
            (Count::Fixed(count), Elements::Constant(items)) => {
                let sizes = items.iter().map(|item| {
                    let (values, bytes) = weight(item);
                    values as u64 + bytes as u64
                });
                Some(Binder::Fixed { count: *count, size: sizes.max().unwrap_or(0) })
            }
            (Count::Path(_), Elements::Event(path)) => {
                let is_counted = matches!(each.count, Count::Path(_));
                match path.root {
                    Root::Element(level) => match self.binders.get(level as usize)? {
                        Binder::Fixed { size, .. } => {
                            Some(Binder::Fixed { count: *size, size: *size })
                        }
                        Binder::List { is_counted: true, .. } => {
                            Some(Binder::List { within: Some(level as usize), is_counted })
                        }
                        Binder::List { .. } | Binder::Computed { .. } => None,
                    },
                    _ => Some(Binder::List { within: None, is_counted }),
                }
            }
            _ => None,
        }
    }

    fn inside(&mut self, binder: Binder, body: &Cost) -> Growth {
        self.binders.push(binder);
        let cost = self.cost(body);
        self.binders.pop();
        cost
    }

    /// The same binders, with one element each.
    fn once(&self) -> Self {
        Self { binders: self.binders.clone(), start: self.binders.len() }
    }

    /// The length of a list. `list` is its size.
    fn count(&mut self, count: &Count, list: &Cost) -> Growth {
        match count {
            Count::Fixed(count) => Growth::fixed(*count),
            Count::AtMost(count) => self.count(count, list),
            Count::Longest(counts) => {
                let mut sum = Growth::default();
                counts.iter().for_each(|count| sum.add_all(&self.count(count, list)));
                sum
            }
            Count::Size => self.cost(list),
            // Not all lists are counted when an event is read.
            Count::Path(path) => match self.binder(path) {
                Some(Binder::Fixed { size, .. }) => Growth::fixed(*size),
                Some(Binder::Computed { size, .. }) => size.clone(),
                _ => Growth::bytes(),
            },
        }
    }

    /// All of a value.
    fn whole(&self, path: &Path) -> Growth {
        match self.binder(path) {
            Some(Binder::Fixed { size, .. }) => self.for_all(&Growth::fixed(*size), None),
            Some(Binder::Computed { size, .. }) => self.for_all(size, None),
            _ => {
                // A value has at most one value per byte, and at most that much text. The elements
                // of a list are parts of the event, so all of them together have its bytes.
                let level = match path.root {
                    Root::Element(level) => Some(level as usize),
                    _ => None,
                };
                let bytes = self.for_all(&Growth::power(2, 0, 1), level);
                bytes.plus(&self.for_all(&Growth::fixed(2), None))
            }
        }
    }

    fn binder(&self, path: &Path) -> Option<&Binder> {
        match path.root {
            Root::Element(level) => self.binders.get(level as usize),
            _ => None,
        }
    }

    /// A cost for each combination of elements. With a level, it is the cost of all elements of
    /// this level.
    fn for_all(&self, one: &Growth, level: Option<usize>) -> Growth {
        let mut all = one.clone();
        for (at, binder) in self.binders.iter().enumerate().skip(self.start) {
            match binder {
                Binder::Fixed { count, .. } => all = all.times(&Growth::fixed(*count)),
                Binder::Computed { count, .. } => all = all.times(count),
                // The elements of all inner lists are elements of the event, too.
                Binder::List { .. } => {
                    let is_outer = self.binders.iter().any(
                        |inner| matches!(inner, Binder::List { within, .. } if *within == Some(at)),
                    );
                    if !is_outer && level != Some(at) {
                        all = all.times(&Growth::power(1, 1, 0));
                    }
                }
            }
        }
        all
    }
}

/// A cost that is the same for every event.
fn fixed(cost: &Cost) -> Option<u64> {
    match cost {
        Cost::Fixed(cost) => Some(*cost),
        Cost::Constant { values, bytes, bytes_per_value } => {
            Some(values.saturating_add(bytes / bytes_per_value))
        }
        Cost::Sum(parts) => {
            parts.iter().try_fold(0_u64, |sum, part| Some(sum.saturating_add(fixed(part)?)))
        }
        _ => None,
    }
}
