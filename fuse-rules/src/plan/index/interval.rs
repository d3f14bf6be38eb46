//! Intervals of numbers, and a tree that finds those that contain a number.

use std::cmp::Ordering;

use crate::number::Number;

/// An end of an interval: the number, and whether it is included.
type End = Option<(Number, bool)>;

/// Numbers between two ends; `None` is unbounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    from: End,
    to: End,
}

impl Interval {
    pub(crate) fn from(number: Number, inclusive: bool) -> Self {
        Self { from: Some((number, inclusive)), to: None }
    }

    pub(crate) fn to(number: Number, inclusive: bool) -> Self {
        Self { from: None, to: Some((number, inclusive)) }
    }

    /// Narrows this interval to its intersection with another.
    pub(crate) fn narrow(&mut self, other: &Self) {
        if order_from(&self.from, &other.from).is_lt() {
            self.from = other.from;
        }
        if order_to(&self.to, &other.to).is_gt() {
            self.to = other.to;
        }
    }

    /// The estimated probability that a number is in the interval.
    pub(crate) fn likely(&self) -> f64 {
        if self.from.is_some() && self.to.is_some() { 0.1 } else { 0.45 }
    }

    fn starts_by(&self, number: &Number) -> bool {
        self.from.is_none_or(|(from, inclusive)| from < *number || inclusive && from == *number)
    }

    /// For listings, such as `5 < _ <= 7`.
    pub(crate) fn show(&self) -> String {
        let sign = |inclusive| if inclusive { "<=" } else { "<" };
        let from = self.from.map(|(number, inclusive)| format!("{number} {} ", sign(inclusive)));
        let to = self.to.map(|(number, inclusive)| format!(" {} {number}", sign(inclusive)));
        format!("{}_{}", from.unwrap_or_default(), to.unwrap_or_default())
    }
}

/// Orders starts: the one that includes more comes first.
fn order_from(a: &End, b: &End) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some((a, a_in)), Some((b, b_in))) => a.cmp(b).then(b_in.cmp(a_in)),
    }
}

/// Orders ends: the one that includes more comes last.
fn order_to(a: &End, b: &End) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some((a, a_in)), Some((b, b_in))) => a.cmp(b).then(a_in.cmp(b_in)),
    }
}

fn ends_after(to: &End, number: &Number) -> bool {
    to.is_none_or(|(to, inclusive)| to > *number || inclusive && to == *number)
}

/// Intervals sorted by start, as a balanced tree. The root of a range is its middle, and stores the
/// last end in the range.
#[derive(Debug)]
pub(crate) struct Intervals {
    sorted: Box<[Kept]>,
}

#[derive(Debug)]
struct Kept {
    interval: Interval,
    /// The last end in the subtree with this root.
    last: End,
    rule: u32,
}

impl Intervals {
    pub(crate) fn new(mut all: Vec<(Interval, u32)>) -> Self {
        all.sort_by(|(a, _), (b, _)| order_from(&a.from, &b.from));
        let kept =
            all.into_iter().map(|(interval, rule)| Kept { interval, last: interval.to, rule });
        let mut sorted: Box<[Kept]> = kept.collect();
        lasts(&mut sorted);
        Self { sorted }
    }

    /// Adds the rules whose interval contains the number.
    pub(crate) fn find(&self, number: &Number, found: &mut Vec<u32>) {
        find(&self.sorted, number, found);
    }
}

/// Sets the last ends and returns that of the complete range; `None` if it is empty.
fn lasts(part: &mut [Kept]) -> Option<End> {
    let (left, rest) = part.split_at_mut(part.len() / 2);
    let (root, right) = rest.split_first_mut()?;
    for side in [lasts(left), lasts(right)].into_iter().flatten() {
        if order_to(&root.last, &side).is_lt() {
            root.last = side;
        }
    }
    Some(root.last)
}

fn find(part: &[Kept], number: &Number, found: &mut Vec<u32>) {
    let (left, rest) = part.split_at(part.len() / 2);
    let Some((root, right)) = rest.split_first() else { return };
    if !ends_after(&root.last, number) {
        return;
    }
    find(left, number, found);
    if root.interval.starts_by(number) {
        if ends_after(&root.interval.to, number) {
            found.push(root.rule);
        }
        find(right, number, found);
    }
}
