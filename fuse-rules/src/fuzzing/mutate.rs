//! Mutation: the next input is an input from the corpus with a few changes.

use fastrand::Rng;

use super::Target;
use super::input::{Input, InputStep, get};
use super::mutation_points::{InputPath, set};
use crate::event::DEFAULT_RECEIVED;
use crate::number::Number;
use crate::typed::Root;
use crate::value::Value;
use jiff::SignedDuration;

/// The marker in all hostile texts. If it occurs in an action, an untrusted text reached the action.
pub(super) const MARK: &str = "fuse-fuzz";

/// Texts of an attacker, for untrusted fields.
const HOSTILE_TEXTS: [&str; 6] = [
    "$(fuse-fuzz)",
    "`fuse-fuzz`",
    "\"; fuse-fuzz #",
    "'; fuse-fuzz #",
    "x\nfuse-fuzz",
    "../../fuse-fuzz",
];

/// Unusual texts of a well-meaning sender.
const UNEXPECTED_TEXTS: [&str; 12] = [
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

/// The length of a large list, which exceeds the default limit of `each`.
const LARGE_LIST_LEN: usize = 1_001;

/// Creates the next input for a target.
pub(super) fn next_input(target: &Target<'_>, rng: &mut Rng) -> Input {
    let mut input = match rng.usize(..10) {
        0 => generate(target, rng),
        _ => match rng.choice(&target.corpus) {
            Some(input) => input.clone(),
            None => generate(target, rng),
        },
    };
    for _ in 0..1 + rng.usize(..3) {
        mutate(&mut input, target, rng);
    }
    input
}

/// Generates an input of the declared type, or an empty body.
fn generate(target: &Target<'_>, rng: &mut Rng) -> Input {
    match &target.points.ty {
        Some(ty) => Input::from_body(ty.sample(&mut |n| rng.usize(..n.max(1)))),
        None => Input::from_body(Value::Map(Vec::new())),
    }
}

/// Applies one random mutation.
fn mutate(input: &mut Input, target: &Target<'_>, rng: &mut Rng) {
    let points = &target.points.all;
    let at = rng.usize(..points.len().max(1));
    let Some((path, point)) = points.get_index(at) else {
        return mutate_anywhere(&mut input.body, rng);
    };
    match rng.usize(..16) {
        0..=6 => {
            let value = rng.choice(&point.values).cloned();
            set(input, path, value.unwrap_or_else(|| unexpected_value(rng)), rng);
        }
        7 => set(input, path, unexpected_value(rng), rng),
        8 => remove(input, path, rng),
        9 | 10 if point.is_untrusted => {
            let text = rng.choice(HOSTILE_TEXTS).unwrap_or(MARK);
            set(input, path, Value::text(text), rng);
        }
        9 | 10 if point.is_list => resize(input, path, rng),
        9 => mutate_anywhere(&mut input.body, rng),
        10 => {
            let back = SignedDuration::from_secs(rng.i64(-200_000..200_000));
            input.received = DEFAULT_RECEIVED.checked_add(back).unwrap_or(input.received);
        }
        11 | 12 => {
            // Crossover: copy a part of another input.
            let steps = path.steps.as_slice();
            let mut other = rng.choice(&target.corpus).cloned();
            let part = other.as_mut().and_then(|other| {
                get(&mut other.body, steps, &mut |n| rng.usize(..n.max(1))).cloned()
            });
            match part {
                Some(part) if path.root == Root::Body => set(input, path, part, rng),
                _ => mutate_anywhere(&mut input.body, rng),
            }
        }
        _ => {
            // Set many paths to values that they are compared with, to satisfy several conditions at once.
            for (path, point) in points {
                if let Some(value) = rng.choice(&point.values).cloned()
                    && rng.bool()
                {
                    set(input, path, value, rng);
                }
            }
        }
    }
}

/// A value that rules may not expect.
fn unexpected_value(rng: &mut Rng) -> Value<'static> {
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
        // 2^53 + 1, which a 64-bit float cannot represent.
        9 => number("9007199254740993"),
        _ => Value::text(rng.choice(UNEXPECTED_TEXTS).unwrap_or("")),
    }
}

/// Removes the value at a path.
fn remove(input: &mut Input, path: &InputPath, rng: &mut Rng) {
    let Some((last, before)) = path.steps.split_last() else { return };
    if let (InputStep::Key(key), Root::Headers | Root::Query) = (last, path.root) {
        input.headers.remove(key);
        input.query.remove(key);
        return;
    }
    if path.root != Root::Body {
        return;
    }
    if let Some(around) = get(&mut input.body, before, &mut |n| rng.usize(..n.max(1))) {
        match (last, around) {
            (InputStep::Key(key), Value::Map(map)) => map.retain(|(own, _)| own != key),
            (_, Value::List(list)) if !list.is_empty() => {
                drop(list.remove(rng.usize(..list.len())))
            }
            _ => {}
        }
    }
}

/// Grows or shrinks the list at a path.
fn resize(input: &mut Input, path: &InputPath, rng: &mut Rng) {
    let value = get(&mut input.body, &path.steps, &mut |n| rng.usize(..n.max(1)));
    let Some(Value::List(list)) = value else { return };
    match rng.usize(..12) {
        0 => list.clear(),
        1 if list.len() < 3 && rng.usize(..20) == 0 => {
            if let Some(first) = list.first().cloned() {
                list.resize(LARGE_LIST_LEN, first);
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

/// Replaces a random value anywhere in a body.
fn mutate_anywhere(at: &mut Value<'static>, rng: &mut Rng) {
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
        Some(inside) if rng.usize(..5) > 0 => mutate_anywhere(inside, rng),
        _ => *at = unexpected_value(rng),
    }
}
