//! `group-status`

use crate::lint::context::{Findings, LintContext};
use crate::lint::event_paths::{self, Bindings, EventPath, EventPathStep};
use crate::lint::{Level, Lint, Pass};
use crate::path::Segment;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Root, Rule, Sensor};
use crate::types::Ty;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "group-status",
        title: "a field of the group instead of the element",
        level: Level::Warn,
        page: include_str!("../../../lints/group-status.md"),
    },
    check,
};

/// The fields that contain only what all alerts of a group share, and the corresponding fields of an
/// alert.
const COMMON: [(&str, &str); 2] =
    [("commonLabels", "labels"), ("commonAnnotations", "annotations")];

/// A list that a rule iterates over.
struct IteratedList<'a> {
    list: EventPath<'a>,
    /// The name of the element.
    name: &'a str,
    /// The type of the elements, if known.
    element: Option<Ty>,
}

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            check_rule(sensor, rule, context, out);
        }
    }
}

fn check_rule(sensor: &Sensor, rule: &Rule, context: &LintContext<'_>, out: &mut Findings) {
    let mut lists: Vec<IteratedList<'_>> = Vec::new();
    let mut read: Vec<(EventPath<'_>, Span)> = Vec::new();
    for (each, bindings) in [(&sensor.each, None), (&rule.each, sensor.each.as_ref())] {
        let Some(each) = each else { continue };
        let mut around = Bindings::default();
        bindings.iter().for_each(|outer| around.bind(&outer.list));
        lists.extend(iterated_list(&each.list, &each.name, &around, context));
    }
    event_paths::all(sensor, rule, &mut |_, expr, bindings| {
        if let Some(path) = bindings.resolve(expr) {
            read.push((path, expr.span));
        }
        if let ExprKind::Quantifier { list, name, .. } = &expr.kind {
            lists.extend(iterated_list(list, name, bindings, context));
        }
    });
    for (path, span) in &read {
        let found = lists.iter().find_map(|list| element_field(path, *span, list, &read, context));
        let Some((name, own)) = found else { continue };
        let text = context.text(*span);
        out.add(*span, format!("`{text}` belongs to the group, not to `{name}`"), |problem| {
            problem
                .label("describes the whole group")
                .help(format!("read the field of the element: `{name}.{own}`"))
        });
    }
}

/// The list that an iteration reads from the body, if it does.
fn iterated_list<'a>(
    list: &'a Expr,
    name: &'a str,
    bindings: &Bindings<'a>,
    context: &LintContext<'_>,
) -> Option<IteratedList<'a>> {
    let path = bindings.resolve(list).filter(|path| matches!(path.root, Root::Body))?;
    let known = context.known(list.span).map(|known| &known.ty);
    let element = known.filter(|ty| !ty.is_any()).map(Ty::element);
    Some(IteratedList { list: path, name, element })
}

/// The name and field of the element, if a path reads the field of the group instead.
fn element_field<'a>(
    path: &EventPath<'a>,
    span: Span,
    iteration: &IteratedList<'a>,
    read: &[(EventPath<'a>, Span)],
    context: &LintContext<'_>,
) -> Option<(&'a str, String)> {
    let (EventPathStep::Key(list), group) = iteration.list.steps.split_last()? else { return None };
    let inside = path.steps.strip_prefix(group).filter(|_| path.root == iteration.list.root)?;
    let (EventPathStep::Key(field), rest) = inside.split_first()? else { return None };
    if field == list {
        return None;
    }
    let mut own: Vec<EventPathStep<'_>> = iteration.list.steps.clone();
    own.push(EventPathStep::Each);
    let is_read = |own: &[EventPathStep<'_>]| read.iter().any(|(other, _)| other.steps == own);
    if *list == "alerts"
        && let Some((_, of_alert)) = COMMON.iter().find(|(common, _)| common == field)
        && let [key @ EventPathStep::Key(_)] = rest
    {
        own.extend([EventPathStep::Key(of_alert), *key]);
        let written = context.text(span).rsplit_once(field).map_or("", |(_, after)| after);
        return (!is_read(&own)).then(|| (iteration.name, format!("{of_alert}{written}")));
    }
    own.push(EventPathStep::Key(field));
    if !rest.is_empty() || is_read(&own) {
        return None;
    }
    let same = match &iteration.element {
        // The type of the event is unknown. The names look like those of Alertmanager.
        None => *list == "alerts" && *field == "status",
        Some(element) => same_values(element, field, span, context),
    };
    same.then(|| (iteration.name, (*field).to_owned()))
}

/// Whether the elements have a field of this name with the same possible values.
fn same_values(element: &Ty, field: &str, span: Span, context: &LintContext<'_>) -> bool {
    let element = crate::types::Known::present(element.clone());
    let own = element.step(&Segment::Key(field.to_owned()), false, &|| "".into());
    let (Ok(own), Some(group)) = (own, context.known(span)) else { return false };
    let (Some(own), Some(mut group)) = (own.ty.literal_strings(), group.ty.literal_strings())
    else {
        return false;
    };
    group.all(|value| own.clone().any(|own| own == value))
}
