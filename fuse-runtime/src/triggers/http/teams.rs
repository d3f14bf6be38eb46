//! The trigger `teams`: a card in a channel of Microsoft Teams.

use std::sync::Arc;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema, Templates, TriggerInfo};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{CallUrl, HttpCall};
use super::fields::{secrets, text, texts};
use super::read_fields;
use super::sender::HttpSender;
use crate::requirements::Requirement;
use crate::secrets::SecretRef;
use crate::triggers::{ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger};

/// Posts cards to Microsoft Teams.
#[derive(Clone)]
pub struct Teams {
    pub(super) sender: Arc<HttpSender>,
}

/// The fields of a `trigger teams { … }` block.
#[derive(Deserialize)]
struct TeamsFields {
    webhook: SecretRef,
    title: Option<String>,
    text: Option<String>,
    #[serde(default)]
    facts: Map<String, Value>,
    card: Option<Value>,
}

impl TeamsFields {
    fn call(self) -> HttpCall {
        let card = self.card.unwrap_or_else(|| card(self.title, self.text, &self.facts));
        let attachment =
            json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
        let body = json!({ "type": "message", "attachments": [attachment] });
        HttpCall::post(CallUrl::Secret(self.webhook), body)
    }
}

/// An Adaptive Card with a title, a text, and a table of facts.
fn card(title: Option<String>, text: Option<String>, facts: &Map<String, Value>) -> Value {
    let mut body = Vec::new();
    if let Some(title) = title {
        body.push(json!({
            "type": "TextBlock", "text": title, "weight": "bolder", "size": "medium", "wrap": true,
        }));
    }
    if let Some(text) = text {
        body.push(json!({ "type": "TextBlock", "text": text, "wrap": true }));
    }
    if !facts.is_empty() {
        let facts: Vec<Value> =
            facts.iter().map(|(title, value)| json!({ "title": title, "value": value })).collect();
        body.push(json!({ "type": "FactSet", "facts": facts }));
    }
    json!({
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": body,
    })
}

fn check(block: &TriggerInfo) -> Result<(), String> {
    let others = ["title", "text", "facts"];
    match others.into_iter().find(|name| block.get(name).is_some()) {
        Some(name) if block.get("card").is_some() => {
            Err(format!("has `{name}`, which `card` replaces; put it into the card"))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl Trigger for Teams {
    fn schema(&self) -> Schema {
        Schema::new("teams", "Posts a card to Microsoft Teams.")
            .only_notifies()
            .field(Field::required(
                "webhook",
                FieldType::Secret,
                "The URL of the webhook of the channel.",
            ))
            .field(Field::optional("title", text(), "The title of the card."))
            .field(Field::optional("text", text(), "The text of the card."))
            .field(Field::optional("facts", texts(), "Names and values, shown as a table."))
            .field(Field::optional(
                "card",
                FieldType::Any(Templates::Allowed),
                "A whole Adaptive Card instead.",
            ))
            .any_of(&["title", "text", "facts", "card"])
            .verify(check)
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        Ok(read_fields::<TeamsFields>(request)?.call().render())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let call = read_fields::<TeamsFields>(request)?.call();
        self.sender.perform(&call, request, |answer| answer.outcome(&[])).await?;
        Ok(Done::new("posted a card to Microsoft Teams"))
    }

    fn ends_in_time(&self) -> bool {
        true
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        // A card that appears twice does less harm than one that is missing.
        Probe::Repeatable
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match read_fields::<TeamsFields>(request) {
            Ok(fields) => self.sender.readiness(&fields.call()).await,
            Err(_) => Readiness::Ready,
        }
    }

    fn requirements(&self, block: &TriggerInfo) -> Vec<Requirement> {
        secrets(block, &["webhook"])
    }
}
