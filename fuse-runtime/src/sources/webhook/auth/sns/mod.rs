//! Messages of Amazon SNS, which are signed with a certificate of AWS.
//!
//! Anyone with an AWS account can publish to a topic of their own, so a valid signature alone proves nothing: the
//! message must be of a configured topic. Its certificate must come from the SNS endpoint of the topic's region.

mod certificates;
mod message;
#[cfg(test)]
mod tests;
mod topic;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;

pub(super) use topic::Topic;

use self::certificates::{CertificateError, SigningCertificates};
use self::message::{SnsMessage, SnsMessageKind};
use super::{Denied, Head, only};
use crate::http_client::HttpClientError;

/// The default of `tolerance`. SNS repeats a message with its first timestamp, by default for some hours.
const DEFAULT_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes of the answer to a confirmation.
const MAX_ANSWER: usize = 64 << 10;

/// The `sns` block of `auth`. Clones share the certificates.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct SnsConfig {
    topics: Vec<Topic>,
    /// In milliseconds.
    tolerance: Option<u64>,
    #[serde(skip)]
    certificates: Arc<SigningCertificates>,
}

/// Accepts signed messages of some topics.
pub(super) struct Sns {
    pub(super) config: SnsConfig,
}

/// A request whose head looks like a message of SNS.
pub(super) struct SnsClaim {
    config: SnsConfig,
    now: Timestamp,
}

/// What a signed message asks for.
pub(in super::super) enum SnsRequest {
    /// Someone subscribed this URL to the topic, which this URL confirms.
    Confirm { topic: String, url: Url },
    /// The same, with a URL that is not one of SNS.
    ConfirmElsewhere { topic: String },
    /// The subscription ended.
    Ended { topic: String },
}

impl Sns {
    pub(super) fn check(&self, head: &Head<'_>) -> Result<SnsClaim, Denied> {
        if is_raw(head.headers) {
            return Err(Denied::Credentials(
                "the subscription has raw message delivery, which has no signature",
            ));
        }
        // The signature is of the bytes as they arrive, and rules would see others.
        if head.headers.contains_key("content-encoding") {
            return Err(Denied::Credentials("SNS does not compress messages"));
        }
        let topic = only(head.headers, "x-amz-sns-topic-arn")?;
        // Neither is signed. This only saves work.
        match self.config.topics.iter().any(|known| known.arn().as_bytes() == topic) {
            true => Ok(SnsClaim { config: self.config.clone(), now: head.now }),
            false => Err(Denied::Credentials("the topic is not in `topics`")),
        }
    }
}

fn is_raw(headers: &HeaderMap) -> bool {
    let value = headers.get("x-amz-sns-rawdelivery");
    value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

impl SnsClaim {
    /// Checks the signature of the body, for which it downloads the certificate if it is not known.
    pub(super) async fn check(&self, body: &[u8]) -> Result<(), Denied> {
        let Ok(message) = serde_json::from_slice::<SnsMessage>(body) else {
            return Err(Denied::Credentials("the body is not a message of SNS"));
        };
        let topic = self.config.topic(&message.topic_arn);
        let topic = topic.ok_or(Denied::Credentials("the topic is not in `topics`"))?;
        let tolerance = self.config.tolerance.map_or(DEFAULT_TOLERANCE, Duration::from_millis);
        if self.now.duration_since(message.time.time).unsigned_abs() > tolerance {
            return Err(Denied::Credentials("the timestamp is outside the tolerance"));
        }
        let Some(url) = topic.certificate_url(&message.signing_cert_url) else {
            return Err(Denied::Credentials(
                "the certificate is not from SNS in the region of the topic",
            ));
        };
        let certificate =
            self.config.certificates.get(url, self.now).await.map_err(|why| match why {
                CertificateError::Unavailable => {
                    Denied::NotReady("the certificate of SNS cannot be downloaded")
                }
                CertificateError::Invalid => {
                    Denied::Credentials("the certificate of SNS cannot be used")
                }
            })?;
        match message.is_signed_by(&certificate) {
            true => Ok(()),
            false => Err(Denied::Credentials("the signature is wrong")),
        }
    }
}

impl SnsConfig {
    fn topic(&self, arn: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.arn() == arn)
    }

    /// What a message asks for that is not a notification. Its signature has been checked.
    pub(in super::super) fn request(&self, body: &[u8]) -> Option<SnsRequest> {
        let message: SnsMessage = serde_json::from_slice(body).ok()?;
        let topic = self.topic(&message.topic_arn)?;
        match message.kind {
            SnsMessageKind::Notification => None,
            SnsMessageKind::UnsubscribeConfirmation => {
                Some(SnsRequest::Ended { topic: message.topic_arn })
            }
            SnsMessageKind::SubscriptionConfirmation => {
                let url = message.subscribe_url.as_deref();
                let url = url.and_then(|url| topic.confirmation_url(url));
                let topic = message.topic_arn;
                Some(match url {
                    Some(url) => SnsRequest::Confirm { topic, url },
                    None => SnsRequest::ConfirmElsewhere { topic },
                })
            }
        }
    }

    /// Confirms a subscription.
    pub(in super::super) async fn confirm(&self, url: Url) -> Result<(), HttpClientError> {
        self.certificates.client()?.get(url, MAX_ANSWER).await.map(drop)
    }
}
