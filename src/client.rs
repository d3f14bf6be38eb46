//! A client for the admin port of a running fuse.

use std::time::Duration;

use fuse_runtime::secrets::Secret;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The timeout for a response.
const PATIENCE: Duration = Duration::from_secs(30);
/// The maximum size of a response, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// The admin port of a running fuse.
pub(crate) struct Server {
    url: String,
    token: Option<Secret>,
}

impl Server {
    /// The admin port at a URL, and the token to send to it.
    pub(crate) fn new(url: &str, token: Option<Secret>) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), token }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        self.ask(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.ask(Method::POST, path, body).await
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.url);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| "the token has a character that is not allowed")?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request
            .body(Full::from(body))
            .map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
        let answer = async {
            let response = client.request(request).await.map_err(|error| {
                // The source of the error describes the cause.
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                format!(
                    "no fuse responds at `{}`: {}",
                    self.url,
                    cause.unwrap_or(error.to_string())
                )
            })?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body =
                body.map_err(|error| format!("the response ended early: {error}"))?.to_bytes();
            read(&self.url, status, &body)
        };
        let late = |_| format!("no answer from `{}` within {} s", self.url, PATIENCE.as_secs());
        tokio::time::timeout(PATIENCE, answer).await.map_err(late)?
    }
}

/// The response, or the error that it contains.
fn read(url: &str, status: StatusCode, body: &[u8]) -> Result<Value, String> {
    let not_fuse = || format!("the server at `{url}` is not the admin port of fuse ({status})");
    let value: Value = serde_json::from_slice(body).map_err(|_| not_fuse())?;
    if status.is_success() {
        return Ok(value);
    }
    Err(value.get("error").and_then(Value::as_str).map_or_else(not_fuse, str::to_owned))
}
