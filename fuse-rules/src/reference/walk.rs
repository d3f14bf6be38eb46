//! Iterates over the elements of a rule, and evaluates its conditions for each.

use super::{Env, World};
use crate::semantics::Verdict;
use crate::semantics::ops::{self, Fault, Truth, name};
use crate::typed::{Each, Expr, Rule, Sensor};
use crate::value::Value;

/// The truth of a rule's conditions for each of its elements, if there are any. If the sensor's
/// conditions do not hold, the index path is that of the sensor's element.
pub(crate) fn truths(sensor: &Sensor, rule: &Rule, world: &World<'_>) -> Vec<(Vec<u32>, Truth)> {
    let mut truths = Vec::new();
    conditions(sensor, rule, world, &mut |path, result| {
        if let Ok((truth, _)) = result {
            truths.push((path.unwrap_or_default().to_vec(), truth));
        }
    });
    truths
}

/// Every element of the first list, of the second list inside each of those, and so on, with its
/// index path.
pub(crate) fn elements<'e>(world: &World<'e>, eachs: &[&Each]) -> Vec<(Vec<u32>, Vec<Value<'e>>)> {
    let mut found = vec![(Vec::new(), Vec::new())];
    for each in eachs {
        let mut inner = Vec::new();
        for (outer, bound) in found {
            for_each(world, Some(each), &bound, &mut |elements, path, fault| {
                if fault.is_none() {
                    let path = outer.iter().chain(path.unwrap_or_default()).copied().collect();
                    inner.push((path, elements.to_vec()));
                }
            });
        }
        found = inner;
    }
    found
}

/// The truth of one condition with these elements bound around it.
pub(crate) fn truth<'e>(world: &World<'e>, elements: Vec<Value<'e>>, expr: &Expr) -> Truth {
    Env { world, elements }.truth(expr)
}

/// Gets the index path, and the truth of the conditions, or the verdict if there is no element.
pub(super) type OnTruth<'b> =
    &'b mut dyn FnMut(Option<&[u32]>, Result<(Truth, &Env<'_, '_>), Verdict>);

/// Calls `on_truth` for every element that a rule iterates over, or once if it has no `each`.
pub(super) fn conditions(sensor: &Sensor, rule: &Rule, world: &World<'_>, on_truth: OnTruth<'_>) {
    for_each(world, sensor.each.as_ref(), &[], &mut |elements, path, fault| {
        if let Some(verdict) = fault {
            return on_truth(path, Err(verdict));
        }
        let env = Env { world, elements: elements.to_vec() };
        let outer = ops::all(sensor.when.iter().map(|when| env.truth(when)));
        let Some(each) = &rule.each else {
            let inner = rule.when.iter().map(|when| env.truth(when));
            let truth = ops::all(std::iter::once(outer).chain(inner));
            return on_truth(path, Ok((truth, &env)));
        };
        if outer != Ok(true) {
            return on_truth(path, Ok((outer, &env)));
        }
        let outer_path = path.map(<[u32]>::to_vec).unwrap_or_default();
        for_each(world, Some(each), elements, &mut |elements, path, fault| {
            let mut whole = outer_path.clone();
            whole.extend(path.unwrap_or_default());
            let path = (!whole.is_empty()).then_some(whole.as_slice());
            if let Some(verdict) = fault {
                return on_truth(path, Err(verdict));
            }
            let env = Env { world, elements: elements.to_vec() };
            let truth = ops::all(rule.when.iter().map(|when| env.truth(when)));
            on_truth(path, Ok((truth, &env)));
        });
    });
}

/// Gets the bound elements, the index path, and the verdict if there is no element.
type PerElement<'b, 'e> = &'b mut dyn FnMut(&[Value<'e>], Option<&[u32]>, Option<Verdict>);

/// Calls `body` for every element of an `each`, once if there is no `each`, or with the verdict if
/// there are no elements.
fn for_each<'e>(
    world: &World<'e>,
    each: Option<&Each>,
    outer: &[Value<'e>],
    body: PerElement<'_, 'e>,
) {
    let Some(each) = each else {
        return body(outer, None, None);
    };
    let env = Env { world, elements: outer.to_vec() };
    let list = match env.value(&each.list) {
        Ok(value) => value.into_owned(),
        Err(fault) => return body(outer, None, Some(Verdict::Unknown(fault))),
    };
    let Value::List(list) = list else {
        let why =
            format!("`each` iterates over a list, but {} is {}", name(&each.list), list.kind());
        return body(outer, None, Some(Verdict::Unknown(Fault::Mismatch(why))));
    };
    if list.is_empty() {
        return body(
            outer,
            None,
            Some(Verdict::NotMatched(format!("{} is an empty list", name(&each.list)))),
        );
    }
    if list.len() > each.max {
        let why = format!(
            "{} has {} elements, more than `max {}` allows",
            name(&each.list),
            list.len(),
            each.max
        );
        return body(outer, None, Some(Verdict::Rejected(why)));
    }
    for (i, element) in list.into_iter().enumerate() {
        if let Err(fault) = world.spend(outer.iter().chain([&element])) {
            return body(outer, None, Some(Verdict::Unknown(fault)));
        }
        let mut elements = outer.to_vec();
        elements.push(element);
        body(&elements, Some(&[u32::try_from(i).unwrap_or(u32::MAX)]), None);
    }
}
