//! `mapping-may-be-missing`

use crate::analysis::Placed;
use crate::typed::{Expr, ExprKind, Mapped, Path};
use crate::lint::context::{Context, Findings};
use crate::lint::event_paths;
use crate::lint::{Level, Lint};
use crate::span::Span;
use crate::types::Missing;

pub(super) static LINT: Lint = Lint {
    name: "mapping-may-be-missing",
    title: "a field whose value may be missing, as far as anybody knows",
    level: Level::Warn,
    finds: "\
A field of a trigger takes a value of which nothing is known, since the event has no type or \
the type says `any` there. An event without it makes the rule fire into nothing: the \
decision is `rejected`, and the action is not done. Of an event with a type fuse knows, and \
says so as an error (E0312); nothing is said of labels and other keys of a `map`.",
    instead: "\
Give the event a type (`fuse infer-type` writes one), ask for the value in a condition, give \
it a default with `??`, or leave the field out with `?` where the value is missing.",
    flags: &[
        "\
sensor example on gh.push {
  rule build {
    when body.ref == \"refs/heads/main\"
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.ref
        url = body.repository.clone_url
#~ body.repository.clone_url
      }
    }
  }
}
",
        "\
trigger log { message = \"${body.a}\" }
#~ \"${body.a}\"
",
        "\
when body.a is present
trigger log { message = body.a ?? body.text }
#~ body.a ?? body.text
",
    ],
    passes: &[
        "\
sensor example on gh.push {
  rule build {
    when body.ref == \"refs/heads/main\"
    when body.repository.clone_url is present
    trigger workflow {
      template  = \"build\"
      namespace = \"ci\"
      parameters {
        ref = body.ref
        url = body.repository.clone_url
      }
    }
  }
}
",
        "\
when body.a > 2 and body.a < 1 or body.text is present
trigger log { message = body.text }
",
        "\
when body.a == 1 and body.text == \"x\" or body.b == 1 and lower(body.text) == \"x\"
trigger log { message = \"${body.text}, ${string(body.text)}\" }
",
        "trigger log { message = body.text ?? \"none\" }",
        "trigger log { message = \"${body.text ?? \"none\"}, ${lower(body.user ?? \"nobody\")}\" }",
        "trigger workflow { template = \"t\", namespace = \"n\", parameters { a? = body.a } }",
        "trigger log { message = headers[\"x-text\"] ?? event.id }",
        "\
when body.a == \"x\" or body.a == \"y\"
trigger log { message = body.a ?? body.text }
",
        "\
when body.a not in [\"x\", \"y\"]
trigger log { message = body.a ?? body.text }
",
        "when body.text is present trigger log { message = body.a ?? body.text }",
        "when body.o < body.a trigger log { message = \"${body.a ?? body.text}\" }",
        "\
when body.a == \"x\" or body.text is present
trigger log { message = \"from ${body.a ?? body.text}\" }
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
    trigger log { message = alert.labels.name }
  }
}
",
    ],
    look,
};

/// In how many ways an expression with defaults may have no value, as far as is looked.
const MOST_WAYS: usize = 32;

fn look(context: &Context<'_>, out: &mut Findings) {
    let mut study = context.study();
    let rules = context.rules.sensors.iter();
    let rules = rules.flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }));
    for placed in rules {
        for trigger in &placed.rule.triggers {
            let mut places: Vec<(&Mapped, Span)> = Vec::new();
            event_paths::fields(&trigger.fields, &mut |field, expr| {
                let mut may_lack = || {
                    lacking(expr, context).iter().any(|paths| !study.analysis.is_one_there(placed, paths))
                };
                if !field.optional && may_lack() {
                    places.push((field, expr.span));
                }
            });
            let Some(((field, span), others)) = places.split_first() else { continue };
            let name = &field.name;
            let message = match others.len() {
                0 => format!("`{name}` is given a value that may be missing"),
                1 => format!("`{name}` and another field are given values that may be missing"),
                n => format!("`{name}` and {n} other fields are given values that may be missing"),
            };
            out.add(*span, message, |problem| {
                let problem = problem.label("nothing says that it is there").help(
                    "give the event a type, ask for it in a condition (`is present`), or give it \
                     a default (`?? …`)",
                );
                let others = others.iter().take(4);
                others.fold(problem, |problem, (_, span)| problem.related(*span, "nor this"))
            });
        }
    }
}

/// The paths of which nothing is known and without which an expression has no value: it has none where all paths of
/// one list are missing, or null where another one stands in for them.
fn lacking<'a>(expr: &'a Expr, context: &Context<'_>) -> Vec<Vec<&'a Path>> {
    let Some(known) = context.known(expr.span) else { return Vec::new() };
    if known.absence.absent != Missing::Open {
        return Vec::new();
    }
    match &expr.kind {
        ExprKind::Path(path) if known.ty.is_any() => vec![vec![path]],
        ExprKind::Coalesce { left, right } => {
            let rights = lacking(right, context);
            let lefts = match &left.kind {
                ExprKind::Path(path) => vec![vec![path]],
                _ => lacking(left, context),
            };
            // What is missing in some other way is taken to be.
            let lefts = if lefts.is_empty() { vec![Vec::new()] } else { lefts };
            let with = |left: &Vec<&'a Path>| {
                let left = left.clone();
                rights.iter().map(move |right| [left.as_slice(), right].concat())
            };
            lefts.iter().flat_map(with).take(MOST_WAYS).collect()
        }
        _ => expr.children().into_iter().flat_map(|child| lacking(child, context)).collect(),
    }
}
