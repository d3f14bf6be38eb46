//! The trigger `slack`: a message in a channel.

use std::sync::Arc;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema, Templates, TriggerInfo};
use http::StatusCode;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::HttpAnswer;
use super::call::{CallUrl, HttpCall};
use super::fields::{AuthFields, BearerFields, secrets, text};
use super::read_fields;
use super::sender::HttpSender;
use crate::ledger::{Thread, ThreadKey, ThreadMessage};
use crate::requirements::Requirement;
use crate::secrets::SecretRef;
use crate::triggers::{ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger};

/// The address of the API.
pub(super) const API: &str = "https://slack.com/api";

/// Errors that the first message of a thread has when it cannot be answered or replaced: someone deleted it, say.
const LOST: [&str; 5] = [
    "cannot_reply_to_message",
    "cant_update_message",
    "edit_window_closed",
    "message_not_found",
    "thread_not_found",
];

/// Errors that a person has to fix at Slack or in the secret.
const NOT_READY: [&str; 13] = [
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
    "token_expired",
    "token_revoked",
];

/// Errors after which Slack may accept the message later.
const RETRYABLE: [&str; 6] = [
    "fatal_error",
    "internal_error",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
];

/// The kind of the trigger.
const KIND: &str = "slack";

/// Posts messages to Slack.
#[derive(Clone)]
pub struct Slack {
    pub(super) sender: Arc<HttpSender>,
    /// The address of the API, without a slash at its end.
    pub(super) api: String,
}

/// The fields of a `trigger slack { … }` block.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SlackFields {
    token: Option<SecretRef>,
    webhook: Option<SecretRef>,
    channel: Option<String>,
    text: String,
    blocks: Option<Vec<Value>>,
    thread: Option<String>,
    thread_key: Option<String>,
    #[serde(default)]
    update: bool,
}

impl SlackFields {
    /// The request of the message, in a thread that this message began.
    fn call(self, api: &str, first: Option<&ThreadMessage>) -> Result<HttpCall, RenderError> {
        if self.thread_key.as_deref() == Some("") {
            return Err(RenderError::new("`thread-key` is empty"));
        }
        let mut body = Map::new();
        let channel = first.map(|first| first.channel.clone()).or(self.channel);
        if let Some(channel) = channel {
            body.insert("channel".into(), channel.into());
        }
        body.insert("text".into(), self.text.into());
        if let Some(blocks) = self.blocks {
            body.insert("blocks".into(), blocks.into());
        }
        let thread = first.map(|first| first.message.clone());
        let updates = self.update && thread.is_some();
        if let Some(thread) = thread.or(self.thread) {
            body.insert(if updates { "ts" } else { "thread_ts" }.into(), thread.into());
        }
        let method = if updates { "chat.update" } else { "chat.postMessage" };
        let known = || Url::parse(&format!("{api}/{method}"));
        let url = match self.webhook {
            Some(webhook) => CallUrl::Secret(webhook),
            None => CallUrl::Known(known().map_err(|error| RenderError::new(error.to_string()))?),
        };
        let bearer = self.token.map(|token| BearerFields { token });
        let auth = AuthFields { bearer, ..AuthFields::default() };
        Ok(HttpCall { auth, ..HttpCall::post(url, body.into()) })
    }

    /// The thread of the message. Another token may be for another workspace, with a channel of the same name.
    fn thread_key(&self) -> Option<ThreadKey> {
        let (channel, token) = (self.channel.as_ref()?, self.token.as_ref()?);
        let channel = format!("{channel} with the token in {token}");
        Some(ThreadKey { trigger: KIND.to_owned(), channel, key: self.thread_key.clone()? })
    }
}

/// The message that an answer of the API is about.
fn message_of(answer: &HttpAnswer) -> Option<ThreadMessage> {
    let said = answer.json()?;
    let text = |name: &str| said.get(name)?.as_str().map(str::to_owned);
    Some(ThreadMessage { channel: text("channel")?, message: text("ts")? })
}

/// Whether the API answers that the first message of a thread cannot be used.
fn is_lost(answer: &HttpAnswer) -> bool {
    let said = answer.json().unwrap_or_default();
    said.get("error").and_then(Value::as_str).is_some_and(|error| LOST.contains(&error))
}

impl Slack {
    /// Sends a message with the bot token. If the first message of its thread is lost, it begins the thread again.
    /// Returns the first message of the thread.
    async fn post(
        &self,
        request: &ActionRequest,
        fields: &SlackFields,
    ) -> Result<Option<ThreadMessage>, Failure> {
        if let Some(Thread { first, .. }) = &request.thread {
            let call = fields.clone().call(&self.api, Some(first))?;
            let (answer, outcome) = self.sender.exchange(&call, request, api_outcome).await?;
            if !is_lost(&answer) {
                return outcome.map(|()| Some(first.clone()));
            }
        }
        let call = fields.clone().call(&self.api, None)?;
        let answer = self.sender.perform(&call, request, api_outcome).await?;
        Ok(message_of(&answer))
    }
}

/// What the answer of a webhook means. One that is removed, or whose channel is archived, answers 404 or 410.
fn webhook_outcome(answer: &HttpAnswer) -> Result<(), Failure> {
    match answer.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Failure::NotReady(format!(
            "Slack answers {}: {}",
            answer.status,
            answer.body.trim()
        ))),
        _ => answer.outcome(&[]),
    }
}

/// What the answer of `chat.postMessage` means: it answers 200 to everything, with `ok`.
fn api_outcome(answer: &HttpAnswer) -> Result<(), Failure> {
    answer.outcome(&[])?;
    let said = answer.json().unwrap_or_default();
    match said.get("ok") {
        Some(Value::Bool(true)) => return Ok(()),
        Some(Value::Bool(false)) => {}
        _ => {
            let reason = "the answer of Slack is not complete".to_owned();
            return Err(Failure::Retryable { reason, maybe_applied: true, after: None });
        }
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
        (false, _) if has("thread-key") => Err(
            "has `thread-key`, which goes with `token`: a `webhook` does not return its message"
                .to_owned(),
        ),
        _ if has("thread-key") && has("thread") => {
            Err("has `thread` and `thread-key`; a message is in one thread".to_owned())
        }
        _ if has("update") && !has("thread-key") => {
            Err("has `update` without `thread-key`, which identifies the message to update"
                .to_owned())
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
        Schema::new(KIND, "Posts a message to Slack.")
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
            .field(Field::optional(
                "thread-key",
                text(),
                "A key that the messages of a thread share: the first one begins it.",
            ))
            .field(Field::optional(
                "update",
                FieldType::Bool,
                "Whether a message with a `thread-key` replaces the first one instead of replying to it.",
            ).fixed())
            .one_of(&["token", "webhook"])
            .verify(check)
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        let fields: SlackFields = read_fields(request)?;
        let key = fields.thread_key.clone();
        let mut shown = fields.call(&self.api, None)?.render();
        if let (Value::Object(shown), Some(key)) = (&mut shown, key) {
            shown.insert("thread-key".into(), key.into());
        }
        Ok(shown)
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let fields: SlackFields = read_fields(request)?;
        let Some(channel) = fields.channel.clone() else {
            self.sender.perform(&fields.call(&self.api, None)?, request, webhook_outcome).await?;
            return Ok(Done::new("posted a message to Slack"));
        };
        let first = self.post(request, &fields).await?;
        let is_new = request.thread.as_ref().map(|thread| &thread.first) != first.as_ref();
        let done = match fields.update && !is_new {
            true => format!("updated a message in the channel {channel} of Slack"),
            false => format!("posted a message to the channel {channel} of Slack"),
        };
        Ok(Done::new(done).with_thread(first.filter(|_| fields.thread_key.is_some())))
    }

    fn thread(&self, request: &ActionRequest) -> Option<ThreadKey> {
        read_fields::<SlackFields>(request).ok()?.thread_key()
    }

    fn ends_in_time(&self) -> bool {
        true
    }

    async fn probe(&self, _: &ActionRequest) -> Probe {
        // A message that appears twice does less harm than one that is missing.
        Probe::Repeatable
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        let fields = read_fields::<SlackFields>(request);
        match fields.and_then(|fields| fields.call(&self.api, None)) {
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
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> HttpAnswer {
        let status = StatusCode::from_u16(status).unwrap();
        HttpAnswer::new(status, HeaderMap::new(), body.as_bytes(), &[])
    }

    fn answered(body: &str) -> Result<(), Failure> {
        api_outcome(&answer(200, body))
    }

    #[test]
    fn a_webhook_that_is_gone_waits_for_a_person() {
        assert_eq!(webhook_outcome(&answer(200, "ok")), Ok(()));
        let why = "Slack answers 404 Not Found: no_service".to_owned();
        assert_eq!(webhook_outcome(&answer(404, "no_service")), Err(Failure::NotReady(why)));
        assert!(matches!(
            webhook_outcome(&answer(400, "invalid_payload")),
            Err(Failure::Permanent(_))
        ));
    }

    #[test]
    fn an_answer_with_an_error_is_a_failure() {
        assert_eq!(answered(r#"{"ok": true, "ts": "1.2"}"#), Ok(()));
        for broken in ["", "<html>", r#"{"ok": tr"#] {
            let outcome = answered(broken);
            assert!(matches!(outcome, Err(Failure::Retryable { maybe_applied: true, .. })));
        }
        let scope = r#"{"ok": false, "error": "missing_scope", "needed": "chat:write"}"#;
        let why = "Slack answers `missing_scope`: the token needs the scope `chat:write`";
        assert_eq!(answered(scope), Err(Failure::NotReady(why.into())));
        let limited = answered(r#"{"ok": false, "error": "ratelimited"}"#);
        assert!(matches!(limited, Err(Failure::Retryable { maybe_applied: false, .. })));
        let wrong = answered(r#"{"ok": false, "error": "invalid_blocks"}"#);
        assert_eq!(wrong, Err(Failure::Permanent("Slack answers `invalid_blocks`".into())));
    }
}
