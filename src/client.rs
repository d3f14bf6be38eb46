//! A client for the admin port of a running fuse.

mod tls;

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use fuse_runtime::secrets::Secret;
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::output::printable;
pub(crate) use tls::Trust;

/// The timeout for a response.
const PATIENCE: Duration = Duration::from_secs(30);
/// The timeout for a download.
const DOWNLOAD_PATIENCE: Duration = Duration::from_hours(24);
/// The maximum size of a response, in bytes.
const MAX_ANSWER: usize = 256 << 20;

/// The admin port of a running fuse.
pub(crate) struct Server {
    url: String,
    token: Option<Secret>,
    client: Client,
}

impl Server {
    /// The admin port at a URL, the token to send to it, and which certificates it may have.
    pub(crate) fn new(url: &str, token: Option<Secret>, trust: &Trust) -> Result<Self, String> {
        let url = url.trim_end_matches('/').to_owned();
        let mut client = Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE);
        if url.starts_with("https:") {
            client = client.tls_backend_preconfigured(tls::config(trust)?);
        }
        let client = client.build().map_err(|error| with_causes(&error))?;
        Ok(Self { url, token, client })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        self.ask(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.ask(Method::POST, path, body).await
    }

    /// Writes the response to a file. It may be large, and take long.
    pub(crate) async fn download(&self, path: &str, file: &mut File) -> Result<(), String> {
        let request = self.request(Method::GET, path, Value::Null)?.timeout(DOWNLOAD_PATIENCE);
        let mut response =
            request.send().await.map_err(|error| self.silent(error, DOWNLOAD_PATIENCE))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(early)? {
            if status.is_success() {
                file.write_all(&chunk)
                    .map_err(|error| format!("cannot write the file: {error}"))?;
            } else if body.len().saturating_add(chunk.len()) <= MAX_ANSWER {
                body.extend_from_slice(&chunk);
            }
        }
        if status.is_success() { Ok(()) } else { read::<Value>(&self.url, status, &body).map(drop) }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<T, String> {
        let request = self.request(method, path, body)?;
        let mut response = request.send().await.map_err(|error| self.silent(error, PATIENCE))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(early)? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
                return Err(format!("the response has more than {} MiB", MAX_ANSWER >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        read(&self.url, status, &body)
    }

    fn request(&self, method: Method, path: &str, body: Value) -> Result<RequestBuilder, String> {
        let url = format!("{}{path}", self.url);
        let parsed: reqwest::Url =
            url.parse().map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = self
            .client
            .request(method, parsed)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| "the token has a character that is not allowed")?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// Why there is no response.
    fn silent(&self, error: reqwest::Error, patience: Duration) -> String {
        match error.is_timeout() {
            true => format!("no answer from `{}` within {} s", self.url, patience.as_secs()),
            false => {
                format!("no fuse responds at `{}`: {}", self.url, with_causes(&error.without_url()))
            }
        }
    }
}

/// Why a response ended before its end.
fn early(error: reqwest::Error) -> String {
    format!("the response ended early: {}", with_causes(&error.without_url()))
}

/// An error with all its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The response, or the error that it contains.
fn read<T: DeserializeOwned>(url: &str, status: StatusCode, body: &[u8]) -> Result<T, String> {
    let not_fuse = || format!("the server at `{url}` is not the admin port of fuse ({status})");
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|_| not_fuse());
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| not_fuse())?;
    Err(value.get("error").and_then(Value::as_str).map_or_else(not_fuse, printable))
}
