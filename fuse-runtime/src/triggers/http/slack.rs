//! The trigger `slack`: a message in a channel.

use std::sync::Arc;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema, Templates, TriggerInfo};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::HttpAnswer;
use super::call::{CallUrl, HttpCall};
use super::fields::{AuthFields, secrets, text};
use super::read_fields;
use super::sender::HttpSender;
use crate::requirements::Requirement;
use crate::secrets::SecretRef;
use crate::triggers::{ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger};

/// The method that posts a message.
const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

/// Errors that a person has to fix at Slack or in the secret.
const NOT_READY: [&str; 12] = [
    "account_inactive",
    "channel_not_found",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "is_archived",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "token_revoked",
];

/// Errors after which Slack may accept the message later.
const RETRYABLE: [&str; 5] =
    ["fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"];

/// Posts messages to Slack.
#[derive(Clone)]
pub struct Slack {
    pub(super) sender: Arc<HttpSender>,
}

/// The fields of a `trigger slack { … }` block.
#[derive(Deserialize)]
struct SlackFields {
    token: Option<SecretRef>,
    webhook: Option<SecretRef>,
    channel: Option<String>,
    text: String,
    blocks: Option<Vec<Value>>,
    thread: Option<String>,
}

impl SlackFields {
    fn call(self) -> Result<HttpCall, RenderError> {
        let mut body = Map::new();
        if let Some(channel) = self.channel {
            body.insert("channel".into(), channel.into());
        }
        body.insert("text".into(), self.text.into());
        if let Some(blocks) = self.blocks {
            body.insert("blocks".into(), blocks.into());
        }
        if let Some(thread) = self.thread {
            body.insert("thread_ts".into(), thread.into());
        }
        let url = match self.webhook {
            Some(webhook) => CallUrl::Secret(webhook),
            None => CallUrl::Known(
                Url::parse(POST_MESSAGE).map_err(|error| RenderError::new(error.to_string()))?,
            ),
        };
        let auth = AuthFields { bearer: self.token, ..AuthFields::default() };
        Ok(HttpCall { auth, ..HttpCall::post(url, body.into()) })
    }
}

/// What an answer means. `chat.postMessage` answers 200 to everything, with `ok`.
fn outcome(answer: &HttpAnswer) -> Result<(), Failure> {
    answer.outcome(&[])?;
    // A webhook answers with the text `ok`.
    let Some(said) = answer.json() else { return Ok(()) };
    if said.get("ok") != Some(&Value::Bool(false)) {
        return Ok(());
    }
    let error = said.get("error").and_then(Value::as_str).unwrap_or("an error without a name");
    let reason = match said.get("needed").and_then(Value::as_str) {
        Some(needed) => format!("Slack answers `{error}`: the token needs the scope `{needed}`"),
        None => format!("Slack answers `{error}`"),
    };
    Err(if NOT_READY.contains(&error) {
        Failure::NotReady(reason)
    } else if RETRYABLE.contains(&error) {
        Failure::Retryable { reason, maybe_applied: false, after: None }
    } else {
        Failure::Permanent(reason)
    })
}

fn check(block: &TriggerInfo) -> Result<(), String> {
    let has = |name: &str| block.get(name).is_some();
    match (has("token"), has("channel")) {
        (true, false) => {
            Err("has `token` without `channel`, the channel of the message".to_owned())
        }
        (false, true) => {
            Err("has `channel`, which goes with `token`: a `webhook` has a channel of its own"
                .to_owned())
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl Trigger for Slack {
    fn schema(&self) -> Schema {
        Schema::new("slack", "Posts a message to Slack.")
            .only_notifies()
            .field(Field::optional(
                "token",
                FieldType::Secret,
                "The bot token of the app; it needs `chat:write`.",
            ))
            .field(Field::optional("webhook", FieldType::Secret, "The URL of an incoming webhook."))
            .field(Field::optional(
                "channel",
                text(),
                "The id or name of the channel, with `token`.",
            ))
            .field(Field::required(
                "text",
                text(),
                "The message; with `blocks`, the text of its notification.",
            ))
            .field(Field::optional(
                "blocks",
                FieldType::List(Box::new(FieldType::Any(Templates::Allowed))),
                "The blocks of the message, as in Slack's Block Kit.",
            ))
            .field(Field::optional(
                "thread",
                text(),
                "The `ts` of the message to which this one is a reply.",
            ))
            .one_of(&["token", "webhook"])
            .verify(check)
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        Ok(read_fields::<SlackFields>(request)?.call()?.render())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let fields: SlackFields = read_fields(request)?;
        let channel = fields.channel.clone();
        let answer = self.sender.send(&fields.call()?, &request.id).await?;
        outcome(&answer)?;
        Ok(Done::new(match channel {
            Some(channel) => format!("posted a message to the channel {channel} of Slack"),
            None => "posted a message to Slack".to_owned(),
        }))
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        // A message that appears twice does less harm than one that is missing.
        Probe::Repeatable
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match read_fields::<SlackFields>(request).and_then(SlackFields::call) {
            Ok(call) => self.sender.readiness(&call).await,
            Err(_) => Readiness::Ready,
        }
    }

    fn requirements(&self, block: &TriggerInfo) -> Vec<Requirement> {
        secrets(block, &["token", "webhook"])
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answered(body: &str) -> Result<(), Failure> {
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        outcome(&HttpAnswer { status, headers, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn an_answer_with_an_error_is_a_failure() {
        assert_eq!(answered(r#"{"ok": true, "ts": "1.2"}"#), Ok(()));
        assert_eq!(answered("ok"), Ok(()));
        let scope = r#"{"ok": false, "error": "missing_scope", "needed": "chat:write"}"#;
        let why = "Slack answers `missing_scope`: the token needs the scope `chat:write`";
        assert_eq!(answered(scope), Err(Failure::NotReady(why.into())));
        let limited = answered(r#"{"ok": false, "error": "ratelimited"}"#);
        assert!(matches!(limited, Err(Failure::Retryable { maybe_applied: false, .. })));
        let wrong = answered(r#"{"ok": false, "error": "invalid_blocks"}"#);
        assert_eq!(wrong, Err(Failure::Permanent("Slack answers `invalid_blocks`".into())));
    }
}
