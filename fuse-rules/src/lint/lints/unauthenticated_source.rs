//! `unauthenticated-source`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::schema::{Schema, SourceSchema};
use crate::typed::Source;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unauthenticated-source",
        title: "a source that accepts events from anyone",
        level: Level::Warn,
        page: include_str!("../../../lints/unauthenticated-source.md"),
    },
    check,
};

/// The field with which a source authenticates its senders.
const AUTH: &str = "auth";

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for source in &context.rules.sources {
        let schema = context.registry.find_source(&source.kind).map(SourceSchema::source);
        let mut fields = schema.map_or(&[][..], Schema::fields).iter();
        if !fields.any(|field| field.name() == AUTH) {
            continue;
        }
        // All events of a source have its `auth`.
        if source.events.iter().any(|event| event.fields.contains_key(AUTH)) {
            continue;
        }
        let name = &source.name;
        let message = format!("source `{name}` accepts events from anyone who reaches its port");
        let help = match preset(source, context) {
            Some(preset) => format!(
                "write it as `source {name} {preset} {{ … secret = secret(\"{preset}\", \"secret\") }}`, \
                 which authenticates the sender"
            ),
            None => format!(
                "add `auth {{ bearer {{ token = secret(\"{name}\", \"token\") }} }}`, or another scheme that the \
                 sender can use"
            ),
        };
        out.add(source.span, message, |problem| problem.label("it has no `auth`").help(help));
    }
}

/// The preset for the sender, if the declared type of an event is one of its types.
fn preset<'a>(source: &Source, context: &'a LintContext<'_>) -> Option<&'a str> {
    let ty = source.events.iter().find_map(|event| event.ty_span)?;
    let (module, _) = context.text(ty).split_once('.')?;
    let schema = context.registry.find_source(&source.kind)?;
    schema.preset_kinds().find(|kind| *kind == module)
}
