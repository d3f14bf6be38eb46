//! The values of an event that rules read, with interesting replacements for each: the constants that it
//! is compared with, and their neighbours.

use fastrand::Rng;
use indexmap::IndexMap;

use super::input::{Input, InputStep, get_or_create};
use crate::analysis;
use crate::event::DEFAULT_RECEIVED;
use crate::lint::event_paths::{self, Bindings, EventPath, EventPathStep, RulePart};
use crate::number::Number;
use crate::path::PATH_FIELD;
use crate::typed::{EventDecl, Expr, ExprKind, Root, Rule, Sensor};
use crate::types::Ty;
use crate::value::Value;

/// The path of a value that rules read, in the body, the headers, the query or the path of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InputPath {
    pub(super) root: Root,
    pub(super) steps: Vec<InputStep>,
}

/// How to mutate the value at a path.
#[derive(Debug, Default)]
pub(super) struct MutationPoint {
    /// Interesting values.
    pub(super) values: Vec<Value<'static>>,
    /// Whether rules iterate over the value.
    pub(super) is_list: bool,
    /// Whether outsiders choose the value.
    pub(super) is_untrusted: bool,
}

/// The mutation points of one event.
#[derive(Debug, Default)]
pub(super) struct MutationPoints {
    /// The declared type of the body.
    pub(super) ty: Option<Ty>,
    /// The parameters of the path.
    pub(super) parameters: Vec<String>,
    pub(super) all: IndexMap<InputPath, MutationPoint>,
}

impl MutationPoints {
    /// Collects the mutation points from the expressions of the rules for an event.
    pub(super) fn collect(rules: &[(&Sensor, &Rule)], event: Option<&EventDecl>) -> Self {
        let ty = event.map(|event| &event.body).filter(|ty| !ty.is_any()).cloned();
        let parameters = event.into_iter().flat_map(EventDecl::parameters).map(str::to_owned);
        let mut points = Self { ty, parameters: parameters.collect(), all: IndexMap::new() };
        for (sensor, rule) in rules {
            event_paths::roots(sensor, rule, &mut |part, expr, bindings| {
                if let RulePart::Each = part
                    && let Some(path) = bindings.resolve(expr)
                {
                    points.at(&path).is_list = true;
                }
                event_paths::walk(expr, bindings, &mut |expr, bindings| {
                    points.add_expr(expr, bindings)
                });
            });
        }
        points
    }

    fn at(&mut self, path: &EventPath<'_>) -> &mut MutationPoint {
        let steps = path.steps.iter().map(|step| match step {
            EventPathStep::Key(key) => InputStep::Key((*key).to_owned()),
            EventPathStep::Index(index) => InputStep::Index(*index),
            EventPathStep::Each => InputStep::Any,
        });
        let point =
            self.all.entry(InputPath { root: path.root, steps: steps.collect() }).or_default();
        point.is_untrusted = path.is_untrusted();
        point
    }

    /// Collects the paths of an expression and the values that they are compared with.
    fn add_expr(&mut self, expr: &Expr, bindings: &Bindings<'_>) {
        if let Some(path) = bindings.resolve(expr) {
            self.at(&path);
        }
        if let ExprKind::Quantifier { list, .. } = &expr.kind
            && let Some(path) = bindings.resolve(list)
        {
            self.at(&path).is_list = true;
        }
        // Logical operators compare no values.
        if !expr.is_condition()
            || matches!(
                expr.kind,
                ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Not(_) | ExprKind::If { .. }
            )
        {
            return;
        }
        let (mut values, mut paths) = (Vec::new(), Vec::new());
        collect_values(expr, bindings, &mut values, &mut paths);
        for path in paths {
            let point = self.at(&path);
            for value in &values {
                if !point.values.contains(value) {
                    point.values.push(value.clone());
                }
            }
        }
    }

    /// The initial inputs: the simplest one of the type, and some in which all paths exist.
    pub(super) fn initial_inputs(&self, rng: &mut Rng) -> Vec<Input> {
        let simple = match &self.ty {
            Some(ty) => ty.sample(&mut |_| 0),
            None => Value::Map(Vec::new()),
        };
        let mut inputs = vec![Input::from_body(simple.clone())];
        for round in 0..4 {
            let mut input = Input::from_body(simple.clone());
            for (path, point) in &self.all {
                let value = match round {
                    0 => point.values.first().cloned(),
                    _ => (!point.values.is_empty())
                        .then(|| point.values.get(rng.usize(..point.values.len())).cloned())
                        .flatten(),
                };
                // Containers are created together with the values in them.
                if value.is_some() || !self.contains_others(path) {
                    set(&mut input, path, value.unwrap_or_else(|| Value::text("text")), rng);
                }
            }
            inputs.push(input);
        }
        inputs
    }

    /// Whether another mutation point is inside the value at this path.
    fn contains_others(&self, path: &InputPath) -> bool {
        let inside = |other: &InputPath| {
            other.root == path.root
                && other.steps.len() > path.steps.len()
                && other.steps.starts_with(&path.steps)
        };
        self.all.keys().any(inside)
    }
}

/// Sets the value at a path.
pub(super) fn set(input: &mut Input, path: &InputPath, value: Value<'static>, rng: &mut Rng) {
    let key = match path.steps.first() {
        Some(InputStep::Key(key)) => key.clone(),
        _ => String::new(),
    };
    let text = |value: Value<'static>| match value {
        Value::String(text) => text.into_owned(),
        other => other.to_json_text().unwrap_or_default(),
    };
    match path.root {
        Root::Headers => drop(input.headers.insert(key, text(value))),
        Root::Query => drop(input.query.insert(key, text(value))),
        Root::Body => {
            if let Some(at) =
                get_or_create(&mut input.body, &path.steps, &mut |n| rng.usize(..n.max(1)))
            {
                *at = value;
            }
        }
        Root::Outcome => {}
        Root::Event => {
            if let [InputStep::Key(field), InputStep::Key(name)] = path.steps.as_slice()
                && field == PATH_FIELD
            {
                input.set_parameter(name, text(value));
            }
        }
        Root::Element(_) => {}
    }
}

/// Collects the paths and the constants of an elementary condition, with the neighbours of the constants.
fn collect_values<'a>(
    expr: &'a Expr,
    bindings: &Bindings<'a>,
    values: &mut Vec<Value<'static>>,
    paths: &mut Vec<EventPath<'a>>,
) {
    match &expr.kind {
        ExprKind::Const(value) => neighbours(value, values),
        ExprKind::Path(path) => paths.extend(bindings.resolve_path(path)),
        ExprKind::Pattern { value, pattern } => {
            values.extend(analysis::matching_text(pattern).into_iter().flat_map(|text| {
                [text.to_string(), format!("{text}x"), format!("x{text}")].map(Value::text)
            }));
            collect_values(value, bindings, values, paths);
        }
        // The conditions in its body are collected on their own.
        ExprKind::Quantifier { list, .. } => collect_values(list, bindings, values, paths),
        _ => expr
            .children()
            .into_iter()
            .for_each(|child| collect_values(child, bindings, values, paths)),
    }
}

/// Adds a value and its neighbours.
fn neighbours(value: &Value<'static>, values: &mut Vec<Value<'static>>) {
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
        Value::List(items) => items.iter().for_each(|item| neighbours(item, values)),
        Value::Duration(duration) => {
            // Times around the time of receipt.
            for seconds in [duration.as_secs() - 1, duration.as_secs(), duration.as_secs() + 1] {
                let ago = jiff::SignedDuration::from_secs(seconds);
                let times = [DEFAULT_RECEIVED.checked_sub(ago), DEFAULT_RECEIVED.checked_add(ago)];
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
