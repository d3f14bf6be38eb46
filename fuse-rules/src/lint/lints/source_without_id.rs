//! `source-without-id`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::schema::{Schema, SourceSchema};
use crate::typed::EventDecl;

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "source-without-id",
        title: "an event whose redelivery is not recognized",
        level: Level::Warn,
        page: include_str!("../../../lints/source-without-id.md"),
    },
    check,
};

/// The senders that deliver an event again after an error, by the types of the standard library, and
/// the expression that is the same for every delivery.
const SENDERS: [(&str, &str, &str); 6] = [
    ("Bitbucket", "bitbucket.", "headers.x-request-uuid"),
    ("GitLab", "gitlab.", "headers.idempotency-key ?? headers.x-gitlab-event-uuid"),
    ("PagerDuty", "pagerduty.v3", "body.event.id"),
    ("Pub/Sub", "pubsub.push", "body.message.messageId"),
    ("Slack", "slack.event_callback", "body.event_id"),
    ("SNS", "sns.", "body.MessageId"),
];

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for source in &context.rules.sources {
        let schema = context.registry.find_source(&source.kind).map(SourceSchema::source);
        let mut fields = schema.map_or(&[][..], Schema::fields).iter();
        let takes_id = fields.any(|field| field.name() == "id");
        for event in source.events.iter().filter(|_| takes_id) {
            let has_id = event.expressions.iter().any(|(field, _)| field == "id");
            let Some((sender, _, id)) = sender(event, context).filter(|_| !has_id) else {
                continue;
            };
            let message =
                format!("{sender} repeats an event after an error, and this event has no `id`");
            out.add(event.span, message, |problem| {
                problem
                    .label("a second delivery is a new event")
                    .help(format!("set `id = {id}` in the event or its source"))
            });
        }
    }
}

/// The sender, if the declared type of an event is one of its types.
fn sender(
    event: &EventDecl,
    context: &LintContext<'_>,
) -> Option<(&'static str, &'static str, &'static str)> {
    let ty = context.text(event.ty_span?);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let names = || ty.split(|c| !is_name(c));
    let is_of = |of: &str| {
        names().any(|name| if of.ends_with('.') { name.starts_with(of) } else { name == of })
    };
    SENDERS.into_iter().find(|(_, of, _)| is_of(of))
}
