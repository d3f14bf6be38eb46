//! The next event: one that showed something new, with a few changes.

use fastrand::Rng;

use super::input::{Draft, Step, find, received};
use super::mutation_points::set;
use super::{Target, mutation_points};
use crate::number::Number;
use crate::typed::Root;
use crate::value::Value;
use jiff::SignedDuration;

/// What only outsiders' texts are set to. Whatever of it reaches an action came from them.
pub(super) const MARK: &str = "fuse-fuzz";

/// Texts of outsiders who mean harm.
const HOSTILE_TEXTS: [&str; 6] = [
    "$(fuse-fuzz)",
    "`fuse-fuzz`",
    "\"; fuse-fuzz #",
    "'; fuse-fuzz #",
    "x\nfuse-fuzz",
    "../../fuse-fuzz",
];

/// Texts that are not what they should be, from senders who mean well.
const STRANGE: [&str; 12] = [
    "",
    " ",
    "x",
    "{{workflow.uid}}",
    "${HOME}",
    "null",
    "true",
    "0",
    "-1",
    "a\nb",
    "\u{202e}abc",
    "ÄÖ☃",
];

/// How many elements a large list has: more than `each` takes.
const LARGE: usize = 1_001;

/// An event for a target.
pub(super) fn next(target: &Target<'_>, rng: &mut Rng) -> Draft {
    let mut draft = match rng.usize(..10) {
        0 => fresh(target, rng),
        _ => match rng.choice(&target.kept) {
            Some(kept) => kept.clone(),
            None => fresh(target, rng),
        },
    };
    for _ in 0..1 + rng.usize(..3) {
        change(&mut draft, target, rng);
    }
    draft
}

/// An event of the type, where there is one.
fn fresh(target: &Target<'_>, rng: &mut Rng) -> Draft {
    match &target.spots.ty {
        Some(ty) => Draft::of(ty.sample(&mut |n| rng.usize(..n.max(1)))),
        None => Draft::of(Value::Map(Vec::new())),
    }
}

fn change(draft: &mut Draft, target: &Target<'_>, rng: &mut Rng) {
    let spots = &target.spots.all;
    let at = rng.usize(..spots.len().max(1));
    let Some((place, spot)) = spots.get_index(at) else {
        return anywhere(&mut draft.body, rng);
    };
    match rng.usize(..16) {
        0..=6 => {
            let value = rng.choice(&spot.values).cloned();
            set(draft, place, value.unwrap_or_else(|| strange(rng)), rng);
        }
        7 => set(draft, place, strange(rng), rng),
        8 => remove(draft, place, rng),
        9 | 10 if spot.is_untrusted => {
            let text = rng.choice(HOSTILE_TEXTS).unwrap_or(MARK);
            set(draft, place, Value::text(text), rng);
        }
        9 | 10 if spot.is_list => resize(draft, place, rng),
        9 => anywhere(&mut draft.body, rng),
        10 => {
            let back = SignedDuration::from_secs(rng.i64(-200_000..200_000));
            draft.received = received().checked_add(back).unwrap_or(draft.received);
        }
        11 | 12 => {
            // A part of another event that showed something new.
            let steps = place.steps.as_slice();
            let mut other = rng.choice(&target.kept).cloned();
            let part = other.as_mut().and_then(|other| {
                find(&mut other.body, steps, &mut |n| rng.usize(..n.max(1))).cloned()
            });
            match part {
                Some(part) if place.root == Root::Body => set(draft, place, part, rng),
                _ => anywhere(&mut draft.body, rng),
            }
        }
        _ => {
            // The simplest way to several clauses at once: what each path is compared with.
            for (place, spot) in spots {
                if let Some(value) = rng.choice(&spot.values).cloned()
                    && rng.bool()
                {
                    set(draft, place, value, rng);
                }
            }
        }
    }
}

/// A value that a place may not expect.
fn strange(rng: &mut Rng) -> Value<'static> {
    let number = |text: &str| Number::parse(text).map_or(Value::Null, Value::Number);
    match rng.usize(..14) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => number("0"),
        3 => number("-1.5"),
        4 => Value::List(Vec::new()),
        5 => Value::Map(Vec::new()),
        6 => Value::List(vec![Value::text("text")]),
        7 => Value::Map(vec![("a".into(), number("1"))]),
        8 => Value::text("x".repeat(5_000)),
        // Next to one that a float holds, which it is not.
        9 => number("9007199254740993"),
        _ => Value::text(rng.choice(STRANGE).unwrap_or("")),
    }
}

fn remove(draft: &mut Draft, place: &mutation_points::Place, rng: &mut Rng) {
    let Some((last, before)) = place.steps.split_last() else { return };
    if let (Step::Key(key), Root::Headers | Root::Query) = (last, place.root) {
        draft.headers.remove(key);
        draft.query.remove(key);
        return;
    }
    if let Some(around) = find(&mut draft.body, before, &mut |n| rng.usize(..n.max(1))) {
        match (last, around) {
            (Step::Key(key), Value::Map(map)) => map.retain(|(own, _)| own != key),
            (_, Value::List(list)) if !list.is_empty() => {
                drop(list.remove(rng.usize(..list.len())))
            }
            _ => {}
        }
    }
}

/// Makes a list longer or shorter.
fn resize(draft: &mut Draft, place: &mutation_points::Place, rng: &mut Rng) {
    let found = find(&mut draft.body, &place.steps, &mut |n| rng.usize(..n.max(1)));
    let Some(Value::List(list)) = found else { return };
    match rng.usize(..12) {
        0 => list.clear(),
        1 if list.len() < 3 && rng.usize(..20) == 0 => {
            if let Some(first) = list.first().cloned() {
                list.resize(LARGE, first);
            }
        }
        2..=4 if !list.is_empty() => drop(list.remove(rng.usize(..list.len()))),
        _ => {
            if let Some(element) = rng.choice(&*list).cloned().filter(|_| list.len() < 20) {
                list.push(element);
            }
        }
    }
}

/// Changes some value of a body, wherever it is.
fn anywhere(at: &mut Value<'static>, rng: &mut Rng) {
    let inside = match at {
        Value::Map(map) if !map.is_empty() => {
            let index = rng.usize(..map.len());
            map.get_mut(index).map(|(_, value)| value)
        }
        Value::List(list) if !list.is_empty() => {
            let index = rng.usize(..list.len());
            list.get_mut(index)
        }
        _ => None,
    };
    match inside {
        Some(inside) if rng.usize(..5) > 0 => anywhere(inside, rng),
        _ => *at = strange(rng),
    }
}
