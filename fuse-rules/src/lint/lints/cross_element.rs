//! `cross-element`

use rustc_hash::FxHashMap;

use crate::lint::context::{Findings, LintContext};
use crate::lint::event_paths::{self, Bindings, EventPath, EventPathStep, RulePart};
use crate::lint::{Level, Lint, Pass};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Root};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "cross-element",
        title: "one list element selected by its index",
        level: Level::Warn,
        page: include_str!("../../../lints/cross-element.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            let mut found: FxHashMap<EventPath<'_>, Vec<(i64, Span)>> = FxHashMap::default();
            let mut order = Vec::new();
            let mut counted = Vec::new();
            event_paths::all(sensor, rule, &mut |part, expr, bindings| {
                if let Some((list, index)) = indexed(expr, bindings) {
                    let places = found.entry(list.clone()).or_default();
                    if places.is_empty() {
                        order.push(list);
                    }
                    places.push((index, expr.span));
                }
                if let RulePart::When = part {
                    counted.extend(counted_list(expr, bindings));
                }
            });
            for list in order.iter().filter(|list| !counted.contains(*list)) {
                report(list, found.get(list).map_or(&[], Vec::as_slice), out);
            }
        }
    }
}

/// The list and the index, if a path selects an element of a list and reads a field of it.
fn indexed<'a>(expr: &'a Expr, bindings: &Bindings<'a>) -> Option<(EventPath<'a>, i64)> {
    let path = bindings.resolve(expr).filter(|path| matches!(path.root, Root::Body))?;
    let pair = |pair: &[EventPathStep<'_>]| {
        matches!(pair, [EventPathStep::Index(_), EventPathStep::Key(_)])
    };
    let at = path.steps.windows(2).position(pair)?;
    let Some(EventPathStep::Index(index)) = path.steps.get(at) else { return None };
    let (root, steps) = (path.root, path.steps.get(..at)?.to_vec());
    Some((EventPath { root, steps }, *index))
}

/// The list whose length an expression reads.
fn counted_list<'a>(expr: &'a Expr, bindings: &Bindings<'a>) -> Option<EventPath<'a>> {
    match &expr.kind {
        ExprKind::Call { function, arguments, .. } if function.name == "len" => {
            bindings.resolve(arguments.first()?)
        }
        _ => None,
    }
}

fn report(list: &EventPath<'_>, places: &[(i64, Span)], out: &mut Findings) {
    let Some(((index, span), others)) = places.split_first() else { return };
    let name = list.steps.iter().rev().find_map(|step| match step {
        EventPathStep::Key(key) => Some(*key),
        _ => None,
    });
    let name = name.unwrap_or("list");
    let element = name.strip_suffix('s').filter(|one| one.len() > 1).unwrap_or("element");
    let other = others.iter().find(|(other, _)| other != index);
    let message = match other {
        Some(_) => format!("this rule mixes two elements of `{name}`"),
        None => format!("this reads one element of `{name}` and ignores the others"),
    };
    out.add(*span, message, |problem| {
        let problem = problem.label(format!("the element at index {index}"));
        let problem = problem.help(format!(
            "iterate over all of them with `each {element} in {list}`, or test them with \
             `any({element} in {list}: …)`"
        ));
        match other {
            Some((index, span)) => problem.related(*span, format!("the element at index {index}")),
            None => problem,
        }
    });
}
