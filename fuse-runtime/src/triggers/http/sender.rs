//! Sends requests: reads their secrets, and waits for the answer.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;

use super::addresses::{AddressDenied, HttpAddresses, is_local};
use super::answer::{HttpAnswer, MAX_BODY};
use super::call::{CallBody, CallUrl, HttpCall};
use super::client::HttpClients;
use super::filled_call::FilledCall;
use super::refusals::{CallTarget, Refusals};
use crate::error_causes::with_causes;
use crate::secrets::{ReadSecrets, Secret, Secrets};
use crate::triggers::{ActionRequest, Failure, Readiness};

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

    /// Sends a request, and returns the answer if the action was performed; see [`HttpSender::exchange`].
    pub(super) async fn perform(
        &self,
        call: &HttpCall,
        action: &ActionRequest,
        outcome: impl FnOnce(&HttpAnswer) -> Result<(), Failure>,
    ) -> Result<HttpAnswer, Failure> {
        let (answer, outcome) = self.exchange(call, action, outcome).await?;
        outcome.map(|()| answer)
    }

    /// Sends a request, unless its server refused the same credentials a short time ago. Each attempt of an action has
    /// the same `Idempotency-Key`, which is its id. The timeout of its rule takes precedence. Returns the answer, and what
    /// it means according to `outcome`.
    pub(super) async fn exchange(
        &self,
        call: &HttpCall,
        action: &ActionRequest,
        outcome: impl FnOnce(&HttpAnswer) -> Result<(), Failure>,
    ) -> Result<(HttpAnswer, Result<(), Failure>), Failure> {
        let (secrets, url) = self.target(call).await.map_err(Failure::NotReady)?;
        let target = CallTarget::new(call, &url, &secrets);
        self.refusals.take_turn(target).map_err(Failure::NotReady)?;
        let answer = self.send(call, action, &secrets, url).await?;
        let outcome = outcome(&answer);
        match &outcome {
            Err(Failure::NotReady(why)) => self.refusals.refused(target, why),
            _ => self.refusals.accepted(target),
        }
        Ok((answer, outcome))
    }

    async fn send(
        &self,
        call: &HttpCall,
        action: &ActionRequest,
        secrets: &ReadSecrets,
        url: Url,
    ) -> Result<HttpAnswer, Failure> {
        self.allows(&url)?;
        let filled = FilledCall { call, secrets };
        let client = self.clients.get(filled.pem());
        let client = client.map_err(|why| Failure::NotReady(why.to_string()))?;
        let body = filled.body();
        let headers = filled.headers(&action.id, &body, Timestamp::now())?;
        let hidden = filled.hidden_texts(&url);
        let timeout = action.timeout().unwrap_or(call.timeout);
        let mut request =
            client.request(call.method.clone(), url).headers(headers).timeout(timeout);
        if !matches!(call.body, CallBody::None) {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|error| failed(error, timeout))?;
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
