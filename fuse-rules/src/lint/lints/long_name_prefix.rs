//! `long-name-prefix`

use serde_json::Value as Json;

use crate::typed::{Rule, Trigger};
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};
use crate::schema::{Outline, TriggerInfo};
use crate::schema::{FieldType, Schema};

pub(super) static LINT: Lint = Lint {
    name: "long-name-prefix",
    title: "a name that is cut",
    level: Level::Warn,
    finds: "\
The objects that fuse makes are called by a prefix of at most 47 characters and 16 that \
follow from the action, since names in Kubernetes end at 63. Where a block has no \
`name-prefix`, the prefix is the name of its template or of its rule; one that is too long \
is cut, and objects of two rules whose names begin alike look as if they were one's. A \
`name-prefix` that is too long is an error.",
    instead: "Give the block a short `name-prefix`, which ends in `-`.",
    flags: &[
        "\
sensor example on gh.push {
  rule restart-everything-that-has-an-expired-certificate {
#~ restart-everything-that-has-an-expired-certificate
    trigger job { image = \"i\", namespace = \"n\" }
  }
}
",
        "\
trigger workflow {
#~ workflow
  template  = \"restart-everything-that-has-an-expired-certificate\"
  namespace = \"ci\"
}
",
    ],
    passes: &[
        "\
trigger workflow {
  template    = \"restart-everything-that-has-an-expired-certificate\"
  name-prefix = \"restart-expired-\"
  namespace   = \"ci\"
}
",
        "trigger workflow { template = \"short\", namespace = \"ci\" }",
        "\
sensor example on gh.push {
  rule restart-everything-that-has-an-expired-certificate {
    trigger workflow { template = \"restart\", namespace = \"n\" }
  }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    for rule in context.rules.sensors.iter().flat_map(|sensor| &sensor.rules) {
        for trigger in &rule.triggers {
            if let Some(schema) = context.registry.find_trigger(&trigger.kind) {
                look_at(rule, trigger, schema, context, out);
            }
        }
    }
}

fn look_at(
    rule: &Rule,
    trigger: &Trigger,
    schema: &Schema,
    context: &Context<'_>,
    out: &mut Findings,
) {
    let block = TriggerInfo::from_trigger(trigger);
    for field in schema.fields() {
        let FieldType::NamePrefix(most) = &field.ty else { continue };
        let Some(from) = field.otherwise.as_ref().filter(|_| block.get(&field.name).is_none())
        else {
            continue;
        };
        let given = from.iter().find_map(|name| Some((name, block.get(name)?)));
        let (text, what, span) = match given {
            Some((name, Outline::Constant(Json::String(text)))) => {
                (text.as_str(), name.as_str(), trigger.span)
            }
            Some(_) => continue,
            None => (context.text(rule.span), "rule", rule.span),
        };
        // What follows ends in a hyphen of its own.
        let room = most.saturating_sub(1);
        let Some(cut) = text.get(..room).filter(|_| text.len() > room) else { continue };
        let message =
            format!("what this makes is called by the first {room} characters of its {what}");
        out.add(span, message, |problem| {
            let key = &field.name;
            problem
                .label(format!("called `{}-…`", cut.trim_end_matches('-')))
                .help(format!("give the block a short `{key}`, as in `{key} = \"short-\"`"))
        });
    }
}
