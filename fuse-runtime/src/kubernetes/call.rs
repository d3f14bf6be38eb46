//! Sends one request to the API server, and returns its answer as data or as a refusal.

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

use super::{Cluster, Refusal};
use crate::error_causes::with_causes;
use crate::triggers::retry_after;

impl Cluster {
    /// Sends a request. Returns the body of the answer, or why there is none.
    pub(super) async fn call(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Refusal> {
        let request = request
            .map_err(|error| Refusal::unsendable(format!("no request can be built: {error}")))?;
        let sent = self.exchange(request.map(Body::from));
        match tokio::time::timeout(self.inner.timeout, sent).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::lost(format!(
                "{} did not answer within {} s",
                self.url(),
                self.inner.timeout.as_secs()
            ))),
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Value, Refusal> {
        let answer = self.inner.client.send(request).await.map_err(|error| self.broken(&error))?;
        let (head, body) = answer.into_parts();
        // The server has answered: the change is made, even if the rest of the answer is lost.
        let body = body.collect().await.map_err(|error| {
            Refusal::lost(format!("the answer of {} broke off: {error}", self.url()))
        })?;
        let body = body.to_bytes();
        if head.status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                Refusal::lost(format!("the answer of {} is not JSON: {error}", self.url()))
            });
        }
        let after = retry_after(&head.headers);
        Err(Refusal::from_answer(head.status.as_u16(), &body, after))
    }

    /// Why there is no answer, and whether the request may have arrived.
    fn broken(&self, error: &kube::Error) -> Refusal {
        let url = self.url();
        if let kube::Error::Auth(error) = error {
            let why = format!("there are no credentials for {url}: {}", with_causes(error));
            return Refusal::unauthorized(why);
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(at) = cause {
            let connecting = at
                .downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(hyper_util::client::legacy::Error::is_connect);
            if connecting {
                return Refusal::unreachable(format!("{url} cannot be reached: {}", root(at)));
            }
            cause = at.source();
        }
        Refusal::lost(format!("the connection to {url} broke: {}", root(error)))
    }
}

/// The innermost cause, which is the most specific one.
fn root(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}
