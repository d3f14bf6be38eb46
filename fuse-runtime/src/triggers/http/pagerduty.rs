//! The trigger `pagerduty`: an alert of PagerDuty, by its Events API v2.

use std::sync::Arc;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema, Templates, TriggerInfo};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{CallUrl, HttpCall};
use super::fields::{secrets, text};
use super::read_fields;
use super::sender::HttpSender;
use crate::requirements::Requirement;
use crate::secrets::SecretRef;
use crate::triggers::{ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger};

/// The longest `summary` and `key`, in characters.
const MAX_SUMMARY: usize = 1024;
const MAX_KEY: usize = 255;

/// Triggers, acknowledges and resolves alerts of PagerDuty.
#[derive(Clone)]
pub struct PagerDuty {
    pub(super) sender: Arc<HttpSender>,
}

/// The fields of a `trigger pagerduty { … }` block.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PagerDutyFields {
    routing_key: SecretRef,
    region: String,
    action: String,
    key: Option<String>,
    summary: Option<String>,
    source: Option<String>,
    severity: String,
    component: Option<String>,
    group: Option<String>,
    class: Option<String>,
    details: Option<Value>,
    link: Option<String>,
}

impl PagerDutyFields {
    /// Without a key of its own, an alert has the id of its action, so that no attempt makes a second one.
    fn call(self, action: &str) -> Result<HttpCall, RenderError> {
        let key = self.key.unwrap_or_else(|| action.to_owned());
        if key.is_empty() || key.chars().count() > MAX_KEY {
            return Err(RenderError::new(format!("`key` is not 1 to {MAX_KEY} characters long")));
        }
        let mut body = Map::new();
        body.insert("event_action".into(), self.action.as_str().into());
        body.insert("dedup_key".into(), key.into());
        if self.action == "trigger" {
            let summary: String =
                self.summary.unwrap_or_default().chars().take(MAX_SUMMARY).collect();
            let mut payload = Map::new();
            payload.insert("summary".into(), summary.into());
            payload.insert("source".into(), self.source.unwrap_or_else(|| "fuse".into()).into());
            payload.insert("severity".into(), self.severity.into());
            let more =
                [("component", self.component), ("group", self.group), ("class", self.class)];
            for (name, value) in more {
                if let Some(value) = value {
                    payload.insert(name.into(), value.into());
                }
            }
            if let Some(details) = self.details {
                payload.insert("custom_details".into(), details);
            }
            body.insert("payload".into(), payload.into());
            body.insert("client".into(), "fuse".into());
            if let Some(link) = self.link {
                body.insert("links".into(), json!([{ "href": link, "text": "Details" }]));
            }
        }
        let host = match self.region.as_str() {
            "eu" => "events.eu.pagerduty.com",
            _ => "events.pagerduty.com",
        };
        let url = Url::parse(&format!("https://{host}/v2/enqueue"))
            .map_err(|error| RenderError::new(error.to_string()))?;
        let call = HttpCall::post(CallUrl::Known(url), body.into());
        Ok(HttpCall { body_secret: Some(("routing_key", self.routing_key)), ..call })
    }
}

fn check(block: &TriggerInfo) -> Result<(), String> {
    let has = |name: &str| block.get(name).is_some();
    if block.text("action") == Some("trigger") {
        return match has("summary") {
            true => Ok(()),
            false => Err("has no `summary`, which a new alert needs".to_owned()),
        };
    }
    if !has("key") {
        return Err("has no `key`: the alert to acknowledge or resolve".to_owned());
    }
    let of_alert = ["summary", "source", "component", "group", "class", "details", "link"];
    match of_alert.into_iter().find(|name| has(name)) {
        Some(name) => Err(format!("has `{name}`, which goes with `action = \"trigger\"`")),
        None => Ok(()),
    }
}

#[async_trait]
impl Trigger for PagerDuty {
    fn schema(&self) -> Schema {
        let one_of = |values: &[&str]| {
            FieldType::OneOf(values.iter().map(|value| (*value).to_owned()).collect())
        };
        Schema::new("pagerduty", "Triggers, acknowledges or resolves an alert of PagerDuty.")
            .only_notifies()
            .field(Field::required(
                "routing-key",
                FieldType::Secret,
                "The integration key of the service, of the Events API v2.",
            ))
            .field(
                Field::optional("region", one_of(&["us", "eu"]), "The region of the account.")
                    .default("us")
                    .fixed(),
            )
            .field(
                Field::optional(
                    "action",
                    one_of(&["trigger", "acknowledge", "resolve"]),
                    "What to do.",
                )
                .default("trigger")
                .fixed(),
            )
            .field(Field::optional(
                "key",
                text(),
                "Alerts with the same key are one alert; the id of the action if not set.",
            ))
            .field(Field::optional("summary", text(), "What is wrong, in a sentence."))
            .field(Field::optional(
                "source",
                text(),
                "Where it is wrong, such as a host; `fuse` if not set.",
            ))
            .field(
                Field::optional(
                    "severity",
                    one_of(&["critical", "error", "warning", "info"]),
                    "How severe it is.",
                )
                .default("error"),
            )
            .field(Field::optional("component", text(), "The part that is wrong."))
            .field(Field::optional("group", text(), "The group of the part."))
            .field(Field::optional("class", text(), "The kind of the problem."))
            .field(Field::optional("details", FieldType::Any(Templates::Allowed), "More about it."))
            .field(Field::optional("link", text(), "A page about it."))
            .verify(check)
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        Ok(read_fields::<PagerDutyFields>(request)?.call(&request.id)?.render())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let fields: PagerDutyFields = read_fields(request)?;
        let done = match fields.action.as_str() {
            "acknowledge" => "acknowledged an alert of PagerDuty",
            "resolve" => "resolved an alert of PagerDuty",
            _ => "triggered an alert of PagerDuty",
        };
        let call = fields.call(&request.id)?;
        self.sender.perform(&call, request, |answer| answer.outcome(&[])).await?;
        Ok(Done::new(done))
    }

    fn ends_in_time(&self) -> bool {
        true
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        // The key of an alert makes a second request the same alert.
        Probe::Repeatable
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        let fields = read_fields::<PagerDutyFields>(request);
        match fields.and_then(|fields| fields.call(&request.id)) {
            Ok(call) => self.sender.readiness(&call).await,
            Err(_) => Readiness::Ready,
        }
    }

    fn requirements(&self, block: &TriggerInfo) -> Vec<Requirement> {
        secrets(block, &["routing-key"])
    }
}
