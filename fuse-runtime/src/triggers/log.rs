//! The trigger `log`: a line in the runtime's log.

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema, Templates};
use serde_json::{Value, json};

use super::{ActionRequest, Done, Failure, Probe, RenderError, Trigger};

/// Writes log lines. The rule chooses their content, which may include payloads.
#[derive(Clone, Copy, Debug)]
pub struct Log;

#[async_trait]
impl Trigger for Log {
    fn schema(&self) -> Schema {
        Schema::new("log", "Writes a line to the log.")
            .only_notifies()
            .field(Field::required(
                "message",
                FieldType::Text(Templates::Allowed),
                "The line's message.",
            ))
            .field(
                Field::optional(
                    "level",
                    FieldType::OneOf(vec!["info".into(), "warn".into(), "error".into()]),
                    "The line's level.",
                )
                .default("info"),
            )
            .field(Field::optional(
                "fields",
                FieldType::Map(Box::new(FieldType::Any(Templates::Allowed))),
                "Further fields of the line.",
            ))
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        Ok(json!(request.action.fields))
    }

    fn is_local(&self) -> bool {
        true
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let fields = &request.action.fields;
        let message = fields.get("message").and_then(Value::as_str).unwrap_or_default();
        let more = fields.get("fields").map(Value::to_string).unwrap_or_default();
        let rule = &request.action.rule;
        match fields.get("level").and_then(Value::as_str) {
            Some("error") => {
                tracing::error!(target: "fuse::log", %rule, action = %request.id, fields = %more, "{message}")
            }
            Some("warn") => {
                tracing::warn!(target: "fuse::log", %rule, action = %request.id, fields = %more, "{message}")
            }
            _ => {
                tracing::info!(target: "fuse::log", %rule, action = %request.id, fields = %more, "{message}")
            }
        }
        Ok(Done::new("logged"))
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        // A line that appears twice, with the same action id, does no harm.
        Probe::Repeatable
    }
}
