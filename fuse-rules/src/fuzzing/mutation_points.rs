//! The places of an event that rules look at, with the values that make a difference there: what they
//! are compared with, and what is nearly that.

use fastrand::Rng;
use indexmap::IndexMap;

use super::input::{Draft, Step, make, received};
use crate::analysis;
use crate::lint::event_paths::{self, Bound, Part, Whole};
use crate::number::Number;
use crate::typed::{Expr, ExprKind, Root, Rule, Sensor};
use crate::types::Ty;
use crate::value::Value;

/// A place that is read, from the body, the headers or the query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
}

/// What to try at a place.
#[derive(Debug, Default)]
pub(super) struct Spot {
    pub(super) values: Vec<Value<'static>>,
    /// Whether rules go through it as a list.
    pub(super) is_list: bool,
    /// Whether outsiders write it.
    pub(super) is_outsiders: bool,
}

/// All places of one event that its rules read.
#[derive(Debug, Default)]
pub(super) struct Spots {
    pub(super) ty: Option<Ty>,
    pub(super) all: IndexMap<Place, Spot>,
}

impl Spots {
    pub(super) fn of(rules: &[(&Sensor, &Rule)], ty: Option<Ty>) -> Self {
        let mut spots = Self { ty, all: IndexMap::new() };
        for (sensor, rule) in rules {
            event_paths::roots(sensor, rule, &mut |part, expr, bound| {
                if let Part::Each = part
                    && let Some(whole) = bound.of(expr)
                {
                    spots.at(&whole).is_list = true;
                }
                event_paths::below(expr, bound, &mut |expr, bound| spots.look(expr, bound));
            });
        }
        spots
    }

    fn at(&mut self, whole: &Whole<'_>) -> &mut Spot {
        let steps = whole.steps.iter().map(|step| match step {
            event_paths::Step::Key(key) => Step::Key((*key).to_owned()),
            event_paths::Step::Index(index) => Step::Index(*index),
            event_paths::Step::Each => Step::Some,
        });
        let spot = self.all.entry(Place { root: whole.root, steps: steps.collect() }).or_default();
        spot.is_outsiders = whole.is_outsiders();
        spot
    }

    /// What an expression says of the paths that it is made of.
    fn look(&mut self, expr: &Expr, bound: &Bound<'_>) {
        if let Some(whole) = bound.of(expr) {
            self.at(&whole);
        }
        if let ExprKind::Quantifier { list, .. } = &expr.kind
            && let Some(whole) = bound.of(list)
        {
            self.at(&whole).is_list = true;
        }
        // Logic says nothing of values.
        if !expr.is_condition()
            || matches!(expr.kind, ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Not(_))
        {
            return;
        }
        let (mut values, mut paths) = (Vec::new(), Vec::new());
        gather(expr, bound, &mut values, &mut paths);
        for whole in paths {
            let spot = self.at(&whole);
            for value in &values {
                if !spot.values.contains(value) {
                    spot.values.push(value.clone());
                }
            }
        }
    }

    /// Events to begin with: the simplest of the type, and ones in which all places are there.
    pub(super) fn beginnings(&self, rng: &mut Rng) -> Vec<Draft> {
        let simple = match &self.ty {
            Some(ty) => ty.sample(&mut |_| 0),
            None => Value::Map(Vec::new()),
        };
        let mut drafts = vec![Draft::of(simple.clone())];
        for round in 0..4 {
            let mut draft = Draft::of(simple.clone());
            for (place, spot) in &self.all {
                let value = match round {
                    0 => spot.values.first().cloned(),
                    _ => (!spot.values.is_empty())
                        .then(|| spot.values.get(rng.usize(..spot.values.len())).cloned())
                        .flatten(),
                };
                // A list or map that others are inside of is made with them.
                if value.is_some() || !self.is_around(place) {
                    set(&mut draft, place, value.unwrap_or_else(|| Value::text("text")), rng);
                }
            }
            drafts.push(draft);
        }
        drafts
    }

    fn is_around(&self, place: &Place) -> bool {
        let inside = |other: &Place| {
            other.root == place.root
                && other.steps.len() > place.steps.len()
                && other.steps.starts_with(&place.steps)
        };
        self.all.keys().any(inside)
    }
}

/// Puts a value at a place.
pub(super) fn set(draft: &mut Draft, place: &Place, value: Value<'static>, rng: &mut Rng) {
    let key = match place.steps.first() {
        Some(Step::Key(key)) => key.clone(),
        _ => String::new(),
    };
    let text = |value: Value<'static>| match value {
        Value::String(text) => text.into_owned(),
        other => other.to_json_text().unwrap_or_default(),
    };
    match place.root {
        Root::Headers => drop(draft.headers.insert(key, text(value))),
        Root::Query => drop(draft.query.insert(key, text(value))),
        Root::Body => {
            if let Some(at) = make(&mut draft.body, &place.steps, &mut |n| rng.usize(..n.max(1))) {
                *at = value;
            }
        }
        Root::Event | Root::Element(_) => {}
    }
}

/// The values that an elementary condition is about, with their neighbours, and the paths in it.
fn gather<'a>(
    expr: &'a Expr,
    bound: &Bound<'a>,
    values: &mut Vec<Value<'static>>,
    paths: &mut Vec<Whole<'a>>,
) {
    match &expr.kind {
        ExprKind::Const(value) => near(value, values),
        ExprKind::Path(path) => paths.extend(bound.whole(path)),
        ExprKind::Pattern { value, pattern } => {
            values.extend(analysis::matching_text(pattern).into_iter().flat_map(|text| {
                [text.to_string(), format!("{text}x"), format!("x{text}")].map(Value::text)
            }));
            gather(value, bound, values, paths);
        }
        // What it binds is gone through by itself.
        ExprKind::Quantifier { list, .. } => gather(list, bound, values, paths),
        _ => expr.children().into_iter().for_each(|child| gather(child, bound, values, paths)),
    }
}

/// A value and what is nearly it.
fn near(value: &Value<'static>, values: &mut Vec<Value<'static>>) {
    match value {
        Value::String(text) => {
            let shorter: String =
                text.chars().take(text.chars().count().saturating_sub(1)).collect();
            let texts = [
                text.to_string(),
                shorter,
                format!("{text}x"),
                format!("x{text}"),
                text.to_uppercase(),
            ];
            values.extend(texts.map(Value::text));
        }
        Value::Number(number) => {
            let one = Number::from(1_i64);
            let near = [Some(*number), number.add(one), number.sub(one)];
            values.extend(near.into_iter().flatten().map(Value::Number));
        }
        Value::Bool(_) => values.extend([Value::Bool(true), Value::Bool(false)]),
        Value::List(items) => items.iter().for_each(|item| near(item, values)),
        Value::Duration(duration) => {
            // Times around the moment at which events are received.
            for seconds in [duration.as_secs() - 1, duration.as_secs(), duration.as_secs() + 1] {
                let ago = jiff::SignedDuration::from_secs(seconds);
                let times = [received().checked_sub(ago), received().checked_add(ago)];
                values
                    .extend(times.into_iter().flatten().map(|time| Value::text(time.to_string())));
            }
        }
        Value::Time(_) | Value::Version(_) => {
            values.extend(value.canonical().map(|text| Value::text(text.into_owned())));
        }
        Value::Null | Value::Map(_) => values.push(value.clone()),
        Value::Unrepresentable(_) => {}
    }
}
