//! Going through the elements of a rule, with the truth of its conditions at each.

use super::{Env, World};
use crate::semantics::Verdict;
use crate::semantics::ops::{self, Fault, Truth, name};
use crate::typed::{Each, Expr, Rule, Sensor};
use crate::value::Value;

/// The truth of a rule's conditions for each element, where there are some; those of its sensor alone
/// where these do not hold.
pub(crate) fn truths(sensor: &Sensor, rule: &Rule, world: &World<'_>) -> Vec<(Vec<u32>, Truth)> {
    let mut truths = Vec::new();
    conditions(sensor, rule, world, &mut |path, told| {
        if let Ok((truth, _)) = told {
            truths.push((path.unwrap_or_default().to_vec(), truth));
        }
    });
    truths
}

/// Every element of the first list, of the list of each in the second, and so on, with its index path.
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

/// The truth of one condition, where these elements are bound around it.
pub(crate) fn truth<'e>(world: &World<'e>, elements: Vec<Value<'e>>, expr: &Expr) -> Truth {
    Env { world, elements }.truth(expr)
}

/// Takes the index path, and the truth of the conditions there or the verdict where there is no element.
pub(super) type Told<'b> =
    &'b mut dyn FnMut(Option<&[u32]>, Result<(Truth, &Env<'_, '_>), Verdict>);

/// Calls `told` for every element that a rule goes through, or once.
pub(super) fn conditions(sensor: &Sensor, rule: &Rule, world: &World<'_>, told: Told<'_>) {
    for_each(world, sensor.each.as_ref(), &[], &mut |elements, path, fault| {
        if let Some(verdict) = fault {
            return told(path, Err(verdict));
        }
        let env = Env { world, elements: elements.to_vec() };
        let outer = ops::all(sensor.when.iter().map(|when| env.truth(when)));
        let Some(each) = &rule.each else {
            let inner = rule.when.iter().map(|when| env.truth(when));
            let truth = ops::all(std::iter::once(outer).chain(inner));
            return told(path, Ok((truth, &env)));
        };
        if outer != Ok(true) {
            return told(path, Ok((outer, &env)));
        }
        let outer_path = path.map(<[u32]>::to_vec).unwrap_or_default();
        for_each(world, Some(each), elements, &mut |elements, path, fault| {
            let mut whole = outer_path.clone();
            whole.extend(path.unwrap_or_default());
            let path = (!whole.is_empty()).then_some(whole.as_slice());
            if let Some(verdict) = fault {
                return told(path, Err(verdict));
            }
            let env = Env { world, elements: elements.to_vec() };
            let truth = ops::all(rule.when.iter().map(|when| env.truth(when)));
            told(path, Ok((truth, &env)));
        });
    });
}

/// Takes the bound elements, the index path, and the verdict where there is no element.
type PerElement<'b, 'e> = &'b mut dyn FnMut(&[Value<'e>], Option<&[u32]>, Option<Verdict>);

/// Calls `body` for every element of an `each` (or once without one), or with the verdict where
/// there is none to go through.
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
