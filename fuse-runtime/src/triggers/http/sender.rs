//! Sends requests: reads their secrets, and waits for the answer.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, header};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;

use super::addresses::{AddressDenied, HttpAddresses};
use super::answer::{HttpAnswer, MAX_BODY};
use super::call::{CallBody, CallUrl, HttpCall};
use super::client::{ClientPem, HttpClients};
use super::fields::{AuthFields, TlsFields};
use super::signing::sign;
use crate::error_causes::with_causes;
use crate::secrets::{ReadSecrets, Secret, SecretRef, Secrets};
use crate::triggers::{Failure, Readiness};

/// Sends the requests of all HTTP triggers.
pub(super) struct HttpSender {
    secrets: Secrets,
    clients: HttpClients,
}

impl HttpSender {
    pub(super) fn new(secrets: Secrets, addresses: HttpAddresses) -> Self {
        Self { secrets, clients: HttpClients::new(addresses) }
    }

    /// The secrets of a request, or why it cannot be sent.
    async fn secrets(&self, call: &HttpCall) -> Result<ReadSecrets, String> {
        let (read, problems) = self.secrets.read_all(call.secrets()).await;
        match problems.is_empty() {
            true => Ok(read),
            false => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    /// Whether a request could be sent.
    pub(super) async fn readiness(&self, call: &HttpCall) -> Readiness {
        match self.secrets(call).await {
            Ok(_) => Readiness::Ready,
            Err(why) => Readiness::NotReady(why),
        }
    }

    /// Sends a request. Each attempt of an action has the same `Idempotency-Key`.
    pub(super) async fn send(&self, call: &HttpCall, action: &str) -> Result<HttpAnswer, Failure> {
        let secrets = self.secrets(call).await.map_err(Failure::NotReady)?;
        let secret = |reference: &SecretRef| secrets.get(reference).map_or("", Secret::expose);
        let url = match &call.url {
            CallUrl::Known(url) => url.clone(),
            CallUrl::Secret(reference) => Url::parse(secret(reference).trim())
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https"))
                .ok_or_else(|| Failure::NotReady(format!("{reference} is not a URL")))?,
        };
        self.allows(&url)?;
        let TlsFields { ca, cert, key } = &call.tls;
        let text = |reference: &Option<SecretRef>| reference.as_ref().map(|r| secret(r).to_owned());
        let pem = ClientPem { ca: text(ca), cert: text(cert), key: text(key) };
        let client = self.clients.get(pem).map_err(|why| Failure::NotReady(why.to_string()))?;

        let mut body = call.body.clone();
        if let (CallBody::Json(Value::Object(fields)), Some((key, reference))) =
            (&mut body, &call.body_secret)
        {
            fields.insert((*key).to_owned(), secret(reference).trim().into());
        }
        let mut headers = call.headers.clone();
        if let Some(content_type) = body.content_type() {
            let value = HeaderValue::from_static(content_type);
            headers.entry(header::CONTENT_TYPE).or_insert(value);
        }
        let body = body.bytes();
        let own = HeaderValue::from_str(action).map_err(|_| {
            Failure::Permanent("the id of the action cannot be a header".to_owned())
        })?;
        headers.insert("idempotency-key", own.clone());
        headers.insert("x-fuse-action", own);
        if let Some(reference) = &call.sign {
            let signed =
                sign(&mut headers, secret(reference).trim(), action, Timestamp::now(), &body);
            signed.ok_or_else(|| Failure::NotReady(format!("{reference} is not base64")))?;
        }
        let AuthFields { bearer, basic, header } = &call.auth;
        if let Some(header) = header {
            let mut value = HeaderValue::from_str(secret(&header.value).trim()).map_err(|_| {
                Failure::NotReady(format!("{} cannot be the value of a header", header.value))
            })?;
            value.set_sensitive(true);
            let name = http::HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| {
                Failure::Permanent(format!("`{}` is not the name of a header", header.name))
            })?;
            headers.insert(name, value);
        }
        let mut request =
            client.request(call.method.clone(), url).headers(headers).timeout(call.timeout);
        if let Some(token) = bearer {
            request = request.bearer_auth(secret(token).trim());
        }
        if let Some(basic) = basic {
            request = request.basic_auth(&basic.username, Some(secret(&basic.password).trim()));
        }
        if !matches!(call.body, CallBody::None) {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|error| failed(error, call.timeout))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        // The server has decided, even if its answer breaks off.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_BODY.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            if body.len() >= MAX_BODY {
                break;
            }
        }
        Ok(HttpAnswer { status, headers, body })
    }

    /// Refuses an address in the URL; those of a name are checked when it is resolved.
    fn allows(&self, url: &Url) -> Result<(), Failure> {
        let host = url.host_str().unwrap_or_default();
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        match address.filter(|address| !self.clients.addresses().is_allowed(*address)) {
            Some(address) => {
                let denied = AddressDenied { host: host.to_owned(), address };
                Err(Failure::Permanent(denied.to_string()))
            }
            None => Ok(()),
        }
    }
}

/// What it means that a request has no answer.
fn failed(error: reqwest::Error, timeout: Duration) -> Failure {
    let error = error.without_url();
    if let Some(denied) = cause::<AddressDenied>(&error) {
        return Failure::Permanent(denied.to_string());
    }
    if error.is_builder() {
        return Failure::Permanent(with_causes(&error));
    }
    // Without a connection, the server got nothing.
    let maybe_applied = !error.is_connect();
    let reason = match error.is_timeout() && maybe_applied {
        true => format!("the server did not answer within {} ms", timeout.as_millis()),
        false => with_causes(&error),
    };
    Failure::Retryable { reason, maybe_applied, after: None }
}

/// A cause of this type.
fn cause<'e, T: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
