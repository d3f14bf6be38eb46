//! `long-name-prefix`

use serde_json::Value as Json;

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::schema::{FieldType, Schema};
use crate::schema::{Outline, TriggerInfo};
use crate::typed::{Rule, Trigger};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "long-name-prefix",
        title: "a generated name that is truncated",
        level: Level::Warn,
        page: include_str!("../../../lints/long-name-prefix.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for rule in context.rules.sensors.iter().flat_map(|sensor| &sensor.rules) {
        for trigger in &rule.triggers {
            if let Some(schema) = context.registry.find_trigger(&trigger.kind) {
                check_rule(rule, trigger, schema, context, out);
            }
        }
    }
}

fn check_rule(
    rule: &Rule,
    trigger: &Trigger,
    schema: &Schema,
    context: &LintContext<'_>,
    out: &mut Findings,
) {
    let block = TriggerInfo::from_trigger(trigger);
    for field in schema.fields() {
        let FieldType::NamePrefix(max_len) = &field.ty else { continue };
        let Some(from) = field.otherwise.as_ref().filter(|_| block.get(&field.name).is_none())
        else {
            continue;
        };
        let source = from.iter().find_map(|name| Some((name, block.get(name)?)));
        let (text, what, span) = match source {
            Some((name, Outline::Constant(Json::String(text)))) => {
                (text.as_str(), name.as_str(), trigger.span)
            }
            Some(_) => continue,
            None => (context.text(rule.span), "rule", rule.span),
        };
        // A hyphen is appended to the prefix.
        let room = max_len.saturating_sub(1);
        let Some(cut) = text.get(..room).filter(|_| text.len() > room) else { continue };
        let message = format!(
            "the created object is named after only the first {room} characters of its {what}"
        );
        out.add(span, message, |problem| {
            let key = &field.name;
            problem
                .label(format!("becomes `{}-…`", cut.trim_end_matches('-')))
                .help(format!("set a short `{key}`, as in `{key} = \"short-\"`"))
        });
    }
}
