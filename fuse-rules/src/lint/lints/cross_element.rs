//! `cross-element`

use std::sync::Arc;

use crate::lint::context::{Findings, LintContext};
use crate::lint::event_paths::{self, Bindings, EventPath, EventPathStep, RulePart};
use crate::lint::{Level, Lint, Pass};
use crate::path::path_text;
use crate::span::Span;
use crate::syntax::is_name;
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

/// An element of a list that a path selects by its index.
#[derive(Clone)]
struct Selected<'a> {
    list: EventPath<'a>,
    index: i64,
    /// The steps from the element to the value that is read.
    inside: Vec<EventPathStep<'a>>,
    /// The list, as the author writes it.
    text: Arc<str>,
    span: Span,
}

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            let mut selected: Vec<Selected<'_>> = Vec::new();
            let (mut counted, mut shared) = (Vec::new(), Vec::new());
            event_paths::all(sensor, rule, &mut |part, expr, bindings| {
                selected.extend(indexed(expr, bindings));
                if let RulePart::When = part {
                    counted.extend(counted_list(expr, bindings));
                    shared.extend(shared_value(expr, bindings));
                }
            });
            selected.retain(|one| {
                !counted.contains(&one.list)
                    && !shared
                        .iter()
                        .any(|(list, inside)| one.list == *list && one.inside.starts_with(inside))
            });
            let mut reported: Vec<&EventPath<'_>> = Vec::new();
            for one in &selected {
                if !reported.contains(&&one.list) {
                    reported.push(&one.list);
                    let others = selected.iter().filter(|other| other.list == one.list);
                    report(one, others, out);
                }
            }
        }
    }
}

/// The element, if a path selects one of a list and reads a field of it.
fn indexed<'a>(expr: &'a Expr, bindings: &Bindings<'a>) -> Option<Selected<'a>> {
    let ExprKind::Path(path) = &expr.kind else { return None };
    let resolved = bindings.resolve(expr).filter(|path| matches!(path.root, Root::Body))?;
    let pair = |pair: &[EventPathStep<'_>]| {
        matches!(pair, [EventPathStep::Index(_), EventPathStep::Key(_)])
    };
    let at = resolved.steps.windows(2).position(pair)?;
    let (before, rest) = resolved.steps.split_at_checked(at)?;
    let (EventPathStep::Index(index), inside) = rest.split_first()? else { return None };
    // The steps before those of the path itself lead to the element that its name means.
    let own = at.saturating_sub(resolved.steps.len().saturating_sub(path.segments.len()));
    let name = path.text.split(['.', '[']).next()?;
    Some(Selected {
        list: EventPath { root: resolved.root, steps: before.to_vec() },
        index: *index,
        inside: inside.to_vec(),
        text: path_text(name, path.segments.get(..own)?),
        span: expr.span,
    })
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

/// The value that a condition compares between each element of a list and a selected one, as in
/// `all(x in body.list: x.kind == body.list[0].kind)`.
fn shared_value<'a>(
    expr: &'a Expr,
    bindings: &Bindings<'a>,
) -> Option<(EventPath<'a>, Vec<EventPathStep<'a>>)> {
    let ExprKind::Compare { left, right, .. } = &expr.kind else { return None };
    let (one, each) = match (indexed(left, bindings), indexed(right, bindings)) {
        (Some(one), None) => (one, bindings.resolve(right)?),
        (None, Some(one)) => (one, bindings.resolve(left)?),
        _ => return None,
    };
    let (before, rest) = each.steps.split_at_checked(one.list.steps.len())?;
    let is_same = each.root == one.list.root
        && before == one.list.steps
        && rest.split_first() == Some((&EventPathStep::Each, one.inside.as_slice()));
    is_same.then_some((one.list, one.inside))
}

fn report<'o, 'a: 'o>(
    one: &Selected<'a>,
    mut others: impl Iterator<Item = &'o Selected<'a>>,
    out: &mut Findings,
) {
    let (list, index) = (&one.text, one.index);
    let key = one.list.steps.last().and_then(|step| match step {
        EventPathStep::Key(key) => key.strip_suffix('s'),
        _ => None,
    });
    let element = key.filter(|one| one.len() > 1 && is_name(one)).unwrap_or("element");
    let other = others.find(|other| other.index != index);
    let message = match other {
        Some(_) => format!("this rule mixes two elements of `{list}`"),
        None => format!("this reads one element of `{list}` and ignores the others"),
    };
    out.add(one.span, message, |problem| {
        let problem = problem.label(format!("the element at index {index}"));
        let problem = problem.help(format!(
            "iterate over all of them with `each {element} in {list}`, or test them with \
             `any({element} in {list}: …)`"
        ));
        match other {
            Some(other) => {
                problem.related(other.span, format!("the element at index {}", other.index))
            }
            None => problem,
        }
    });
}
