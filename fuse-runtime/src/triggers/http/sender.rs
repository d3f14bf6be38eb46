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
use super::refusals::{CallTarget, Refusals};
use super::request::is_local;
use super::signing::sign;
use crate::error_causes::with_causes;
use crate::secrets::{ReadSecrets, Secret, SecretRef, Secrets};
use crate::triggers::{Failure, Readiness};

/// Sends the requests of all HTTP triggers.
pub(super) struct HttpSender {
    secrets: Secrets,
    clients: HttpClients,
    refusals: Refusals,
}

impl HttpSender {
    pub(super) fn new(secrets: Secrets, addresses: HttpAddresses) -> Self {
        Self { secrets, clients: HttpClients::new(addresses), refusals: Refusals::default() }
    }

    /// The secrets of a request and its URL, or why it cannot be sent.
    async fn target(&self, call: &HttpCall) -> Result<(ReadSecrets, Url), String> {
        let (read, problems) = self.secrets.read_all(call.secrets()).await;
        if !problems.is_empty() {
            return Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        }
        let reference = match &call.url {
            CallUrl::Known(url) => return Ok((read, url.clone())),
            CallUrl::Secret(reference) => reference,
        };
        let text = read.get(reference).map_or("", Secret::expose).trim();
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| format!("{reference} is not a URL"))?;
        match url.scheme() == "http" && !is_local(&url) {
            true => {
                Err(format!("{reference} is a URL without `https://`, which others could read"))
            }
            false => Ok((read, url)),
        }
    }

    /// Whether a request could be sent.
    pub(super) async fn readiness(&self, call: &HttpCall) -> Readiness {
        let refused = match self.target(call).await {
            Ok((secrets, url)) => self.refusals.reason(CallTarget::new(call, &url, &secrets)),
            Err(why) => Some(why),
        };
        refused.map_or(Readiness::Ready, Readiness::NotReady)
    }

    /// Sends a request, unless its server refused the same credentials a short time ago. Each attempt of an action has
    /// the same `Idempotency-Key`. `outcome` is what the answer means.
    pub(super) async fn perform(
        &self,
        call: &HttpCall,
        action: &str,
        outcome: impl FnOnce(&HttpAnswer) -> Result<(), Failure>,
    ) -> Result<HttpAnswer, Failure> {
        let (secrets, url) = self.target(call).await.map_err(Failure::NotReady)?;
        let target = CallTarget::new(call, &url, &secrets);
        self.refusals.take_turn(target).map_err(Failure::NotReady)?;
        let answer = self.send(call, action, &secrets, url).await?;
        let outcome = outcome(&answer);
        match &outcome {
            Err(Failure::NotReady(why)) => self.refusals.refused(target, why),
            _ => self.refusals.accepted(target),
        }
        outcome.map(|()| answer)
    }

    async fn send(
        &self,
        call: &HttpCall,
        action: &str,
        secrets: &ReadSecrets,
        url: Url,
    ) -> Result<HttpAnswer, Failure> {
        let secret = |reference: &SecretRef| secrets.get(reference).map_or("", Secret::expose);
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
        let hidden_url = matches!(call.url, CallUrl::Secret(_)).then(|| url.clone());
        let mut request =
            client.request(call.method.clone(), url).headers(headers).timeout(call.timeout);
        if let Some(token) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {}", secret(token).trim()));
            let mut value = value.map_err(|_| {
                Failure::NotReady(format!("{token} cannot be the value of a header"))
            })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
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
        let mut hidden: Vec<&str> = secrets.values().map(|secret| secret.expose().trim()).collect();
        if let Some(url) = &hidden_url {
            hidden.extend([url.as_str(), url.path()]);
            hidden.extend(url.query());
        }
        // A longer text is replaced before a part of it.
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Ok(HttpAnswer::new(status, headers, &body, &hidden))
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
