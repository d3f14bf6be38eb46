//! `group-status`

use crate::typed::{Expr, ExprKind, Root, Rule, Sensor};
use crate::lint::context::{Context, Findings};
use crate::lint::event_paths::{self, Bound, Step, Whole};
use crate::lint::{Level, Lint};
use crate::span::Span;
use crate::path::Segment;
use crate::types::Ty;

pub(super) static LINT: Lint = Lint {
    name: "group-status",
    title: "a field of a group where that of its element is meant",
    level: Level::Warn,
    finds: "\
A rule goes through the elements of a list and asks for a field of what holds the list, \
while the elements have a field of the same name and with the same values. Alertmanager's \
`body.status` is the classic: a group is `firing` while *any* of its alerts fires, so that a \
rule that asks for it acts on alerts that are resolved.

Likewise `body.commonLabels` and `body.commonAnnotations` have only what all alerts of the \
group share: a label that every alert has is missing there as soon as two of them differ.

Nothing is said where the rule asks for the element's field, too, and of `groupLabels`, \
which each alert of the group has.",
    instead: "Ask for the element's own field.",
    flags: &[
        "\
each alert in body.alerts
when body.status == \"firing\"
#~ body.status
when alert.labels.severity == \"critical\"
",
        "\
use std \"alertmanager\"

source am webhook {
  port = 12000
  path = \"/am\"
  event alerts : alertmanager.v4
}

sensor s on am.alerts {
  each alert in body.alerts
  rule r {
    when body.status == \"firing\" and alert.labels.slo == \"x\"
#~ body.status
    trigger log { message = \"${body.commonLabels.team}\" }
#~ body.commonLabels.team
  }
}
",
        "\
source ci webhook {
  port = 12000
  path = \"/ci\"
  event run : { state: \"ok\" | \"bad\", jobs: list<{ state: \"ok\" | \"bad\", name: string }> }
}

sensor s on ci.run {
  rule r {
    when body.state == \"bad\" and any(job in body.jobs: job.name == \"deploy\")
#~ body.state
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
each alert in body.alerts
when alert.status == \"firing\"
when alert.labels.severity == \"critical\"
",
        "\
each alert in body.alerts
when body.status == \"firing\" and alert.status == \"firing\"
",
        "when body.status == \"firing\"",
        "\
each alert in body.alerts
trigger log { message = \"${alert.labels.team ?? body.commonLabels.team}\" }
",
        "\
each alert in body.alerts
when body.groupLabels.team == \"db\" and body.version == \"4\"
",
        "\
source ci webhook {
  port = 12000
  path = \"/ci\"
  event run : run
}

type run = { id: \"a\" | \"b\", state: \"ok\" | \"bad\", jobs: list<job> }
type job = { state: \"new\" | \"old\", id: string }

sensor s on ci.run {
  each job in body.jobs
  rule r {
    when body.state == \"bad\" and body.id == \"a\"
    trigger log { message = \"x\" }
  }
}
",
    ],
    look,
};

/// What holds for a group of alerts only where all of its alerts have it, and the alert's own.
const COMMON: [(&str, &str); 2] = [("commonLabels", "labels"), ("commonAnnotations", "annotations")];

/// A list that a rule goes through, with the type of its elements.
struct Through<'a> {
    list: Whole<'a>,
    name: &'a str,
    element: Option<Ty>,
}

fn look(context: &Context<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            look_at(sensor, rule, context, out);
        }
    }
}

fn look_at(sensor: &Sensor, rule: &Rule, context: &Context<'_>, out: &mut Findings) {
    let mut lists: Vec<Through<'_>> = Vec::new();
    let mut read: Vec<(Whole<'_>, Span)> = Vec::new();
    for (each, bound) in [(&sensor.each, None), (&rule.each, sensor.each.as_ref())] {
        let Some(each) = each else { continue };
        let mut around = Bound::default();
        bound.iter().for_each(|outer| around.bind(&outer.list));
        lists.extend(through(&each.list, &each.name, &around, context));
    }
    event_paths::all(sensor, rule, &mut |_, expr, bound| {
        if let Some(whole) = bound.of(expr) {
            read.push((whole, expr.span));
        }
        if let ExprKind::Quantifier { list, name, .. } = &expr.kind {
            lists.extend(through(list, name, bound, context));
        }
    });
    for (whole, span) in &read {
        let found = lists.iter().find_map(|list| meant(whole, *span, list, &read, context));
        let Some((name, own)) = found else { continue };
        let text = context.text(*span);
        out.add(*span, format!("`{text}` is the group's, and not that of `{name}`"), |problem| {
            problem
                .label("of all of them together")
                .help(format!("ask for its own: `{name}.{own}`"))
        });
    }
}

/// A list of the event's body that is gone through.
fn through<'a>(
    list: &'a Expr,
    name: &'a str,
    bound: &Bound<'a>,
    context: &Context<'_>,
) -> Option<Through<'a>> {
    let whole = bound.of(list).filter(|whole| matches!(whole.root, Root::Body))?;
    let known = context.known(list.span).map(|known| &known.ty);
    let element = known.filter(|ty| !ty.is_any()).map(Ty::element);
    Some(Through { list: whole, name, element })
}

/// The element's name and its own field, where a value is that of the group around the list.
fn meant<'a>(
    whole: &Whole<'a>,
    span: Span,
    through: &Through<'a>,
    read: &[(Whole<'a>, Span)],
    context: &Context<'_>,
) -> Option<(&'a str, String)> {
    let (Step::Key(list), group) = through.list.steps.split_last()? else { return None };
    let inside = whole.steps.strip_prefix(group).filter(|_| whole.root == through.list.root)?;
    let (Step::Key(field), rest) = inside.split_first()? else { return None };
    if field == list {
        return None;
    }
    let mut own: Vec<Step<'_>> = through.list.steps.clone();
    own.push(Step::Each);
    let is_asked = |own: &[Step<'_>]| read.iter().any(|(other, _)| other.steps == own);
    if *list == "alerts"
        && let Some((_, of_alert)) = COMMON.iter().find(|(common, _)| common == field)
        && let [key @ Step::Key(_)] = rest
    {
        own.extend([Step::Key(of_alert), *key]);
        let written = context.text(span).rsplit_once(field).map_or("", |(_, after)| after);
        return (!is_asked(&own)).then(|| (through.name, format!("{of_alert}{written}")));
    }
    own.push(Step::Key(field));
    if !rest.is_empty() || is_asked(&own) {
        return None;
    }
    let same = match &through.element {
        // Nothing is known of the event: Alertmanager's, by its looks.
        None => *list == "alerts" && *field == "status",
        Some(element) => same_values(element, field, span, context),
    };
    same.then(|| (through.name, (*field).to_owned()))
}

/// Whether the elements have a field of this name that is one of the same literals.
fn same_values(element: &Ty, field: &str, span: Span, context: &Context<'_>) -> bool {
    let element = crate::types::Known::present(element.clone());
    let own = element.step(&Segment::Key(field.to_owned()), false, &|| "".into());
    let (Ok(own), Some(group)) = (own, context.known(span)) else { return false };
    let (Some(own), Some(mut group)) = (own.ty.literal_strings(), group.ty.literal_strings()) else {
        return false;
    };
    group.all(|value| own.clone().any(|own| own == value))
}
