//! The trigger `http`: any HTTP request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Outline, Schema, Templates, TriggerInfo};
use http::Method;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::addresses::is_local;
use super::answer::HttpAnswer;
use super::call::{CallBody, CallUrl, DEFAULT_TIMEOUT, HttpCall, extended};
use super::fields::{
    AuthFields, TlsFields, auth_field, check_headers, headers, secrets, text, texts, tls_field,
};
use super::keep::{KEEP, check_keep, keep_field, kept};
use super::read_fields;
use super::sender::HttpSender;
use crate::requirements::Requirement;
use crate::secrets::SecretRef;
use crate::triggers::{
    ActionRequest, AttemptResult, Done, Failure, Probe, Readiness, RenderError, Trigger,
};

/// The longest `timeout`, in milliseconds.
const MAX_TIMEOUT: i64 = 60_000;

/// Sends an HTTP request per action.
#[derive(Clone)]
pub struct Http {
    pub(super) sender: Arc<HttpSender>,
}

/// The fields of a `trigger http { … }` block.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct HttpFields {
    url: Option<String>,
    url_from: Option<SecretRef>,
    method: String,
    #[serde(default)]
    path: Vec<String>,
    #[serde(default)]
    query: Map<String, Value>,
    #[serde(default)]
    headers: Map<String, Value>,
    json: Option<Value>,
    form: Option<Map<String, Value>>,
    text: Option<String>,
    #[serde(default)]
    auth: AuthFields,
    #[serde(default)]
    tls: TlsFields,
    sign: Option<SecretRef>,
    #[serde(default)]
    success: Vec<u16>,
    /// In milliseconds.
    timeout: Option<u64>,
    repeat: Option<bool>,
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

impl HttpFields {
    fn method(&self) -> Result<Method, RenderError> {
        Method::from_bytes(self.method.as_bytes())
            .map_err(|_| RenderError::new(format!("`{}` is not a method", self.method)))
    }

    fn call(&self) -> Result<HttpCall, RenderError> {
        let pairs = |map: &Map<String, Value>| -> Vec<(String, String)> {
            let pair = |(name, value): (&String, &Value)| {
                (name.clone(), value.as_str().unwrap_or_default().to_owned())
            };
            map.iter().map(pair).collect()
        };
        let url = match (&self.url, &self.url_from) {
            (Some(url), _) => CallUrl::Known(extended(url, &self.path, &pairs(&self.query))?),
            (None, Some(reference)) => CallUrl::Secret(reference.clone()),
            (None, None) => return Err(RenderError::new("there is no URL")),
        };
        let body = match (&self.json, &self.form, &self.text) {
            (Some(json), _, _) => CallBody::Json(json.clone()),
            (_, Some(form), _) => CallBody::Form(pairs(form)),
            (_, _, Some(text)) => CallBody::Text(text.clone()),
            _ => CallBody::None,
        };
        Ok(HttpCall {
            method: self.method()?,
            url,
            headers: headers(&self.headers)?,
            body,
            auth: self.auth.clone(),
            tls: self.tls.clone(),
            sign: self.sign.clone(),
            body_secret: None,
            timeout: self.timeout.map_or(DEFAULT_TIMEOUT, Duration::from_millis),
        })
    }

    /// Whether a request that may have arrived can be sent again.
    fn repeats(&self) -> bool {
        self.repeat.unwrap_or(matches!(self.method.as_str(), "GET" | "PUT" | "DELETE"))
    }
}

fn check(block: &TriggerInfo) -> Result<(), String> {
    check_headers(block)?;
    check_keep(block)?;
    let has = |name: &str| block.get(name).is_some();
    let bodies: Vec<&str> = ["json", "form", "text"].into_iter().filter(|name| has(name)).collect();
    if let [first, second, ..] = bodies.as_slice() {
        return Err(format!("has both `{second}` and `{first}`; a request has one body"));
    }
    if let (Some("GET"), Some(body)) = (block.text("method"), bodies.first()) {
        return Err(format!("has `{body}`, but a `GET` request has no body; use `query`"));
    }
    if let Some(name) = ["path", "query"].into_iter().find(|name| has(name))
        && has("url-from")
    {
        return Err(format!(
            "has `{name}`, which goes with `url`: a URL that is a secret is used as it is"
        ));
    }
    if let Some(url) = block.text("url") {
        let parsed = Url::parse(url)
            .map_err(|error| format!("has `url` \"{url}\", which is not a URL: {error}"))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(format!(
                "has `url` \"{url}\", which does not start with `https://` or `http://`"
            ));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(
                "has `url` with a user or password; write `auth { basic { … } }`".to_owned()
            );
        }
        if has("tls") && parsed.scheme() == "http" {
            return Err("has `tls`, but `url` starts with `http://`".to_owned());
        }
        if has("auth") && parsed.scheme() == "http" && !is_local(&parsed) {
            return Err(
                "has `auth`, which `url` would send in plain text; use `https://`".to_owned()
            );
        }
    }
    if let Some(Outline::Constant(timeout)) = block.get("timeout")
        && !timeout.as_i64().is_some_and(|millis| (1..=MAX_TIMEOUT).contains(&millis))
    {
        return Err("has `timeout`, which is not between 1ms and 1m".to_owned());
    }
    Ok(())
}

impl Http {
    /// Sends the request. The error is a failure without an answer.
    async fn send(&self, request: &ActionRequest) -> Result<AttemptResult, Failure> {
        let fields: HttpFields = read_fields(request)?;
        let call = fields.call()?;
        let outcome = |answer: &HttpAnswer| answer.outcome(&fields.success);
        let (answer, outcome) = self.sender.exchange(&call, request, outcome).await?;
        let place = match &call.url {
            CallUrl::Known(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            CallUrl::Secret(reference) => format!("the URL in {reference}"),
        };
        let done = |()| Done::new(format!("{} {place}: {}", call.method, answer.status));
        let response = Some(kept(&answer, &fields.keep));
        Ok(AttemptResult { result: outcome.map(done), response })
    }
}

#[async_trait]
impl Trigger for Http {
    fn schema(&self) -> Schema {
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].map(str::to_owned).to_vec();
        let list = |ty| FieldType::List(Box::new(ty));
        Schema::new("http", "Sends an HTTP request.")
            // No event chooses where data and credentials are sent.
            .field(Field::optional("url", FieldType::String, "The URL.").fixed())
            .field(Field::optional("url-from", FieldType::Secret, "The secret that is the URL."))
            .field(Field::optional("method", FieldType::OneOf(methods), "The method.").default("POST").fixed())
            .field(Field::optional(
                "path",
                list(text()),
                "Parts that are added to the path of `url`, each escaped.",
            ))
            .field(Field::optional("query", texts(), "Parameters that are added to `url`, each escaped."))
            .field(Field::optional("headers", texts(), "More headers."))
            .field(Field::optional("json", FieldType::Any(Templates::Allowed), "The body, as JSON."))
            .field(Field::optional("form", texts(), "The body, as a form."))
            .field(Field::optional("text", text(), "The body, as text."))
            .field(auth_field())
            .field(tls_field())
            .field(Field::optional(
                "sign",
                FieldType::Secret,
                "The secret with which the request is signed, as in Standard Webhooks.",
            ))
            .field(Field::optional(
                "success",
                list(FieldType::Int(200, 599)),
                "The statuses that mean success; 2xx if not set.",
            ).fixed())
            .field(Field::optional("timeout", FieldType::Duration, "How long to wait for the answer; 10s if not set.").fixed())
            .field(Field::optional(
                "repeat",
                FieldType::Bool,
                "Whether a request that may have arrived is sent again; only GET, PUT and DELETE are if not set.",
            ).fixed())
            .field(keep_field())
            .keeps_response(KEEP)
            .one_of(&["url", "url-from"])
            .verify(check)
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        Ok(read_fields::<HttpFields>(request)?.call()?.render())
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        self.attempt(request).await.result
    }

    async fn attempt(&self, request: &ActionRequest) -> AttemptResult {
        self.send(request).await.unwrap_or_else(|failure| Err(failure).into())
    }

    fn ends_in_time(&self) -> bool {
        true
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        match read_fields::<HttpFields>(request) {
            Ok(fields) if fields.repeats() => Probe::Repeatable,
            _ => Probe::Unknown(
                "the request may have arrived; set `repeat = true` if the server may get it twice"
                    .to_owned(),
            ),
        }
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match read_fields::<HttpFields>(request).and_then(|fields| fields.call()) {
            Ok(call) => self.sender.readiness(&call).await,
            // The attempt fails permanently, with its reason.
            Err(_) => Readiness::Ready,
        }
    }

    fn requirements(&self, block: &TriggerInfo) -> Vec<Requirement> {
        let mut all = secrets(block, &["url-from", "auth", "tls", "sign"]);
        all.extend(block.text("url").map(|url| Requirement::Url(url.to_owned())));
        all
    }
}
