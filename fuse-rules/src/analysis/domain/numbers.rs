//! Sets of numbers: unions of intervals, separately for whole numbers and for others.

use super::Pick;
use crate::number::Number;

/// A cut in the number line: just before a number, or just after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    at: Number,
    after: bool,
}

/// A set of points of the number line. Membership changes at each cut.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Whether the points before the first cut belong to the set.
    from_start: bool,
    cuts: Vec<Cut>,
}

impl Line {
    const NONE: Self = Self { from_start: false, cuts: Vec::new() };
    const ALL: Self = Self { from_start: true, cuts: Vec::new() };

    fn not(&self) -> Self {
        Self { from_start: !self.from_start, cuts: self.cuts.clone() }
    }

    fn and(&self, other: &Self) -> Self {
        let (mut own, mut others) = (self.from_start, other.from_start);
        let mut both = Self { from_start: own && others, cuts: Vec::new() };
        let (mut left, mut right) = (self.cuts.iter().peekable(), other.cuts.iter().peekable());
        loop {
            let cut = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => **a.min(b),
                (Some(cut), None) | (None, Some(cut)) => **cut,
                (None, None) => return both,
            };
            let before = own && others;
            own ^= left.next_if(|next| **next == cut).is_some();
            others ^= right.next_if(|next| **next == cut).is_some();
            if before != (own && others) {
                both.cuts.push(cut);
            }
        }
    }

    fn has(&self, number: Number) -> bool {
        let point = Cut { at: number, after: false };
        let crossed = self.cuts.iter().take_while(|cut| **cut <= point).count();
        self.from_start ^ (crossed % 2 == 1)
    }

    fn is_none(&self) -> bool {
        !self.from_start && self.cuts.is_empty()
    }

    /// The intervals; an end without a bound is `None`.
    fn intervals(&self) -> impl Iterator<Item = (Option<Cut>, Option<Cut>)> + '_ {
        let start = self.from_start.then_some(None);
        let ends = start.into_iter().chain(self.cuts.iter().map(|cut| Some(*cut)));
        let ends: Vec<Option<Cut>> = ends.collect();
        (0..ends.len()).step_by(2).map(move |at| {
            let end = |at: usize| ends.get(at).copied().flatten();
            (end(at), end(at + 1))
        })
    }
}

/// A set of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberSet {
    whole: Line,
    broken: Line,
}

impl NumberSet {
    pub(crate) const NONE: Self = Self { whole: Line::NONE, broken: Line::NONE };
    pub(crate) const ALL: Self = Self { whole: Line::ALL, broken: Line::ALL };
    pub(crate) const WHOLE: Self = Self { whole: Line::ALL, broken: Line::NONE };

    fn both(line: Line) -> Self {
        Self { whole: line.clone(), broken: line }
    }

    pub(crate) fn only(number: Number) -> Self {
        let cuts = [false, true].map(|after| Cut { at: number, after });
        let point = Line { from_start: false, cuts: cuts.to_vec() };
        match number.is_integral() {
            true => Self { whole: point, broken: Line::NONE },
            false => Self { whole: Line::NONE, broken: point },
        }
    }

    pub(crate) fn below(number: Number) -> Self {
        Self::both(Line { from_start: true, cuts: vec![Cut { at: number, after: false }] })
    }

    pub(crate) fn above(number: Number) -> Self {
        Self::both(Line { from_start: false, cuts: vec![Cut { at: number, after: true }] })
    }

    pub(crate) fn not(&self) -> Self {
        Self { whole: self.whole.not(), broken: self.broken.not() }
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        Self { whole: self.whole.and(&other.whole), broken: self.broken.and(&other.broken) }
    }

    pub(crate) fn or(&self, other: &Self) -> Self {
        self.not().and(&other.not()).not()
    }

    pub(crate) fn has(&self, number: Number) -> bool {
        if number.is_integral() { self.whole.has(number) } else { self.broken.has(number) }
    }

    /// Whether the set is obviously empty; `pick` decides it exactly.
    pub(crate) fn is_none(&self) -> bool {
        self.whole.is_none() && self.broken.is_none()
    }

    /// A number of the set: the one closest to `near` among the candidates, or else a simple one.
    pub(crate) fn pick(&self, near: Option<Number>) -> Pick<Number> {
        let mut sure = true;
        let mut found = Vec::new();
        if near.is_none() {
            let plain = ["1", "2", "0", "3", "10", "100", "-1"].iter();
            found.extend(plain.filter_map(|text| Number::parse(text).ok()));
        }
        for (low, high) in self.whole.intervals() {
            match ends_of_whole(low, high) {
                Some(ends) => found.extend(ends),
                None => sure = false,
            }
        }
        for (low, high) in self.broken.intervals() {
            let inside = inside(low, high);
            // There is always a fractional number between two numbers, but it may not be
            // representable.
            let one_point = matches!((low, high), (Some(a), Some(b)) if a.at == b.at);
            sure &= one_point || inside.iter().any(|number| self.has(*number));
            found.extend(inside);
        }
        found.retain(|number| self.has(*number));
        // If the original number is whole, a whole one is preferred.
        let distance = |number: &Number| {
            let odd = near.is_some_and(|near| near.is_integral() != number.is_integral());
            (odd, near.and_then(|near| number.sub(near)).map(Number::abs))
        };
        let best = match near {
            Some(_) => found.into_iter().min_by_key(distance),
            None => found.into_iter().next(),
        };
        match best {
            Some(number) => Pick::One(number),
            None if sure => Pick::None,
            None => Pick::Unsure,
        }
    }
}

fn whole(number: i128) -> Option<Number> {
    Number::parse(&number.to_string()).ok()
}

/// The smallest and the largest whole number between two cuts, if they are representable. If there
/// is none in between, they are outside the interval.
fn ends_of_whole(low: Option<Cut>, high: Option<Cut>) -> Option<Vec<Number>> {
    if low.is_none() && high.is_none() {
        return Some(vec![Number::ZERO]);
    }
    let mut ends = Vec::new();
    if let Some(cut) = low {
        let floor = floor(cut.at)?;
        let is_it = cut.at.is_integral() && !cut.after;
        ends.push(whole(if is_it { floor } else { floor.checked_add(1)? })?);
    }
    if let Some(cut) = high {
        let floor = floor(cut.at)?;
        let is_past = cut.at.is_integral() && !cut.after;
        ends.push(whole(if is_past { floor.checked_sub(1)? } else { floor })?);
    }
    Some(ends)
}

fn floor(number: Number) -> Option<i128> {
    let truncated = number.truncated()?;
    let below = number < Number::ZERO && !number.is_integral();
    Some(truncated - i128::from(below))
}

/// Candidates for fractional numbers between two cuts.
fn inside(low: Option<Cut>, high: Option<Cut>) -> Vec<Number> {
    let half = Number::parse("0.5").unwrap_or(Number::ZERO);
    let one = Number::from(1);
    let middle = |a: Number, b: Number| a.add(b)?.mul(half);
    let tries = match (low.map(|cut| cut.at), high.map(|cut| cut.at)) {
        (None, None) => vec![Some(half)],
        (Some(low), None) => vec![Some(low), low.add(half), low.add(one), low.round().add(half)],
        (None, Some(high)) => {
            vec![Some(high), high.sub(half), high.sub(one), high.round().sub(half)]
        }
        (Some(low), Some(high)) => {
            let mid = middle(low, high);
            let quarter = mid.and_then(|mid| middle(low, mid));
            vec![Some(low), Some(high), low.add(half), mid, quarter]
        }
    };
    tries.into_iter().flatten().filter(|number| !number.is_integral()).collect()
}
