//! `cross-element`

use rustc_hash::FxHashMap;

use crate::typed::{Expr, ExprKind, Root};
use crate::lint::context::{Context, Findings};
use crate::lint::event_paths::{self, Bound, Part, Step, Whole};
use crate::lint::{Level, Lint};
use crate::span::Span;

pub(super) static LINT: Lint = Lint {
    name: "cross-element",
    title: "one element of a list by its number",
    level: Level::Warn,
    finds: "\
A path goes into one element of a list of the event by its number, as \
`body.alerts[0].labels.slo` does. Senders put several things in one event and promise no \
order: the rule acts on the first and is blind to the rest. Where two numbers stand in one \
rule, it compares two things that have nothing to do with each other.

Nothing is said where a condition asks for the length of the list, of a list of plain \
values, or of a list that a function gives.",
    instead: "\
Go through the list with `each`, which decides the rule once an element, or ask about its \
elements with `any`.",
    flags: &[
        "\
when body.alerts[0].status == \"firing\"
#~ body.alerts[0].status
",
        "\
when body.alerts[0].status == \"firing\" and body.alerts[1].name == \"x\"
#~ body.alerts[0].status
",
        "\
sensor s on gh.push {
  each commit in body.commits
  rule r {
    when commit.message contains \"deploy!\"
    trigger log { message = body.commits[0].message }
#~ body.commits[0].message
  }
}
",
    ],
    passes: &[
        "\
each alert in body.alerts
when alert.status == \"firing\"
",
        "when body.arguments[0] == \"deploy\"",
        "when split(body.ref, \"/\")[1] == \"heads\"",
        "\
when len(body.commits) == 1
when body.commits[0].message == \"x\"
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            let mut found: FxHashMap<Whole<'_>, Vec<(i64, Span)>> = FxHashMap::default();
            let mut order = Vec::new();
            let mut counted = Vec::new();
            event_paths::all(sensor, rule, &mut |part, expr, bound| {
                if let Some((list, index)) = indexed(expr, bound) {
                    let places = found.entry(list.clone()).or_default();
                    if places.is_empty() {
                        order.push(list);
                    }
                    places.push((index, expr.span));
                }
                if let Part::When = part {
                    counted.extend(count(expr, bound));
                }
            });
            for list in order.iter().filter(|list| !counted.contains(*list)) {
                report(list, found.get(list).map_or(&[], Vec::as_slice), out);
            }
        }
    }
}

/// The list into one of whose elements a path goes, and the element's number.
fn indexed<'a>(expr: &'a Expr, bound: &Bound<'a>) -> Option<(Whole<'a>, i64)> {
    let whole = bound.of(expr).filter(|whole| matches!(whole.root, Root::Body))?;
    let pair = |pair: &[Step<'_>]| matches!(pair, [Step::Index(_), Step::Key(_)]);
    let at = whole.steps.windows(2).position(pair)?;
    let Some(Step::Index(index)) = whole.steps.get(at) else { return None };
    let (root, steps) = (whole.root, whole.steps.get(..at)?.to_vec());
    Some((Whole { root, steps }, *index))
}

/// The list that an expression counts.
fn count<'a>(expr: &'a Expr, bound: &Bound<'a>) -> Option<Whole<'a>> {
    match &expr.kind {
        ExprKind::Call { function, arguments } if function.name == "len" => {
            bound.of(arguments.first()?)
        }
        _ => None,
    }
}

fn report(list: &Whole<'_>, places: &[(i64, Span)], out: &mut Findings) {
    let Some(((index, span), others)) = places.split_first() else { return };
    let name = list.steps.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(*key),
        _ => None,
    });
    let name = name.unwrap_or("list");
    let element = name.strip_suffix('s').filter(|one| one.len() > 1).unwrap_or("element");
    let other = others.iter().find(|(other, _)| other != index);
    let message = match other {
        Some(_) => format!("this rule mixes two elements of `{name}`"),
        None => format!("this reads one element of `{name}`, whatever the others are"),
    };
    out.add(*span, message, |problem| {
        let problem = problem.label(format!("the element with the number {index}"));
        let problem = problem.help(format!(
            "go through all of them with `each {element} in {list}`, or ask about them with \
             `any({element} in {list}: …)`"
        ));
        match other {
            Some((index, span)) => {
                problem.related(*span, format!("and the one with the number {index}"))
            }
            None => problem,
        }
    });
}
