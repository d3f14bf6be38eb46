//! `mapping-may-be-missing`

use crate::analysis::Placed;
use crate::check::typed::{Expr, ExprKind, Mapped};
use crate::lint::context::{Context, Findings};
use crate::lint::reads;
use crate::lint::study::Study;
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
        "when body.text is present trigger log { message = body.a ?? body.text }",
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

fn look(context: &Context<'_>, out: &mut Findings) {
    let mut study = context.study();
    let rules = context.rules.sensors.iter();
    let rules = rules.flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }));
    for placed in rules {
        for trigger in &placed.rule.triggers {
            let mut places: Vec<(&Mapped, Span)> = Vec::new();
            reads::fields(&trigger.fields, &mut |field, expr| {
                if !field.optional && may_lack(expr, placed, context, &mut study) {
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

/// Whether a value may be missing for want of another of which nothing is known.
fn may_lack<'a>(
    expr: &'a Expr,
    placed: Placed<'a>,
    context: &Context<'a>,
    study: &mut Study<'a>,
) -> bool {
    let Some(known) = context.known(expr.span) else { return false };
    if known.lack.absent != Missing::Open {
        return false;
    }
    match &expr.kind {
        ExprKind::Path(path) => known.ty.is_any() && !study.is_there(placed, path),
        // Where the left is missing or null, the right stands in for it.
        ExprKind::Coalesce { left, right } => {
            may_lack(right, placed, context, study) && !study.has_values(placed, left)
        }
        _ => expr.children().into_iter().any(|child| may_lack(child, placed, context, study)),
    }
}
